"""What classes are called in texts: by a template over their names, or a table of texts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.datasets.tables import Repeats, table_rows
from alignbench.errors import DataError, ModelError, UsageError, shortened
from alignbench.interpret.text_cache import unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder

TEMPLATE: Final = "a photo of a {}"
ClassTexts = Mapping[str, tuple[str, ...]]


def templated(classes: Sequence[str], template: str = TEMPLATE) -> ClassTexts:
    """Make a text of the name of each class.

    Args:
        classes: Names of classes, as of folders: `_` and `-` are read as blanks.
        template: A text in which `{}` stands for the name.

    Returns:
        The text of each class, by ascending names.

    Raises:
        UsageError: If the template has not one `{}`, or two classes have the same text.
    """
    if template.count("{}") != 1:
        raise UsageError(f"--template '{shortened(template)}' has to have {{}} once, where the name of a class goes")
    texts: dict[str, tuple[str, ...]] = {}
    for name in sorted(set(classes)):
        text = template.replace("{}", re.sub(r"[_-]+", " ", name).strip())
        same = [other for other, given in texts.items() if given == (text,)]
        if same:
            raise UsageError(
                f"the classes {same[0]} and {name} have the same text, '{shortened(text)}': give --classes"
            )
        texts[name] = (text,)
    return texts


def read_class_texts(path: Path, classes: Sequence[str]) -> ClassTexts:
    """Read texts of classes from a table with the columns `class` and `text`; a class may have several.

    Pictures are told apart among all classes of the table, of which some may have no picture.

    Args:
        path: The CSV file.
        classes: Classes that pictures are of.

    Returns:
        The texts of each class, by ascending names.

    Raises:
        DataError: If it is no such table, lacks a class, or has a text twice.
    """
    repeats, found = Repeats(path), dict[str, list[str]]()
    for line, row in table_rows(path, ("class", "text"), remedy="give a CSV with the columns class and text"):
        empty = [column for column in ("class", "text") if not row[column]]
        if empty:
            raise DataError(f"{path}, line {line}: an empty {empty[0]}: fill it in")
        repeats.check(line, row["text"], f"the text '{shortened(row['text'])}' is there")
        found.setdefault(row["class"], []).append(row["text"])
    lacking = sorted(set(classes) - found.keys())
    if lacking:
        raise DataError(f"{path} has no text for {', '.join(map(shortened, lacking[:5]))}: add a row for each class")
    return {name: tuple(found[name]) for name in sorted(found)}


def class_embeddings(encoder: TextEncoder, texts: ClassTexts) -> Floats:
    """Return the direction of each class: the mean of its texts' embeddings of length 1, at length 1.

    Args:
        encoder: The encoder.
        texts: The texts of each class.

    Returns:
        (classes, d').

    Raises:
        ModelError: If the texts of a class cancel each other out.
    """
    flat = [text for several in texts.values() for text in several]
    rows = unit_embeddings(encoder, flat)
    ends = np.cumsum([len(several) for several in texts.values()])
    means = np.array([each.mean(axis=0) for each in np.split(rows, ends[:-1])])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    if not (lengths > 0).all():
        name = list(texts)[int(lengths.argmin())]
        raise ModelError(f"the texts of class {shortened(name)} cancel each other out: give others")
    return np.asarray(means / lengths)
