"""TID2013 against the independent reader, letter case and subsets included."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from agreeing import check_equal
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
    assert judgments.rating_errors is None


@pytest.mark.parametrize("subset", ["distortion_25", "distortion_7", "level_6", "test"])
def test_an_unknown_subset_is_refused(tid2013_root: Path, subset: str) -> None:
    with pytest.raises(UsageError, match=f"unknown subset of tid2013 '{subset}'"):
        TID2013.read(tid2013_root, (subset,))


# --- Standard errors of the scores ----------------------------------------------------------------------------------


def test_every_rating_has_its_standard_error(tid2013_root: Path) -> None:
    names = [line.split()[1].lower() for line in (tid2013_root / "mos_with_names.txt").read_text().splitlines()]
    errors = dict(zip(names, map(float, (tid2013_root / "mos_std.txt").read_text().split()), strict=True))
    for subset in ("all", "level_2"):
        judgments = TID2013.read(tid2013_root, (subset,))
        assert judgments.rating_errors is not None
        assert judgments.rating_errors.tolist() == [errors[name] for name in judgments.ids]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (["0.1"] * 35, r"mos_std\.txt has 35 standard errors for the 36 scores of mos_with_names\.txt: download both"),
        (["0.1"] * 37, r"mos_std\.txt has 37 standard errors for the 36 scores"),
        ([], r"mos_std\.txt has 0 standard errors for the 36 scores"),
        (["0.1", "-0.1"] * 18, r"mos_std\.txt, line 2: expected a standard error of 0 or more, found '-0\.1'"),
        (["0.1", "", "nan"] * 18, r"mos_std\.txt, line 3: expected .*, found 'nan': .*without noise ceilings"),
        (["inf"] * 36, r"mos_std\.txt, line 1: expected .*, found 'inf'"),
        (["0.1 i01_01_1.bmp"] * 36, r"mos_std\.txt, line 1: expected .*, found '0\.1 i01_01_1\.bmp'"),
    ],
)
def test_odd_standard_errors_are_refused(tid2013_root: Path, tmp_path: Path, content: list[str], said: str) -> None:
    root = Path(shutil.copytree(tid2013_root, tmp_path / "copy"))
    (root / "mos_std.txt").write_text("\n".join(content))
    with pytest.raises(DataError, match=said) as refused:
        TID2013.read(root, ("all",))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "line",
    [
        *("5 i01_01_11.bmp", "5 i1_01_1.bmp", "5 i001_01_1.bmp", "5 i01_1_1.bmp", "5 i01_25_1.bmp", "5 i01_00_1.bmp"),
        *("5 i01_01_6.bmp", "5 i01_01_0.bmp", "5 i00_01_1.bmp", "5 i\u0660\u0661_01_1.bmp", "5 \u013101_01_1.bmp"),
    ],
)
def test_a_picture_in_another_spelling_or_of_no_known_kind_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(
        DataError, match=r"mos_with_names\.txt, line 2: expected 'SCORE iRR_DD_L\.bmp', with distortion"
    ):
        TID2013.read(with_scores(tmp_path, "5.5 I01_01_2.bmp", line), ("all",))


@pytest.mark.parametrize(
    "score", ["4_5", "\u0664", "1e300", "9.01", "-0.1", "nan", "inf", "1e999", "4,5", "True", "0x5"]
)
def test_a_score_off_the_scale_is_refused(tmp_path: Path, score: str) -> None:
    said = rf"mos_with_names\.txt, line 2: expected a rating from 0 to 9, found '{score}'"
    with pytest.raises(DataError, match=said):
        TID2013.read(with_scores(tmp_path, "0 I01_01_2.bmp", f"{score} i01_01_1.bmp"), ("all",))


def test_the_ends_of_the_scale_are_read_whatever_blanks_are_between(tmp_path: Path) -> None:
    root = with_scores(tmp_path, "0 I01_01_2.bmp", " 9.0\t i01_01_1.BMP ", "", "4.5e0  i01_01_3.bmp")
    assert TID2013.read(root, ("all",)).human.tolist() == [0.0, 9.0, 4.5]


def with_scores(root: Path, *lines: str) -> Path:
    for folder in ("reference_images", "distorted_images"):
        (root / folder).mkdir()
    (root / "mos_with_names.txt").write_text("\n".join(lines), encoding="utf-8")
    return root
