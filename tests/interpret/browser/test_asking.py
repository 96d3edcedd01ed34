"""From a question to an answer: what the model works out is remembered, and no more of it than there is room for."""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.browser import asking
from alignbench.interpret.browser.asking import ModelWork, answer, needs_model
from alignbench.interpret.browser.questions import SearchQuestion, WhyQuestion
from alignbench.interpret.browser.sessions import VisitorSession
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.searching.analysis import HeatMap
from alignbench.interpret.searching.asked import decomposed_picture
from browsers import Browsed


def ask(work: ModelWork, world: HeadWorld, **asked: Any) -> Any:
    return answer(world, work.ready(SearchQuestion(**asked), VisitorSession()))


def test_a_picture_is_decomposed_once_and_a_text_embedded_once(browsed: Browsed) -> None:
    work = ModelWork(browsed.world)
    with (
        mock.patch.object(asking, "decomposed", wraps=asking.decomposed) as decomposes,
        mock.patch.object(asking, "unit_embeddings", wraps=asking.unit_embeddings) as embeds,
    ):
        grids = [ask(work, browsed.world, analysis="topic", picture=4, text="red").result.grid for _ in range(3)]
        assert (decomposes.call_count, embeds.call_count) == (1, 1)
        ask(work, browsed.world, analysis="topic", picture=5, text="blue")
        assert (decomposes.call_count, embeds.call_count) == (2, 2)
    assert np.array_equal(grids[0], grids[2])


def test_pictures_are_forgotten_where_there_is_no_room(browsed: Browsed, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "_MOST_REMEMBERED", 1)
    work = ModelWork(browsed.world)
    with mock.patch.object(asking, "decomposed", wraps=asking.decomposed) as decomposes:
        for number in (4, 4, 5, 4):
            ask(work, browsed.world, analysis="attention", picture=number)
    assert decomposes.call_count == 3, "the last one is kept whatever its size"


def test_attention_is_that_of_the_function(browsed: Browsed) -> None:
    found = ask(ModelWork(browsed.world), browsed.world, analysis="attention", picture=4, heads="5.3,6.0")
    picture = decomposed_picture(browsed.store, browsed.pictures / browsed.store.names[4])
    assert isinstance(found.result, HeatMap)
    wanted = (picture.attention[4, 3] + picture.attention[5, 0]) / 2
    np.testing.assert_allclose(found.result.grid.ravel(), wanted, rtol=1e-6)
    assert found.unit == "share of attention"


def test_only_what_the_model_works_for_waits_for_it() -> None:
    assert not needs_model(SearchQuestion(analysis="property", picture=1))
    assert not needs_model(SearchQuestion(analysis="people"))
    assert needs_model(SearchQuestion(analysis="text", text="red"))
    assert needs_model(SearchQuestion(analysis="attention", picture=1))
    assert needs_model(SearchQuestion(analysis="property", upload="x"))
    assert needs_model(WhyQuestion(analysis="property", picture=1, neighbour=2))


def test_without_a_model_or_pictures_the_reason_is_said(browsed: Browsed) -> None:
    bare = HeadWorld(
        browsed.store, lacking={name: f"no {name}" for name in ("pictures", "maps", "texts", "why", "people")}
    )
    work = ModelWork(bare)
    for said, asked in (
        ("no texts", {"analysis": "text", "text": "red"}),
        ("no pictures", {"analysis": "attention", "picture": 1}),
        ("no people", {"analysis": "people", "dataset": "x"}),
    ):
        with pytest.raises(UsageError, match=said):
            ask(work, bare, **asked)
    with pytest.raises(UsageError, match="no why"):
        work.ready(WhyQuestion(analysis="property", picture=1, neighbour=2), VisitorSession())
    assert len(ask(work, bare, analysis="picture", picture=1).result) == 24, "neighbours need neither"
