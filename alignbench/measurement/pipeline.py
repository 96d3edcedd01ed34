"""One cell of the study: a model on a data set, as a curve of scores over layers.

    judgments -> plan -> distances per pair and layer -> scores -> LayerCurve

Towers and plain pair metrics differ only in how distances come about; everything before and after is shared.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.datasets import DATASETS
from alignbench.extraction.progress import Listener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import columns, pair_distances
from alignbench.measurement.precision_check import check_precision
from alignbench.measurement.protocol import load_judgments
from alignbench.measurement.record import Stopwatch, _details, settings_of
from alignbench.measurement.scoring import score_rows
from alignbench.measurement.sources import _check_possible, _fastest_batch, _metric, _tower, _transform
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_folder import Run, folder_name

if TYPE_CHECKING:
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.pixel_cache import PixelCache


def measure(model: str, dataset: str, *, data_root: str | Path | None = None, **options: Any) -> LayerCurve:
    """Measure the human alignment of a model on a data set, layer by layer.

    Args:
        model: A card's name, a Hugging Face id, a local directory, `random:NAME`, or a baseline.
        dataset: e.g. `tid2013`.
        data_root: Folder of the data set; none for packaged sets.
        **options: Further fields of `Cell`.

    Returns:
        The scores; `curve.frame` has the columns of `curve.csv`.

    Raises:
        UsageError: If a name is unknown or options contradict each other.
        DataError: If data are missing or malformed.
        ModelError: If the checkpoint cannot be had or trusted.

    Example:
        >>> import alignbench
        >>> curve = alignbench.measure("shapes-clip", "shapes-high", limit=300)
        >>> curve.best("normalized_euclidean", projection=True)["n"]
        300
    """
    root = Path(data_root) if data_root is not None else None
    found = measure_cell(Cell(model=model, dataset=dataset, data_root=root, **options), on_all_ranks=True)
    assert found is not None  # nothing was offered as finished
    return found.curve


def measure_cell(
    cell: Cell,
    listener: Listener | None = None,
    finished: Callable[[str], bool] = lambda name: False,
    on_all_ranks: bool = False,
) -> Run | None:
    """Measure one cell.

    Args:
        cell: What to measure and how.
        listener: Hears of the progress.
        finished: Is asked, with the name of the run's folder, before the expensive part.
        on_all_ranks: Whether every process of a run scores, and not only the leading one.

    Returns:
        What was measured, or nothing if it is finished already, or another process has the result.

    Raises:
        AlignbenchError: See `measure`.
    """
    cell, watch = cell.checked(), Stopwatch()
    _check_possible(cell)
    transform = _transform(cell)
    data_set = DATASETS.load(cell.dataset)
    with watch.stage("launch"):
        ranks = _join(cell)
    listener = (listener if ranks.leads else None) or Listener()
    with ranks.together():
        cache = None if data_set.packaged else _cache(cell)
        with watch.stage("data"):
            judgments = load_judgments(cell, data_set)
            identities = judgments.images.identities()
        with watch.stage("model"):
            source = _metric(cell) if cell.is_metric else _tower(cell, transform, listener)
        settings = settings_of(cell, judgments, identities, source, transform)
    if ranks.decide(ranks.leads and finished(folder_name(cell.label, cell.dataset, settings))):
        return None
    if cell.batch_size == "auto":
        with watch.stage("batch"):
            cell = replace(cell, batch_size=ranks.decide(_fastest_batch(cell, source, ranks)))
    with watch.stage("extract"):
        found = pair_distances(cell, data_set, judgments, identities, source, ranks, listener, cache)
    check = None
    if cell.check_precision and not cell.is_metric:
        with watch.stage("check"):
            check = check_precision(cell, data_set, judgments, source, ranks)
    if not (ranks.leads or on_all_ranks):
        return None
    shown = judgments.stimuli(identities, judgments.evaluated())
    calibrated = len(judgments.calibration)
    judgments, pairs = judgments.without_calibration()
    distances = {name: columns(values, pairs) for name, values in found.values.items()}
    with watch.stage("score"):
        frame, intervals = score_rows(
            cell, judgments, found.layers, found.depths, distances, data_set.published_ceiling
        )
    details = _details(cell, judgments, found, watch, ranks) | {
        "interval": intervals,
        "calibration_judgments": calibrated,
        "precision_check": check,
    }
    if transform is not None:
        details["transform"] = transform.record()
    return Run(LayerCurve(frame), found.layers, distances, judgments, settings, details, shown, found.channels)


# -------------------------------------------------------------------------------------------------- model


def _join(cell: Cell) -> Ranks:
    """The processes that share the work; a baseline needs one."""
    from alignbench.extraction.distributed import join

    return join(cell.device) if cell.is_metric else join(cell.device, cell.devices, cell.nodes)


def _cache(cell: Cell) -> PixelCache | None:
    from alignbench.extraction.pixel_cache import PixelCache

    return PixelCache.open(cell.pixel_cache, cell.pixel_cache_size)


# ------------------------------------------------------------------------------------------------ details
