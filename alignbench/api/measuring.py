"""What measures: `alignbench.measure` and `alignbench.run`, with a progress bar where a human looks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.api.arguments import as_path
from alignbench.api.curves import MeasuredCurve
from alignbench.api.progress import listening
from alignbench.api.runs import FinishedRun
from alignbench.datasets import DATASETS
from alignbench.errors import UsageError, shortened, unknown
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.field_types import check_fields
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.run import run_cell
from alignbench.measurement.sources import source_kind

if TYPE_CHECKING:
    from alignbench.tracking.tracker import Tracker


def measure(
    model: str | Path,
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

    Examples:
        >>> import alignbench
        >>> curve = alignbench.measure("shapes-clip", "shapes-high", limit=30)
        >>> int(curve.best("normalized_euclidean", projection=True)["n"])
        30
    """
    cell = _prepared(_cell(options | {"model": model, "dataset": dataset, "data_root": data_root}))
    with listening(progress) as listener:
        found = measure_cell(cell, listener, on_all_ranks=True)
    assert found is not None  # nothing was offered as finished
    return MeasuredCurve.of(found.curve)


def run(
    model: Cell | str | Path,
    *places: str | Path,
    overwrite: bool = False,
    progress: bool | ProgressListener = True,
    tracker: Tracker | None = None,
    **options: Any,
) -> FinishedRun:
    """Measure a model and write its run folder, or take the finished one, as `alignbench run` does.

    Args:
        model: As for `measure`; or a `Cell`, which says everything that is measured.
        *places: The `dataset`, unless a `Cell` says it; then `output`, the folder of run folders, if it is not `runs`.
        overwrite: Whether to measure again what is finished.
        progress: Whether a bar is shown in a notebook and on a terminal; or a `ProgressListener` of your own.
        tracker: Logs the run to Weights & Biases; none for no log.
        **options: The places by name, and further fields of `Cell`, e.g. `data_root="tid"` or `label="mine"`.

    Returns:
        The run, as it is read back from its folder. Where several processes share the work, all have it.

    Raises:
        AlignbenchError: See `measure`; or if the folder cannot be written.

    Examples:
        >>> import alignbench, tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = alignbench.run("pixels", "shapes-low", folder, limit=30)
        ...     print(run.curve.dataset, run.layers)
        shapes-low ('image',)
    """
    names = ("output",) if isinstance(model, Cell) else ("dataset", "output")
    given = dict(zip(names, places, strict=False))
    twice = [name for name in given if name in options]
    if len(places) > len(names) or twice:
        raise UsageError(
            f"{', '.join(twice) or shortened(places[-1])} is one too many: give {' and '.join(names)} once"
        )
    named = options | given
    folder = as_path(named.pop("output", "runs"), "output")
    if isinstance(model, Cell) and named:
        raise UsageError(f"a Cell says everything that is measured: leave out {', '.join(named)}, or the Cell")
    cell = model if isinstance(model, Cell) else _cell(named | {"model": model})
    cell = _prepared(cell).checked()

    def written() -> Path:
        with listening(progress) as listener:
            return run_cell(cell, folder, overwrite=overwrite, listener=listener, tracker=tracker).folder

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
    model = str(cell.model.expanduser()) if isinstance(cell.model, Path) else cell.model
    root = cell.data_root if cell.data_root is None else as_path(cell.data_root, "data_root")
    cell = replace(cell, model=model, data_root=root, subsets=_names(cell.subsets), distances=_names(cell.distances))
    check_fields(cell)
    return cell if root is not None else replace(cell, data_root=DATASETS.load(cell.dataset).usual_root())


def _cell(named: Mapping[str, Any]) -> Cell:
    """The cell of arguments as they were given, right or wrong."""
    known = [each.name for each in fields(Cell)]
    for name in named:
        if name not in known:
            raise unknown("argument", name, known)
    if "dataset" not in named:
        raise UsageError("a data set is missing: name one of `alignbench.list_datasets()`")
    return Cell(**named)


def _names(given: Any) -> Any:
    """Names as a tuple, one too; what is neither is left as it is, for the check."""
    return (given,) if isinstance(given, str) else tuple(given) if isinstance(given, Iterable) else given
