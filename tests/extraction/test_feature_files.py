"""Files of features: what is kept, what is refused, and which transforms fit."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.extraction.feature_files import (
    FeatureFile,
    clear_leftovers,
    partial_folder,
    read_features,
    write_features,
)
from alignbench.transforms import AffineTransform
from alignbench.transforms.named import NamedTransform, check_fits
from files_of_arrays import damaged

RNG = np.random.default_rng(0)
ARRAYS = {"layer_2": RNG.normal(size=(3, 5, 4)).astype(np.float32), "projection": RNG.normal(size=(3, 2))}
NAMES = ("b/ä.png", "a.png", "c.png")
ORIGIN: dict[str, Any] = {"model": "m", "tokens": "cls", "model_fingerprint": "f", "normalized": False}
IDENTITY = AffineTransform(np.eye(2), 0.0, 1.0)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_everything_is_there_again(tmp_path: Path, suffix: str) -> None:
    path, others = tmp_path / f"f{suffix}", {"labels": np.array([2, 0, 1]), "scale": np.array([0.5])}
    write_features(path, FeatureFile(ARRAYS, NAMES, others, ORIGIN))
    found = read_features(path)
    assert (found.names, found.origin) == (NAMES, ORIGIN)
    for name, array in {**ARRAYS, **others}.items():
        again = (found.arrays if name in ARRAYS else found.others)[name]
        assert again.dtype == array.dtype
        np.testing.assert_array_equal(again, array)
    plain = dict(np.load(path)) if suffix == ".npz" else load_file(path)
    np.testing.assert_array_equal(plain["projection"], ARRAYS["projection"])
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_one_layer_may_be_a_plain_array(tmp_path: Path) -> None:
    write_features(tmp_path / "f.npy", FeatureFile({"projection": ARRAYS["projection"]}, NAMES))
    np.testing.assert_array_equal(np.load(tmp_path / "f.npy"), ARRAYS["projection"])
    found = read_features(tmp_path / "f.npy")
    assert (list(found.arrays), found.names, found.layer(None)) == (["features"], None, "features")


def test_a_layer_is_named_or_the_only_one() -> None:
    both = FeatureFile(ARRAYS)
    assert both.layer("layer_2") == "layer_2"
    with pytest.raises(UsageError, match=r"layer_2, projection\): name one with --layer"):
        both.layer(None)
    with pytest.raises(UsageError, match="no layer layer_3: it holds layer_2, projection"):
        both.layer("layer_3")


ONES = np.ones((2, 3))
NPZ: list[tuple[dict[str, Any], str]] = [
    ({"a": ONES, "b": np.ones((3, 3))}, "b has 3 rows, and another layer 2"),
    ({"a": ONES, "names": np.array(["x"])}, "names 1 pictures, and has 2 rows"),
    ({"a": ONES, "names": np.array([1, 2])}, "names is no list of texts"),
    ({"a": ONES, "names": np.array(["x", "y"], dtype=object)}, "pickle is not opened"),
    ({"a": np.array([[1.0, np.nan]])}, "a holds numbers that are not finite"),
    ({"a": np.array([[np.inf, 1.0]])}, "a holds numbers that are not finite"),
    ({"a": np.ones(3), "b": np.ones((2, 3), dtype=int)}, "holds no features"),
    ({"a": ONES, "origin": np.array(3)}, "origin does not say"),
]


@pytest.mark.parametrize(("arrays", "text"), NPZ, ids=[text for _, text in NPZ])
def test_what_is_no_npz_of_features_is_said(tmp_path: Path, arrays: dict[str, Any], text: str) -> None:
    np.savez(tmp_path / "f.npz", **arrays)
    with pytest.raises(DataError, match=rf"f\.npz.*{text}"):
        read_features(tmp_path / "f.npz")


ODD: list[dict[str, str]] = [
    *({"origin": text} for text in ("5", '{"model": 5}', '{"transforms": {"a": 5}}', '{"normalized": 1}', "[" * 5000)),
    {"origin": '{"x": ' + "[" * 200 + "]" * 200 + "}"},
    {"names": "[" * 5000},
]


@pytest.mark.parametrize("metadata", [{"names": "3"}, {"names": '"ab"'}, {"names": "[1, 2]"}, {"origin": "[1]"}, *ODD])
def test_what_is_no_safetensors_of_features_is_said(tmp_path: Path, metadata: dict[str, str]) -> None:
    save_file({"a": ONES}, tmp_path / "f.safetensors", metadata=metadata)
    with pytest.raises(DataError, match=r"f\.safetensors cannot be read as features"):
        read_features(tmp_path / "f.safetensors")


def test_numbers_that_numpy_lacks_are_said(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "BF16", "shape": [1, 2], "data_offsets": [0, 4]}}).encode()
    (tmp_path / "f.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(DataError, match=r"f\.safetensors cannot be read as features"):
        read_features(tmp_path / "f.safetensors")


def test_other_files_are_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"f\.csv is no file of features"):
        read_features(tmp_path / "f.csv")
    with pytest.raises(DataError, match=r"f\.npy is not there"):
        read_features(tmp_path / "f.npy")
    for array in (np.ones(3), np.ones((2, 3), dtype=int)):
        np.save(tmp_path / "f.npy", array)
        with pytest.raises(DataError, match="where features are floats"):
            read_features(tmp_path / "f.npy")


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".safetensors"])
def test_damage_is_said(tmp_path: Path, suffix: str) -> None:
    whole, path = tmp_path / f"whole{suffix}", tmp_path / f"f{suffix}"
    write_features(whole, FeatureFile({"projection": ONES}, origin=ORIGIN))
    if suffix == ".npz":
        np.savez_compressed(whole, projection=RNG.normal(size=(9, 9)))
    said = []
    for content in damaged(whole.read_bytes()):
        path.write_bytes(content)
        try:
            read_features(path)
        except DataError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(str(path) in text for text in said)


def test_what_a_form_cannot_hold_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"f\.npy: a \.npy holds one layer, and there are 2"):
        write_features(tmp_path / "f.npy", FeatureFile(ARRAYS))
    with pytest.raises(UsageError, match=r"f\.csv: features are written as"):
        write_features(tmp_path / "f.csv", FeatureFile(ARRAYS))
    for other in (np.array(["x", "y", "z"]), np.ones(3, dtype=np.longdouble)):
        with pytest.raises(UsageError, match=rf"/f\.safetensors: .* and extra is {other.dtype}: write \.npz"):
            write_features(tmp_path / "f.safetensors", FeatureFile(ARRAYS, others={"extra": other}))

    def full(*arguments: object, **options: object) -> None:
        raise SafetensorError("No space left on device (os error 28)")

    monkeypatch.setattr("safetensors.numpy.save_file", full)
    with pytest.raises(AlignbenchError, match=r"/f\.safetensors cannot be written \(No space left"):
        write_features(tmp_path / "f.safetensors", FeatureFile(ARRAYS))
    assert list(tmp_path.iterdir()) == []


LEARNED = {"model": "m", "model_fingerprint": "f", "tokens": "cls", "layer": "projection"}
PUBLISHED = {"model": "clip_ViT-L/14", "models": ["openai/clip", "open_clip:A/b"], "layer": "projection"}
FITTING = [
    ({}, ORIGIN),
    (LEARNED, ORIGIN),
    (LEARNED, {}),
    (LEARNED, {"transforms": {"layer_1": "t"}}),
    (LEARNED, ORIGIN | {"tokens": "mean"}),  # the projection has one token
    (LEARNED, ORIGIN | {"model": "the same at another place"}),
    (PUBLISHED, ORIGIN | {"model": "openai/clip"}),
    (PUBLISHED, ORIGIN | {"model": "clip"}),  # a local directory
    (PUBLISHED, ORIGIN | {"model": "open_clip:A/b"}),
    (PUBLISHED, {}),
    ({}, ORIGIN | {"normalized": True}),
]


@pytest.mark.parametrize(("told", "origin"), FITTING)
def test_what_fits_is_taken(told: dict[str, Any], origin: dict[str, Any]) -> None:
    check_fits(_transform(told), FeatureFile({"projection": ONES}, origin=origin), "projection")


REFUSED = [
    (LEARNED, ORIGIN | {"model": "other", "model_fingerprint": "g"}, "projection", "of m, and these features of other"),
    (LEARNED, ORIGIN, "layer_2", "for projection, not for layer_2"),
    (LEARNED | {"layer": "layer_2"}, ORIGIN | {"tokens": "all"}, "layer_2", "view cls, .* view all"),
    (LEARNED, ORIGIN | {"normalized": True}, "projection", "raw features, and these are normalized"),
    (PUBLISHED, ORIGIN | {"normalized": True}, "projection", "raw features, and these are normalized"),
    (PUBLISHED, ORIGIN | {"model": "openai/other"}, "projection", "of clip_ViT-L/14, .* of openai/other"),
    (PUBLISHED, ORIGIN | {"model": "b"}, "projection", "of clip_ViT-L/14, .* of b"),
    ({}, {"transforms": {"projection": "t"}}, "projection", "projection has been transformed already, by t"),
]


@pytest.mark.parametrize(("told", "origin", "layer", "text"), REFUSED)
def test_what_does_not_fit_is_refused(told: dict[str, Any], origin: dict[str, Any], layer: str, text: str) -> None:
    with pytest.raises(UsageError, match=f"{text}.*: add --force"):
        check_fits(_transform(told), FeatureFile({layer: ONES}, origin=origin), layer)


def _transform(told: dict[str, Any]) -> NamedTransform:
    return NamedTransform("t", AffineTransform(IDENTITY.weights, 0.0, 1.0, None, told))


def test_rows_of_a_file_that_is_whole_are_cleared_and_newer_ones_are_not(tmp_path: Path) -> None:
    path = tmp_path / "it.npy"
    rows = partial_folder(path) / "layer_0.npy"
    rows.parent.mkdir()
    for made, kept in ((path, ()), (rows, (rows,))):  # whichever is made last
        for each in (rows, path):
            each.parent.mkdir(exist_ok=True)
            each.touch()
            os.utime(each, ns=(1, 1))
        os.utime(made, ns=(2, 2))
        clear_leftovers(path)
        assert tuple(tmp_path.glob(".partial-*/*")) == kept
        assert path.exists()
    clear_leftovers(tmp_path / "other.npy")
