"""The labeller `file`: labels, or which texts go with a label, that somebody has written down."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from alignbench.errors import AlignbenchWarning, DataError, counted, shortened
from alignbench.files import open_plain
from alignbench.interpret.labelling.labeller import Agreement, HeadLabel, HeadTexts, LabellerRequest, known_labels
from alignbench.interpret.labelling.word_lists import checked_text, read_mapping, read_word_lists

Place = tuple[int, int]


def read_head_labels(path: Path) -> dict[Place, str]:
    """Read labels of heads by hand: layers from 1, under them heads from 0, and the label of each.

    Args:
        path: The file, of YAML.

    Raises:
        DataError: If it cannot be read, if a layer or a head is no number, or a label is empty or no text.
    """
    labels = {}
    try:
        for layer, heads in read_mapping(path).items():
            if type(layer) is not int or layer < 1 or not isinstance(heads, dict) or not heads:
                raise ValueError(f"has {shortened(layer)} where a layer's number belongs, with its heads under it")
            for head, label in heads.items():
                if type(head) is not int or head < 0:
                    raise ValueError(f"has {shortened(head)} under layer {layer} where a head's number belongs")
                labels[layer, head] = checked_text(f"a label of layer {layer}, head {head},", label)
    except ValueError as error:
        raise DataError(f"{path} {error}") from error
    return labels


def check_places(path: Path, labels: Mapping[Place, str], places: Sequence[Place]) -> None:
    """Check that all heads that a file labels are there.

    Args:
        path: The file, for messages.
        labels: What it says.
        places: Layer and head of all that are there.

    Raises:
        DataError: If one is not; names it.
    """
    for layer, head in labels:
        if (layer, head) not in places:
            layers = sorted({each for each, _ in places})
            most = max(each for _, each in places)
            raise DataError(
                f"{path} labels layer {layer}, head {head}, which is not there: layers are "
                f"{', '.join(map(str, layers))}, and their heads 0 to {most}"
            )


class HandLabeller:
    """Labels that somebody has written down; a head that is not in the file has none.

    As a judge, its file has texts under labels, and a text that is not under a label does not agree with it.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read.
    """

    asks = False

    def __init__(self, path: Path) -> None:
        self._path = path
        self._digest = _digest(path)

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return frozenset({f"file {self._digest}"})

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {"content": self._digest}

    def label(self, heads: Sequence[HeadTexts]) -> list[HeadLabel]:
        """See `Labeller`.

        Raises:
            DataError: If the file cannot be read, or labels a head that is not there.
        """
        labels = read_head_labels(self._path)
        check_places(self._path, labels, [(head.layer, head.head) for head in heads])
        return [HeadLabel(labels.get((head.layer, head.head), "")) for head in heads]

    def judge(self, texts: Sequence[str], labels: Sequence[str]) -> Agreement:
        """See `Labeller`.

        Raises:
            DataError: If the file cannot be read.
        """
        lists = {label: frozenset(texts) for label, texts in read_word_lists(self._path).items()}
        known_labels(f"the file {self._path}", labels, lists)
        unheard = sorted({text for each in lists.values() for text in each} - set(texts))
        if unheard:
            warnings.warn(
                f"{counted(len(unheard), 'text')} of {self._path} are none of those that are judged "
                f"('{shortened(unheard[0], 60)}'): see whether they are written as the picks are",
                AlignbenchWarning,
                stacklevel=2,
            )
        found = [[text in lists[label] for label in labels] for text in texts]
        return np.array(found, dtype=np.bool_).reshape(len(texts), len(labels))


def _digest(path: Path) -> str:
    try:
        with open_plain(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a file of YAML") from error


def make(request: LabellerRequest) -> HandLabeller:
    """Make the labeller of a request.

    Raises:
        UsageError: If there is no file, or the request has what it has no use for.
        DataError: If the file cannot be read.
    """
    request.only("file", "file")
    assert request.file is not None
    return HandLabeller(request.file)
