"""Texts that are looked for in heads: the packaged pool, or a file of the user's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

from alignbench.errors import DataError, shortened
from alignbench.files import open_plain

_LONGEST = 10_000  # letters of a line: no tower reads a tenth of it


def packaged_texts() -> tuple[str, ...]:
    """Read the packaged pool: short descriptions of what pictures may show, made by `tools/make_texts.py`."""
    return tuple(files("alignbench").joinpath("assets/texts.txt").read_text(encoding="utf-8").splitlines())


def read_texts(path: Path) -> tuple[str, ...]:
    """Read a file of texts, one a line, in UTF-8. Blanks before and after a text are left out.

    Args:
        path: The file.

    Raises:
        DataError: If it cannot be opened, is of another encoding, has no text, or a line is empty, there twice, or no
            text; names the line.
    """
    try:
        with open_plain(path) as file:
            content = file.read()
    except OSError as error:
        raise DataError(
            f"the texts {path} cannot be read ({error.strerror}): give a file with a text a line"
        ) from error
    try:
        lines = content.decode("utf-8-sig").replace("\r\n", "\n").split("\n")
    except UnicodeDecodeError as error:
        place = content.count(b"\n", 0, error.start) + 1
        raise DataError(f"the texts {path} are not UTF-8 (line {place}): save the file as UTF-8") from error
    if lines[-1] == "":
        lines.pop()
    texts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text:
            raise DataError(f"line {number} of {path} is empty: leave it out")
        if not text.isprintable() or len(text) > _LONGEST:
            fault = "longer than any text" if text.isprintable() else "no text: it has control characters"
            raise DataError(f"line {number} of {path} is {fault} ({shortened(text, 40)}): give a text a line")
        if text in texts:
            raise DataError(
                f"lines {texts[text]} and {number} of {path} are the same ({shortened(text)}): leave one out"
            )
        texts[text] = number
    if not texts:
        raise DataError(f"the texts {path} are empty: give a text a line")
    return tuple(texts)


def texts_digest(texts: Sequence[str]) -> str:
    """Return SHA-256 over texts in their order."""
    return hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()
