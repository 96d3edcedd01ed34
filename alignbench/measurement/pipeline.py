"""One cell of the study: a model on a data set, as a curve of scores over layers.

Read this page first. `measure_cell` is the whole way:

    source, judgments -> workload -> distances per pair and layer -> scores -> record -> Run

Each step is a call into a lower room. Towers, pair metrics and features that exist are all a `Source`, and nothing here
asks which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from alignbench.datasets import DATASETS
from alignbench.datasets.contradictions import warn_of_contradictions
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import CellData, PairDistances, Session, make_execution, pair_distances
from alignbench.measurement.precision_check import PrecisionCheck, check_precision
from alignbench.measurement.protocol import load_judgments
from alignbench.measurement.record import CellOutcome, Stopwatch, channel_table, collect_settings, make_record
from alignbench.measurement.scoring import score_cell
from alignbench.measurement.sources import check_possible, load_transform, source_kind
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_folder import Run, folder_name

if TYPE_CHECKING:
    from alignbench.extraction.pixel_cache import PixelCache
    from alignbench.extraction.source import Source
    from alignbench.results.run_record import RunSettings
    from alignbench.transforms.named import NamedTransform


def measure_cell(
    cell: Cell,
    listener: ProgressListener | None = None,
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
        UsageError: If a name is unknown or options contradict each other.
        DataError: If data are missing or malformed.
        ModelError: If the checkpoint cannot be had or trusted.
    """
    cell, watch = cell.checked(), Stopwatch(listener or ProgressListener())
    check_possible(cell)
    loaded = _load(cell, listener, watch)
    cell = replace(cell, tokens=loaded.settings.tokens or cell.tokens)  # features that exist know theirs better
    ranks = loaded.session.ranks
    if ranks.decide(ranks.leads and finished(folder_name(cell.name, loaded.settings))):
        return None
    if cell.batch_size == "auto":
        with watch.stage("batch"):
            cell = replace(cell, batch_size=ranks.decide(loaded.source.fastest_batch(make_execution(cell, ranks))))
    with watch.stage("extract"):
        measured = pair_distances(cell, loaded.data, loaded.source, loaded.session)
    check = None
    if source_kind(cell).checks_precision(cell):
        with watch.stage("check"):
            check = check_precision(cell, loaded.data, loaded.source, ranks)
    return _scored(cell, loaded, measured, check, watch) if ranks.leads or on_all_ranks else None


@dataclass(frozen=True)
class _Loaded:
    """Everything that a cell needs, ready.

    Attributes:
        session: Where it is measured.
        data: What it is measured on.
        source: What is measured.
        transform: The transform by which a layer is aligned, if one is.
        settings: Every setting that can change a number.
    """

    session: Session
    data: CellData
    source: Source
    transform: NamedTransform | None
    settings: RunSettings


def _load(cell: Cell, listener: ProgressListener | None, watch: Stopwatch) -> _Loaded:
    """Load the judgments and the source; an error on one process is that of all."""
    transform, data_set = load_transform(cell), DATASETS.load(cell.dataset)
    with watch.stage("launch"):
        session = _session(cell, listener)
    with session.ranks.together():
        session = replace(session, cache=None if data_set.packaged else _cache(cell))
        with watch.stage("data"):
            judgments = load_judgments(cell, data_set)
            data = CellData(data_set, judgments, judgments.images.identities())
            warn_of_contradictions(judgments, data.identities)
        with watch.stage("model"):
            source = source_kind(cell).load(cell, transform, session.listener)
        settings = collect_settings(cell, data, source, transform)
    return _Loaded(session, data, source, transform, settings)


def _scored(
    cell: Cell, loaded: _Loaded, measured: PairDistances, check: PrecisionCheck | None, watch: Stopwatch
) -> Run:
    """Score the distances, and record how they came about."""
    data, judgments = loaded.data, loaded.data.judgments
    evaluated, pairs = judgments.without_calibration()
    distances = measured.of_pairs(pairs)
    with watch.stage("score"):
        frame, intervals = score_cell(cell, evaluated, distances, data.data_set.published_ceiling)
    if cell.rules.noise_ceilings and data.data_set.ceiling_note and judgments.rating_errors is None:
        loaded.session.listener.notice(f"{cell.dataset} has no noise ceiling: {data.data_set.ceiling_note}")
    notes = source_kind(cell).notes(cell, loaded.source)
    outcome = CellOutcome(evaluated, len(judgments.calibration), measured, intervals, check, notes)
    record = make_record(cell, loaded.settings, outcome, loaded.session, watch)
    if loaded.transform is not None:
        record = replace(record, transform=loaded.transform.record())
    return Run(
        LayerCurve(frame, cell.limit, record.kind, record.checkpoint, record.trained_on),
        distances.layers,
        distances.values,
        evaluated,
        record,
        judgments.stimuli(data.identities, judgments.evaluated()),
        channel_table(distances.channels),
    )


def _session(cell: Cell, listener: ProgressListener | None) -> Session:
    """Join the processes that share the work; all but the leading one are silent."""
    from alignbench.extraction.distributed import join

    ranks = join(cell.device, *source_kind(cell).processes(cell))
    return Session(ranks, (listener if ranks.leads else None) or ProgressListener())


def _cache(cell: Cell) -> PixelCache | None:
    """Open the cell's pixel cache; none if it wants none."""
    from alignbench.extraction.pixel_cache import PixelCache

    return PixelCache.open(cell.pixel_cache, cell.pixel_cache_size)
