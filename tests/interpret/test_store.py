"""Stores of contributions: what is read of them, and what is wrong with others."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from alignbench.errors import DataError, UsageError
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import random_contributions, write_store

SHAPE = StoreShape(pictures=4, blocks=3, layers=(2, 3), heads=2, width=5, dtype="fp32")


@pytest.mark.parametrize(("dtype", "digits"), [("fp32", 0.0), ("fp16", 2**-11), ("bf16", 2**-8)])
def test_every_part_is_read_back(dtype: str, digits: float, tmp_path: Path) -> None:
    shape = StoreShape(4, 3, (2, 3), 2, 5, dtype, has_constant=True, has_class=True)
    store, expected = write_store(tmp_path / "it", shape), random_contributions(4, 8, 5)
    assert (store.names, store.layers, store.heads, store.width) == (("0.png", "1.png", "2.png", "3.png"), (2, 3), 2, 5)
    for number, (layer, head) in enumerate([(2, 0), (2, 1), (3, 0), (3, 1)]):
        found = store.head(layer, head)
        assert (found.dtype, found.shape) == (np.float32, (4, 5))
        np.testing.assert_allclose(found, expected[:, number], rtol=digits)
    np.testing.assert_allclose(store.others(), expected[:, 4:], rtol=digits)
    np.testing.assert_array_equal(store.left_out(), np.zeros((4, 5)))
    for layer in (1, 2, 3):
        np.testing.assert_allclose(store.class_part(layer), layer * expected[:, 0], rtol=2 * digits + 1e-6)
    np.testing.assert_allclose(store.other(3), expected[:, 7], rtol=digits)
    np.testing.assert_allclose(store.norms, np.linspace(1, 2, 4))
    assert store.constant is not None
    np.testing.assert_array_equal(store.constant, np.full(5, 0.5))
    assert store.record["settings"]["model"] == "own"


def test_one_head_is_read_without_the_others(tmp_path: Path) -> None:
    """The heads of a layer follow each other in its file, each of them whole."""
    store = write_store(tmp_path / "it", SHAPE)
    content = (store.folder / "layer_2.safetensors").read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    start, end = header["head_1"]["data_offsets"]
    np.testing.assert_array_equal(
        np.frombuffer(content[8 + length + start : 8 + length + end], dtype="<f4").reshape(4, 5), store.head(2, 1)
    )


def test_a_head_that_is_not_there_is_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    with pytest.raises(UsageError, match="holds no heads of layer 1: it has those of 2, 3"):
        store.head(1, 0)
    with pytest.raises(UsageError, match="holds no head 2: heads are counted from 0 to 1"):
        store.head(2, 2)


def test_a_store_without_the_part_of_the_class_token_says_so(tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    with pytest.raises(DataError, match=r"it has no class part: make it again by `interpret decompose --class-token`"):
        store.class_part(1)
    record = json.loads((store.folder / "heads.json").read_text())
    del record["shape"]["has_class"]  # as stores of old
    (store.folder / "heads.json").write_text(json.dumps(record))
    assert not HeadStore.open(store.folder).shape.has_class


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none is not there: .*alignbench interpret decompose"):
        HeadStore.open(tmp_path / "none")
    with pytest.raises(DataError, match=r"holds no heads\.json"):
        HeadStore.open(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"pictures": 5}, "4 names of 5 pictures"),
        ({"heads": 3}, "layer_2.safetensors is not of the length"),
        ({"dtype": "fp16"}, "layer_2.safetensors is not of"),
        ({"dtype": "fp8"}, "sizes are impossible"),
        ({"layers": [3, 2]}, "sizes are impossible"),
        ({"layers": [2, 4]}, "sizes are impossible"),
        ({"layers": [True]}, "sizes are impossible"),
        ({"layers": []}, "sizes are impossible"),
        ({"width": 0}, "sizes are impossible"),
        ({"heads": 10**9}, "more layers or heads than any model"),
        ({"heads": "2"}, "not a whole number"),
    ],
)
def test_a_record_of_other_sizes_is_refused(change: dict[str, object], said: str, tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    record = json.loads((store.folder / "heads.json").read_text())
    record["shape"] |= change
    (store.folder / "heads.json").write_text(json.dumps(record))
    with pytest.raises(DataError, match=said):
        HeadStore.open(store.folder)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    path = store.folder / "layer_3.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError, match=r"layer_3\.safetensors is not of the length"):
        HeadStore.open(store.folder)
    with pytest.raises(DataError, match=r"layer_3\.safetensors cannot be read"):
        store.head(3, 0)


def exchange(one: Path, other: Path) -> None:
    """Put two files in each other's place."""
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)


@pytest.mark.parametrize("name", ["layer_2.safetensors", "others.safetensors", "pictures.safetensors", "heads.json"])
def test_files_of_another_store_are_refused(name: str, tmp_path: Path) -> None:
    """They have the same sizes, and would be read as those of this model's heads."""
    folder = write_store(tmp_path / "it", SHAPE, seed=0).folder
    other = write_store(tmp_path / "other", SHAPE, seed=1, label="other").folder
    exchange(folder / name, other / name)
    for each in (folder, other):
        with pytest.raises(DataError, match=r"is not of the length, the shapes and the store of heads\.json"):
            HeadStore.open(each)


def test_layers_that_were_exchanged_are_refused(tmp_path: Path) -> None:
    folder = write_store(tmp_path / "it", SHAPE).folder
    exchange(folder / "layer_2.safetensors", folder / "layer_3.safetensors")
    with pytest.raises(DataError, match=r"layer_2\.safetensors is not of .* make it again by `alignbench interpret"):
        HeadStore.open(folder)


def test_names_of_other_pictures_are_refused(tmp_path: Path) -> None:
    """In another order, too: contributions are found by their place."""
    folder = write_store(tmp_path / "it", SHAPE).folder
    names = json.loads((folder / "names.json").read_text())
    (folder / "names.json").write_text(json.dumps(names[::-1]))
    with pytest.raises(DataError, match=r"names\.json does not name the pictures that heads\.json is of"):
        HeadStore.open(folder)


def test_numbers_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    with SHAPE.layer_shard(store.folder, 2).mapped() as tensors:
        tensors["head_1"][2, 3] = torch.nan
    store.head(2, 0)
    with pytest.raises(DataError, match="head_1 holds numbers that are not finite"):
        store.head(2, 1)


def test_a_file_of_other_tensors_is_refused_where_it_is_read(tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", SHAPE)
    path = store.folder / "others.safetensors"
    save_file({name: tensor.double() for name, tensor in load_file(path).items()}, path)
    with pytest.raises(DataError, match=r"others\.safetensors: embedding is torch\.float64"):
        store.others()
