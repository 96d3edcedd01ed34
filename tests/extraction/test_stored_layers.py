"""Layers in files: their tokens, and rows that are read in any order or in blocks."""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from alignbench.errors import DataError, UsageError
from alignbench.extraction.stored_layers import (
    StoredLayer,
    array_layer,
    hdf5_layers,
    npy_layer,
    npz_layers,
    safetensors_layers,
)
from feature_writers import MAPS, ROWS, TOKENS

WANTED = {"rows": ROWS[:, None], "tokens": TOKENS, "maps": MAPS.reshape(4, 6, 6).transpose(0, 2, 1)}
ARRAYS = {"rows": ROWS, "tokens": TOKENS, "maps": MAPS}


def _npy(folder: Path) -> dict[str, StoredLayer]:
    for name, array in ARRAYS.items():
        np.save(folder / f"{name}.npy", np.asfortranarray(array))
    return {name: npy_layer(folder / f"{name}.npy", name) for name in ARRAYS}


def _npz(folder: Path) -> dict[str, StoredLayer]:
    np.savez_compressed(folder / "it.npz", scale=np.array([0.5]), **ARRAYS)
    return {layer.name: layer for layer in npz_layers(folder / "it.npz")}


def _safetensors(folder: Path) -> dict[str, StoredLayer]:
    save_file({name: torch.from_numpy(array) for name, array in ARRAYS.items()}, folder / "it.safetensors")
    return {layer.name: layer for layer in safetensors_layers(folder / "it.safetensors")[0]}


def _hdf5(folder: Path) -> dict[str, StoredLayer]:
    import h5py

    with h5py.File(folder / "it.h5", "w") as file:
        for name, array in ARRAYS.items():
            file.create_dataset(name, data=array, chunks=True, compression="gzip")
    return {layer.name: layer for layer in hdf5_layers(folder / "it.h5")}


@pytest.mark.parametrize("make", [_npy, _npz, _safetensors, _hdf5])
def test_rows_are_tokens_by_channels(make: Callable[[Path], dict[str, StoredLayer]], tmp_path: Path) -> None:
    layers = make(tmp_path)
    assert layers.keys() == ARRAYS.keys()
    assert [(layers[name].tokens, layers[name].channels) for name in WANTED] == [(1, 6), (5, 6), (6, 6)]
    chosen = np.array([2, 0, 3])
    for name, wanted in WANTED.items():
        with layers[name].opened() as held:
            np.testing.assert_array_equal(layers[name].rows(held, chosen).numpy(), wanted[chosen])
            blocks = list(layers[name].blocks(held))
        assert [start for start, _ in blocks] == [0]
        np.testing.assert_array_equal(blocks[0][1].numpy(), wanted)


def test_blocks_follow_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignbench.extraction.stored_layers._BLOCK", 60)
    layer = array_layer(Path("it"), "tokens", TOKENS)
    with layer.opened() as held:
        blocks = list(layer.blocks(held))
    assert [start for start, _ in blocks] == [0, 2]
    np.testing.assert_array_equal(np.concatenate([block.numpy() for _, block in blocks]), TOKENS)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.float64, torch.int32])
def test_other_types_of_number_are_made_float32(kind: torch.dtype, tmp_path: Path) -> None:
    numbers = torch.tensor([[1.5, -2.0], [3.0, 4.0]]).to(kind)
    save_file({"it": numbers}, tmp_path / "it.safetensors")
    [layer], _ = safetensors_layers(tmp_path / "it.safetensors")
    with layer.opened() as held:
        found = layer.rows(held, np.array([1, 0]))
    assert found.dtype == torch.float32
    np.testing.assert_array_equal(found[:, 0].numpy(), numbers.flip(0).float().numpy())


@pytest.mark.parametrize(
    ("array", "said"),
    [
        (np.ones(3), r"it is of shape \(3,\)"),
        (np.ones((2, 3, 1, 1, 1)), r"it is of shape \(2, 3, 1, 1, 1\)"),
        (np.ones((0, 3)), r"it is empty, of shape \(0, 3\)"),
        (np.ones((3, 0)), "it is empty"),
        (np.ones((2, 3), dtype=complex), "it holds complex128, which are no features"),
        (np.ones((2, 3), dtype=bool), "it holds bool"),
        (np.array([["a", "b"]]), "it holds <U1"),
    ],
)
def test_what_cannot_be_features_is_refused(array: np.ndarray, said: str) -> None:
    with pytest.raises(DataError, match=said):
        array_layer(Path("here.npy"), "it", array)


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    ragged = np.array([np.ones(2), np.ones(3)], dtype=object)
    np.save(tmp_path / "it.npy", ragged, allow_pickle=True)
    with pytest.raises(ValueError, match="object"):
        npy_layer(tmp_path / "it.npy", "it")
    np.savez(tmp_path / "it.npz", fine=ROWS, ragged=ragged)
    with pytest.raises(ValueError, match="ragged holds objects"):
        list(npz_layers(tmp_path / "it.npz"))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "it.npz", a=ROWS)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(tmp_path / "it.npz", "a") as archive:
        archive.writestr("a.npy", zipfile.ZipFile(tmp_path / "it.npz").read("a.npy"))
    with pytest.raises(ValueError, match="two arrays of one name"):
        list(npz_layers(tmp_path / "it.npz"))


def test_hdf5_holds_arrays_of_its_own_alone(tmp_path: Path) -> None:
    import h5py

    (tmp_path / "secret").write_bytes(bytes(96))
    virtual = h5py.VirtualLayout((4, 6), "f4")
    virtual[:] = h5py.VirtualSource("other.h5", "it", (4, 6))
    makers: dict[str, Callable[[h5py.File], object]] = {
        "group": lambda file: file.create_group("it").create_dataset("inner", data=ROWS),
        "soft link": lambda file: file.__setitem__("it", h5py.SoftLink("/elsewhere")),
        "link to a file": lambda file: file.__setitem__("it", h5py.ExternalLink("other.h5", "/it")),
        "raw file": lambda file: file.create_dataset(
            "it", (4, 6), dtype="f4", external=[(str(tmp_path / "secret"), 0, 96)]
        ),
        "virtual": lambda file: file.create_virtual_dataset("it", virtual),
    }
    for number, make in enumerate(makers.values()):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            make(file)
        with pytest.raises(DataError, match="it is no array of this file"):
            hdf5_layers(path)
    with h5py.File(tmp_path / "texts.h5", "w") as file:
        file.create_dataset("it", data=["a", "b"])
    with pytest.raises(DataError, match="it holds object"):
        hdf5_layers(tmp_path / "texts.h5")


def test_hdf5_without_h5py_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    with pytest.raises(
        UsageError, match=r"it\.h5 is HDF5, and h5py is not installed: pip install 'alignbench\[hdf5\]'"
    ):
        hdf5_layers(tmp_path / "it.h5")
