"""Arguments that a script may give wrongly, told in a line."""

from __future__ import annotations

from pathlib import Path

from alignbench.errors import UsageError, shortened


def as_path(given: object, name: str) -> Path:
    """Return a folder that was given as a text or a path, `~` being the home.

    Args:
        given: What was given.
        name: Name of the argument.

    Raises:
        UsageError: If it is neither.
    """
    if not isinstance(given, str | Path):
        raise UsageError(f"{shortened(given)} is no folder: give `{name}` a text or a `pathlib.Path`")
    return Path(given).expanduser()
