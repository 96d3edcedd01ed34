"""What has been found, as tables: a row for each neighbour, patch, text, or neighbour before and after."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.interpret.searching.analysis import HeatMap
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.tables import columns_of, table_of
from alignbench.interpret.searching.why import TextShare, Why
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import write_store

SHAPE = StoreShape(pictures=4, blocks=1, layers=(1,), heads=2, width=2, dtype="fp32")
BEFORE = Neighbours(((1, 0), (1, 1)), np.array([2, 0]), np.array([0.5, 0.25]))
AFTER = Neighbours(((1, 1),), np.array([3]), np.array([-1.0]))


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    return write_store(tmp_path / "store", SHAPE)


def test_each_result_has_its_rows(store: HeadStore) -> None:
    share = TextShare((1, 1), 2, "a dog, red", -0.75)
    compared = Compared(BEFORE.heads, AFTER.heads, BEFORE, AFTER, 0.5, 0.125)
    cases = (
        (
            [BEFORE, AFTER],
            "text",
            [("1.0,1.1", 1, "2.png", 0.5), ("1.0,1.1", 2, "0.png", 0.25), ("1.1", 1, "3.png", -1.0)],
        ),
        (
            HeatMap(((1, 0),), np.array([[1.0, 2.0], [3.0, 4.0]]), "cosine"),
            "topic",
            [(0, 0, 1.0), (0, 1, 2.0), (1, 0, 3.0), (1, 1, 4.0)],
        ),
        (Why(BEFORE.heads, 0.5, (share,), 1.25), "why", [("1.1", 2, "a dog, red", -0.75), ("1.0,1.1", 0, "", 1.25)]),
        (
            [compared],
            "difference",
            [
                ("1.0,1.1", "1.1", "before", 1, "2.png", 0.5, 0.5, 0.125),
                ("1.0,1.1", "1.1", "before", 2, "0.png", 0.25, 0.5, 0.125),
                ("1.0,1.1", "1.1", "after", 1, "3.png", -1.0, 0.5, 0.125),
            ],
        ),
    )
    for result, analysis, rows in cases:
        table = table_of(store, result)  # type: ignore[arg-type]
        assert [tuple(row) for row in table.itertuples(index=False)] == rows
        record = {"analysis": "property", "why": {}} if analysis == "why" else {"analysis": analysis}
        assert tuple(table.columns) == columns_of(record)
