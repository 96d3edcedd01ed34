"""Safetensors that are written through memory: what the library itself reads of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from alignbench.errors import DataError
from alignbench.interpret.shards import DTYPES, MappedShards, StoreShard, torch_dtype

SHAPES = {"b": (3, 5), "a": (2,), "c": (1, 2, 3)}


@pytest.mark.parametrize("dtype", DTYPES)
def test_the_library_reads_what_was_written_through_memory(dtype: str, tmp_path: Path) -> None:
    shard = StoreShard(tmp_path / "it.safetensors", SHAPES, dtype)
    shard.create()
    assert all(not tensor.any() for tensor in load_file(shard.path).values())
    generator = torch.Generator().manual_seed(0)
    given = {name: torch.randn(shape, generator=generator).to(torch_dtype(dtype)) for name, shape in SHAPES.items()}
    with shard.mapped() as tensors:
        tensors["b"][1:] = given["b"][1:]
    with shard.mapped() as tensors:  # what is there already stays
        tensors["b"][:1] = given["b"][:1]
        for name in "ac":
            tensors[name][:] = given[name]
    found = load_file(shard.path)
    assert found.keys() == SHAPES.keys()
    for name, tensor in given.items():
        assert found[name].dtype == torch_dtype(dtype)
        np.testing.assert_array_equal(found[name].float(), tensor.float())


def test_a_shard_is_there_with_its_header_and_length_alone(tmp_path: Path) -> None:
    shard = StoreShard(tmp_path / "it.safetensors", SHAPES, "fp32")
    assert not shard.is_there()
    shard.create()
    assert shard.is_there()
    assert not StoreShard(shard.path, {**SHAPES, "a": (3,)}, "fp32").is_there()
    assert not StoreShard(shard.path, SHAPES, "fp16").is_there()
    assert not StoreShard(shard.path, SHAPES, "fp32", "of other").is_there()
    whole = shard.path.read_bytes()
    shard.path.write_bytes(whole[:-1])
    assert not shard.is_there()
    shard.path.write_bytes(whole + b"0")
    assert not shard.is_there()


def written(path: Path, value: float, dtype: str = "fp32") -> StoreShard:
    """A file all of whose numbers are `value`, in place of what is there."""
    shard = StoreShard(path.with_suffix(".new"), SHAPES, dtype)
    shard.create()
    with shard.mapped() as tensors:
        for tensor in tensors.values():
            tensor[:] = value
    shard.path.rename(path)
    return StoreShard(path, SHAPES, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_file_that_is_written_anew_is_read_anew(dtype: str, tmp_path: Path) -> None:
    files, path, made = MappedShards(), tmp_path / "it.safetensors", []

    def make() -> int:
        made.append(len(made))
        return made[-1]

    shard = written(path, 1.5, dtype)
    for _ in range(2):
        first, second = files.read(shard, ["b", "a"])
        assert (first.shape, second.shape, first.dtype) == ((3, 5), (2,), np.float32)
        assert (first == 1.5).all()
        assert (second == 1.5).all()
        assert (files.remembered(shard, "what", make), files.remembered(shard, "else", make)) == (0, 1)
    written(path, 2.5, dtype)
    assert (files.read(shard, ["b"])[0] == 2.5).all()
    assert files.remembered(shard, "what", make) == 2
    assert (first == 1.5).all()


def test_what_cannot_be_read_is_said_each_time(tmp_path: Path) -> None:
    files, path = MappedShards(), tmp_path / "it.safetensors"
    shard = written(path, float("inf"))
    for _ in range(2):
        with pytest.raises(DataError, match="a holds numbers that are not finite: remove the folder"):
            files.read(shard, ["a"])
    written(path, 1.0)
    files.read(shard, ["a"])
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(DataError, match=r"it.safetensors cannot be read"):
        files.read(shard, ["a"])
    path.unlink()
    with pytest.raises(DataError, match=r"it.safetensors cannot be read \(.*No such file"):
        files.remembered(shard, "what", int)
