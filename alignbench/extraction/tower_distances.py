"""From pictures to distances per pair and layer: passes over groups of layers, and the ranks meet after each."""

from __future__ import annotations

import mmap
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.arrays import Floats
from alignbench.distances.dense import DenseDistances
from alignbench.distances.functional import ChannelFit
from alignbench.distances.streaming import ChannelActivity, LayerDistances
from alignbench.errors import AlignbenchError
from alignbench.extraction.channel_usage import ChannelUse
from alignbench.extraction.distributed import interruptible, make_trainer, noticing_losses, quietly
from alignbench.extraction.exchange import check_counts, finish_pairs, layer_results
from alignbench.extraction.execution import Execution, fastest_batch, lowered
from alignbench.extraction.loader import Loading, OrderedImages, ordered_loader, stack
from alignbench.extraction.pair_extraction import LayerState, PairExtraction, layer_bytes
from alignbench.extraction.predict import Feed
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.schedule import layer_passes
from alignbench.extraction.sharding import Assignment
from alignbench.extraction.source import PairWorkload, SourceDistances
from alignbench.files import claim_room
from alignbench.models.towers import Layer, Tower, view_tokens


@dataclass(frozen=True)
class TowerSource:
    """A vision tower as a source: distances at every layer.

    Attributes:
        tower: The model, with the layers that are measured.
        selection: See `Source`.
    """

    tower: Tower
    selection: tuple[str, ...] | None = None
    streams_only: bool = False

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return tuple(layer.name for layer in self.tower.layers)

    @property
    def depths(self) -> tuple[float, ...]:
        """Depths of the layers in percent."""
        return tuple(layer.depth for layer in self.tower.layers)

    @property
    def fingerprint(self) -> str:
        """See `Tower`."""
        return self.tower.fingerprint

    @property
    def prepare(self) -> Callable[[Image.Image], Tensor]:
        """See `Tower`."""
        return self.tower.prepare

    def fastest_batch(self, execution: Execution) -> int:
        """See `Source.fastest_batch`; several sizes are tried."""
        return fastest_batch(self.tower, execution.ranks.device, execution.precision)

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        """See `Source.distances`; groups of layers that do not fit memory together take a pass each."""
        layers, assignment = self.tower.layers, workload.assignment
        passes = group_layers(layers, assignment, execution.view, execution.feature_memory)
        one_pass = assignment.slots * sum(layer_bytes(layer, execution.view) for layer in layers)
        listener.planned(replace(workload.summary, layers=len(layers), passes=len(passes), one_pass=one_pass))
        values, uses = tower_distances(self.tower, workload, passes, execution, listener)
        return SourceDistances(self.layers, self.depths, values, execution.ranks.device.type, tuple(uses), len(passes))


def group_layers(layers: Sequence[Layer], assignment: Assignment, view: str, feature_memory: int) -> list[list[Layer]]:
    """Groups of layers whose features fit memory together on every rank; each costs one pass over the images."""
    groups = layer_passes([layer_bytes(layer, view) for layer in layers], assignment.slots, feature_memory)
    return [[layers[i] for i in group] for group in groups]


def tower_distances(
    tower: Tower,
    workload: PairWorkload,
    passes: Sequence[Sequence[Layer]],
    execution: Execution,
    listener: ProgressListener,
) -> tuple[dict[str, Floats], list[ChannelUse]]:
    """Distances of all pairs at all layers, the same on every rank.

    Args:
        tower: The model.
        workload: The distances that are asked for.
        passes: Layers of each pass.
        execution: How to run.
        listener: Hears of every batch.

    Returns:
        By name of distance, (layers, pairs), float64; and the use of channels, two rows a layer.

    Raises:
        DataError: If a picture turns out to be damaged.
        AlignbenchError: If features are not finite, zero where a cosine is asked for, or all alike where channel
            means are held out; if there is no room; or if a rank is lost.
    """
    ranks, images, pairs = execution.ranks, len(workload.images.names), workload.pairs
    shard = workload.assignment.shards[ranks.number]
    number = {layer.name: index for index, layer in enumerate(tower.layers)}
    values = {name: np.empty((len(number), len(pairs))) for name in workload.distances}
    uses: list[ChannelUse] = []
    for layers in passes:
        with ranks.together():
            states = make_states(layers, workload, execution)
        module = PairExtraction(tower, states, workload, execution)
        with ranks.together(), noticing_losses():
            _embed(module, workload, execution, listener)
        check_counts(module.embedded, images, ranks)
        while states:
            state = states.pop(0)  # its features are let go of before those of the next are finished
            with noticing_losses():
                finish_pairs(state, shard, pairs, images, ranks)
                found, used = layer_results(state, shard, workload.fit.held_out, len(pairs), ranks)
            for name in workload.distances:
                values[name][number[state.layer.name]] = found[name]
            uses += used
    return values, uses


def make_states(layers: Sequence[Layer], workload: PairWorkload, execution: Execution) -> list[LayerState]:
    """Make room for the features of the schedule's slots and for what is kept per pair, once for a pass.

    Args:
        layers: The layers of the pass.
        workload: The distances that are asked for.
        execution: How to run.

    Raises:
        AlignbenchError: If there is no room for what is kept per pair.
    """
    shard, device = workload.assignment.shards[execution.ranks.number], execution.ranks.device
    slots, pairs, own = shard.schedule.slots, len(shard.pairs), torch.from_numpy(shard.pairs)
    fit = ChannelFit(workload.fit.weights[:, own], workload.fit.fold[own], workload.fit.held_out)
    room = execution.feature_memory
    states = []
    for layer in layers:
        tokens, channels = view_tokens(layer, execution.view), layer.channels
        metric: LayerDistances | DenseDistances
        if workload.assignment.dense:
            metric = DenseDistances(fit, tokens, channels, workload.distances)
        else:
            fits = pairs * channels * 4 <= room
            room -= pairs * channels * 4 if fits else 0
            kept = torch.zeros(pairs, channels, device=device) if fits else mapped_zeros(pairs, channels)
            metric = LayerDistances(fit, tokens, channels, workload.distances, kept)
        states.append(
            LayerState(
                layer,
                torch.empty(slots, tokens, channels, device=device),
                torch.ones(slots, dtype=torch.float64, device=device),
                torch.ones(len(shard.schedule.order), dtype=torch.float64, device=device),
                metric.to(device),
                ChannelActivity(channels).to(device),
            )
        )
    return states


def _embed(module: PairExtraction, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> None:
    """One pass over this rank's images."""
    ranks, schedule = execution.ranks, module.shard.schedule
    loader = ordered_loader(
        OrderedImages(workload.images, schedule.order, module.tower.prepare, workload.pixels),
        stack,
        Loading(schedule.batch_size, execution.workers, ranks.device.type == "cuda", ranks.devices),
    )
    with quietly():
        trainer = make_trainer(ranks.device.type, ranks.devices, ranks.nodes, [Feed(listener.advanced)])
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
            claim_room(file.fileno(), size)
            mapped = mmap.mmap(file.fileno(), size)
    except OSError as error:
        raise AlignbenchError(
            f"{tempfile.gettempdir()} has no room for {size / 1e9:.1f} GB of differences per pair and channel "
            f"({error.strerror}): set TMPDIR to a folder that has, or raise --feature-memory"
        ) from error
    return torch.frombuffer(mapped, dtype=torch.float32).view(rows, columns)
