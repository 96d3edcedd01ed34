"""From a cell and its judgments to distances of all their pairs, whatever the source is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from alignbench.arrays import Floats
from alignbench.datasets import DataSet
from alignbench.datasets.judgments import DistinctPairs, Judgments, distinct_pairs
from alignbench.extraction.host import memory_kept
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.measurement.cell import Cell
from alignbench.measurement.protocol import channel_fit, fold_of_pairs, leaves_one_out

if TYPE_CHECKING:
    from alignbench.arrays import Indices
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.execution import Execution
    from alignbench.extraction.pixel_cache import PixelCache, Stock
    from alignbench.extraction.source import PairWorkload, Source, SourceDistances


@dataclass(frozen=True)
class CellData:
    """What a cell is measured on.

    Attributes:
        data_set: The data set.
        judgments: What people said, under the cell's protocol.
        identities: Identities of the pictures, see `ImageSource.identities`.
    """

    data_set: DataSet
    judgments: Judgments
    identities: Sequence[str]


@dataclass(frozen=True)
class Session:
    """Where a cell is measured.

    Attributes:
        ranks: The processes that share the work; each has the result.
        listener: Hears of the progress.
        cache: Where prepared pixels are kept; none to decode every picture.
    """

    ranks: Ranks
    listener: ProgressListener = field(default_factory=ProgressListener)
    cache: PixelCache | None = None


@dataclass(frozen=True)
class PairDistances:
    """Distances of the judgments' pairs, and how they came about.

    Attributes:
        found: Distances by name, (layers, pairs).
        embedded: Number of distinct images.
        dense: Whether they come from matrix products.
        pixel_cache: Where prepared pixels are kept, if they are.
        pixels_there: Number of pictures that did not have to be decoded.
    """

    found: SourceDistances
    embedded: int
    dense: bool = False
    pixel_cache: str | None = None
    pixels_there: int = 0

    def of_pairs(self, chosen: Indices) -> SourceDistances:
        """The distances of some of the pairs, in that order."""
        values = {name: columns(values, chosen) for name, values in self.found.values.items()}
        return replace(self.found, values=values)


def pair_distances(cell: Cell, data: CellData, source: Source, session: Session) -> PairDistances:
    """Measure the distances of the judgments' pairs; equal pictures are looked at once.

    Args:
        cell: What is measured and how, with a batch size that is a number.
        data: What it is measured on.
        source: The tower or the metric, ready.
        session: Where it is measured.
    """
    folds = fold_of_pairs(data.judgments) if leaves_one_out(cell, data.data_set) else None
    distinct = distinct_pairs(data.judgments.pairs, data.identities, folds)
    workload = build_workload(cell, data, (distinct, folds), source, session.ranks)
    ranks, cache = session.ranks, session.cache
    stock = None if cache is None else cache.stock(workload.images, source.prepare, ranks.leads_machine)
    if stock is not None:
        workload = replace(workload, pixels=stock.pixels)
    execution = make_execution(cell, ranks)
    if cell.workers is None and _all_there(stock, ranks):
        execution = replace(execution, workers=0)
    try:
        with memory_kept():
            found = source.distances(workload, execution, session.listener)
    finally:
        session.listener.finished()
    measured = PairDistances(found, len(distinct.images), workload.assignment.dense)
    if cache is not None and stock is not None:
        measured = replace(measured, pixel_cache=str(cache.directory), pixels_there=stock.there)
        if ranks.leads_machine:
            cache.finish(stock)
    return replace(measured, found=measured.of_pairs(distinct.back))


def build_workload(
    cell: Cell, data: CellData, distinct: tuple[DistinctPairs, Indices | None], source: Source, ranks: Ranks
) -> PairWorkload:
    """Put together what a cell asks of its source.

    Args:
        cell: What is measured and how.
        data: What it is measured on.
        distinct: The distinct pairs among the judgments', and the fold of each of these where each is left out in turn.
        source: The tower or the metric that is asked.
        ranks: The processes that share the work.
    """
    from alignbench.extraction.sharding import assign
    from alignbench.extraction.source import PairWorkload

    assert cell.batch_size != "auto"
    pairs, folds = distinct
    one_by_one = source.streams_only or folds is not None  # matrix products are for one fold of channel means
    images = len(pairs.images)
    assignment = assign(pairs.pairs, images, cell.batch_size, ranks.count, dense=False if one_by_one else None)
    summary = RunSummary(
        cell.name,
        cell.dataset,
        images,
        len(data.judgments.pairs),
        device=ranks.device.type,
        ranks=ranks.count,
        share=len(assignment.shards[ranks.number].schedule.order),
    )
    return PairWorkload(
        data.judgments.images.select(pairs.images),
        pairs.pairs,
        cell.distances,
        channel_fit(cell, data.judgments, pairs, folds),
        assignment,
        summary,
    )


def make_execution(cell: Cell, ranks: Ranks) -> Execution:
    """How the source of a cell is run."""
    from alignbench.extraction.execution import Execution

    size = 1 if cell.batch_size == "auto" else cell.batch_size  # which is about to be found out
    return Execution(ranks, cell.tokens, cell.precision, size, cell.workers, cell.feature_memory, cell.compiled)


def _all_there(stock: Stock | None, ranks: Ranks) -> bool:
    """Whether pixels only have to be read, which costs a model on the CPU less time than a process beside it."""
    return stock is not None and not len(stock.missing) and ranks.count == 1 and ranks.device.type == "cpu"


def columns(values: Floats, chosen: Indices) -> Floats:
    """Some columns of a matrix in some order; the matrix itself, which may be large, if all are wanted as they are."""
    alike = len(chosen) == values.shape[1] and np.array_equal(chosen, np.arange(len(chosen)))
    return values if alike else values[:, chosen]
