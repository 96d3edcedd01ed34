"""`alignbench.load`: finished runs, from wherever their folders lie."""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from pathlib import Path

from alignbench.api.arguments import as_path
from alignbench.api.runs import FinishedRun, Runs
from alignbench.errors import AlignbenchWarning, UsageError, shortened
from alignbench.results.finished import check_finished
from alignbench.scoring.scored_run import readable_runs


def load(places: str | Path | Iterable[str | Path] = "runs") -> FinishedRun | Runs:
    """Read finished runs.

    Args:
        places: A run folder, for one run; or a folder of run folders, or several of either, for all runs in them.

    Returns:
        The run, if the one folder that is named is a run; else all runs. Folders that cannot be read are left out with
        a warning each, and named in `skipped`.

    Raises:
        DataError: If there is no run, or the one folder that is named cannot be read.

    Examples:
        >>> import alignbench, tempfile
        >>> cell = alignbench.Cell("pixels", "shapes-low", limit=30)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = alignbench.run(cell, folder)
        ...     alignbench.load(folder)
        <1 run: pixels on shapes-low>
    """
    if isinstance(places, str | Path):
        place = Path(places).expanduser()
        if _is_run(place):
            check_finished(place)
            return FinishedRun.of(readable_runs([place])[0][0])
        return _all([place])
    if not isinstance(places, Iterable):
        raise UsageError(f"{shortened(places)} is no folder: give the folder of a run, or one that holds such")
    named = [as_path(place, "places") for place in places]
    if not named:
        raise UsageError("no folder is named: give the folder of a run, or one that holds such")
    return _all(named)


def _is_run(place: Path) -> bool:
    """Whether a folder is that of a run, and not one of run folders."""
    return (place / "run.json").exists()


def _all(places: list[Path]) -> Runs:
    runs, skipped = readable_runs(places)
    for line in skipped:
        warnings.warn(line, AlignbenchWarning, stacklevel=4)
    return Runs(tuple(map(FinishedRun.of, runs)), skipped)
