"""From pictures to distances per pair and layer: passes over groups of layers, and the ranks meet after each."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.arrays import Indices
from alignbench.datasets.images import ImageSource
from alignbench.distances.dense import DenseDistances
from alignbench.distances.functional import ChannelFit
from alignbench.distances.streaming import ChannelActivity, LayerDistances
from alignbench.errors import AlignbenchError
from alignbench.extraction.cached_pixels import CachedPixels
from alignbench.extraction.channel_usage import ChannelUse
from alignbench.extraction.distributed import interruptible, noticing_losses, quietly, trainer_of
from alignbench.extraction.exchange import check_counts, finish_pairs, layer_results
from alignbench.extraction.execution import Execution, lowered
from alignbench.extraction.loader import OrderedImages, ordered_loader, stack
from alignbench.extraction.pair_extraction import LayerState, PairExtraction, layer_bytes
from alignbench.extraction.predict import Feed
from alignbench.extraction.progress import Listener
from alignbench.extraction.schedule import layer_passes
from alignbench.extraction.sharding import Deal, Share
from alignbench.models.towers import Layer, Tower, view_tokens


@dataclass(frozen=True)
class TowerDistances:
    """What a tower gives for all pairs.

    Attributes:
        values: By name of distance, (layers, pairs), float64.
        channels: The use of channels, two rows a layer.
    """

    values: dict[str, NDArray[np.float64]]
    channels: tuple[ChannelUse, ...]


def plan_passes(layers: Sequence[Layer], deal: Deal, view: str, feature_memory: int) -> list[list[Layer]]:
    """Groups of layers whose features fit memory together on every rank; each costs one pass over the images."""
    groups = layer_passes([layer_bytes(layer, view) for layer in layers], deal.slots, feature_memory)
    return [[layers[i] for i in group] for group in groups]


def tower_distances(
    tower: Tower,
    images: ImageSource,
    pairs: Indices,
    deal: Deal,
    passes: list[list[Layer]],
    fit: ChannelFit,
    view: str,
    distances: tuple[str, ...],
    execution: Execution,
    listener: Listener,
    cached: CachedPixels | None = None,
) -> TowerDistances:
    """Distances of all pairs at all layers, the same on every rank.

    Args:
        tower: The model.
        images: The pictures.
        pairs: Image indices of the pairs, (P, 2).
        deal: Who embeds and reduces what.
        passes: Layers of each pass.
        fit: Which pairs the channel means are fitted on.
        view: Token view.
        distances: Names of distances.
        execution: How to run.
        listener: Hears of every batch.
        cached: Reads prepared pixels, where they are kept.

    Raises:
        DataError: If a picture turns out to be damaged.
        AlignbenchError: If features are not finite, zero where a cosine is asked for, or all alike where channel
            means are held out; if there is no room; or if a rank is lost.
    """
    ranks = execution.ranks
    share = deal.shares[ranks.number]
    number = {layer.name: index for index, layer in enumerate(tower.layers)}
    values = {name: np.empty((len(number), len(pairs))) for name in distances}
    uses: list[ChannelUse] = []
    for layers in passes:
        with ranks.together():
            states = _make_states(layers, share, deal.dense, fit, view, distances, execution)
        module = PairExtraction(
            tower, share, states, view, execution.precision, "cosine" in distances, images.names, execution.compiled
        )
        with ranks.together(), noticing_losses():
            _embed(module, images, share, execution, listener, cached)
        check_counts(module.embedded, len(images.names), ranks)
        while states:
            state = states.pop(0)  # its features are let go of before those of the next are finished
            with noticing_losses():
                finish_pairs(state, share, pairs, len(images.names), ranks)
                found, used = layer_results(state, share, fit.held_out, len(pairs), ranks)
            for name in distances:
                values[name][number[state.layer.name]] = found[name]
            uses += used
    return TowerDistances(values, tuple(uses))


def _make_states(
    layers: Sequence[Layer],
    share: Share,
    dense: bool,
    fit: ChannelFit,
    view: str,
    distances: tuple[str, ...],
    execution: Execution,
) -> list[LayerState]:
    """Room for the features of the plan's slots and for what is kept per pair, once for a pass."""
    device, slots, pairs = execution.ranks.device, share.plan.slots, len(share.pairs)
    own = torch.from_numpy(share.pairs)
    fit = ChannelFit(fit.weights[:, own], fit.fold[own], fit.held_out)
    room = execution.feature_memory
    states = []
    for layer in layers:
        tokens, channels = view_tokens(layer, view), layer.channels
        metric: LayerDistances | DenseDistances
        if dense:
            metric = DenseDistances(fit, tokens, channels, distances)
        else:
            fits = pairs * channels * 4 <= room
            room -= pairs * channels * 4 if fits else 0
            kept = torch.zeros(pairs, channels, device=device) if fits else mapped_zeros(pairs, channels)
            metric = LayerDistances(fit, tokens, channels, distances, kept)
        states.append(
            LayerState(
                layer,
                torch.empty(slots, tokens, channels, device=device),
                torch.ones(slots, dtype=torch.float64, device=device),
                torch.ones(len(share.plan.order), dtype=torch.float64, device=device),
                metric.to(device),
                ChannelActivity(channels).to(device),
            )
        )
    return states


def _embed(
    module: PairExtraction,
    images: ImageSource,
    share: Share,
    execution: Execution,
    listener: Listener,
    cached: CachedPixels | None,
) -> None:
    """One pass over this rank's images."""
    ranks = execution.ranks
    loader = ordered_loader(
        OrderedImages(images, share.plan.order, module.tower.prepare, cached),
        share.plan.batch_size,
        execution.workers,
        stack,
        pin_memory=ranks.device.type == "cuda",
        sharers=ranks.devices,
    )
    with quietly():
        trainer = trainer_of(ranks.device.type, ranks.devices, ranks.nodes, [Feed(listener.advanced)])
        try:
            with lowered(module.tower, execution.precision), interruptible():
                trainer.predict(module, loader, return_predictions=False)
        finally:
            module.release()


def mapped_zeros(rows: int, columns: int) -> Tensor:
    """A float32 tensor of zeros that lives in a file of the folder for temporary files (`TMPDIR`).

    The file is unlinked as it is opened. Its room is claimed at once, since a disk that fills up later would end the
    process by a signal.

    Args:
        rows: First dimension.
        columns: Second dimension.

    Raises:
        AlignbenchError: If there is no room for it.
    """
    size = rows * columns * 4
    try:
        with tempfile.TemporaryFile(prefix="alignbench-") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:
                file.truncate(size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise AlignbenchError(
            f"{tempfile.gettempdir()} has no room for {size / 1e9:.1f} GB of differences per pair and channel "
            f"({error.strerror}): set TMPDIR to a folder that has, or raise --feature-memory"
        ) from error
    return torch.frombuffer(mapped, dtype=torch.float32).view(rows, columns)
