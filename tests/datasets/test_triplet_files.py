"""Triplet files: what is read, in whatever form, and which line is blamed for a fault however long the file is."""

import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.datasets.triplet_files import read_table, read_triplets
from alignbench.errors import AlignbenchWarning, DataError

OBJECTS = 50
LONG = 3_000
TABLE = "image1\timage2\timage3\tchoice\tsubject"


def drawn(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).permuted(np.tile(np.arange(OBJECTS), (count, 1)), axis=1)[:, :3]


def long_file(folder: Path, changes: dict[int, str]) -> Path:
    """A long file of triplets in which some lines, counted from 1, are others."""
    lines = [" ".join(map(str, row)) for row in drawn(LONG).tolist()]
    for line, text in changes.items():
        lines[line - 1] = text
    path = folder / "trainset.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


# --- Text -----------------------------------------------------------------------------------------------------------


def test_a_long_file_is_read_whole(tmp_path: Path) -> None:
    found = read_triplets(long_file(tmp_path, {}), OBJECTS)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found, drawn(LONG))


blanks = st.sampled_from([" ", "\t", "  ", " \t "])
ends = st.sampled_from(["\n", "\r\n", " \n", "\n\n", "\n \t\n", "\r", "\n\r\n"])


@given(st.integers(1, 9), st.integers(0, 2**31), blanks, ends, st.sampled_from(["", " ", "\n", " \n"]), st.booleans())
def test_blanks_and_line_ends_do_not_matter(
    tmp_path_factory: pytest.TempPathFactory, count: int, seed: int, blank: str, end: str, before: str, ended: bool
) -> None:
    rows = drawn(count, seed)
    path = tmp_path_factory.mktemp("data") / "testset1.txt"
    text = before + end.join(blank.join(map(str, row)) for row in rows.tolist()) + end * ended
    path.write_bytes(text.encode())
    np.testing.assert_array_equal(read_triplets(path, OBJECTS), rows)


@pytest.mark.parametrize("line", ["+1 2 3", "007 2 3", "1\u00a02 3", "1 2 3\x0c4 5 6"])
def test_signs_zeros_and_other_blanks_are_read(tmp_path: Path, line: str) -> None:
    found = read_triplets(long_file(tmp_path, {40: line}), OBJECTS)
    expected = [[int(part) for part in some.split()] for some in line.splitlines()]
    np.testing.assert_array_equal(found[39 : 39 + len(expected)], expected)
    assert len(found) == LONG - 1 + len(expected)


@pytest.mark.parametrize("line", [1, 2, 1_234, LONG])
@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0 1", "expected three whole numbers"),
        ("0 1 2 3", "expected three whole numbers"),
        ("0 1 2.0", "expected three whole numbers"),
        ("1_0 2 3", "expected three whole numbers"),
        ("\u0661 2 3", "expected three whole numbers"),
        ("1e1 2 3", "expected three whole numbers"),
        ("True 2 3", "expected three whole numbers"),
        ('"1 2 3', "expected three whole numbers"),
        ("0 1 x", "expected three whole numbers"),
        ("0 1 nan", "expected three whole numbers"),
        ("# 0 1", "expected three whole numbers"),
        ("0 1 2\0", "expected three whole numbers"),
        ("0 1 99999999999999999999", "expected three whole numbers"),
        ("0 1 50", "object 50 is out of range 0 to 49"),
        ("-1 1 2", "object -1 is out of range 0 to 49"),
        ("7 1 7", "the triplet names an object twice"),
    ],
)
def test_a_faulty_line_is_named(tmp_path: Path, line: int, text: str, why: str) -> None:
    with pytest.raises(DataError, match=f"trainset.txt, line {line}: {why}"):
        read_triplets(long_file(tmp_path, {line: text}), OBJECTS)


def test_blank_lines_count(tmp_path: Path) -> None:
    for faulty in ("1 2", "1 2 99"):
        with pytest.raises(DataError, match=r"trainset.txt, line 2000: "):
            read_triplets(long_file(tmp_path, {3: "", 5: "  ", 2_000: faulty, 2_500: "1 1 1"}), OBJECTS)


@pytest.mark.parametrize("content", [b"", b"\n\n", b" \t\n"])
def test_an_empty_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "testset1.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"testset1.txt holds no triplets"):
        read_triplets(tmp_path / "testset1.txt", OBJECTS)


@pytest.mark.parametrize("content", [b"\xff\xfe0 1 2\n", b"0 1\n1 2\n", b"0 1 2 3\n4 5 6 7\n"])
def test_a_file_of_another_form_is_refused_at_its_first_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "testset1.txt").write_bytes(content)
    with pytest.raises(DataError, match=r"testset1.txt, line 1: expected three whole numbers"):
        read_triplets(tmp_path / "testset1.txt", OBJECTS)


# --- The full table -------------------------------------------------------------------------------------------------


def table_of(rows: np.ndarray, form: str) -> list[str]:
    """Lines of the 1-based table that say the same as odd-last triplets, its columns in any order."""
    rng = np.random.default_rng(0)
    lines = [TABLE]
    for row in rows:
        order = rng.permutation(3)
        lines.append("\t".join(form.format(number) for number in [*(row[order] + 1), order.argmax() + 1]) + "\ts1")
    return lines


@pytest.mark.parametrize("form", ["{}", "{}.0", " {}"])
def test_the_table_is_read_with_the_odd_one_last(tmp_path: Path, form: str) -> None:
    rows = drawn(200)
    (tmp_path / "table.csv").write_text("\n".join(table_of(rows, form)))
    found = read_table(tmp_path / "table.csv", OBJECTS)
    assert found.dtype == np.int64
    np.testing.assert_array_equal(found[:, 2], rows[:, 2])
    np.testing.assert_array_equal(np.sort(found[:, :2], axis=1), np.sort(rows[:, :2], axis=1))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("1\t2\t3\t1.5\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\tinf\t3\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t3\t0\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\tthree\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t3\tTrue\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t1_0\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t\u0663\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ('1\t2\t"3"\t1\ts', "expected three object numbers and a choice 1 to 3"),
        ('1\t2\t"3\t1\ts', "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t99999999999999999999\t1\ts", "expected three object numbers and a choice 1 to 3"),
        ("1\t2\t3\t1\ts\t", r"more values \(6\) than the table has columns \(5\)"),
        ("1\t2\t3\t1\ts\t4", r"more values \(6\) than the table has columns \(5\)"),
        ("1\t2\t3\t1", r"fewer values \(4\) than the table has columns \(5\)"),
        ("1\t2\t51\t1\ts", "object 51 is out of range 1 to 50"),
        ("1\t2\t2\t1\ts", "the triplet names an object twice"),
    ],
)
@pytest.mark.parametrize("line", [2, 77, 201])
def test_a_faulty_row_of_the_table_is_named(tmp_path: Path, line: int, text: str, why: str) -> None:
    lines = table_of(drawn(200), "{}")
    lines[line - 1] = text
    (tmp_path / "table.csv").write_text("\n".join(lines))
    with pytest.raises(DataError, match=f"table.csv, line {line}: {why}"):
        read_table(tmp_path / "table.csv", OBJECTS)


# --- Where numbers begin, and copies --------------------------------------------------------------------------------


def whole(base: int) -> np.ndarray:
    """Rows that name every object once, and some again."""
    return np.concatenate([np.arange(48).reshape(-1, 3), [[47, 48, 49]], drawn(40)]) + base


def text_file(folder: Path, rows: np.ndarray, mark: str = "") -> Path:
    (folder / "testset1.txt").write_text(mark + "\n".join(" ".join(map(str, row)) for row in rows.tolist()), "utf-8")
    return folder / "testset1.txt"


def test_a_mark_in_front_is_passed_over(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_triplets(text_file(tmp_path, whole(0), "\ufeff"), OBJECTS), whole(0))


def test_a_file_that_counts_from_one_is_told(tmp_path: Path) -> None:
    said = r"object 50 is out of range 0 to 49; it counts the 50 objects from 1, as it seems: count from 0"
    with pytest.raises(DataError, match=rf"testset1\.txt, line \d+: {said}"):
        read_triplets(text_file(tmp_path, whole(1)), OBJECTS)
    np.save(tmp_path / "testset1.npy", whole(1))
    with pytest.raises(DataError, match=rf"testset1\.npy, row \d+: {said}"):
        read_triplets(tmp_path / "testset1.npy", OBJECTS)


def test_a_table_that_counts_from_zero_is_told(tmp_path: Path) -> None:
    (tmp_path / "table.csv").write_text("\n".join(table_of(whole(-1), "{}")))
    with pytest.raises(
        DataError, match=r"object 0 is out of range 1 to 50; it counts the 50 objects from 0, as it seems"
    ):
        read_table(tmp_path / "table.csv", OBJECTS)


def test_where_it_cannot_be_told_it_is_said(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_triplets(text_file(tmp_path, whole(0)), OBJECTS)
    rows = whole(0)[(whole(0) > 0).all(axis=1)]
    with pytest.warns(
        AlignbenchWarning, match=r"testset1\.txt is read as counting objects from 0, and never names object 0"
    ):
        np.testing.assert_array_equal(read_triplets(text_file(tmp_path, rows), OBJECTS), rows)


@pytest.mark.parametrize("times", [2, 3, 4, 5, 11, 13])
def test_a_file_that_was_appended_to_itself_is_refused(tmp_path: Path, times: int) -> None:
    rows, said = whole(0), rf"line {len(whole(0)) + 1}: rows before it follow once more, in the same order"
    copies = np.tile(rows, (times, 1))
    for copy in (copies, copies[:-1]):
        with pytest.raises(DataError, match=rf"testset1\.txt, {said}"):
            read_triplets(text_file(tmp_path, copy), OBJECTS)
        (tmp_path / "table.csv").write_text(TABLE + "".join(f"\n{a + 1}\t{b + 1}\t{c + 1}\t3\ts" for a, b, c in copy))
        with pytest.raises(DataError, match=rf"table\.csv, line {len(rows) + 2}: rows before it follow once more"):
            read_table(tmp_path / "table.csv", OBJECTS)


def test_a_copy_backwards_is_refused(tmp_path: Path) -> None:
    rows = np.concatenate([whole(0), whole(0)[::-1]])
    said = (
        rf"line {len(whole(0)) + 1}: rows before it follow once more, in the reverse of their order: leave the copy out"
    )
    with pytest.raises(DataError, match=said):
        read_triplets(text_file(tmp_path, rows), OBJECTS)


def test_the_order_of_the_kept_pair_hides_no_copy(tmp_path: Path) -> None:
    rows = np.concatenate([whole(0), whole(0)[:, [1, 0, 2]]])
    with pytest.raises(DataError, match=rf"line {len(whole(0)) + 1}: rows before it follow once more, in the same"):
        read_triplets(text_file(tmp_path, rows), OBJECTS)
    other_answers = np.concatenate([whole(0), whole(0)[:, [0, 2, 1]]])
    np.testing.assert_array_equal(read_triplets(text_file(tmp_path, other_answers), OBJECTS), other_answers)


@pytest.mark.parametrize("times", [2, 3, 16])
@pytest.mark.parametrize("swapped", [False, True])
def test_a_file_with_every_line_several_times_in_a_row_is_refused(tmp_path: Path, times: int, swapped: bool) -> None:
    rows = np.repeat(whole(0), times, axis=0)
    if swapped:
        rows[::times] = rows[::times, [1, 0, 2]]
    with pytest.raises(DataError, match=rf"line 2: every row of the file stands {times} times in a row: leave the cop"):
        read_triplets(text_file(tmp_path, rows), OBJECTS)


@pytest.mark.parametrize("ordered", ["as they came", "sorted", "sorted by triplet"])
def test_triplets_that_sixteen_people_judged_are_read(tmp_path: Path, ordered: str) -> None:
    rng = np.random.default_rng(4)
    rows = rng.permuted(np.repeat(drawn(200), 16, axis=0), axis=1)
    if ordered != "as they came":
        rows[:, :2].sort(axis=1)
        keys = rows if ordered == "sorted" else np.column_stack([np.sort(rows, axis=1), rows[:, 2]])
        rows = rows[np.lexsort(keys.T[::-1])]
    np.testing.assert_array_equal(read_triplets(text_file(tmp_path, rows), OBJECTS), rows)


def test_rows_that_repeat_in_another_order_are_read(tmp_path: Path) -> None:
    rows = np.concatenate([whole(0), np.random.default_rng(1).permutation(whole(0)), whole(0)[:20]])
    often = np.random.default_rng(2).integers(1, 17, len(whole(0)))
    for repeated in (rows, np.repeat(whole(0), often, axis=0), np.repeat(whole(0)[:17], 2, axis=0)):
        np.testing.assert_array_equal(read_triplets(text_file(tmp_path, repeated), OBJECTS), repeated)


def test_an_open_quote_hides_no_row_of_the_table(tmp_path: Path) -> None:
    lines = table_of(whole(0), "{}")
    for place, subject in ((4, 's"1'), (5, '"s1'), (30, '"s2"')):
        lines[place] = lines[place].removesuffix("s1") + subject
    (tmp_path / "table.csv").write_text("\n".join(lines))
    assert len(read_table(tmp_path / "table.csv", OBJECTS)) == len(whole(0))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r", "\n\n", "\n  \n"])
def test_line_ends_and_blank_lines_of_the_table_do_not_matter(tmp_path: Path, end: str) -> None:
    lines = table_of(whole(0), "{}")
    (tmp_path / "table.csv").write_text(end.join(lines), newline="")
    (tmp_path / "same.csv").write_text("\n".join(lines))
    found, expected = (read_table(tmp_path / name, OBJECTS) for name in ("table.csv", "same.csv"))
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(np.sort(found, axis=1), np.sort(whole(0), axis=1))
    (tmp_path / "table.csv").write_text(end.join([*lines[:9], "1\t2\t60\t1\ts", *lines[9:]]), newline="")
    line = len(end.join("x" * 10).splitlines())
    with pytest.raises(DataError, match=rf"table\.csv, line {line}: object 60 is out of range"):
        read_table(tmp_path / "table.csv", OBJECTS)


def test_a_column_that_is_missing_or_there_twice_is_named(tmp_path: Path) -> None:
    for header, said in (("image1\timage2\timage3", "no column choice"), (f"{TABLE}\tchoice", "choice is there twice")):
        (tmp_path / "table.csv").write_text(f"{header}\n")
        with pytest.raises(DataError, match=rf"table\.csv, line 1: .*{said}"):
            read_table(tmp_path / "table.csv", OBJECTS)
    for rows in ("", "\n", "\n\n"):
        (tmp_path / "table.csv").write_text(f"{TABLE}{rows}")
        with pytest.raises(DataError, match=r"table\.csv holds no triplets"):
            read_table(tmp_path / "table.csv", OBJECTS)


def test_what_follows_an_array_is_not_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "testset1.npy"
    for order in "CF":
        np.save(path, np.array(whole(0), order=order))
        np.testing.assert_array_equal(read_triplets(path, OBJECTS), whole(0))
        path.write_bytes(2 * path.read_bytes())
        with pytest.raises(DataError, match=r"testset1\.npy goes on behind its array"):
            read_triplets(path, OBJECTS)
