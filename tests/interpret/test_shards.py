"""Safetensors that are written through memory: what the library itself reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from alignbench.interpret.shards import DTYPES, StoreShard

SHAPES = {"b": (3, 5), "a": (2,), "c": (1, 2, 3)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_what_was_written_through_memory(dtype: str, tmp_path: Path) -> None:
    shard = StoreShard(tmp_path / "it.safetensors", SHAPES, DTYPES[dtype])
    shard.create()
    assert all(not tensor.any() for tensor in load_file(shard.path).values())
    generator = torch.Generator().manual_seed(0)
    given = {name: torch.randn(shape, generator=generator).to(DTYPES[dtype]) for name, shape in SHAPES.items()}
    with shard.mapped() as tensors:
        tensors["b"][1:] = given["b"][1:]
    with shard.mapped() as tensors:  # what is there already stays
        tensors["b"][:1] = given["b"][:1]
        for name in "ac":
            tensors[name][:] = given[name]
    found = load_file(shard.path)
    assert found.keys() == SHAPES.keys()
    for name, tensor in given.items():
        assert found[name].dtype == DTYPES[dtype]
        np.testing.assert_array_equal(found[name].float(), tensor.float())


def test_a_shard_is_there_with_its_header_and_length_alone(tmp_path: Path) -> None:
    shard = StoreShard(tmp_path / "it.safetensors", SHAPES, torch.float32)
    assert not shard.is_there()
    shard.create()
    assert shard.is_there()
    assert not StoreShard(shard.path, {**SHAPES, "a": (3,)}, torch.float32).is_there()
    assert not StoreShard(shard.path, SHAPES, torch.float16).is_there()
    assert not StoreShard(shard.path, SHAPES, torch.float32, "of other").is_there()
    whole = shard.path.read_bytes()
    shard.path.write_bytes(whole[:-1])
    assert not shard.is_there()
    shard.path.write_bytes(whole + b"0")
    assert not shard.is_there()
