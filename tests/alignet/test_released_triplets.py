"""The published form of triplets, written by NumPy itself and by us, read in blocks."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.alignet import released_triplets
from alignbench.alignet.released_triplets import read_released, told_by_name, write_released
from alignbench.errors import DataError

FILES = np.array([["b.png", "a.png", "é.png"], ["a.png", "c.JPEG", "b.png"], ["c.JPEG", "d.png", "a.png"]])
VALUES = np.array([[3.0, 1.0, 2.0], [2.0, 2.0, 0.5], [9.0, -1.0, 0.0]], dtype=np.float32)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("block", [1, 4, 1 << 18])
def test_what_numpy_writes_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, save: Any, order: Any, block: int
) -> None:
    monkeypatch.setattr(released_triplets, "_BLOCK", block)
    path = tmp_path / "any.npz"
    save(
        path,
        filenames=np.asarray(FILES, order=order),
        similarities=np.asarray(VALUES.astype(np.float64), order=order),
        indices=np.full((3, 3), 10**9),  # rows of another loader, which say nothing
    )
    found = read_released(path)
    np.testing.assert_array_equal(np.array(found.names)[found.triplets], FILES)
    np.testing.assert_array_equal(found.similarities, VALUES)
    assert len(found.names) == len(set(found.names)) == 5
    assert (found.triplets.dtype, found.similarities.dtype) == (np.int32, np.float32)


def test_names_in_bytes_are_read(tmp_path: Path) -> None:
    np.savez(tmp_path / "it.npz", filenames=np.char.encode(FILES, "utf-8"), similarities=VALUES)
    found = read_released(tmp_path / "it.npz")
    np.testing.assert_array_equal(np.array(found.names)[found.triplets], FILES)


@pytest.mark.parametrize("block", [3, 1 << 18])
def test_what_we_write_numpy_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(released_triplets, "_BLOCK", block)
    triplets = np.array([[0, 1, 2], [2, 1, 0]], dtype=np.int32)
    write_released(tmp_path / "alignet_train.npz", ["x/a.png", "y/bb.png", "c.png"], triplets, VALUES[:2])
    with np.load(tmp_path / "alignet_train.npz", allow_pickle=False) as archive:
        assert archive["filenames"].tolist() == [["a.png", "bb.png", "c.png"], ["c.png", "bb.png", "a.png"]]
        np.testing.assert_array_equal(archive["similarities"], VALUES[:2])
        np.testing.assert_array_equal(archive["indices"], triplets)


def test_two_pictures_of_one_file_name_are_not_written(tmp_path: Path) -> None:
    triplets = np.array([[0, 1, 2]], dtype=np.int32)
    with pytest.raises(DataError, match=r"x/a.png and y/a.png have one file name"):
        write_released(tmp_path / "it.npz", ["x/a.png", "y/a.png", "c.png"], triplets, VALUES[:1])
    assert not (tmp_path / "it.npz").exists()


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("alignet_train.npz", {"split": "train"}),
        ("alignet_valid.npz", {"split": "validation"}),
        (
            "uncertainty_distillation/train_cluster_border_500.npz",
            {"split": "train", "rule": "cluster-border", "teacher": "uncertainty_distillation"},
        ),
        (
            "untransformed/val_within_class.npz",
            {"split": "validation", "rule": "within-class", "teacher": "untransformed"},
        ),
        ("mine/val_between_class.npz", {"split": "validation", "rule": "between-class"}),
        ("mine.npz", {}),
    ],
)
def test_names_of_published_files_say_what_they_hold(path: str, told: dict[str, str]) -> None:
    assert told_by_name(Path(path)) == told


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"filenames": FILES}, "has no similarities"),
        ({"similarities": VALUES}, "has no filenames"),
        ({"filenames": FILES, "similarities": VALUES[:2]}, "3 rows of filenames and 2 of similarities"),
        ({"filenames": FILES[:, :2], "similarities": VALUES}, r"of shape \(3, 2\) instead of \(n, 3\)"),
        ({"filenames": FILES[:0], "similarities": VALUES[:0]}, r"of shape \(0, 3\) instead"),
        ({"filenames": FILES.astype(object), "similarities": VALUES}, "pickled objects, which are not opened"),
        ({"filenames": np.zeros((3, 3)), "similarities": VALUES}, "which are no texts"),
        ({"filenames": FILES, "similarities": np.ones((3, 3), dtype=int)}, "which are no floating-point numbers"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays: dict[str, Any], said: str) -> None:
    np.savez(tmp_path / "it.npz", **arrays)
    with pytest.raises(DataError, match=f"it.npz cannot be read as released triplets .*{said}"):
        read_released(tmp_path / "it.npz")


def test_a_header_that_promises_too_much_is_refused(tmp_path: Path) -> None:
    """Before any memory is taken for it."""
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<U5", "fortran_order": False, "shape": (10**13, 3)})
    with zipfile.ZipFile(tmp_path / "it.npz", "w") as archive:
        archive.writestr("filenames.npy", header.getvalue())
        archive.writestr("similarities.npy", header.getvalue())
    with pytest.raises(DataError, match="an array ends too early"):
        read_released(tmp_path / "it.npz")
