"""Every form in which features come, and whatever is none."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import AlignbenchError, DataError
from alignbench.extraction.stored_features import open_features
from feature_writers import FORMS, MAPS, NAMES, ROWS, TOKENS, list_names
from files_of_arrays import Trap


@pytest.mark.parametrize("form", FORMS)
def test_the_same_features_in_every_form(form: str, tmp_path: Path) -> None:
    found = open_features(FORMS[form](tmp_path / "it"))
    assert found.names == NAMES
    [layer] = found.layers
    assert (layer.name, layer.shape, found.depths) == ("features", (4, 6), (100.0,))
    with layer.opened() as held:
        np.testing.assert_array_equal(layer.rows(held, np.array([3, 1]))[:, 0].numpy(), ROWS[[3, 1]])


def test_a_fingerprint_is_of_what_is_measured(tmp_path: Path) -> None:
    prints = {
        open_features(make(tmp_path / form)).fingerprint() for form, make in FORMS.items() if "doubles" not in form
    }
    assert len(prints) == 1
    others = [("one number", ROWS + np.eye(4, 6, dtype=np.float32), NAMES), ("one name", ROWS, (*NAMES[:3], "d.png"))]
    for what, rows, names in others:
        np.save(list_names(tmp_path / what, names) / "features.npy", rows)
        prints.add(open_features(tmp_path / what).fingerprint())
    assert len(prints) == 3


def test_a_folder_has_a_file_for_each_layer_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    arrays = {"projection": ROWS, "conv10": TOKENS, "conv2": MAPS, "conv1": ROWS}
    for name, array in arrays.items():
        np.save(list_names(tmp_path) / f"{name}.npy", array)
    (tmp_path / "README.txt").write_text("theirs")
    found = open_features(tmp_path)
    assert [layer.name for layer in found.layers] == ["conv1", "conv2", "conv10", "projection"]
    assert found.depths == pytest.approx((0, 100 / 3, 200 / 3, 100))


def _pickle(folder: Path) -> None:
    (list_names(folder) / "features.pt").write_bytes(pickle.dumps(Trap(folder / "trapped")))


def _two_arrays(folder: Path) -> None:
    np.save(list_names(folder) / "features.npy", ROWS)
    np.savetxt(folder / "features.txt", ROWS)


def _two_lists(folder: Path) -> None:
    np.save(list_names(list_names(folder), as_json=True) / "features.npy", ROWS)


def _no_list(folder: Path) -> None:
    folder.mkdir()
    np.save(folder / "features.npy", ROWS)


def _truncated(folder: Path) -> None:
    np.save(list_names(folder) / "features.npy", ROWS)
    (folder / "features.npy").write_bytes((folder / "features.npy").read_bytes()[:-8])


def _ragged(folder: Path) -> None:
    np.save(
        list_names(folder) / "features.npy", np.array([np.ones(2), np.ones(3)] * 2, dtype=object), allow_pickle=True
    )


def _no_json(folder: Path) -> None:
    np.save(folder.with_suffix(".npy"), ROWS)
    folder.mkdir()
    folder.with_suffix(".npy").rename(folder / "features.npy")
    (folder / "names.json").write_text('{"a": 1}')


def _parts(folder: Path) -> None:
    for part in (1, 2):
        np.save(list_names(folder) / f"features_{part:02d}.npy", ROWS[2 * part - 2 : 2 * part])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (_pickle, "features.pt is a pickle, which is never opened since that would run code: save it as .npy"),
        (_two_arrays, "holds features.npy, features.txt: leave one of them, or one .npy a layer, or name the file"),
        (_two_lists, "lies beside both file_names.txt and names.json: leave one of them"),
        (_no_list, "does not say which picture each row is of: put file_names.txt (a name a line) or names.json"),
        (_truncated, "features.npy cannot be read as features"),
        (_ragged, "features.npy cannot be read as features"),
        (_no_json, "names.json cannot be read as names (names is no list of texts): write one name a row"),
        (_parts, "features_01 has 2 rows, and 4 names: give each row its name"),
        (list_names, "holds no file of features: one .npy a layer, or one of .npy"),
    ],
)
def test_what_is_no_folder_of_features_is_said(make: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    make(tmp_path / "it")
    with pytest.raises(DataError, match=re.escape(said)):
        open_features(tmp_path / "it")
    assert not (tmp_path / "it/trapped").exists()


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("it.npz", b"PK nothing", "it.npz cannot be read as features"),
        ("it.safetensors", bytes(40), "it.safetensors cannot be read as features"),
        ("it.parquet", b"PAR1", "it.parquet cannot be read as features"),
        ("it.h5", b"\x89HDF\r\n\x1a\n", "it.h5 cannot be read as features"),
        ("it.csv", b"", "it.csv cannot be read as features"),
        ("it.csv", b"image,a\nx,1,2\n", "it.csv cannot be read as features"),
        ("it.csv", b"image,a\nx,1,2\n", "): write a line for each picture, with as many values as there are columns"),
        ("it.tsv", b"image\ta\nx\t1\t2\n", "): write a line for each picture, with as many values as there are col"),
        ("features.txt", b"1 2\n3\n", "): write a line of numbers for each picture, all of one length"),
        ("it.parquet", b"PAR1", "): write the table again"),
        ("it.npz", b"PK nothing", "): save plain arrays (a pickle is not opened)"),
        ("it.csv", b"image,a\n", "it.csv has no rows"),
        ("it.txt", b"", "features is empty"),
        ("it.pkl", b"", "it.pkl is a pickle, which is never opened"),
        ("it.json", b"[]", "it.json is no file of features: its name ends in .npy, .npz"),
    ],
)
def test_what_is_no_file_of_features_is_said(name: str, content: bytes, said: str, tmp_path: Path) -> None:
    (list_names(tmp_path) / name).write_bytes(content)
    with pytest.raises(DataError, match=re.escape(said)):
        open_features(tmp_path / name)


def test_nothing_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(AlignbenchError, match=r"it\.npy is not there: check the path of the features"):
        open_features(tmp_path / "it.npy")
