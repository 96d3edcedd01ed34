"""Numbered names of judgments against tuples of the same texts."""

import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alignbench.datasets import judgment_ids as module
from alignbench.datasets.judgment_ids import NumberedIds, selected_ids

files = st.lists(st.tuples(st.sampled_from(["all", "testset1", "Ä"]), st.integers(0, 9)), min_size=1, max_size=4)


def numbered(parts: list[tuple[str, int]]) -> tuple[NumberedIds, tuple[str, ...]]:
    """Names of the first rows of files, and the same as texts."""
    joined = NumberedIds.joined([NumberedIds.of(file, np.arange(rows)) for file, rows in parts])
    return joined, tuple(f"{file}:{row}" for file, rows in parts for row in range(rows))


@given(files, st.data())
def test_numbered_names_are_a_sequence_of_texts(parts: list[tuple[str, int]], data: st.DataObject) -> None:
    found, expected = numbered(parts)
    assert tuple(found) == expected
    assert (found == expected, expected == found, len(found)) == (True, True, len(expected))
    assert all(type(name) is str for name in found)
    size = len(expected)
    cut = data.draw(st.slices(size)) if size else slice(None)
    assert tuple(found[cut]) == expected[cut]
    for index in range(-size, size):
        assert found[index] == expected[index]
    rows = np.array(data.draw(st.lists(st.integers(0, size - 1))) if size else [], dtype=np.int64)
    chosen = tuple(expected[row] for row in rows)
    assert selected_ids(found, rows) == chosen
    assert selected_ids(expected, rows) == chosen
    assert selected_ids(list(expected), cut) == expected[cut]


def test_unlike_names_are_not_equal() -> None:
    found, expected = numbered([("all", 3), ("testset1", 2)])
    assert found != expected[:-1]
    assert found != (*expected[:-1], "testset1:2")
    assert found != 5
    with pytest.raises(IndexError):
        found[5]


def test_names_beyond_one_block_come_in_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", 4)
    found, expected = numbered([("all", 7), ("testset1", 6)])
    assert tuple(found) == expected


def test_a_million_names_take_ten_megabytes() -> None:
    found = NumberedIds.of("trainset", np.arange(1_000_000))
    assert found.file.nbytes + found.row.nbytes + sys.getsizeof(found) < 10_000_000
    assert found[999_999] == "trainset:999999"
