"""The card of a head: texts with the votes of every judge, labels by folder, and scores by place."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.interpret.browser.head_cards import HeadCard, TextVote
from alignbench.interpret.browser.head_grid import HeadGrid
from browsed_folders import browse_alignment, browse_labels, browse_scores, browse_span, browsed_store
from head_folders import BEST, alignment_table


def test_a_card_has_what_the_folders_say(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__0", store)
    browse_labels(tmp_path / "own__labels__0", store)
    browse_scores(tmp_path / "own__scores__0", store)
    grid = HeadGrid.read(store)
    card = grid.card((3, 0))
    assert (card.layer, card.head, card.further, card.people) == (3, 0, (), ())
    assert card.title == "own__textspan__0, own__labels__0, own__scores__0"
    assert (card.label, card.margin, card.source) == ("colours", 0.5, "labelled")
    assert (card.agreeing, card.judged, card.consistency, card.others) == (4, 5, 4, 0)
    assert card.entropy == pytest.approx(1.5)
    assert [(each.pick, each.text, each.deviation, each.explained_variance, each.margin) for each in card.texts] == [
        (1, "text 1", 1.0, 0.5, 0.125),
        (2, "text 2", 0.5, 0.25, 0.125),
        (3, "text 3", pytest.approx(1 / 3), 0.25, 0.125),
    ]
    assert [each.votes for each in card.texts] == [(), (TextVote("file", True),), ()]
    example = grid.card((4, 2))
    assert (example.label, example.margin, example.source) == ("animals", None, "example")
    assert (example.agreeing, example.judged, example.consistency, example.others) == (None,) * 4
    assert example.entropy is None
    nothing = grid.card((6, 3))
    assert (nothing.label, nothing.texts, nothing.entropy) == (None, (), None)


def test_each_labelling_and_each_judge_is_offered(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__0", store)
    browse_span(tmp_path / "own__textspan__1", store, texts="e")
    browse_span(tmp_path / "own__textspan__2", store, texts="f")
    browse_labels(tmp_path / "own__labels__0", store)
    browse_labels(tmp_path / "own__labels__1", store, "hand", texts="e")
    browse_scores(tmp_path / "own__scores__0", store)
    browse_scores(tmp_path / "own__scores__1", store, "chat", agrees=0)
    browse_scores(tmp_path / "own__scores__2", store, "chat", texts="gone")
    card = HeadGrid.read(store).card((3, 0))
    assert [each.title for each in (card, *card.further)] == [
        "own__textspan__0, own__labels__0, own__scores__0",
        "own__textspan__0, own__labels__0, own__scores__1",
        "own__textspan__1, own__labels__1",
        "own__scores__2",
        "own__textspan__2",
    ]
    both = (TextVote("file", True), TextVote("chat", False))
    assert [each.texts[1].votes if each.texts else None for each in (card, *card.further)] == [both, both, (), None, ()]
    assert [each.label for each in (card, *card.further)] == ["colours"] * 4 + [None]


def test_scores_of_people_are_by_place_and_of_scored_heads_alone(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    table = alignment_table(first=4)
    browse_alignment(tmp_path, store, table=table)
    grid = HeadGrid.read(store)
    assert isinstance(grid.card((3, 0)), HeadCard)
    assert grid.card((3, 0)).people == ()
    best = grid.card(BEST["middle"])
    assert [each.is_separable for each in best.people] == [False, True, False]
    told = best.people[1]
    row = table.query("level == 'middle' and kind == 'head' and layer == 4 and head == 3 and way == 'alone'").iloc[0]
    assert (told.value, told.low, told.high, told.p_choices, told.p_subspace, told.p_twin) == (
        *(row["value"], row["low"], row["high"]),
        *(0.001, 0.002, 0.003),
    )
    assert told.left_out == pytest.approx(0.02)
    assert told.unit == "agreement with the choices"
