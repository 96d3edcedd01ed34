"""What measures: `alignbench.measure` and `alignbench.run`, with a progress bar where a human looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.api.curves import MeasuredCurve
from alignbench.api.progress import listening
from alignbench.api.runs import FinishedRun
from alignbench.datasets import DATASETS
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.run import run_cell
from alignbench.measurement.sources import source_kind

if TYPE_CHECKING:
    from alignbench.tracking.tracker import Tracker


def measure(
    model: str,
    dataset: str,
    *,
    data_root: str | Path | None = None,
    progress: bool | ProgressListener = True,
    **options: Any,
) -> MeasuredCurve:
    """Measure the human alignment of a model on a data set, layer by layer.

    Args:
        model: A card's name, a Hugging Face id, a local directory, `random:NAME`, or a baseline; see `list_models`.
        dataset: e.g. `tid2013`; see `list_datasets`.
        data_root: Folder of the data set; none for `$ALIGNBENCH_DATA/DATASET`, and for packaged sets.
        progress: Whether a bar is shown in a notebook and on a terminal; or a `ProgressListener` of your own.
        **options: Further fields of `Cell`, e.g. `limit=100` or `protocol="corrected"`.

    Returns:
        The scores; `curve.frame` has the columns of `curve.csv`, and `curve.plot()` draws them.

    Raises:
        UsageError: If a name is unknown or options contradict each other.
        DataError: If data are missing or malformed.
        ModelError: If the checkpoint cannot be had or trusted.

    Example:
        >>> import alignbench
        >>> curve = alignbench.measure("shapes-clip", "shapes-high", limit=30)
        >>> int(curve.best("normalized_euclidean", projection=True)["n"])
        30
    """
    root = Path(data_root) if data_root is not None else None
    cell = _prepared(Cell(model=model, dataset=dataset, data_root=root, **options))
    with listening(progress) as listener:
        found = measure_cell(cell, listener, on_all_ranks=True)
    assert found is not None  # nothing was offered as finished
    return MeasuredCurve.of(found.curve)


def run(
    cell: Cell,
    output: str | Path = "runs",
    *,
    overwrite: bool = False,
    progress: bool | ProgressListener = True,
    tracker: Tracker | None = None,
) -> FinishedRun:
    """Measure a cell and write its run folder, or take the finished one, as `alignbench run` does.

    Args:
        cell: What to measure and how.
        output: Folder of run folders.
        overwrite: Whether to measure again what is finished.
        progress: Whether a bar is shown in a notebook and on a terminal; or a `ProgressListener` of your own.
        tracker: Logs the run to Weights & Biases; none for no log.

    Returns:
        The run, as it is read back from its folder. Where several processes share the work, all have it.

    Raises:
        AlignbenchError: See `measure`; or if the folder cannot be written.

    Example:
        >>> import alignbench, tempfile
        >>> cell = alignbench.Cell("pixels", "shapes-low", limit=30)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = alignbench.run(cell, folder)
        ...     print(run.curve.dataset, run.layers)
        shapes-low ('image',)
    """
    cell, output = _prepared(cell).checked(), Path(output).expanduser()

    def written() -> Path:
        with listening(progress) as listener:
            return run_cell(cell, output, overwrite=overwrite, listener=listener, tracker=tracker).folder

    return FinishedRun(written() if source_kind(cell).processes(cell) == (1, 1) else _shared(cell, written))


def _shared(cell: Cell, written: Callable[[], Path]) -> Path:
    """Let the leading process write the run, and give all of them its folder when it is there.

    Args:
        cell: What is measured.
        written: Measures and writes it.
    """
    from alignbench.extraction.distributed import follows, join

    folder = None
    if follows():
        measure_cell(cell)
    else:
        folder = written()
    place = join(cell.device, *source_kind(cell).processes(cell)).decide(folder)
    assert place is not None  # the leading process has it
    return place


def _prepared(cell: Cell) -> Cell:
    """The cell with names and folders as Python has them made tuples and paths, and the usual folder of its data."""
    root = Path(cell.data_root).expanduser() if cell.data_root is not None else DATASETS.load(cell.dataset).usual_root()
    return replace(cell, data_root=root, subsets=_names(cell.subsets), distances=_names(cell.distances))


def _names(given: str | Iterable[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)
