"""Numbers are rounded as they are read, files end as their names say, and a CSV keeps every digit."""

import csv
import math
from pathlib import Path

import pandas as pd
import pytest

from alignbench.errors import AlignbenchError
from alignbench.report.tables.sheet import Sheet, listed, number, with_interval, write_table

SHEET = Sheet(
    "A table", ("It has two rows.",), ("model", "score"), (("a_b", "0.500"), ("c|d", "-")), frozenset({"score"})
)
FRAME = pd.DataFrame({"model": ["a_b", 'c"|,d\n'], "score": [0.1 + 0.2, math.nan]})


def test_a_csv_keeps_every_digit_and_name(tmp_path: Path) -> None:
    write_table(FRAME, SHEET, tmp_path / "table.CSV")
    with (tmp_path / "table.CSV").open(encoding="utf-8", newline="") as file:
        first, second = csv.DictReader(file)
    assert (first["model"], float(first["score"])) == ("a_b", 0.1 + 0.2)
    assert (second["model"], second["score"]) == ('c"|,d\n', "")


@pytest.mark.parametrize(("name", "begins"), [("t.md", "A table. It has two rows."), ("t.tex", "% \\usepackage")])
def test_the_ending_says_the_format(tmp_path: Path, name: str, begins: str) -> None:
    write_table(FRAME, SHEET, tmp_path / name)
    text = (tmp_path / name).read_text(encoding="utf-8")
    assert text.startswith(begins)
    assert "0.500" in text
    assert text.endswith("\n")


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "blocked").write_text("")
    with pytest.raises(AlignbenchError, match=r"blocked.*--output"):
        write_table(FRAME, SHEET, tmp_path / "blocked" / "t.csv")


@pytest.mark.parametrize(
    ("value", "text"), [(0.12349, "0.123"), (-0.12351, "-0.124"), (-0.0001, "0.000"), (math.nan, "-"), (1.0, "1.000")]
)
def test_numbers_have_three_decimals(value: float, text: str) -> None:
    assert number(value) == text


def test_an_interval_is_written_where_there_is_one() -> None:
    assert with_interval(0.5, 0.4, 0.6) == "0.500 [0.400, 0.600]"
    assert with_interval(0.5, math.nan, math.nan) == "0.500"
    assert with_interval(math.nan, math.nan, math.nan) == with_interval(math.nan, 0.4, 0.6) == "-"


def test_names_are_listed_once() -> None:
    assert [listed("a"), listed("aba"), listed("abcb")] == ["a", "a and b", "a, b and c"]
