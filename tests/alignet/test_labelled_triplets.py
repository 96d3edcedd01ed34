"""Labelled triplets: a folder and a published file alike, checked row by row, and found among pictures by name."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet import labelled_triplets
from alignbench.alignet.labelled_triplets import LabelledTriplets, check_triplets
from alignbench.alignet.released_triplets import write_released
from alignbench.alignet.stage_folders import write_names, write_record
from alignbench.errors import DataError

NAMES = ("a/x.png", "a/y.png", "b/z.png", "c/w.png")
TRIPLETS = np.array([[0, 1, 2], [3, 1, 0], [2, 3, 1]], dtype=np.int32)
VALUES = np.array([[3.0, 1.0, 2.0], [2.0, 2.0, 0.5], [9.0, -1.0, 0.0]], dtype=np.float32)
SOUND = LabelledTriplets(NAMES, TRIPLETS, VALUES, {"settings": {}}, Path("it"))


def test_a_folder_is_mapped_and_a_published_file_says_the_same(tmp_path: Path) -> None:
    np.save(tmp_path / "triplets.npy", TRIPLETS)
    np.save(tmp_path / "similarities.npy", VALUES)
    write_names(tmp_path, NAMES)
    write_record(tmp_path, "labels", {"model": "own"}, {})
    opened = LabelledTriplets.open(tmp_path).check()
    assert isinstance(opened.triplets, np.memmap)
    assert isinstance(opened.similarities, np.memmap)
    assert (opened.names, opened.record["settings"]) == (NAMES, {"model": "own"})
    write_released(tmp_path / "alignet_train.npz", opened.names, opened.triplets, opened.similarities)
    released = LabelledTriplets.open(tmp_path / "alignet_train.npz").check()
    assert released.record["settings"] == {"released": "alignet_train.npz", "split": "train"}
    found = released.of_pictures(NAMES, "the pictures")
    np.testing.assert_array_equal(found.triplets, TRIPLETS)
    np.testing.assert_array_equal(found.similarities, VALUES)


@pytest.mark.parametrize(
    ("pictures", "numbers"),
    [
        (NAMES, [0, 1, 2, 3]),
        (("c/w.png", "new.png", "b/z.png", "a/y.png", "a/x.png"), [4, 3, 2, 0]),  # by path
        (("train/a/x.png", "train/b/z.png", "train/c/w.png", "train/a/y.png"), [0, 3, 1, 2]),  # by the end of it
        (("z.png", "y.png", "x.png", "w.png"), [2, 1, 0, 3]),  # by file name
    ],
)
def test_pictures_are_found_by_path_and_then_by_file_name(pictures: tuple[str, ...], numbers: list[int]) -> None:
    found = SOUND.of_pictures(pictures, "the folder")
    assert found.names == pictures
    np.testing.assert_array_equal(found.triplets, np.array(numbers)[TRIPLETS])
    assert found.similarities is VALUES


@pytest.mark.parametrize(
    ("pictures", "said"),
    [
        (NAMES[:2], "the folder lacks 2 of the 4 pictures of it (b/z.png, c/w.png), by path or file name"),
        (("u.png",), "the folder lacks 4 of the 4 pictures of it (a/x.png, a/y.png, b/z.png, ...)"),
        (
            ("1/x.png", "2/x.png", "y.png", "z.png", "w.png"),
            "holds several of one file name for some of the 4 pictures of it (a/x.png)",
        ),
    ],
)
def test_absent_pictures_are_named(pictures: tuple[str, ...], said: str) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        SOUND.of_pictures(pictures, "the folder")


def test_where_two_names_end_alike_their_paths_have_to_fit() -> None:
    alike = replace(SOUND, names=("a/x.png", "b/x.png", "b/z.png", "c/w.png"))
    with pytest.raises(DataError, match=re.escape("b/z.png, ...), by path (some have one file name)")):
        alike.of_pictures(["x.png", "z.png", "w.png"], "the folder")


def changed(array: np.ndarray, place: tuple[int, int], value: float) -> np.ndarray:
    other = array.copy()
    other[place] = value
    return other


@pytest.mark.parametrize("block", [1, 1 << 20])
@pytest.mark.parametrize(
    ("other", "said"),
    [
        (
            {"similarities": VALUES[:2]},
            "3 triplets and 2 rows of similarities: label them again by `alignbench",
        ),
        ({"triplets": TRIPLETS[:0], "similarities": VALUES[:0]}, "it holds no triplets"),
        ({"triplets": changed(TRIPLETS, (1, 2), 4)}, r"row 1 holds the numbers \[3, 1, 4\], of 4 pictures"),
        ({"triplets": changed(TRIPLETS, (2, 0), -1)}, r"row 2 holds the numbers \[-1, 3, 1\]"),
        ({"triplets": changed(TRIPLETS, (2, 2), 3)}, "row 2 names a picture twice"),
        ({"similarities": changed(VALUES, (1, 1), np.nan)}, "the similarities of row 1 are not finite"),
        ({"similarities": changed(VALUES, (0, 2), 3.5)}, "in 33.33 % of its rows the first similarity is not the larg"),
        ({"similarities": VALUES[:, ::-1]}, "in 100 % of its rows .* order pictures and similarities as .s01, s02"),
    ],
)
def test_what_cannot_be_learned_from_is_refused(
    monkeypatch: pytest.MonkeyPatch, block: int, other: dict[str, np.ndarray], said: str
) -> None:
    monkeypatch.setattr(labelled_triplets, "_BLOCK", block)
    assert SOUND.check() is SOUND
    if "similarities" in other and other["similarities"] is not None and said.startswith("in 100"):
        other = {"similarities": np.sort(VALUES, axis=1)}
    with pytest.raises(DataError, match=said):
        replace(SOUND, **other).check()  # type: ignore[arg-type]


def test_the_share_counts_those_alike() -> None:
    assert SOUND.first_largest() == 1
    assert replace(SOUND, similarities=changed(VALUES, (2, 1), 10)).first_largest() == pytest.approx(2 / 3)
    check_triplets(Path("it"), TRIPLETS, 4)
