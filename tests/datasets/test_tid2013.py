"""TID2013 against the independent reader, letter case and subsets included."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from agreeing import check_equal
from alignbench.datasets.tid2013 import TID2013
from alignbench.errors import UsageError
from reference import read_tid2013


def test_all_ratings_equal_the_reference(tid2013_root: Path) -> None:
    judgments = TID2013.read(tid2013_root, ("all",))
    check_equal(judgments, tid2013_root, read_tid2013(tid2013_root))
    assert len(judgments.ids) == 4 * 3 * 3
    assert len(np.unique(judgments.subsets[0].clusters)) == 4


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_distortion_is_every_pair_of_that_number(tid2013_root: Path, number: int) -> None:
    expected = read_tid2013(tid2013_root)
    rows = [
        row
        for row, [(_, distorted)] in enumerate(expected.pairs)
        if expected.images[distorted].name.lower().split("_")[1] == f"{number:02d}"
    ]
    assert len(rows) == 4 * 3
    check_equal(TID2013.read(tid2013_root, (f"distortion_{number:02d}",)), tid2013_root, expected, rows)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_level_is_every_pair_of_that_number(tid2013_root: Path, number: int) -> None:
    expected = read_tid2013(tid2013_root)
    rows = [row for row, [(_, b)] in enumerate(expected.pairs) if expected.images[b].stem.endswith(f"_{number}")]
    assert len(rows) == 4 * 3
    check_equal(TID2013.read(tid2013_root, (f"level_{number}",)), tid2013_root, expected, rows)


def test_ids_do_not_depend_on_letter_case(tid2013_root: Path) -> None:
    ids = TID2013.read(tid2013_root, ("all",)).ids
    assert ids[0] == "i01_01_1.bmp"
    assert all(name == name.lower() for name in ids)


def test_a_copy_needs_neither_deviations_nor_unrated_images(tid2013_root: Path, tmp_path: Path) -> None:
    root = tmp_path / "copy"
    shutil.copytree(tid2013_root, root)
    (root / "mos_std.txt").unlink()
    scores = (root / "mos_with_names.txt").read_text().splitlines()
    kept = [line for line in scores if line.lower().split()[1].startswith("i02")]
    (root / "mos_with_names.txt").write_text("\n".join(kept))
    for path in [*root.glob("*/i01*"), *root.glob("*/I01*"), *root.glob("*/i04*")]:
        path.unlink()
    judgments = TID2013.read(root, ("all",))
    check_equal(judgments, root, read_tid2013(root))
    assert len(judgments.images.identities()) == 1 + 9


@pytest.mark.parametrize("subset", ["distortion_25", "distortion_7", "level_6", "test"])
def test_an_unknown_subset_is_refused(tid2013_root: Path, subset: str) -> None:
    with pytest.raises(UsageError, match=f"unknown subset of tid2013 '{subset}'"):
        TID2013.read(tid2013_root, (subset,))
