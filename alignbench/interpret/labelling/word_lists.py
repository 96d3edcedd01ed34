"""Lists of words or texts by label, in YAML: the packaged properties, the user's, and agreements by hand."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

from alignbench.errors import DataError, one_line, shortened
from alignbench.files import open_plain
from alignbench.files.yaml_text import load_yaml

WordLists = Mapping[str, tuple[str, ...]]


def packaged_properties() -> WordLists:
    """Read the packaged properties, with the words that name them; made by `tools/make_texts.py`."""
    text = files("alignbench").joinpath("assets/properties.yaml").read_text(encoding="utf-8")
    return _lists(load_yaml(text))


def read_word_lists(path: Path) -> WordLists:
    """Read a file of lists: labels, and under each of them a list of words or texts.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be read, or a label or a word is empty, there twice, or no text; names it.
    """
    try:
        return _lists(read_mapping(path))
    except ValueError as error:
        raise DataError(f"{path} {error}") from error


def read_mapping(path: Path) -> dict[Any, Any]:
    """Read a file of YAML that holds a mapping.

    Raises:
        DataError: If it cannot be read, or is none.
    """
    try:
        with open_plain(path) as file:
            found = load_yaml(file.read().decode("utf-8"))
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}): give a file of YAML") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 ({one_line(error)}): save it as UTF-8") from error
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    if not isinstance(found, dict) or not found:
        raise DataError(f"{path} is no mapping with keys: see the example in the documentation")
    return found


def lists_digest(lists: WordLists) -> str:
    """Return SHA-256 over labels and their words, in their order."""
    return hashlib.sha256(json.dumps([[label, *words] for label, words in lists.items()]).encode()).hexdigest()


def checked_text(what: str, value: Any) -> str:
    """Return a text that is one.

    Args:
        what: What it is, for messages.
        value: As it stands in the file.

    Raises:
        ValueError: If it is empty, of several lines, begins or ends with a blank, or is no text: YAML makes truth
            values of `no` and numbers of digits.
    """
    shown = shortened(value)
    if not isinstance(value, str):
        raise ValueError(f"has {what} that YAML takes for no text ({shown}): write it in quotes")
    if not value.strip() or not value.isprintable() or value != value.strip():
        raise ValueError(f"has {what} that is empty or has blanks or breaks around it ('{shown}'): correct it")
    return value


def _lists(found: Mapping[Any, Any]) -> dict[str, tuple[str, ...]]:
    lists = {}
    for key, words in found.items():
        label = checked_text("a label", key)
        if not isinstance(words, list) or not words:
            raise ValueError(f"has no list of texts under {shortened(label)}: write one")
        checked = [checked_text(f"a text under {shortened(label)}", word) for word in words]
        doubled = [word for number, word in enumerate(checked) if word in checked[:number]]
        if doubled:
            raise ValueError(f"has '{shortened(doubled[0])}' twice under {shortened(label)}: leave one out")
        lists[label] = tuple(checked)
    if len(lists) < 2:
        raise ValueError("has one label alone: between fewer than two there is nothing to choose")
    return lists
