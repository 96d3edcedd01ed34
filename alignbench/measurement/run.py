"""What `alignbench run` does with one cell, from Python: measure it, write its run folder, and log it."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.record import known_factors
from alignbench.results.folders import check_writable, is_complete
from alignbench.results.namesakes import namesakes
from alignbench.results.run_folder import Run, write_record, write_run
from alignbench.results.stored_run import StoredRun
from alignbench.scoring.scored_run import ScoredRun

if TYPE_CHECKING:
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.tracking.tracker import Tracker


def run_cell(
    cell: Cell,
    output: str | Path = "runs",
    *,
    overwrite: bool = False,
    listener: ProgressListener | None = None,
    tracker: Tracker | None = None,
) -> ScoredRun:
    """Measure a cell and write its run folder, or take the finished one.

    A finished one is logged only where a W&B agent waits for it, or where it was to be logged and is not.

    Args:
        cell: What to measure and how.
        output: Folder of run folders.
        overwrite: Whether to measure again what is finished.
        listener: Hears of the progress.
        tracker: Logs the run to Weights & Biases; none for no log.

    Returns:
        The run, as it is read back from its folder.

    Raises:
        AlignbenchError: See `measure_cell`; or if the folder cannot be written.
    """
    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)  # its advice would bury ours
    cell, output, listener = cell.checked(), Path(output), listener or ProgressListener()
    check_writable(output)
    taken: list[Path] = []

    def finished(name: str) -> bool:
        if not overwrite and is_complete(output / name):
            taken.append(output / name)
        return bool(taken)

    measured = measure_cell(cell, listener, finished)
    if measured is None:
        listener.notice(f"{cell.name} on {cell.dataset} is finished: taken from {taken[0]}")
        _renew_factors(cell, taken[0], listener)
        if tracker is not None:
            tracker.catch_up(taken[0])
        return ScoredRun(taken[0])
    _tell_change(measured, listener)
    for other in namesakes(measured.record, output):
        listener.notice(f"{other} has the label {cell.name} too, and other weights: give each a --label of its own")

    def complete(curve: LayerCurve, place: Path) -> None:
        _draw(measured, curve, place)
        if tracker is not None:
            tracker.mark(place)

    folder = write_run(measured, output, complete, overwrite)
    if tracker is not None:
        tracker.log(folder)
    return ScoredRun(folder)


def _renew_factors(cell: Cell, folder: Path, listener: ProgressListener) -> None:
    """Write the factors that are given now into a finished run: they change no number."""
    record = StoredRun(folder).record
    factors = known_factors(cell)
    if not cell.factors or record.factors == factors:
        return
    write_record(replace(record, factors=factors), folder)
    listener.notice(f"its factors are now {', '.join(f'{name}={value}' for name, value in factors.items())}")


def _draw(run: Run, curve: LayerCurve, folder: Path) -> None:
    """Draw the figures of a run into its folder."""
    from alignbench.report.figures.channels import draw_channels
    from alignbench.report.figures.curves import draw_curve
    from alignbench.results.extent import measured_on

    draw_curve(curve, folder)
    if run.channels is not None:
        draw_channels(run.channels, folder, f"{curve.label} on {measured_on(curve)}")


def _tell_change(run: Run, listener: ProgressListener) -> None:
    """Tell what the precision changes, if that was looked at."""
    check = run.record.precision_check
    if check is None:
        return
    change = check["largest_change"]
    where = "" if change is None else f" ({check['metric']} of {check['distance']} at {check['layer']})"
    largest = "no score is a number in both" if change is None else f"largest change of a score {change:.4f}{where}"
    listener.notice(f"{run.settings.precision} against fp32 on {check['pairs']} pairs: {largest}")
