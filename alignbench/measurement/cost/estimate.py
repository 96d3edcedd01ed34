"""What a job costs, worked out before anything is loaded: forward passes, memory, bytes and time of every rank.

The numbers come from the same planner that a run follows (`alignbench.extraction.sharding`), from the shapes of the
model's weights, and from rates (`alignbench.measurement.cost.rates`). The time of the fullest rank is

    max(decoding, forward passes) + matrix products + tokens on their way

where decoding and forward passes add up instead if the same cores do both. Start-up, and reducing pairs one by one,
are not in it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from alignbench.arrays import Indices
from alignbench.distances.names import DISTANCES
from alignbench.extraction.schedule import layer_passes
from alignbench.extraction.sharding import Assignment, Shard, assign
from alignbench.measurement.cost.rates import Rates, picture_seconds
from alignbench.models.cost import TowerCost
from alignbench.models.towers import Layer, view_tokens

PAIRWISE: Final = "pair by pair"
PRODUCTS: Final = "matrix products"
_MULTIPLIED: Final = 3  # times that matrix products go over a layer: twice for distances, once for the sums of m[c]
_TRAVELS: Final = 2  # times that tokens go to another rank for matrix products: before m[c] is known, and after
_PANEL, _TOGETHER = 2048, 4096  # images and numbers of an image that are multiplied at once
_UNDER_WAY: Final = {"cpu": 128_000_000, "gpu": 1_024_000_000}  # bytes that leave a rank and arrive there at a time


@dataclass(frozen=True)
class Work:
    """What a data set asks of any model.

    Attributes:
        dataset: Its name.
        source: What is known of it: its folder, or its published shape.
        images: Number of distinct pictures.
        pairs: Distinct pairs of them, (P, 2).
        folds: Folds of channel means: 1, or as many as there are references, of which each is left out in turn.
        pictures: Number of picture files by suffix.
        file_bytes: Bytes of these files together; none where that is not known.
    """

    dataset: str
    source: str
    images: int
    pairs: Indices
    folds: int
    pictures: Mapping[str, int]
    file_bytes: int | None


@dataclass(frozen=True)
class Subject:
    """A model as far as its cost goes.

    Attributes:
        name: Its label.
        layers: Where its features are read.
        view: Token view.
        cost: Cost of its forward pass.
    """

    name: str
    layers: tuple[Layer, ...]
    view: str
    cost: TowerCost

    def numbers(self, layer: Layer) -> int:
        """How many numbers an image has at a layer."""
        return view_tokens(layer, self.view) * layer.channels


@dataclass(frozen=True)
class Machines:
    """What a job runs on.

    Attributes:
        devices: Number of ranks on each machine.
        nodes: Number of machines.
        batch_size: Images a batch.
        feature_memory: Bytes of features that a rank keeps at the same time.
        rates: What a rank does in a second.
    """

    devices: int
    nodes: int
    batch_size: int
    feature_memory: int
    rates: Rates

    @property
    def ranks(self) -> int:
        """How many share the work."""
        return self.devices * self.nodes


@dataclass(frozen=True)
class Estimate:
    """What a job costs. Memory and seconds are those of the fullest rank.

    Attributes:
        model: Its label.
        dataset: Its name.
        source: What is known of the data set.
        devices: Ranks of each machine.
        nodes: Machines.
        images: Distinct pictures.
        pairs: Distinct pairs of them.
        path: `pair by pair` or `matrix products`.
        fullest_rank_images: Pictures that the fullest rank embeds in a pass.
        passes: How often every picture is embedded, so that features fit memory.
        forward_passes: Pictures embedded in all.
        flops_per_image: Operations of one forward pass of one picture, two for each multiplication and addition.
        flops: Operations of all forward passes.
        file_bytes: Picture files to decode; none where their size is not known.
        pixel_bytes: The same pictures prepared, as the pixel cache keeps them.
        one_pass_bytes: Feature memory with which one pass would do.
        feature_bytes: Features kept at the same time.
        pair_bytes: What is kept in memory for each pair, results of all layers included.
        mapped_bytes: Differences per pair and channel that lie in a file instead.
        weight_bytes: The tower in float32.
        buffer_bytes: Room for matrix products and for tokens on their way.
        memory_bytes: All of it but what lies in a file; the program itself and the activations of a batch come on top.
        travelling_bytes: What ranks send each other in all.
        decode_seconds: Seconds to decode and resize, with all cores of the rank; none for pictures without files.
        forward_seconds: Seconds of forward passes.
        product_seconds: Seconds of matrix products.
        travel_seconds: Seconds in which tokens are on their way between ranks.
        first_seconds: Expected seconds where pictures have to be decoded.
        cached_seconds: Expected seconds where pictures are prepared.
        rates: Where the rates are from.
    """

    model: str
    dataset: str
    source: str
    devices: int
    nodes: int
    images: int
    pairs: int
    path: str
    fullest_rank_images: int
    passes: int
    forward_passes: int
    flops_per_image: int
    flops: int
    file_bytes: int | None
    pixel_bytes: int
    one_pass_bytes: int
    feature_bytes: int
    pair_bytes: int
    mapped_bytes: int
    weight_bytes: int
    buffer_bytes: int
    memory_bytes: int
    travelling_bytes: int
    decode_seconds: float | None
    forward_seconds: float
    product_seconds: float
    travel_seconds: float
    first_seconds: float
    cached_seconds: float
    rates: str


def estimate(subject: Subject, work: Work, machines: Machines) -> Estimate:
    """Work out what a job costs.

    Args:
        subject: The model.
        work: The data set.
        machines: What it runs on.

    Raises:
        UsageError: If the features of one layer alone do not fit memory.
    """
    cost, rates = subject.cost, machines.rates
    assignment = assign(
        work.pairs, work.images, machines.batch_size, machines.ranks, dense=False if work.folds > 1 else None
    )
    sizes = [4 * subject.numbers(layer) for layer in subject.layers]
    passes = layer_passes(sizes, assignment.slots, machines.feature_memory)
    fullest = max(len(shard.schedule.order) for shard in assignment.shards)
    states = [_pair_state(subject, [subject.layers[i] for i in group], work, assignment, machines) for group in passes]
    features = assignment.slots * max(sum(sizes[i] for i in group) for group in passes)
    results = 8 * len(work.pairs) * (1 + len(DISTANCES) * (1 + len(sizes)))
    kept = max(memory for memory, _ in states) + results
    weights, buffers = 4 * cost.parameters, _buffers(assignment, "cpu" if rates.same_cores else "gpu")
    received = [_received(shard, sum(sizes), assignment.dense) for shard in assignment.shards]
    reduced = 8 * len(work.pairs) * (1 + len(DISTANCES)) * len(sizes) * 2 * (machines.ranks - 1)  # a ring's all-reduce
    forward = fullest * len(passes) * cost.flops / rates.forward
    decode = fullest * picture_seconds(rates, work.pictures) / rates.cores if work.pictures else None
    products = max(_products(shard, sizes) for shard in assignment.shards) / rates.products if assignment.dense else 0.0
    travel = (max(received) + reduced / machines.ranks) / rates.link
    both = forward + (decode or 0.0) if rates.same_cores else max(forward, decode or 0.0)
    return Estimate(
        model=subject.name,
        dataset=work.dataset,
        source=work.source,
        devices=machines.devices,
        nodes=machines.nodes,
        images=work.images,
        pairs=len(work.pairs),
        path=PRODUCTS if assignment.dense else PAIRWISE,
        fullest_rank_images=fullest,
        passes=len(passes),
        forward_passes=work.images * len(passes),
        flops_per_image=cost.flops,
        flops=work.images * len(passes) * cost.flops,
        file_bytes=work.file_bytes,
        pixel_bytes=work.images * 3 * cost.side**2,
        one_pass_bytes=assignment.slots * sum(sizes),
        feature_bytes=features,
        pair_bytes=kept,
        mapped_bytes=max(mapped for _, mapped in states),
        weight_bytes=weights,
        buffer_bytes=buffers,
        memory_bytes=features + kept + weights + buffers,
        travelling_bytes=sum(received) + reduced,
        decode_seconds=decode,
        forward_seconds=forward,
        product_seconds=products,
        travel_seconds=travel,
        first_seconds=both + products + travel,
        cached_seconds=forward + products + travel,
        rates=rates.origin,
    )


def _pair_state(
    subject: Subject, layers: list[Layer], work: Work, assignment: Assignment, machines: Machines
) -> tuple[int, int]:
    """Bytes that are kept for the pairs of the fullest rank in a pass: in memory, and in a file."""
    if assignment.dense:  # weight, squared distance, cosine and normalised distance, and a mark
        return len(layers) * assignment.pairs * (4 * 8 + 1), 0
    memory, mapped, room = 0, 0, machines.feature_memory
    for layer in layers:
        differences = assignment.pairs * layer.channels * 4
        if differences <= room:
            room -= differences
            memory += differences
        else:
            mapped += differences
        memory += assignment.pairs * (8 * work.folds + 8 + 8 + 1)  # weights, fold, cosine, mark
    return memory, mapped


def _buffers(assignment: Assignment, kind: str) -> int:
    """Room for matrix products over a rank's images, and for tokens on their way."""
    moving = _UNDER_WAY[kind] if any(shard.receives for shard in assignment.shards) else 0
    if not assignment.dense:
        return moving
    ones = min(_PANEL, assignment.slots)
    tables = 12 * ones * assignment.slots  # products in float64, and weights in float32
    factors = 4 * _TOGETHER * (2 * assignment.slots + ones)  # centred features of all, and squares
    columns = 80 * min(assignment.pairs, ones * assignment.slots)  # some ten numbers for each pair at hand
    return moving + tables + factors + columns


def _received(shard: Shard, size: int, dense: bool) -> int:
    """Bytes of tokens that a rank receives; `size` is that of an image at all layers."""
    return sum(len(block.images) for block in shard.receives.values()) * size * (_TRAVELS if dense else 1)


def _products(shard: Shard, sizes: list[int]) -> int:
    """Operations of a rank's matrix products: half a square of its own, and what comes with its partners."""
    own = len(shard.schedule.order)
    others = sum(len(block.images) * len(block.partners) for block in shard.receives.values())
    return _MULTIPLIED * (own**2 + 2 * others) * sum(sizes) // 4
