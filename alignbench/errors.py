"""What goes wrong: errors whose text is one line that names the thing and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import ClassVar

_AS_NEAR = 0.35  # names that are so much less like a wrong one than the nearest are not asked about
_wording: ContextVar[Callable[[str], str]] = ContextVar("wording", default=str)


@contextmanager
def worded(wording: Callable[[str], str]) -> Iterator[None]:
    """Say errors and warnings in other words meanwhile: they are written with the options of the command line.

    Args:
        wording: Makes of a text the text that is said; a text that it has made is left as it is.
    """
    before = _wording.set(wording)
    try:
        yield
    finally:
        _wording.reset(before)


def in_words(text: str) -> str:
    """Return a text as errors would say it now, see `worded`."""
    return _wording.get()(text)


def printable(text: str) -> str:
    """Return a text in one line that any terminal can show, whatever names are quoted in it.

    Line breaks become blanks, control characters and halves of surrogate pairs question marks.
    """
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else " " if each.isspace() else "?" for each in text)


class AlignbenchError(Exception):
    """A failure while running; the command line prints its text, which is one line, and exits with 1."""

    exit_code: ClassVar[int] = 1

    def __init__(self, text: str = "") -> None:
        super().__init__(printable(in_words(text)))


class UsageError(AlignbenchError):
    """Wrong use (an unknown name, an impossible combination); the command line exits with 2."""

    exit_code: ClassVar[int] = 2


class DataError(AlignbenchError):
    """Data on disk that are missing, malformed or unreadable."""


class ModelError(AlignbenchError):
    """A checkpoint that cannot be had, or cannot be trusted."""


class LostRankError(AlignbenchError):
    """Another process of the run is gone, so that nothing can be decided together any more."""

    def __init__(
        self,
        text: str = "another process of this run has ended (see above why): nothing half-written is left, start again",
    ) -> None:
        super().__init__(text)


class AlignbenchWarning(UserWarning):
    """Something the user should know that does not stop a run."""

    def __init__(self, text: str = "") -> None:
        super().__init__(in_words(text))


def one_line(error: BaseException) -> str:
    """Return the first 200 characters of an error's text without line breaks; the name of its type if it has none."""
    return " ".join(str(error).split())[:200] or type(error).__name__


def shortened(value: object, most: int = 100) -> str:
    """Return the text of a value in one line that a message can hold, cut where it is longer."""
    text = " ".join(str(value)[: 10 * most].split())
    return text if len(text) <= most else f"{text[:most]}..."


def counted(count: int, name: str) -> str:
    """Say how many there are of something, e.g. `1 picture` and `1,200 pictures`.

    Args:
        count: How many.
        name: What one of them is called.
    """
    several = f"{name}es" if name.endswith("s") else f"{name}s"
    return f"{count:,} {name if count == 1 else several}"


def unwritable(path: Path, error: OSError, remedy: str = "choose another --output") -> AlignbenchError:
    """Make the error for a place that cannot be written to; NumPy tells of a full disk in words of its own."""
    return AlignbenchError(f"{path} cannot be written ({error.strerror or one_line(error)}): {remedy}")


def unknown(kind: str, name: str, choices: Iterable[str]) -> UsageError:
    """Make the error for a name that is not among the valid ones; it names the nearest of these, or all."""
    known, shown = sorted(choices), shortened(name)
    hint = did_you_mean(shown, known) or f"valid: {', '.join(known)}"
    if name != name.strip() and name.strip() in known:  # which the shortened name does not show
        shown = f"{' ' * (name[0].isspace())}{shown}{' ' * (name[-1].isspace())}"
        hint = f"write {name.strip()}, without a blank in front or at the end"
    return UsageError(f"unknown {kind} '{shown}': {hint}")


def did_you_mean(name: str, choices: Iterable[str], likeness: float = 0.5) -> str:
    """Ask whether the valid names nearest to a wrong one were meant; empty if none is near.

    Args:
        name: The wrong name, in whatever letter case.
        choices: The valid names.
        likeness: How alike two names must be at least, from 0 to 1 (the ratio of `difflib`).
    """
    folded = {choice.lower(): choice for choice in sorted(choices)}
    matches = difflib.get_close_matches(name.lower(), folded, n=3, cutoff=likeness)
    likest = [difflib.SequenceMatcher(None, match, name.lower()).ratio() for match in matches]
    near = [folded[match] for match, like in zip(matches, likest, strict=True) if like >= likest[0] - _AS_NEAR]
    return f"did you mean {' or '.join(near)}?" if near else ""
