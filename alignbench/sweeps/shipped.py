"""Where sweep files are: anywhere as a path, and the package's own by their bare names."""

from __future__ import annotations

from pathlib import Path

from alignbench.errors import DataError, unknown

_SUFFIXES = (".yaml", ".yml")


def _folder() -> Path:
    """The folder of the package's own: a wheel carries them among its assets, a checkout has them in `sweeps/`."""
    package = Path(__file__).parents[1]
    installed = package / "assets" / "sweeps"
    return installed if installed.is_dir() else package.parent / "sweeps"


def shipped_sweeps() -> tuple[str, ...]:
    """The bare names of the sweeps that come with the package."""
    return tuple(sorted(path.stem for path in _folder().glob("*.yaml")))


def find_sweep(source: str | Path) -> Path:
    """Find the file of a sweep.

    Args:
        source: Path of a file, or the bare name of a sweep that comes with the package, such as `architecture`. A file
            of that name in the current folder goes first.

    Raises:
        UsageError: If no sweep has that name; names the nearest.
        DataError: If there is no such file.
    """
    path = Path(source)
    if path.exists() and not path.is_dir():  # of a pipe, whoever opens the file says what it is
        return path
    name = str(source)
    if name in shipped_sweeps():
        return _folder() / f"{name}.yaml"
    if path.is_dir():
        raise DataError(f"{path} is a folder: name one sweep file in it")
    if path.suffix not in _SUFFIXES and "/" not in name:
        raise unknown("sweep", name, shipped_sweeps())
    raise DataError(f"{path} is not there: name a sweep file, or one of {', '.join(shipped_sweeps())}")
