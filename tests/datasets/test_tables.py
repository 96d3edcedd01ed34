"""Tables of text: what is read, and which line is named."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from alignbench.datasets.tables import (
    Repeats,
    file_bytes,
    listed_names,
    number,
    path_below,
    table_rows,
    text_lines,
)
from alignbench.errors import DataError


@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_mark_in_front_is_passed_over(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(f"{mark}name, value\na,  1 \n\nb\n", encoding="utf-8")
    assert text_lines(path)[0] == "name, value"
    assert listed_names(path)[0] == "name, value"
    path.write_text(f'{mark}name,value\r\na,  1 \r\n\r\n"b, ""c""",2', encoding="utf-8", newline="")
    assert list(table_rows(path, ("value", "name"))) == [
        (2, {"value": "1", "name": "a"}),
        (4, {"value": "2", "name": 'b, "c"'}),
    ]


def test_columns_that_may_be_lacking_are_read_where_they_are(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("name,var,value\na,2,1\n")
    assert list(table_rows(path, ("name",), optional=("var", "other"))) == [(2, {"name": "a", "var": "2"})]
    path.write_text("var,name,var\n2,a,3\n")
    with pytest.raises(DataError, match="the column var is there twice"):
        list(table_rows(path, ("name",), optional=("var",)))


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


@pytest.mark.parametrize("delimiter", [",", "\t"])
@pytest.mark.parametrize(("row", "cells", "more"), [("b,2,5", 3, "more"), ("b,2,", 3, "more"), ("b", 1, "fewer")])
def test_a_row_of_another_length_is_refused(tmp_path: Path, delimiter: str, row: str, cells: int, more: str) -> None:
    path = tmp_path / "dmos.csv"
    path.write_text(f"name,dmos\na,1\n\n{row}\nc,3\n".replace(",", delimiter))
    said = rf"dmos\.csv, line 4: {more} values \({cells}\) than the table has columns \(2\): .*download it again"
    with pytest.raises(DataError, match=said):
        list(table_rows(path, ["name", "dmos"], delimiter))


@pytest.mark.parametrize(
    "rows", ['a,"1\nb,2\nc,3\n', 'a,"1\nb,2"\nc,3\n', 'a,"1"2\nb,2\n', f'a,"{"x" * 200_000}\nb,2\n', 'a,"1']
)
def test_a_quote_that_does_not_end_with_its_cell_is_refused_in_its_line(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "dmos.csv"
    path.write_text(f"name,dmos\nx,y\n{rows}")
    with pytest.raises(DataError, match=r"dmos\.csv, line 3: a quote that does not end with its cell"):
        list(table_rows(path, ["name", "dmos"]))
    path.write_text('name,"dmos\nx,y\n')
    with pytest.raises(DataError, match=r"dmos\.csv, line 1: a quote that does not end with its cell"):
        list(table_rows(path, ["name", "dmos"]))


def test_quotes_are_text_where_tabs_part_the_cells(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text('name\tsense\na\t"open\nb\t"a ""thing"""\nc\t5" wide\n')
    assert [(line, row["name"], row["sense"]) for line, row in table_rows(path, ("name", "sense"), "\t")] == [
        (2, "a", '"open'),
        (3, "b", '"a ""thing"""'),
        (4, "c", '5" wide'),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [("4", 4.0), ("-4.5", -4.5), ("+.5", 0.5), ("7.", 7.0), ("1e3", 1000.0), ("2.5E-1", 0.25), ("007", 7.0)],
)
def test_a_number_is_read(text: str, value: float) -> None:
    assert number(text) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        " 1",
        "1_0",
        "\u0661",
        "\uff11",
        "0x10",
        "True",
        "nan",
        "inf",
        "-Infinity",
        "1e999",
        "1,5",
        "1 2",
        ".",
        "e3",
        "--1",
    ],
)
def test_what_is_no_finite_number_in_ascii_digits_is_none(text: str) -> None:
    assert math.isnan(number(text))
