"""What ranks do when all images are embedded: the pairs that waited, the sums that all must know, and the results.

Tokens of images that have pairs on another rank travel there, a few images at a time: in round r every rank sends to
the one r places on and receives from the one r places back, so that no rank ever holds more than its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.arrays import Indices
from alignbench.distances.dense import DenseDistances, PairBlock
from alignbench.distances.functional import norms, used_channels
from alignbench.distances.gram import image_sum
from alignbench.errors import AlignbenchError
from alignbench.extraction.channel_usage import ChannelUse, channel_use
from alignbench.extraction.distributed import Ranks
from alignbench.extraction.pair_extraction import LayerState, reduce_pairs
from alignbench.extraction.sharding import Block, Shard

_TRAVELLING: Final = {"cpu": 64_000_000, "cuda": 512_000_000}  # bytes of tokens that are under way at the same time
_PANEL: Final = 2048  # images whose products with all others are held at once


def finish_pairs(state: LayerState, shard: Shard, pairs: Indices, images: int, ranks: Ranks) -> None:
    """Reduce the pairs of a layer that waited for the end.

    Args:
        state: State of the layer.
        shard: The work of this rank.
        pairs: Image indices of all pairs, (P, 2).
        images: Number of all images.
        ranks: Who takes part.
    """
    start = len(shard.pairs) - sum(len(block.pairs) for block in shard.receives.values()) - len(shard.own_at_end)
    metric = state.distances
    if not isinstance(metric, DenseDistances):
        for block in _received(state, shard, pairs, start, ranks):
            reduce_pairs(state, block)
        return
    centre = (ranks.add(image_sum(state.kept)) / images).float()
    for block in _blocks(state, shard, pairs, start, ranks):
        metric.update(block, centre)
    if "normalized_euclidean" in metric.distances:
        with metric.sync_context():
            means = metric.channel_means()
        for block in _blocks(state, shard, pairs, start, ranks):
            metric.normalise(block, centre, means)


def _blocks(state: LayerState, shard: Shard, pairs: Indices, start: int, ranks: Ranks) -> Iterator[PairBlock]:
    """All pairs of a rank that waited: those among its own images, panel by panel, then those with others'."""
    places = shard.schedule.places[pairs[shard.own_at_end]]
    low, high = places.min(axis=1), places.max(axis=1)
    # a rank's pairs among its own images are in order of their first image's slot: each panel's follow each other
    bounds = np.searchsorted(low, np.arange(0, len(state.kept) + _PANEL, _PANEL))
    for panel, (begin, end) in enumerate(pairwise(bounds)):
        if begin == end:
            continue
        top = panel * _PANEL
        first, first_norms = state.kept[top : top + _PANEL], state.norms[top : top + _PANEL]
        i, j = (torch.from_numpy(side[begin:end] - top).to(first.device) for side in (low, high))
        rows = slice(start + int(begin), start + int(end))
        yield PairBlock(rows, first, state.kept[top:], first_norms, state.norms[top:], i, j, upper=True)
    yield from _received(state, shard, pairs, start + len(low), ranks)


def _received(state: LayerState, shard: Shard, pairs: Indices, start: int, ranks: Ranks) -> Iterator[PairBlock]:
    """The pairs of a rank with images of others, whose tokens arrive a few images at a time."""
    starts = {}
    for sender, block in shard.receives.items():
        starts[sender] = start
        start += len(block.pairs)
    for sender, images, features in _travel(state, shard, ranks):
        block = shard.receives[sender]
        places, here = shard.schedule.places[pairs[block.pairs]], pairs[block.pairs]
        own, theirs = places.max(axis=1), np.where(places[:, 0] < 0, here[:, 0], here[:, 1])
        # a block's pairs are in order of the travelling image
        begin, end = np.searchsorted(theirs, [images[0], images[-1] + 1])
        kept, kept_norms = state.kept, state.norms
        if isinstance(state.distances, DenseDistances):  # which multiplies all of both sides
            named = np.sort(shard.schedule.places[block.partners])
            chosen = torch.from_numpy(named).to(features.device)
            kept, kept_norms, own = kept[chosen], kept_norms[chosen], np.searchsorted(named, own)
        i = torch.from_numpy(own[begin:end]).to(features.device)
        j = torch.from_numpy(np.searchsorted(images, theirs[begin:end])).to(features.device)
        rows = slice(starts[sender] + int(begin), starts[sender] + int(end))
        yield PairBlock(rows, kept, features, kept_norms, norms(features), i, j)


def _travel(state: LayerState, shard: Shard, ranks: Ranks) -> Iterator[tuple[int, Indices, Tensor]]:
    """Sender, images and features of what arrives here, while this rank's own leave for others."""
    at_once = max(1, _TRAVELLING[state.kept.device.type] // (state.kept.shape[1] * state.kept.shape[2] * 4))
    for distance in range(1, ranks.count):
        to, back = (ranks.number + distance) % ranks.count, (ranks.number - distance) % ranks.count
        leaving, arriving = _images(shard.sends.get(to)), _images(shard.receives.get(back))
        for start in range(0, max(len(leaving), len(arriving)), at_once):
            sent, received = leaving[start : start + at_once], arriving[start : start + at_once]
            outgoing = (
                state.kept[torch.from_numpy(shard.schedule.places[sent]).to(state.kept.device)] if len(sent) else None
            )
            incoming = state.kept.new_empty(len(received), *state.kept.shape[1:]) if len(received) else None
            ranks.swap(outgoing, to, incoming, back)
            if incoming is not None:
                yield back, received, incoming


def _images(block: Block | None) -> Indices:
    return np.empty(0, dtype=np.int64) if block is None else block.images


def layer_results(
    state: LayerState, shard: Shard, held_out: bool, total: int, ranks: Ranks
) -> tuple[dict[str, NDArray[np.float64]], list[ChannelUse]]:
    """Distances of all pairs by name, and the use of channels, the same on every rank.

    Args:
        state: State of the layer.
        shard: The work that this rank has done.
        held_out: Whether m[c] was fitted on other pairs.
        total: Number of all pairs.
        ranks: Who takes part.

    Raises:
        AlignbenchError: If m[c] was fitted on other pairs, and no channel of the layer varies in all folds.
    """
    metric, name = state.distances, state.layer.name
    with metric.sync_context():
        means = metric.channel_means()
    if held_out and "normalized_euclidean" in metric.distances and not used_channels(means).any():
        raise AlignbenchError(
            f"{name} has no channel that varies among the pairs that its means are fitted on: leave "
            "normalized_euclidean out with --distance, or measure with --protocol paper"
        )
    own = torch.from_numpy(shard.pairs)
    found = torch.zeros(1 + len(metric.distances), total, dtype=torch.float64)
    found[0, own] = metric.filled.cpu().double()
    for row, values in enumerate(metric.by_name().values(), start=1):
        found[row, own] = values
    found = ranks.add(found.to(ranks.device)).cpu()
    if not bool((found[0] == 1.0).all()):
        raise RuntimeError(f"{name}: {int((found[0] == 1.0).sum())} of {total} pairs were reduced once")
    uses = [
        channel_use(state.layer, "mean_square", state.activity.compute().cpu()),
        channel_use(state.layer, "mean_difference", means.mean(dim=0)),
    ]
    return {key: found[row].numpy() for row, key in enumerate(metric.distances, start=1)}, uses


def check_counts(embedded: int, images: int, ranks: Ranks) -> None:
    """Assert that every image was embedded on exactly one rank.

    Raises:
        RuntimeError: If not.
    """
    count = int(ranks.add(torch.tensor([float(embedded)], device=ranks.device)).item())
    if count != images:
        raise RuntimeError(f"{count} of {images} images were embedded")
