"""KADID-10k against an independent reader: pairs, values, clusters and parts, and what is refused."""

import csv
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import alignbench
from agreeing import check_equal, memberships
from alignbench.cli.main import main
from alignbench.datasets.kadid10k import KADID10K
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from layouts import write_kadid10k
from reference import HumanJudgments

Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "kadid10k"
    write_kadid10k(folder)
    return folder


def table(root: Path) -> Rows:
    with (root / "dmos.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def independent(root: Path) -> HumanJudgments:
    images = sorted((root / "images").iterdir())
    number = {path.name.lower(): index for index, path in enumerate(images)}
    rows = table(root)
    pairs = [[(number[row["ref_img"].lower()], number[row["dist_img"].lower()])] for row in rows]
    return HumanJudgments(
        "rating", images, pairs, [float(row["dmos"]) for row in rows], [(r["ref_img"],) for r in rows]
    )


def rows_with(root: Path, place: int, number: int) -> list[int]:
    return [i for i, row in enumerate(table(root)) if int(row["dist_img"][:-4].split("_")[place]) == number]


def test_all_ratings_equal_the_reference(root: Path) -> None:
    judgments = KADID10K.read(root, ("all",))
    check_equal(judgments, root, independent(root))
    assert judgments.ids == tuple(row["dist_img"].lower() for row in table(root))
    assert len(judgments.ids) == 3 * 3 * 2


@pytest.mark.parametrize(("subset", "place", "number"), [("distortion_02", 1, 2), ("level_1", 2, 1)])
def test_a_part_is_every_pair_of_that_number(root: Path, subset: str, place: int, number: int) -> None:
    rows = rows_with(root, place, number)
    assert rows
    check_equal(KADID10K.read(root, (subset,)), root, independent(root), rows)


def test_parts_are_every_distortion_and_every_level_clustered_by_reference(root: Path) -> None:
    judgments = KADID10K.read(root, ("all",))
    places = {"distortion_01": (1, 1), "distortion_02": (1, 2), "distortion_03": (1, 3)}
    places |= {"level_1": (2, 1), "level_2": (2, 2)}
    assert [part.name for part in judgments.parts] == list(places)
    for part in judgments.parts:
        rows = rows_with(root, *places[part.name])
        assert part.rows.tolist() == rows
        references = [(table(root)[row]["ref_img"],) for row in rows]
        assert memberships(part.clusters.tolist()) == memberships(references)


def test_higher_means_closer_whatever_the_column_is_called(root: Path) -> None:
    with pytest.warns(AlignbenchWarning, match=r"kadid10k all has 18 judgments here and 10,125 as published"):
        curve = alignbench.measure("pixels", "kadid10k", data_root=root, workers=0)
    pictures = independent(root)
    from PIL import Image

    pixels = [np.asarray(Image.open(path), dtype=np.float64) for path in pictures.images]
    distances = [np.sqrt(np.mean((pixels[a] - pixels[b]) ** 2)) for [(a, b)] in pictures.pairs]
    expected = stats.spearmanr(-np.array(distances), pictures.values).statistic
    assert expected > 0.5
    assert curve.best("euclidean")["value"] == pytest.approx(expected, abs=1e-9)
    rows = rows_with(root, 2, 2)
    part = curve.frame.query("subset == 'level_2' and metric == 'spearman'")["value"].item()
    of_level = stats.spearmanr(-np.array(distances)[rows], np.array(pictures.values)[rows]).statistic
    assert part == pytest.approx(of_level, abs=1e-9)


def test_the_corrected_protocol_leaves_out_one_reference_at_a_time() -> None:
    assert KADID10K.corrected is not None
    assert KADID10K.corrected.calibration is None
    assert KADID10K.corrected.subsets == ("all",)


def test_check_counts_ratings_pairs_and_images(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["datasets", "check", "kadid10k", "--data-root", str(root)]) == 0
    shown = capsys.readouterr().out
    assert "subset all: 18 ratings" in shown
    assert "18 distinct pairs of 21 images" in shown


def test_standard_errors_are_those_of_means_of_30_ratings(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    rows = [row | {"var": str(0.01 * number)} for number, row in enumerate(table(root))]
    write(copy, rows)
    judgments = KADID10K.read(copy, ("all",))
    assert judgments.rating_errors is not None
    expected = {row["dist_img"].lower(): (float(row["var"]) / 30) ** 0.5 for row in rows}
    np.testing.assert_allclose(judgments.rating_errors, [expected[name] for name in judgments.ids], rtol=1e-14)
    write(copy, [{column: text for column, text in row.items() if column != "var"} for row in rows])
    assert KADID10K.read(copy, ("all",)).rating_errors is None


def write(root: Path, rows: Rows) -> None:
    with (root / "dmos.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


# --- What is refused ------------------------------------------------------------------------------------------------


ODD_RATINGS = ("4_5", "\u0664", "1e300", "999994.75", "0.99", "5.01", "inf", "0x4", "4,5", "True", "", "-3")
ODD_NAMES = ("I1_1_1.png", "I001_01_01.png", "I01_1_01.png", "I01_26_01.png", "I01_01_06.png", "I00_01_01.png")
ODD_NAMES += ("I01_00_01.png", "I01_01_00.png", "I\u0660\u0661_01_01.png", "\u013001_01_01.png", "I01_01_01.png.png")


def change(row: int, column: str, text: str) -> Callable[[Rows], Rows]:
    def changed(rows: Rows) -> Rows:
        return [values | {column: text} if i == row else values for i, values in enumerate(rows)]

    return changed


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (change(0, "var", ""), r"line 2, var: expected a variance of 0 or more, found '': .*without noise ceilings"),
        (change(3, "var", "-1"), r"line 5, var: expected a variance of 0 or more, found '-1'"),
        (change(3, "var", "nan"), r"line 5, var: expected .*, found 'nan'"),
        (change(3, "var", "inf"), r"line 5, var: expected .*, found 'inf'"),
        (change(2, "dmos", "high"), r"dmos\.csv, line 4, dmos: expected a rating from 1 to 5, found 'high'"),
        (change(0, "dmos", "nan"), r"dmos\.csv, line 2, dmos: expected a rating from 1 to 5, found 'nan'"),
        (
            change(1, "dist_img", "I01-1-1.png"),
            r"line 3, dist_img: expected a name like I01_02_03\.png, .*, found 'I01-1",
        ),
        (change(1, "ref_img", "I09.png"), r"line 3: I\d\d_\d\d_\d\d\.png is no distortion of 'I09\.png'"),
        *((change(2, "dmos", text), r"line 4, dmos: expected a rating from 1 to 5, found") for text in ODD_RATINGS),
        *((change(1, "dist_img", name), "line 3, dist_img: expected a name like I01_02_03") for name in ODD_NAMES),
        (lambda rows: [{k: v for k, v in row.items() if k != "dmos"} for row in rows], "line 1: no column dmos"),
        (lambda rows: [], "line 1: no column dist_img, ref_img, dmos"),
    ],
)
def test_a_bad_table_is_refused_in_a_line(root: Path, tmp_path: Path, edit: Callable[[Rows], Rows], said: str) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    write(copy, edit(table(root)))
    with pytest.raises(DataError, match=said) as refused:
        KADID10K.read(copy, ("all",))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content"), [("binary", b"\xff\xfe\x00dist_img"), ("empty", b"dist_img,ref_img,dmos\n")]
)
def test_a_file_that_is_no_table_is_refused(root: Path, tmp_path: Path, name: str, content: bytes) -> None:
    copy = Path(shutil.copytree(root, tmp_path / name))
    (copy / "dmos.csv").write_bytes(content)
    with pytest.raises(DataError, match=r"dmos\.csv (is not a table of text|holds no ratings).*download it again"):
        KADID10K.read(copy, ("all",))


@pytest.mark.parametrize("missing", ["dmos.csv", "images"])
def test_what_is_missing_is_named(root: Path, tmp_path: Path, missing: str) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    (copy / missing).rename(copy / "elsewhere")
    with pytest.raises(DataError, match=rf"{missing} is missing: --data-root"):
        KADID10K.read(copy, ("all",))


def test_a_missing_picture_is_named_as_the_table_has_it(root: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(root, tmp_path / "copy"))
    (copy / "images" / "i03_01_01.png").unlink()
    with pytest.raises(DataError, match=r"1 of 21 images .* images/I03_01_01\.png \(missing\)"):
        KADID10K.read(copy, ("all",)).images.identities()


@pytest.mark.parametrize("subset", ["distortion_26", "distortion_7", "level_6", "test"])
def test_an_unknown_subset_is_refused(root: Path, subset: str) -> None:
    with pytest.raises(UsageError, match=f"unknown subset of kadid10k '{subset}'"):
        KADID10K.read(root, (subset,))


@pytest.mark.parametrize("subset", ["distortion_25", "level_5"])
def test_a_part_that_is_not_there_is_refused(root: Path, subset: str) -> None:
    with pytest.raises(DataError, match=rf"dmos\.csv has no rating of {subset}"):
        KADID10K.read(root, (subset,))
