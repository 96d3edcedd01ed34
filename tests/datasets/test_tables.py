"""Tables of text: what is read, and which line is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignbench.datasets.tables import Repeats, file_bytes, listed_names, path_below, table_rows, text_lines
from alignbench.errors import DataError


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_mark_in_front_is_passed_over(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{mark}name, value\na,  1 \n\nb\n", encoding="utf-8")
    assert text_lines(path)[0] == "name, value"
    assert listed_names(path)[0] == "name, value"
    path.write_text(f'{mark}name,value\na,  1 \n\n"b\nc"\n', encoding="utf-8")
    assert list(table_rows(path, ("value", "name"))) == [
        (2, {"value": "1", "name": "a"}),
        (5, {"value": "", "name": "b\nc"}),
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"name\na\n", r"t\.csv, line 1: no column value: download it again"),
        (b"name,value,value\na,1,2\n", r"t\.csv, line 1: the column value is there twice"),
        (b"name,value\n\xff\xfe,1\n", r"t\.csv is not a table of text"),
    ],
)
def test_what_is_no_table_of_the_columns_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(DataError, match=said):
        list(table_rows(tmp_path / "t.csv", ("name", "value")))


def test_a_file_that_is_missing_or_none_is_refused_unopened(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.txt is missing: look elsewhere"):
        file_bytes(tmp_path / "none.txt", "look elsewhere")
    os.mkfifo(tmp_path / "pipe.txt")
    with pytest.raises(DataError, match=r"pipe\.txt cannot be read \(a named pipe, where a file belongs\): put the"):
        file_bytes(tmp_path / "pipe.txt")


def test_the_first_repeat_is_named_with_both_lines(tmp_path: Path) -> None:
    repeats = Repeats(Path("t.txt"))
    repeats.check(1, "a", "a is said")
    repeats.check(3, ("a", 1), "a is said")
    with pytest.raises(DataError, match=r"t\.txt, line 7: a is said twice, first in line 1: leave one of the two"):
        repeats.check(7, "a", "a is said")


@pytest.mark.parametrize(
    "path", ["..", "../a.png", "a/../b.png", "/a.png", "\\a.png", "a\\..\\b", "C:\\a.png", "a\0.png"]
)
def test_a_path_that_leads_out_is_refused(path: str) -> None:
    with pytest.raises(
        DataError, match=r"^t, line 2: the path .* leads out of the data root: write one relative to it"
    ):
        path_below(path, "t, line 2")


@pytest.mark.parametrize("path", ["a.png", "a/b..c/d.png", "./a", "...", "a:b.png"])
def test_any_other_is_taken_as_it_is(path: str) -> None:
    assert path_below(path, "t, line 2") == path


def test_a_row_with_more_values_than_columns_is_refused_and_blanks_at_its_end_are_not(tmp_path: Path) -> None:
    path = tmp_path / "dmos.csv"
    path.write_text("name,dmos\na,1,\nb,2\n")
    assert [values for _, values in table_rows(path, ["name", "dmos"])] == [
        {"name": "a", "dmos": "1"},
        {"name": "b", "dmos": "2"},
    ]
    path.write_text("name,dmos\na,1\nb,2,5\n")  # decimal commas
    with pytest.raises(DataError, match=r"dmos\.csv, line 3: more values than the table has columns"):
        list(table_rows(path, ["name", "dmos"]))
