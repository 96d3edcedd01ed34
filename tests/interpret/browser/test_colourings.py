"""Grids of heads: what they show, what is grey, and that nothing is shown of which nothing is known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import entropy

from alignbench.interpret.browser.colourings import NO_NULL, Colouring, HeadCell, text_entropy
from alignbench.interpret.browser.head_grid import HeadGrid
from browsed_folders import (
    SHARES,
    browse_alignment,
    browse_difference,
    browse_labels,
    browse_scores,
    browse_span,
    browsed_store,
)
from head_folders import BEST, alignment_table

HEADS = [(layer, head) for layer in (3, 4, 5, 6) for head in range(4)]


def cells(colouring: Colouring) -> dict[tuple[int, int], HeadCell]:
    return {(cell.layer, cell.head): cell for cell in colouring.cells}


def test_a_grid_has_a_cell_for_each_head_in_order(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_alignment(tmp_path, store, table=alignment_table(first=5))
    browse_labels(tmp_path / "own__labels__0", store)
    grid = HeadGrid.read(store)
    for each in grid.colourings:
        assert [(cell.layer, cell.head) for cell in each.cells] == HEADS
        unknown = [cell for cell in each.cells if cell.note == "nothing is known of it"]
        assert all((cell.value, cell.text, cell.is_grey) == (None, "none", False) for cell in unknown)
        assert len(unknown) == (13 if each.kind == "name" else 8)


def test_heads_that_no_null_tells_apart_are_grey(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_alignment(tmp_path, store)
    grid = HeadGrid.read(store)
    assert [each.id.split(".")[:2] for each in grid.colourings] == [
        [kind, level] for level in ("low", "middle", "high") for kind in ("alone", "loss")
    ]
    for each in grid.colourings[::2]:
        level = each.id.split(".")[1]
        assert [head for head, cell in cells(each).items() if not cell.is_grey] == [BEST[level]]
        assert "random subspaces" in each.note
        values = [cell.value for cell in each.cells]
        assert (each.low, each.high) == (min(values), max(values))
        assert cells(each)[BEST[level]].note.endswith("p 0.002 over all heads")
        assert cells(each)[BEST[level]].value == max(values)
    for each in grid.colourings[1::2]:
        assert not any(cell.is_grey for cell in each.cells)
        assert NO_NULL in each.note
        level = each.id.split(".")[1]
        assert cells(each)[BEST[level]].value == pytest.approx(0.02)
        assert cells(each)[BEST[level]].text == "+0.02"


def test_without_subspaces_choices_make_grey_and_without_either_nothing_does(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    table = alignment_table()
    table["p_subspace"] = np.nan
    browse_alignment(tmp_path, store, "a__align__0", table)
    first = HeadGrid.read(store).colourings[0]
    assert "people's answers at random" in first.note
    assert {head for head, cell in cells(first).items() if cell.is_grey} == {
        head for head in HEADS if head[0] <= 4 and head != BEST["low"]
    }
    table["p_choices"] = np.nan
    browse_alignment(tmp_path, store, "b__align__0", table, nulls={"draws": 0})
    bare = next(each for each in HeadGrid.read(store).colourings if "b__align__0" in each.title)
    assert bare.note == NO_NULL
    assert not any(cell.is_grey for cell in bare.cells)
    assert all(cell.note.endswith(NO_NULL) for cell in bare.cells)


def test_labels_are_numbered_by_their_names(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_labels(tmp_path / "own__labels__0", store)
    browse_labels(tmp_path / "own__labels__1", store, "hand")
    browse_labels(tmp_path / "own__labels__2", store, "hand", texts="e")
    first, *others = HeadGrid.read(store).colourings
    assert (first.title, first.kind, first.low, first.high) == ("Label, by words", "name", 0.0, 1.0)
    assert [each.title for each in others] == [f"Label, by hand [own__labels__{number}]" for number in (1, 2)]
    assert cells(first)[3, 0] == HeadCell(3, 0, 1.0, "colours", note="margin 0.5")
    assert cells(first)[3, 1] == HeadCell(3, 1, None, "no label", note="margin 0.25")
    assert cells(first)[4, 2] == HeadCell(4, 2, 0.0, "animals", note="given as an example")


def test_consistency_is_of_five_texts(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_scores(tmp_path / "own__scores__0", store)
    (found,) = HeadGrid.read(store).colourings
    assert (found.title, found.low, found.high) == ("Concept consistency: labels by words, judge file", 0.0, 5.0)
    assert cells(found)[3, 0] == HeadCell(3, 0, 4.0, "4 of 5")
    assert cells(found)[3, 1] == HeadCell(3, 1, None, "none", note="fewer than five of its texts were judged")


def test_entropy_is_of_the_shares_of_variance(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__0", store)
    (found,) = HeadGrid.read(store).colourings
    assert (found.title, found.unit, found.low, found.high) == ("Entropy of texts", "bits", 0.0, 1.5)
    assert {head: cells(found)[head].value for head in SHARES} == {(3, 0): 1.5, (3, 1): 0.0, (4, 2): None}


def test_entropy_is_that_of_scipy() -> None:
    shares = np.random.default_rng(0).dirichlet(np.ones(7)) * 0.6
    assert text_entropy(shares) == pytest.approx(entropy(shares, base=2), abs=1e-12)
    assert text_entropy(np.full(8, 0.1)) == pytest.approx(3.0)
    assert text_entropy(np.zeros(0)) is None


def test_a_difference_is_grey_where_the_interval_of_all_heads_holds_zero(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    ends = [(0.01, 0.2), (-0.01, 0.2), (-0.2, -0.01), (float("nan"), 0.2)]
    browse_difference(tmp_path / "own__against__0", store, ends)
    (found,) = HeadGrid.read(store).colourings
    assert found.title == "Human alignment, own through learned above own: high level, THINGS, paper"
    assert found.unit == "difference of agreement with the choices"
    shown = [cells(found)[3, head] for head in range(4)]
    assert [cell.is_grey for cell in shown] == [False, True, False, False]
    assert [(cell.value, cell.text) for cell in shown] == [(0.1, "+0.1")] * 4
    assert shown[0].note == "95 % interval 0.01 to 0.2, for all heads together"
    assert shown[3].note == "no interval is known"
