"""TID2013 against the independent reader, letter case and subsets included."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from agreeing import check_equal, memberships, pairs_of
from alignbench.datasets.tid2013 import TID2013
from alignbench.errors import DataError, UsageError
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


def test_parts_are_every_distortion_and_every_level(tid2013_root: Path) -> None:
    judgments = TID2013.read(tid2013_root, ("all",))
    names = [name.removesuffix(".bmp").split("_") for name in judgments.ids]
    expected = {f"distortion_{n:02d}": [i for i, name in enumerate(names) if int(name[1]) == n] for n in (1, 2, 3)}
    expected |= {f"level_{n}": [i for i, name in enumerate(names) if int(name[2]) == n] for n in (1, 2, 3)}
    assert {part.name: part.rows.tolist() for part in judgments.parts} == expected
    for part in judgments.parts:
        references = [(names[row][0],) for row in part.rows]
        assert memberships(part.clusters.tolist()) == memberships(references)


def test_a_part_that_is_not_there_is_refused(tid2013_root: Path) -> None:
    with pytest.raises(DataError, match=r"mos_with_names\.txt has no rating of distortion_24"):
        TID2013.read(tid2013_root, ("distortion_24",))


def test_subsets_that_overlap_share_their_judgments(tid2013_root: Path) -> None:
    judgments = TID2013.read(tid2013_root, ("distortion_02", "all"))
    assert [subset.name for subset in judgments.subsets] == ["distortion_02", "all"]
    assert len(judgments.ids) == 36
    assert pairs_of(judgments, tid2013_root, 0) == pairs_of(
        TID2013.read(tid2013_root, ("distortion_02",)), tid2013_root
    )
    assert pairs_of(judgments, tid2013_root, 1) == pairs_of(TID2013.read(tid2013_root, ("all",)), tid2013_root)


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
