"""The predict loop of a rank: a hooked tower embeds batches, and pairs are reduced as soon as both images are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor

from alignbench.distances.dense import DenseDistances, PairBlock
from alignbench.distances.functional import token_squares
from alignbench.distances.streaming import ChannelActivity, LayerDistances
from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.execution import Execution
from alignbench.extraction.predict import Batch, PixelLoop, unpack_batch
from alignbench.extraction.schedule import Step
from alignbench.extraction.source import PairWorkload
from alignbench.models.towers import Layer, Tapped, Tower, select_view, tap, view_tokens

_COPIED_AT_ONCE: Final = {"cpu": 4_000_000, "cuda": 256_000_000}  # bytes: what stays in a cache, or fills a GPU
_UNCHECKED: Final = {"cpu": 1, "cuda": 64}  # batches between looks at what came out, each of which a GPU must wait for


@dataclass
class LayerState:
    """What a rank holds of one layer while its images flow by.

    Attributes:
        layer: The layer.
        kept: Features by slot, (slots, tokens, channels), float32.
        norms: Norms of the flattened features by slot, (slots,), float64.
        lengths: The same by image in the order of their embedding, (images,): what is looked at for faults.
        distances: The accumulator.
        activity: Mean squared activation of the channels.
    """

    layer: Layer
    kept: Tensor
    norms: Tensor
    lengths: Tensor
    distances: LayerDistances | DenseDistances
    activity: ChannelActivity = field(repr=False)

    def keep(self, features: Tensor, slots: Tensor, start: int) -> None:
        """Take in the features of some images.

        Args:
            features: (images, tokens, channels), float32; copied, so that nothing holds on to a model's output.
            slots: The slots where they go, (images,).
            start: How many images came before them.
        """
        self.kept[slots] = features
        squares = token_squares(features)
        lengths = squares.sum(dim=1).sqrt_()
        self.norms[slots] = lengths
        self.lengths[start : start + len(lengths)] = lengths
        self.activity.update(squares, features.shape[1])

    def reduce(self, rows: slice, first: Tensor, second: Tensor) -> None:
        """Reduce pairs both of whose images are in their slots.

        Args:
            rows: The range of these pairs among the rank's.
            first: Slots of their first images, (pairs,).
            second: Slots of their second images, (pairs,).
        """
        reduce_pairs(self, PairBlock(rows, self.kept, self.kept, self.norms, self.norms, first, second))


class PairExtraction(PixelLoop):
    """Embeds the images of a rank.

    What belongs to this rank alone is in plain attributes: Lightning gives all ranks the leading one's buffers.

    Args:
        tower: The model.
        states: The layers of this pass.
        workload: The distances that are asked for; where a cosine is, a zero feature vector is an error.
        execution: How to run.
    """

    def __init__(
        self, tower: Tower, states: Sequence[LayerState], workload: PairWorkload, execution: Execution
    ) -> None:
        super().__init__(execution.precision)
        self.allow_zero_length_dataloader_with_multiple_devices = True  # a rank too many has nothing to embed
        self.tower, self.states, self.view = tower, tuple(states), execution.view
        self.shard = workload.assignment.shards[execution.ranks.number]
        self.needs_norms, self.names = "cosine" in workload.distances, workload.images.names
        layers = [state.layer for state in self.states]
        self.by_name = {state.layer.name: state for state in self.states}
        self.tap = Tapped(tower, layers) if execution.compiled else None
        self.compiled = None if self.tap is None else torch.compile(self.tap, dynamic=False)
        self.embedded = self.checked = self.reduced = 0
        self.slots = torch.empty(0, dtype=torch.long)
        self.flow: list[Tensor] = []

    def release(self) -> None:
        """Leave the tower as it was, and let go of the features: whoever finishes them frees them layer by layer."""
        if self.tap is not None:
            self.tap.release()
        self.states, self.by_name = (), {}

    def on_predict_epoch_start(self) -> None:
        """Bring the whole schedule to the device at once, so that no batch waits for its part of it."""
        steps = self.shard.schedule.steps
        columns = ([step.slots for step in steps], [step.first for step in steps], [step.second for step in steps])
        self.flow = [torch.from_numpy(np.concatenate(column)).to(self.device) for column in columns]

    def predict_step(self, batch: Batch | DataError, batch_idx: int) -> None:
        """Embed one step's images, then reduce the pairs that it completes."""
        pixels, indices = unpack_batch(batch)
        step = self.shard.schedule.steps[batch_idx]
        if not np.array_equal(indices.numpy(), step.images):
            raise RuntimeError(f"batch {batch_idx} does not hold the images of its step")
        self.slots = self.flow[0][self.embedded : self.embedded + len(indices)]
        with self.autocast():
            self._embed(pixels)
        self.embedded += len(indices)
        self._reduce(step)
        if (batch_idx + 1) % _UNCHECKED[self.device.type] == 0 or batch_idx + 1 == len(self.shard.schedule.steps):
            self._check()

    def _embed(self, pixels: Tensor) -> None:
        if self.compiled is None:
            with tap(self.tower, [state.layer for state in self.states], self._keep):
                self.tower(pixels)
            return
        size = len(self.shard.schedule.steps[0].images)
        short = size - len(pixels)  # a last batch is filled up: another size would be compiled anew
        features = self.compiled(torch.cat([pixels, pixels[:1].expand(short, -1, -1, -1)]) if short else pixels)
        for state, found in zip(self.states, features, strict=True):
            self._keep(state.layer, found[: len(pixels)])

    def _keep(self, layer: Layer, features: Tensor) -> None:
        state = self.by_name[layer.name]
        with torch.autocast(self.device.type, enabled=False):
            features = select_view(features, layer, self.view, self.tower.prefix_tokens)
            state.keep(features, self.slots, self.embedded)

    def _check(self) -> None:
        """Look at what came out since the last look."""
        lengths = torch.stack([state.lengths[self.checked : self.embedded] for state in self.states]).cpu()
        finite = lengths.isfinite()
        if not finite.all():
            layer, image = (int(i) for i in (~finite).nonzero()[0])
            raise AlignbenchError(
                f"{self.states[layer].layer.name} gave numbers that are not finite for {self._name(image)}: "
                "the checkpoint is damaged, or --precision is too low for it"
            )
        if self.needs_norms and not lengths.all():
            layer, image = (int(i) for i in (lengths == 0).nonzero()[0])
            raise no_cosine(self.states[layer].layer.name, self._name(image))
        self.checked = self.embedded

    def _name(self, position: int) -> str:
        return self.names[int(self.shard.schedule.order[self.checked + position])]

    def _reduce(self, step: Step) -> None:
        done = slice(self.reduced, self.reduced + len(step.pairs))
        first, second = self.flow[1][done], self.flow[2][done]
        self.reduced = done.stop
        for state in self.states if len(step.pairs) else ():
            state.reduce(done, first, second)


def no_cosine(layer: str, picture: str) -> AlignbenchError:
    """Make the error for features of length zero, which point nowhere."""
    return AlignbenchError(
        f"{layer} is zero for {picture}, which has no cosine: leave it out with --distance "
        "normalized_euclidean,euclidean"
    )


def reduce_pairs(state: LayerState, block: PairBlock) -> None:
    """Reduce the pairs of a block one by one, as many at once as fit a cache.

    Args:
        state: State of their layer.
        block: The pairs, which follow each other among the rank's.
    """
    metric = cast(LayerDistances, state.distances)
    start, rows = block.rows.start, max(1, _COPIED_AT_ONCE[block.first.device.type] // (block.first[0].numel() * 4))
    for a, b in zip(block.i.split(rows), block.j.split(rows), strict=True):
        ends = torch.stack([block.first_norms[a], block.second_norms[b]], dim=1)
        firsts, seconds = block.first.index_select(0, a), block.second.index_select(0, b)  # thrice as fast as first[a]
        metric.update(slice(start, start + len(a)), firsts, seconds, ends)
        start += len(a)


def layer_bytes(layer: Layer, view: str) -> int:
    """Size of one image's features at a layer."""
    return view_tokens(layer, view) * layer.channels * 4
