"""Parts of an output: they add up to it in its own units, through norms and transforms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose

from alignbench.interpret.components import (
    WHOLE,
    Component,
    OutputParts,
    PartCurve,
    centred,
    is_constant,
    split_constant,
)
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.transforms.affine import AffineTransform
from head_stores import random_contributions, write_store

RESIDUAL = StoreShape(pictures=9, blocks=2, layers=(1, 2), heads=3, width=4, dtype="fp32")
POOLING = StoreShape(pictures=9, blocks=1, layers=(1,), heads=3, width=4, dtype="fp32", has_constant=True)
NORMS = np.linspace(1, 2, 9)[:, None]


def transform() -> AffineTransform:
    rng = np.random.default_rng(4)
    return AffineTransform(rng.normal(size=(4, 6)), mean=0.3, std=0.7, bias=rng.normal(size=6))


def test_parts_are_named_in_the_order_of_the_store(tmp_path: Path) -> None:
    parts = OutputParts(write_store(tmp_path / "store", RESIDUAL))
    heads = [Component("head", layer, head) for layer in (1, 2) for head in range(3)]
    assert parts.components == (*heads, Component("mlp", 1), Component("mlp", 2), Component("embedding"))
    assert len(parts.curves) == 2 * 9
    assert len({curve.name for curve in (*parts.curves, PartCurve(WHOLE))}) == 19
    assert PartCurve(heads[4], "left_out").name == "everything but head 1 of layer 2"


@pytest.mark.parametrize("unit_norm", [False, True])
@pytest.mark.parametrize("shape", [RESIDUAL, POOLING])
def test_parts_have_the_units_of_the_output(shape: StoreShape, unit_norm: bool, tmp_path: Path) -> None:
    parts = OutputParts(write_store(tmp_path / "store", shape), unit_norm)
    stored = random_contributions(9, len(parts.components), 4).astype(np.float64)
    order = [*range(shape.heads * shape.blocks), *range(len(parts.components) - shape.blocks, len(parts.components))]
    order.append(shape.heads * shape.blocks)  # the embedding comes before the MLPs in a store, and last among parts
    scale = (
        NORMS
        ** {(False, False): 1, (False, True): 0, (True, False): 0, (True, True): -1}[shape.has_constant, unit_norm]
    )
    total = (stored.sum(axis=1) + (0.5 if shape.has_constant else 0)) * scale
    assert_allclose(parts.features(PartCurve(WHOLE)), total, rtol=1e-5, atol=1e-5)
    for component, number in zip(parts.components, order, strict=True):
        part = stored[:, number] * scale
        assert_allclose(parts.features(PartCurve(component)), part, rtol=1e-5, atol=1e-6)
        assert_allclose(parts.features(PartCurve(component, "left_out")), total - part, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [RESIDUAL, POOLING])
def test_a_transform_acts_on_every_part(shape: StoreShape, tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", shape)
    plain, affine = OutputParts(store), transform()
    parts = OutputParts(store, unit_norm=True, transform=affine)  # which takes the output as it is
    z = plain.features(PartCurve(WHOLE)).astype(np.float64)
    whole = (z - 0.3) / 0.7 @ affine.weights + affine.bias
    assert_allclose(parts.features(PartCurve(WHOLE)), whole, rtol=1e-5, atol=1e-5)
    each = [parts.features(PartCurve(component)).astype(np.float64) for component in parts.components]
    constant = (0.5 - 0.3) / 0.7 * affine.weights.sum(axis=0) + affine.bias if shape.has_constant else 0.0
    assert_allclose(np.sum(each, axis=0) + constant, whole, rtol=1e-4, atol=1e-4)
    for component, part in zip(parts.components, each, strict=True):
        moved = (plain.features(PartCurve(component)).astype(np.float64) / 0.7) @ affine.weights
        assert_allclose(centred(part.astype(np.float32)), moved - moved.mean(axis=0), rtol=1e-4, atol=1e-4)


def test_what_is_the_same_for_every_picture_is_told_apart(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", POOLING)
    with POOLING.others_shard(store.folder).mapped() as tensors:
        tensors["embedding"][:] = 0.0
    with POOLING.layer_shard(store.folder, 1).mapped() as tensors:
        tensors["head_1"][:] = 3.0
        tensors["head_1"][2] *= 1 + 1e-7
    parts = OutputParts(HeadStore.open(store.folder))
    varying, constant = split_constant(parts)
    assert [curve.component for curve in constant] == [Component("head", 1, 1), Component("embedding")]
    assert {curve.way for curve in constant} == {"alone"}
    kept = [Component("head", 1, 0), Component("head", 1, 2), Component("mlp", 1)]
    assert list(varying) == [PartCurve(component, way) for way in ("alone", "left_out") for component in kept]


def test_what_is_left_may_be_constant_too(tmp_path: Path) -> None:
    store = write_store(tmp_path / "store", POOLING)
    with POOLING.others_shard(store.folder).mapped() as tensors:
        tensors["embedding"][:], tensors["mlp_1"][:] = 0.0, 1.0
    with POOLING.layer_shard(store.folder, 1).mapped() as tensors:
        tensors["head_1"][:], tensors["head_2"][:] = 0.0, 0.0
    varying, constant = split_constant(OutputParts(HeadStore.open(store.folder)))
    assert varying == (PartCurve(Component("head", 1, 0)),)
    assert constant[-1] == PartCurve(Component("head", 1, 0), "left_out")


def test_rounding_is_no_difference() -> None:
    rows = np.full((5, 3), 100.0, dtype=np.float32)
    assert is_constant(rows)
    rows[3, 1] += 2e-5
    assert is_constant(rows)
    rows[3, 1] += 1e-2
    assert not is_constant(rows)
    assert is_constant(np.zeros((4, 2), dtype=np.float32))
