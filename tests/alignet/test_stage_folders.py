"""Folders of stages: what is written is read again, and what is none, or damaged, is refused in one line."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.released_triplets import read_released
from alignbench.alignet.stage_folders import map_rows, new_array, read_names, read_record, write_names, write_record
from alignbench.errors import DataError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    write_names(tmp_path, ["a/é.png", "b.png"])
    write_record(tmp_path, "labels", {"seed": 1}, {"scale": {"mean": 0.5}})
    new_array(tmp_path / "it.npy", np.int32, (4, 3))[:] = np.arange(12).reshape(4, 3)
    assert read_names(tmp_path) == ("a/é.png", "b.png")
    assert read_record(tmp_path, "labels") == {"format": 1, "settings": {"seed": 1}, "scale": {"mean": 0.5}}
    mapped = map_rows(tmp_path / "it.npy", np.int32, 3)
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(mapped, np.arange(12).reshape(4, 3))


def test_a_folder_that_is_none_is_told_by_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is not there: name a folder that `alignbench alignet label` made"):
        read_record(tmp_path / "none", "labels")
    write_record(tmp_path, "sampling", {}, {})
    with pytest.raises(DataError, match=r"holds no labels.json, but sampling.json: name a folder that `alignbench"):
        read_record(tmp_path, "labels")
    for damaged in ("", "[1]", "{}", '{"settings": 3}'):
        (tmp_path / "labels.json").write_text(damaged)
        with pytest.raises(DataError, match=r"labels.json cannot be read .*: make the folder again by"):
            read_record(tmp_path, "labels")


@pytest.mark.parametrize("names", ['["a", "a"]', '["a", 3]', "{}", "no"])
def test_names_that_are_none_are_refused(tmp_path: Path, names: str) -> None:
    (tmp_path / "names.json").write_text(names)
    with pytest.raises(DataError, match=r"names.json cannot be read as names of pictures"):
        read_names(tmp_path)


def test_arrays_of_another_kind_are_refused(tmp_path: Path) -> None:
    for array in (np.zeros((2, 3)), np.zeros((2, 4), dtype=np.int32), np.zeros(3, dtype=np.int32)):
        np.save(tmp_path / "it.npy", array)
        with pytest.raises(DataError, match=r"where int32 of shape \(n, 3\) belong"):
            map_rows(tmp_path / "it.npy", np.int32, 3)
    np.save(tmp_path / "it.npy", np.zeros((50, 3), dtype=np.int32))
    (tmp_path / "it.npy").write_bytes((tmp_path / "it.npy").read_bytes()[:-4])
    with pytest.raises(DataError, match="cannot be read as a plain array"):
        map_rows(tmp_path / "it.npy", np.int32, 3)


def test_another_format_is_refused_and_none_is_the_first(tmp_path: Path) -> None:
    write_record(tmp_path, "labels", {"seed": 0}, {})
    record = json.loads((tmp_path / "labels.json").read_text())
    assert record.pop("format") == 1
    (tmp_path / "labels.json").write_text(json.dumps(record))
    assert read_record(tmp_path, "labels")["settings"] == {"seed": 0}
    (tmp_path / "labels.json").write_text(json.dumps(record | {"format": 2}))
    with pytest.raises(DataError, match=r"labels\.json cannot be read \(it is of format 2, and this version reads"):
        read_record(tmp_path, "labels")


def test_rows_of_four_pictures_are_refused_in_one_line(tmp_path: Path) -> None:
    for name, kind in (("triplets.npy", np.int32), ("similarities.npy", np.float32)):
        np.save(tmp_path / name, np.zeros((5, 4), dtype=kind))
        with pytest.raises(DataError, match=rf"{name} holds {np.dtype(kind)} of shape \(5, 4\), where .* \(n, 3\)"):
            map_rows(tmp_path / name, kind, 3)
    rows = np.array([["a", "b", "c", "d"]] * 5)
    np.savez(tmp_path / "it.npz", filenames=rows, similarities=np.zeros((5, 4)), indices=np.zeros((5, 4), dtype=int))
    with pytest.raises(DataError, match=r"it\.npz .*an array is of shape \(5, 4\) instead of \(n, 3\)"):
        read_released(tmp_path / "it.npz")


def test_room_is_claimed_before_anything_is_written(tmp_path: Path) -> None:
    room = os.statvfs(tmp_path)
    rows = 2 * room.f_bavail * room.f_frsize // 12
    with pytest.raises(OSError, match="No space left") as failed:
        new_array(tmp_path / "it.npy", np.int32, (rows, 3))
    assert failed.value.errno == errno.ENOSPC
    np.save(tmp_path / "other.npy", np.arange(12).reshape(4, 3))
    new_array(tmp_path / "own.npy", np.int64, (4, 3))[:] = np.arange(12).reshape(4, 3)
    assert (tmp_path / "own.npy").read_bytes() == (tmp_path / "other.npy").read_bytes()
