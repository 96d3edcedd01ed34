"""What a store of contributions takes before it is made: bytes, forward passes, operations and time.

Sizes are those of the files that `decomposing` writes, and operations are counted, of the forward pass by
`alignbench.models.cost` and of the decomposition here. Times follow from rates (`alignbench.measurement.cost.rates`).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignbench.errors import UsageError
from alignbench.interpret.anatomy import check_class_token, find_anatomy
from alignbench.interpret.decomposing import store_shape
from alignbench.interpret.parts import Affine, Anatomy, AttentionParts, PoolingTower
from alignbench.interpret.store_job import StoreJob
from alignbench.measurement.cost.rates import Rates, picture_seconds
from alignbench.models.cost import tower_cost
from alignbench.models.families import check_name, skeleton
from alignbench.models.pair_metrics import METRICS

_NUMBER: Final = 4  # bytes of float32
_SUFFIX: Final = ".jpg"  # what pictures are taken for
_MOST: Final = 10**12  # beyond which a number is a slip


@dataclass(frozen=True)
class StoreCost:
    """What a store takes. Bytes of picture files are not in it.

    Attributes:
        model: Name of the model.
        images: Pictures; each goes through the model once.
        layers: Layers whose heads are kept one by one, from 1.
        heads: Heads of a layer.
        width: Numbers of a contribution.
        dtype: What numbers are kept in.
        devices: Processes that share the pictures.
        head_bytes: Bytes of the heads that are kept.
        other_bytes: Bytes of MLPs, embedding and all that is kept beside the heads.
        store_bytes: Both, without names and record.
        weight_bytes: Bytes of the weights, in float32, that each process holds.
        forward_flops: Operations of the forward passes of all pictures, two for each multiplication and addition.
        decomposition_flops: Operations of their decompositions.
        decode_seconds: Time in which a process reads its pictures.
        forward_seconds: Time of its forward passes and decompositions.
        seconds: Expected time.
    """

    model: str
    images: int
    layers: tuple[int, ...]
    heads: int
    width: int
    dtype: str
    devices: int
    head_bytes: int
    other_bytes: int
    store_bytes: int
    weight_bytes: int
    forward_flops: int
    decomposition_flops: int
    decode_seconds: float
    forward_seconds: float
    seconds: float


def store_cost(
    model: str, images: int, job: StoreJob, rates: Rates, images_per_second: float | None = None
) -> StoreCost:
    """Work out what a store takes.

    Args:
        model: Name of the model.
        images: Number of pictures.
        job: What is stored, and by how many processes.
        rates: What a process does in a second that is alone on its device.
        images_per_second: Pictures that a process decomposes in a second, where that is known.

    Raises:
        UsageError: If there is no such model, its output is no exact sum, or the job is impossible.
        ModelError: If its configuration is not on this machine.
    """
    job = job.checked()
    if not 1 <= images <= _MOST:
        raise UsageError(f"--images {images:,}: give 1 to {_MOST:,}")
    if model in METRICS.names():
        raise UsageError(f"{model} is a baseline, which has no heads: choose a model")
    check_name(model, METRICS.names())
    tower = skeleton(model, protocol="corrected")
    anatomy = find_anatomy(tower)
    if job.class_token:
        check_class_token(anatomy)
    shape, cost = store_shape(job, anatomy, images), tower_cost(tower)
    head_bytes = sum(shape.layer_shard(Path(), layer).size for layer in shape.layers)
    other_bytes = shape.others_shard(Path()).size + shape.pictures_shard(Path()).size
    tokens = max(layer.tokens for layer in tower.layers)
    each = decomposition_flops(anatomy, tokens, job.class_token)
    own, rates = -(-images // job.devices), rates.shared_by(job.devices)
    working = own * (cost.flops + each) / rates.forward if images_per_second is None else own / images_per_second
    decoding = own * picture_seconds(rates, {_SUFFIX: 1}) / rates.cores
    takes_turns = rates.same_cores and images_per_second is None  # a known speed has the decoding in it
    return StoreCost(
        *(model, images, shape.layers, shape.heads, shape.width, job.dtype, job.devices),
        head_bytes=head_bytes,
        other_bytes=other_bytes,
        store_bytes=head_bytes + other_bytes,
        weight_bytes=_NUMBER * cost.parameters,
        forward_flops=images * cost.flops,
        decomposition_flops=images * each,
        decode_seconds=decoding,
        forward_seconds=working,
        seconds=working + decoding if takes_turns else max(working, decoding),
    )


def decomposition_flops(anatomy: Anatomy, tokens: int, class_token: bool = False) -> int:
    """Count the operations of decomposing the output of a picture, beside its forward pass.

    Args:
        anatomy: The parts of the tower.
        tokens: Tokens of a picture, N.
        class_token: Whether what the class token reads of itself is kept too.

    Returns:
        Two for each multiplication and addition of matrix products.
    """
    if isinstance(anatomy, PoolingTower):
        onward = anatomy.attention.out.weight.shape[0]
        return _queried(anatomy.attention, tokens, anatomy.width) + 2 * 2 * onward * anatomy.width
    total = 0
    for block in anatomy.blocks:
        parts = block.attention
        total += _queried(parts, tokens, anatomy.width)
        if class_token:
            inner, wide = parts.value.weight.shape
            total += 2 * (inner * wide + inner * anatomy.width)
    terms = anatomy.layers + 1
    return total + 2 * terms * anatomy.blocks[0].attention.out.weight.shape[0] * anatomy.width


def _queried(parts: AttentionParts, tokens: int, width: int) -> int:
    """Operations of what the heads of a layer add: weights, their mean of tokens, its values, and those onward."""
    inner, wide = parts.value.weight.shape
    return _weights(parts, tokens) + 2 * (parts.heads * tokens * wide + inner * wide + inner * width)


def _weights(parts: AttentionParts, tokens: int) -> int:
    """Operations of the weights of a query."""
    inner, wide = parts.key.weight.shape
    asked = 2 * inner * wide if isinstance(parts.query, Affine) else 0
    if parts.key_norm is not None:
        return asked + 2 * tokens * inner * (wide + 1)
    return asked + 2 * (inner * wide + parts.heads * tokens * wide)
