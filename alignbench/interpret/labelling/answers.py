"""Answers of chat models that are kept: each in a file, found again by the model and the whole question."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from alignbench.errors import AlignbenchError, AlignbenchWarning
from alignbench.files import cache_folder, write_whole
from alignbench.files.json_text import checked_object, read_json

_FORM: Final = 1  # of the files; another number for another form


def answer_key(question: Mapping[str, Any]) -> str:
    """Return SHA-256 over a question, which names the model."""
    return hashlib.sha256(json.dumps([_FORM, question], sort_keys=True).encode()).hexdigest()


def kept_answer(key: str) -> str | None:
    """Return what was answered to a question; none if that is not kept, or damaged."""
    folder = cache_folder("answers")
    return None if folder is None else read_answer(folder / f"{key}.json", key)


def read_answer(path: Path, key: str) -> str | None:
    """Read the file of an answer; none if there is none, or it is damaged or of another question."""
    try:
        found = checked_object("answer", read_json(path), {"key": (str,), "answer": (str,)})
    except (OSError, ValueError):
        return None
    return found["answer"] if found.get("key") == key and "answer" in found else None


def keep_answer(key: str, answer: str) -> None:
    """Keep what was answered; a place that cannot be written to is a warning."""
    folder = cache_folder("answers")
    if folder is None:
        return
    try:
        content = json.dumps({"key": key, "answer": answer}).encode()
        write_whole(folder / f"{key}.json", content, "choose another place by ALIGNBENCH_CACHE")
    except AlignbenchError as error:
        warnings.warn(f"answers are not kept: {error}", AlignbenchWarning, stacklevel=3)
