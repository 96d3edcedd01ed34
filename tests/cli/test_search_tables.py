"""Analyses as they are shown: neighbours, a map in a line, why, and both sides of a difference."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from alignbench.cli.search_tables import print_found

NEIGHBOURS = pd.DataFrame(
    {
        "heads": ["5.3", "5.3", "6.0"],
        "place": [1, 2, 1],
        "picture": ["a.png", "[b].png", "c.png"],
        "value": [0.5, 0.25, 2],
    }
)
MAP = pd.DataFrame({"row": [0, 0, 1, 1], "column": [0, 1, 0, 1], "value": [0.5, -1.5, 2.0, 0.0]})
WHY = pd.DataFrame(
    {
        "heads": ["5.3"] * 12 + ["5.3,6.0"],
        "pick": [*range(1, 13), 0],
        "text": [f"text {number}" for number in range(1, 13)] + [""],
        "value": [*(1.0 / number for number in range(1, 13)), -0.5],
    }
)
DIFFERENCE = pd.DataFrame(
    {
        "heads": ["5.3"] * 4,
        "others": ["1.2"] * 4,
        "when": ["before", "before", "after", "after"],
        "place": [1, 2, 1, 2],
        "picture": ["a.png", "b.png", "b.png", "c.png"],
        "value": [2.0, 1.0, 4.0, 3.0],
        "shared": [0.5] * 4,
        "correlation": [0.75] * 4,
    }
)


def shown(record: dict[str, Any], table: pd.DataFrame, capsys: pytest.CaptureFixture[str]) -> list[list[str]]:
    """The words of the lines, without what frames them."""
    print_found(record, table)
    lines = capsys.readouterr().out.replace("│", "|").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_neighbours_are_a_row_for_each_head(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown({"analysis": "picture"}, NEIGHBOURS, capsys)
    assert ["5.3", "a.png (0.5)  [b].png (0.25)"] in rows
    assert ["6.0", "c.png (2)"] in rows


def test_a_map_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    line = "2 x 2 patches, -1.5 (row 0, column 1) to +2 (row 1, column 0)"
    assert shown({"analysis": "topic"}, MAP, capsys) == [[line]]


def test_why_shows_the_largest_shares_and_adds_up(capsys: pytest.CaptureFixture[str]) -> None:
    about = {"picture": "a.png", "value": 2.603, "rest": -0.5}
    record = {"analysis": "property", "settings": {"measure": "centred"}, "why": about}
    rows = shown(record, WHY, capsys)
    assert rows[0] == ["Why a.png is near: 2.6"]
    assert any("cosine of centred contributions" in cell for row in rows for cell in row)
    assert ["5.3", "text 10", "+0.1"] in rows
    assert ["", "2 more texts", "+0.174"] in rows  # 1/11 + 1/12
    assert ["", "what no text takes up", "-0.5"] in rows
    assert not any("text 11" in row for row in rows)


def test_a_difference_has_two_rows_for_each_head(capsys: pytest.CaptureFixture[str]) -> None:
    rows = shown({"analysis": "difference"}, DIFFERENCE, capsys)
    assert ["5.3", "before", "a.png (2)  b.png (1)", "0.50", "0.75"] in rows
    assert ["1.2", "after", "b.png (4)  c.png (3)", "", ""] in rows
