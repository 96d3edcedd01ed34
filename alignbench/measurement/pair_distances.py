"""From a cell and its judgments to distances of all pairs, by a tower at each layer, or by a plain pair metric."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.datasets import DataSet
from alignbench.datasets.judgments import DistinctPairs, Judgments, distinct_pairs
from alignbench.extraction.host import memory_kept
from alignbench.extraction.progress import Listener, Outline
from alignbench.measurement.cell import Cell
from alignbench.measurement.protocol import channel_fit, fold_of_pairs, leaves_one_out

if TYPE_CHECKING:
    from alignbench.arrays import Indices
    from alignbench.datasets.images import ImageSource
    from alignbench.extraction.cached_pixels import CachedPixels
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.pixel_cache import PixelCache, Stock
    from alignbench.extraction.sharding import Deal
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower


@dataclass(frozen=True)
class PairDistances:
    """What extraction gives.

    Attributes:
        layers: Names of the layers; `image` alone for a pair metric.
        depths: Their depths in percent.
        values: By name of distance, (layers, pairs), float64.
        device: `cpu` or `cuda`.
        embedded: Number of distinct images.
        channels: The use of channels, the rows of `channels.csv`; none for a pair metric.
        dense: Whether they come from matrix products.
        passes: How often every image was embedded.
        resized: Pairs whose two pictures differ in size, and which a pair metric saw at a common one.
        pixel_cache: Where prepared pixels are kept, if they are.
        pixels_there: Pictures that did not have to be decoded.
    """

    layers: tuple[str, ...]
    depths: tuple[float, ...]
    values: dict[str, NDArray[np.float64]]
    device: str
    embedded: int
    channels: pd.DataFrame | None = None
    dense: bool = False
    passes: int = 1
    resized: int = 0
    pixel_cache: str | None = None
    pixels_there: int = 0


def pair_distances(
    cell: Cell,
    data_set: DataSet,
    judgments: Judgments,
    identities: Sequence[str],
    source: Tower | PairMetric,
    ranks: Ranks,
    listener: Listener,
    cache: PixelCache | None = None,
) -> PairDistances:
    """Distances of the judgments' pairs; equal pictures are looked at once.

    Args:
        cell: What is measured and how, with a batch size that is a number.
        data_set: What it is measured on.
        judgments: Of that.
        identities: See `ImageSource.identities`.
        source: The tower or the metric, ready.
        ranks: The processes that share the work; each has the result.
        listener: Hears of the progress.
        cache: Where prepared pixels are kept; none to decode every picture.
    """
    from alignbench.extraction.sharding import make_deal
    from alignbench.models.preparation import Sized
    from alignbench.models.towers import Tower

    assert cell.batch_size != "auto"
    folds = fold_of_pairs(judgments) if leaves_one_out(cell, data_set) else None
    distinct = distinct_pairs(judgments.pairs, identities, folds)
    images = judgments.images.select(distinct.images)
    pair_by_pair = cell.is_metric or folds is not None  # matrix products are for one fold of channel means
    deal = make_deal(
        distinct.pairs, len(distinct.images), cell.batch_size, ranks.count, dense=False if pair_by_pair else None
    )
    outline = Outline(
        cell.label,
        cell.dataset,
        len(distinct.images),
        len(judgments.pairs),
        1,
        1,
        ranks.device.type,
        ranks.count,
        len(deal.shares[ranks.number].plan.order),
    )
    prepare = source.prepare if isinstance(source, Tower) else Sized(data_set.common_side)
    stock = None if cache is None else cache.stock(images, prepare, ranks.leads_machine)
    cached = None if stock is None else stock.pixels
    if cell.workers is None and _all_there(stock, ranks):
        cell = replace(cell, workers=0)
    try:
        with memory_kept():
            if isinstance(source, Tower):
                fit = (judgments, distinct, folds)
                found = _of_tower(cell, source, images, deal, fit, ranks, listener, outline, cached)
            else:
                found = _of_metric(
                    cell, source, images, deal, distinct, data_set.common_side, listener, outline, cached
                )
    finally:
        listener.finished()
    if cache is not None and stock is not None:
        found = replace(found, pixel_cache=str(cache.directory), pixels_there=stock.there)
        if ranks.leads_machine:
            cache.finish(stock)
    return replace(found, values={name: columns(values, distinct.back) for name, values in found.values.items()})


def _all_there(stock: Stock | None, ranks: Ranks) -> bool:
    """Whether pixels only have to be read, which takes less from a model on the CPU than a process beside it would."""
    return stock is not None and not len(stock.missing) and ranks.count == 1 and ranks.device.type == "cpu"


def _of_tower(
    cell: Cell,
    tower: Tower,
    images: ImageSource,
    deal: Deal,
    fit: tuple[Judgments, DistinctPairs, Indices | None],
    ranks: Ranks,
    listener: Listener,
    outline: Outline,
    cached: CachedPixels | None,
) -> PairDistances:
    from alignbench.extraction.execution import Execution
    from alignbench.extraction.pair_extraction import layer_bytes
    from alignbench.extraction.tower_distances import plan_passes, tower_distances

    passes = plan_passes(tower.layers, deal, cell.tokens, cell.feature_memory)
    one_pass = deal.slots * sum(layer_bytes(layer, cell.tokens) for layer in tower.layers)
    listener.planned(replace(outline, layers=len(tower.layers), passes=len(passes), one_pass=one_pass))
    found = tower_distances(
        tower,
        images,
        fit[1].pairs,
        deal,
        passes,
        channel_fit(cell, *fit),
        cell.tokens,
        cell.distances,
        Execution(ranks, cell.precision, cell.workers, cell.feature_memory, cell.compiled),
        listener,
        cached,
    )
    return PairDistances(
        tuple(layer.name for layer in tower.layers),
        tuple(layer.depth for layer in tower.layers),
        found.values,
        ranks.device.type,
        len(images.names),
        pd.DataFrame(asdict(use) for use in found.channels),
        deal.dense,
        len(passes),
    )


def _of_metric(
    cell: Cell,
    metric: PairMetric,
    images: ImageSource,
    deal: Deal,
    distinct: DistinctPairs,
    side: int | None,
    listener: Listener,
    outline: Outline,
    cached: CachedPixels | None,
) -> PairDistances:
    from alignbench.extraction.metric_distances import metric_distances

    device = cell.device if hasattr(metric, "to") else "cpu"
    listener.planned(replace(outline, device=device))
    plan = deal.shares[0].plan
    found = metric_distances(metric, images, plan, distinct.pairs, side, cell.workers, listener, device, cached)
    values = {metric.distance: found.values}
    return PairDistances(("image",), (0.0,), values, device, len(images.names), resized=found.resized)


def columns(values: NDArray[np.float64], chosen: Indices) -> NDArray[np.float64]:
    """Some columns of a matrix in some order; the matrix itself, which may be large, if all are wanted as they are."""
    alike = len(chosen) == values.shape[1] and np.array_equal(chosen, np.arange(len(chosen)))
    return values if alike else values[:, chosen]
