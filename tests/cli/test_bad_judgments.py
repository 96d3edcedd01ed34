"""Files of judgments that are malformed, empty or of another kind are refused by file and line."""

import csv
import io
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.datasets import things
from alignbench.datasets.judgments import Judgments
from command_bench import RUNNING, Bench, picture

FULL_TABLE = "triplets_large_final_correctednc_correctedorder.csv"

pytestmark = pytest.mark.usefixtures("no_surroundings")


def put_line(path: Path, number: int, text: str) -> None:
    lines = path.read_text().splitlines()
    lines[number - 1] = text
    path.write_text("\n".join(lines) + "\n")


def change_table(path: Path, row: int, **values: str) -> None:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    rows[row].update(values)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    "line",
    [
        "good i01_02_1.bmp",
        "4.0",
        "4.0 i01_02_1.jpg",
        "4.0 i01_02_1.bmp more",
        "i01_02_1.bmp 4.0",
        "4,0 i01_02_1.bmp",
        "nan i01_02_1.bmp",
        "inf i01_02_1.bmp",
    ],
)
def test_malformed_rating_is_named_by_its_line(bench: Bench, line: str) -> None:
    root = bench.copy("tid2013")
    put_line(root / "mos_with_names.txt", 3, f"\n{line}")
    bench.run("tid2013", root=root).refused(RUNNING, "mos_with_names.txt, line 4")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "triplets/testset1.txt", "unique_id.txt"])
def test_table_appended_to_itself_is_refused_at_the_first_repeat(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights"}.get(file, "things")
    root = bench.copy(dataset)
    lines = (root / file).read_text().splitlines()
    rows = lines[1:] if dataset == "nights" else lines
    (root / file).write_text("\n".join([*lines, *rows]) + "\n")
    bench.run(dataset, root=root).refused(RUNNING, f"{file}, line {len(lines) + 1}: ")


@pytest.mark.usefixtures("no_model")
def test_picture_with_two_ratings_is_refused(bench: Bench) -> None:
    root = bench.copy("tid2013")
    path = root / "mos_with_names.txt"
    put_line(path, 3, f"9.0 {path.read_text().splitlines()[1].split()[1].upper()}")
    bench.run("tid2013", root=root).refused(RUNNING, "mos_with_names.txt, line 3", "rated twice, first in line 2")


@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "triplets/testset1.txt", "unique_id.txt"])
def test_mark_in_front_of_a_table_changes_nothing(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights"}.get(file, "things")
    root = bench.copy(dataset)
    (root / file).write_bytes(b"\xef\xbb\xbf" + (root / file).read_bytes())
    tables = [bench.run(dataset, model="pixels", root=place).succeeded() for place in (root, bench.data(dataset))]
    assert len({(table / "curve.csv").read_bytes() for table in tables}) == 1


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("path", ["../outside.png", "/etc/hostname", "ref/../../outside.png"])
def test_path_that_leads_out_of_the_data_is_refused(bench: Bench, path: str) -> None:
    root = bench.copy("nights")
    change_table(root / "data.csv", 1, left_path=path)
    bench.run("nights", root=root).refused(RUNNING, "data.csv, line 3", "leads out of the data root")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "triplets/testset1.txt", "unique_id.txt"])
def test_named_pipe_in_place_of_a_table_is_not_waited_for(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights"}.get(file, "things")
    root = bench.copy(dataset)
    (root / file).unlink()
    os.mkfifo(root / file)
    bench.run(dataset, root=root).refused(RUNNING, file, "a named pipe, where a file belongs")


@pytest.mark.usefixtures("no_model")
def test_fewer_than_three_ratings_are_too_few(bench: Bench) -> None:
    bench.run("tid2013", "--limit", 2, root=bench.data("tid2013")).refused(RUNNING, "tid2013", "2 ratings", "3")


@pytest.mark.usefixtures("no_model")
def test_constant_ratings_are_refused(bench: Bench) -> None:
    root = bench.copy("tid2013")
    path = root / "mos_with_names.txt"
    path.write_text("".join(f"4.0 {line.split()[1]}\n" for line in path.read_text().splitlines()))
    bench.run("tid2013", root=root).refused(RUNNING, "tid2013", "8 ratings are equal")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "testset1.txt"])
def test_file_of_judgments_without_any_is_refused(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights", "testset1.txt": "things"}[file]
    root = bench.copy(dataset)
    path = next(root.rglob(file))
    path.write_text(path.read_text().splitlines()[0] + "\n" if dataset == "nights" else "\n")
    bench.run(dataset, root=root).refused(RUNNING, file)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("0 1", "three"),
        ("a b c", "three"),
        ("0 1 2 3", "three"),
        ("0 1 2.5", "three"),
        ("0 1\n2 3 4 0", "three"),
        ("0 1 99999999999999999999", ""),
        ("0 1 5", "object 5"),
        ("0 1 -2", "object -2"),
        ("3 1 3", "twice"),
    ],
)
def test_malformed_triplet_is_named_by_its_line(bench: Bench, line: str, why: str) -> None:
    root = bench.copy("things")
    put_line(root / "triplets" / "testset1.txt", 3, f"\n{line}")
    bench.run("things", root=root).refused(RUNNING, "testset1.txt, line 4", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"left_vote": "1", "right_vote": "1"}, "exactly one"),
        ({"left_vote": "0", "right_vote": "0"}, "exactly one"),
        ({"right_vote": "maybe"}, "'maybe'"),
        ({"left_vote": ""}, "left_vote"),
        ({"left_vote": "nan"}, "'nan'"),
        ({"is_imagenet": "perhaps"}, "'perhaps'"),
        ({"ref_path": "SAME", "left_path": "SAME"}, "twice"),
        ({"left_path": "SAME", "right_path": "SAME"}, "twice"),
    ],
)
def test_malformed_vote_is_named_by_its_line(bench: Bench, values: dict[str, str], why: str) -> None:
    root = bench.copy("nights")
    path = picture("nights", root).relative_to(root).as_posix()
    change_table(root / "data.csv", 1, **{name: value.replace("SAME", path) for name, value in values.items()})
    bench.run("nights", root=root).refused(RUNNING, "data.csv, line 3", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("column", ["id", "left_vote", "right_vote", "ref_path", "split"])
def test_missing_column_is_named(bench: Bench, column: str) -> None:
    root = bench.copy("nights")
    path = root / "data.csv"
    header, rest = path.read_text().split("\n", 1)
    path.write_text("\n".join([header.replace(column, "something_else"), rest]))
    bench.run("nights", root=root).refused(RUNNING, "data.csv", column)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("file", ["mos_with_names.txt", "data.csv", "triplets/testset1.txt", "unique_id.txt"])
def test_binary_in_place_of_text_is_refused(bench: Bench, file: str) -> None:
    dataset = {"mos_with_names.txt": "tid2013", "data.csv": "nights"}.get(file, "things")
    root = bench.copy(dataset)
    (root / file).write_bytes(bytes(range(256)) * 3)
    bench.run(dataset, root=root).refused(RUNNING, file)


class Trap:
    """Makes a folder when unpickled."""

    def __init__(self, sprung: Path) -> None:
        self.sprung = sprung

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.sprung),)


def archive(rows: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, rows)
    return buffer.getvalue()


def array(rows: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, rows)
    return buffer.getvalue()


ROWS = np.array([[0, 1, 2], [2, 3, 4], [1, 0, 3]])


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("content", "why"),
    [
        (array(ROWS[:, :2]), "(3, 2)"),
        (array(ROWS.ravel()), "(9,)"),
        (array(ROWS[:0]), ""),
        (array(ROWS + 0.5), "whole"),
        (array(np.where(ROWS == 4, np.nan, ROWS)), ""),
        (array(ROWS + 1j), ""),
        (array(ROWS.astype(str)), ""),
        (array(ROWS + 2), "row 1: object 5"),
        (array(ROWS - 1), "row 0: object -1"),
        (array(ROWS * 0), "row 0"),
        (array(ROWS)[:-8], ""),
        (archive(ROWS), ""),
        (b"0 1 2\n", ""),
    ],
    ids=[
        *("two-columns", "flat", "no-rows", "halves", "nan", "complex", "text", "too-large", "negative", "twice"),
        *("truncated", "archive", "plain-text"),
    ],
)
def test_malformed_array_of_triplets_is_refused(bench: Bench, content: bytes, why: str) -> None:
    root = bench.copy("things")
    (root / "triplets" / "testset1.txt").unlink()
    (root / "triplets" / "testset1.npy").write_bytes(content)
    bench.run("things", root=root).refused(RUNNING, "testset1.npy", why)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("bare", [False, True])
def test_pickled_triplets_are_refused_unopened(bench: Bench, bare: bool) -> None:
    root, sprung = bench.copy("things"), bench.scratch / "sprung"
    (root / "triplets" / "testset1.txt").unlink()
    path = root / "triplets" / "testset1.npy"
    if bare:
        path.write_bytes(pickle.dumps(Trap(sprung)))
    else:
        np.save(path, np.array([[Trap(sprung)] * 3], dtype=object), allow_pickle=True)
    bench.run("things", root=root).refused(RUNNING, "testset1.npy")
    assert not sprung.exists()


def write_full_table(root: Path) -> None:
    """The rows of `testset1.txt` as the 1-based table, the odd one in any of the three places."""
    rng = np.random.default_rng(3)
    lines = ["image1\timage2\timage3\tchoice\tsubject"]
    for row in np.loadtxt(root / "triplets" / "testset1.txt", dtype=int) + 1:
        order = rng.permutation(3)
        lines.append("\t".join(map(str, [*row[order], int(order.argmax()) + 1, "x"])))
    (root / FULL_TABLE).write_text("\n".join(lines) + "\n")


def kept_and_odd(judgments: Judgments) -> list[tuple[frozenset[str], str]]:
    names = judgments.images.names
    found = []
    for options in judgments.judged:
        kept, *others = (frozenset(names[int(image)] for image in judgments.pairs[pair]) for pair in options)
        (odd,) = frozenset.union(*others) - kept
        found.append((kept, odd))
    return found


def test_full_table_says_the_same_as_the_text_file(bench: Bench) -> None:
    root = bench.copy("things")
    write_full_table(root)
    assert kept_and_odd(things.read(root, ("all",))) == kept_and_odd(things.read(root, ("testset1",)))
    folders = [bench.run("things", "--subset", subset, root=root).succeeded() for subset in ("all", "testset1")]
    curves = [pd.read_csv(folder / "curve.csv") for folder in folders]
    values = [curve.loc[curve["metric"] == "accuracy", "value"] for curve in curves]
    np.testing.assert_allclose(*values, rtol=1e-12)


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize(
    ("row", "why"),
    [
        ("1\t2\t3\t0\tx", "choice"),
        ("1\t2\t3\t4\tx", "choice"),
        ("1\t2\t3\tlast\tx", "choice"),
        ("1\t2\tthree\t1\tx", "object numbers"),
        ("1\t2\t6\t3\tx", "object 6"),
        ("0\t1\t2\t3\tx", "object 0"),
        ("1\t2\t2\t3\tx", "twice"),
        ("1\t2", ""),
    ],
)
def test_malformed_row_of_the_full_table_is_named_by_its_line(bench: Bench, row: str, why: str) -> None:
    root = bench.copy("things")
    write_full_table(root)
    put_line(root / FULL_TABLE, 4, row)
    bench.run("things", "--subset", "all", root=root).refused(RUNNING, FULL_TABLE, "line 4", why)


@pytest.mark.usefixtures("no_model")
def test_missing_column_of_the_full_table_is_named(bench: Bench) -> None:
    root = bench.copy("things")
    write_full_table(root)
    put_line(root / FULL_TABLE, 1, "image1\timage2\timage3\tanswer\tsubject")
    bench.run("things", "--subset", "all", root=root).refused(RUNNING, FULL_TABLE, "choice")


def test_objects_in_alphabetical_order_are_warned_of(bench: Bench) -> None:
    root = bench.copy("things")
    (root / "unique_id.txt").unlink()
    outcome = bench.run("things", root=root)
    outcome.succeeded()
    (warning,) = [line for line in outcome.warnings if "unique_id.txt" in line]
    assert str(root) in warning


def test_part_of_a_data_set_is_measured_with_a_warning(bench: Bench) -> None:
    outcome = bench.run("tid2013", root=bench.data("tid2013"))
    outcome.succeeded()
    (warning,) = outcome.warnings
    assert "3,000" in warning
