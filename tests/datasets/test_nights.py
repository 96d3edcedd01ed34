"""NIGHTS against the independent reader, in every split."""

import csv
import re
import shutil
from pathlib import Path

import pytest

from agreeing import check_equal, memberships, pairs_of
from alignbench.datasets.nights import NIGHTS
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from layouts import write_nights
from reference import read_nights

SPLITS = {
    "all": lambda row: True,
    "train": lambda row: row["split"] == "train",
    "val": lambda row: row["split"] == "val",
    "test": lambda row: row["split"] == "test",
    "test-imagenet": lambda row: row["split"] == "test" and row["is_imagenet"] == "True",
    "test-no-imagenet": lambda row: row["split"] == "test" and row["is_imagenet"] == "False",
}


def table(root: Path) -> list[dict[str, str]]:
    with (root / "data.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("subset", SPLITS)
def test_every_subset_equals_the_reference(nights_root: Path, subset: str) -> None:
    rows = [number for number, row in enumerate(table(nights_root)) if SPLITS[subset](row)]
    assert rows
    judgments = NIGHTS.read(nights_root, (subset,))
    check_equal(judgments, nights_root, read_nights(nights_root), rows)
    assert judgments.ids == tuple(table(nights_root)[row]["id"] for row in rows)


def test_the_documented_subsets_are_the_ones_there_are(nights_root: Path) -> None:
    assert set(NIGHTS.subsets) == set(SPLITS)
    assert NIGHTS.default_subset == "all"


def test_a_judgment_is_reference_with_left_and_reference_with_right(nights_root: Path) -> None:
    row = table(nights_root)[3]
    options = pairs_of(NIGHTS.read(nights_root, ("all",)), nights_root)[3]
    reference, left, right = (nights_root / row[column] for column in ("ref_path", "left_path", "right_path"))
    assert options == [{reference, left}, {reference, right}]


def test_the_value_is_the_option_that_was_voted_for(nights_root: Path) -> None:
    votes = [int(row["right_vote"]) for row in table(nights_root)]
    assert NIGHTS.read(nights_root, ("all",)).human.tolist() == votes
    assert set(votes) == {0, 1}


def test_subsets_of_one_run_share_their_images(nights_root: Path) -> None:
    judgments = NIGHTS.read(nights_root, ("test", "test-imagenet", "test-no-imagenet"))
    whole, *halves = (set(subset.rows.tolist()) for subset in judgments.subsets)
    assert halves[0] | halves[1] == whole
    assert not halves[0] & halves[1]
    assert len(judgments.images.names) == 3 * len(whole)
    for subset in judgments.subsets:
        assert memberships(subset.clusters.tolist()) == [[row] for row in range(len(subset.rows))]


@pytest.mark.parametrize(("vote", "imagenet"), [("{:d}.0", str.upper), ("{:d}", str.lower)])
def test_flags_are_read_however_they_are_written(
    nights_root: Path, tmp_path: Path, vote: str, imagenet: "type[str]"
) -> None:
    root = tmp_path / "nights"
    shutil.copytree(nights_root, root)
    rows = table(root)
    for row in rows:
        row |= {side: vote.format(int(row[side])) for side in ("left_vote", "right_vote")}
        row["is_imagenet"] = imagenet(row["is_imagenet"])
    with (root / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    for subset in ("all", "test-imagenet"):
        before, after = (NIGHTS.read(place, (subset,)) for place in (nights_root, root))
        assert after.ids == before.ids
        assert after.human.tolist() == before.human.tolist()


def test_votes_are_read_and_break_the_triplets_down(nights_root: Path) -> None:
    judgments = NIGHTS.read(nights_root, ("all",))
    votes = [int(row["votes"]) for row in table(nights_root)]
    assert judgments.votes is not None
    assert judgments.votes.tolist() == votes
    expected = {f"votes_{n:02d}": [i for i, count in enumerate(votes) if count == n] for n in sorted(set(votes))}
    assert {part.name: part.rows.tolist() for part in judgments.parts} == expected
    assert len(expected) > 2
    for part in judgments.parts:
        assert memberships(part.clusters.tolist()) == [[row] for row in range(len(part.rows))]


@pytest.mark.parametrize(("text", "count"), [("7.0", 7), (" 12 ", 12), ("0", 0)])
def test_votes_are_read_however_they_are_written(nights_root: Path, tmp_path: Path, text: str, count: int) -> None:
    found = NIGHTS.read(with_votes(nights_root, tmp_path, {0: text}), ("all",)).votes
    assert found is not None
    assert found[0] == count


@pytest.mark.parametrize("text", ["6.5", "-1", "many", "nan", "1_0", "\u0666", "True", "1e400", "1000001"])
def test_votes_that_are_no_whole_number_are_refused(nights_root: Path, tmp_path: Path, text: str) -> None:
    with pytest.raises(
        DataError, match=rf"data\.csv, line 3, votes: expected a whole number from 0 to 1,000,000, found '{text}'"
    ):
        NIGHTS.read(with_votes(nights_root, tmp_path, {1: text}), ("all",))


@pytest.mark.parametrize(
    ("column", "text", "said"),
    [
        ("left_vote", "True", "left_vote: expected a whole number from 0 to 1, found 'True'"),
        ("right_vote", "2", "right_vote: expected a whole number from 0 to 1, found '2'"),
        ("right_vote", "0.5", "right_vote: expected a whole number from 0 to 1, found '0.5'"),
        ("is_imagenet", "yes", "is_imagenet: expected a whole number from 0 to 1, found 'yes'"),
        ("split", "tset", "split: expected train, val, test, found 'tset'"),
        ("split", "Test", "split: expected train, val, test, found 'Test'"),
    ],
)
def test_a_cell_of_another_kind_is_named(nights_root: Path, tmp_path: Path, column: str, text: str, said: str) -> None:
    rows = table(nights_root)
    rows[3][column] = text
    write_rows(tmp_path, rows)
    with pytest.raises(DataError, match=rf"data\.csv, line 5, {re.escape(said)}"):
        NIGHTS.read(tmp_path, ("all",))


@pytest.mark.parametrize("spelled", ["{}", "0{}", "{}.0", "+{}", "{}e0"])
def test_an_id_is_there_twice_however_it_is_spelled(nights_root: Path, tmp_path: Path, spelled: str) -> None:
    rows = table(nights_root)
    rows[4]["id"] = spelled.format(rows[1]["id"])
    write_rows(tmp_path, rows)
    with pytest.raises(DataError, match=rf"line 6: id {re.escape(rows[4]['id'])} is there twice, first in line 3"):
        NIGHTS.read(tmp_path, ("all",))


def test_ids_that_differ_in_one_of_many_digits_or_are_texts_are_read(nights_root: Path, tmp_path: Path) -> None:
    rows = table(nights_root)[:4]
    for row, name in zip(rows, ("9007199254740992", "9007199254740993", "1_0", "10"), strict=True):
        row["id"] = name
    write_rows(tmp_path, rows)
    assert list(NIGHTS.read(tmp_path, ("all",)).ids) == [row["id"] for row in rows]


def test_a_quote_that_is_left_open_takes_no_rows_with_it(nights_root: Path, tmp_path: Path) -> None:
    lines = (nights_root / "data.csv").read_text().splitlines()
    for opened in ([3], [3, 7]):  # to the end of the file, and to the next such quote
        damaged = [f'{line.rpartition(",")[0]},"x' if n in opened else line for n, line in enumerate(lines)]
        (tmp_path / "data.csv").write_text("\n".join(damaged) + "\n")
        with pytest.raises(DataError, match=r"data\.csv, line 4: a quote that does not end with its cell"):
            NIGHTS.read(tmp_path, ("all",))


def write_rows(folder: Path, rows: list[dict[str, str]]) -> None:
    with (folder / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def with_votes(nights_root: Path, tmp_path: Path, votes: dict[int, str]) -> Path:
    """A copy whose rows have other votes; only the table is there, which is all that is read."""
    rows = [row | ({"votes": votes[i]} if i in votes else {}) for i, row in enumerate(table(nights_root))]
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return tmp_path


def test_calibration_is_a_fixed_draw_of_trusted_training_triplets(tmp_path: Path) -> None:
    write_nights(tmp_path / "small", triplets=12)
    rows = table(tmp_path / "small")
    many = [
        row | {"id": str(i), "ref_path": f"ref/{i}.png", "split": "train" if i % 4 else "test", "votes": str(i % 9)}
        for i, row in enumerate(rows * 400)
    ]
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(many[0]))
        writer.writeheader()
        writer.writerows(many)
    drawn = NIGHTS.read(tmp_path, ("calibration",))
    trusted = [row["id"] for row in many if row["split"] == "train" and int(row["votes"]) >= 6]
    assert len(trusted) > 1000 == len(drawn.ids) == len(set(drawn.ids))
    assert set(drawn.ids) < set(trusted)
    assert drawn.ids != tuple(trusted[:1000])
    beside = NIGHTS.read(tmp_path, ("test", "calibration"))
    assert tuple(beside.ids[row] for row in beside.subsets[1].rows) == drawn.ids, "whatever else is read"


def test_fewer_trusted_triplets_calibrate_all(nights_root: Path) -> None:
    trusted = [row["id"] for row in table(nights_root) if row["split"] == "train" and int(row["votes"]) >= 6]
    assert trusted
    assert list(NIGHTS.read(nights_root, ("calibration",)).ids) == trusted


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "id 3 is there twice, first in line 2"),
        ({"id": "99"}, "the triplet of ref/003/003.png is judged twice, first in line 2"),
        ({"id": "99", "ref_path": "./ref/003//003.png"}, "the triplet of ref/003/003.png is judged twice"),
        (
            {"id": "99", "left_path": "distort/003/003_1.png", "right_path": "distort/003/003_0.png"},
            "the triplet of ref/003/003.png is judged twice",
        ),
        ({"id": "99", "ref_path": "../003.png"}, "the path '../003.png' leads out of the data root"),
        ({"id": "99", "left_path": "/etc/passwd"}, "the path '/etc/passwd' leads out of the data root"),
        ({"id": "99", "right_path": "a/../../b.png"}, "the path 'a/../../b.png' leads out of the data root"),
    ],
)
def test_what_is_there_twice_or_leads_elsewhere_is_named_by_its_line(
    nights_root: Path, tmp_path: Path, changes: dict[str, str], said: str
) -> None:
    rows = table(nights_root)
    first = rows[0] | {"id": "3", **{k: v.replace(v.split("/")[1], "003") for k, v in rows[0].items() if "_path" in k}}
    rows = [first, *rows[1:], first | changes]
    rows[1:-1] = [row | {"id": f"1{row['id']}"} for row in rows[1:-1]]
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(DataError, match=rf"data\.csv, line {len(rows) + 1}: {re.escape(said)}"):
        NIGHTS.read(tmp_path, ("all",))


def test_a_picture_in_two_triplets_is_warned_of_by_its_lines(nights_root: Path, tmp_path: Path) -> None:
    rows = table(nights_root)
    rows[4]["left_path"] = f"./{rows[0]['ref_path']}"
    with (tmp_path / "data.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    said = rf"data\.csv, line 6: {rows[0]['ref_path']} is in the triplet of line 2 too \(1 such in all\)"
    with pytest.warns(AlignbenchWarning, match=said):
        NIGHTS.read(tmp_path, ("all",))


def test_an_unknown_subset_is_refused(nights_root: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown subset of nights 'tset': did you mean test"):
        NIGHTS.read(nights_root, ("tset",))
