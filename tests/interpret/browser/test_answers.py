"""Answers as JSON and CSV: nothing that JSON does not have, and no cell that a spreadsheet works out."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd

from alignbench.interpret.browser.answers import found_json, tame, world_json
from alignbench.interpret.browser.asking import FoundAnswer, ReadyQuestion
from alignbench.interpret.browser.questions import SearchQuestion
from alignbench.interpret.browser.world import HeadWorld
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.why import TextShare, Why
from browsers import Browsed


def found(result: object) -> FoundAnswer:
    asked = ReadyQuestion(SearchQuestion(analysis="property", picture=1), None, (), notes=("a note",))
    return FoundAnswer(asked, result, "cosine")  # type: ignore[arg-type]


def test_neighbours_and_what_is_no_number(browsed: Browsed) -> None:
    one = Neighbours(((5, 3), (6, 0)), np.array([2, 0]), np.array([0.25, np.nan]))
    names = browsed.store.names
    assert json.loads(json.dumps(found_json(browsed.world, found([one])), allow_nan=False)) == {
        "analysis": "property",
        "unit": "cosine",
        "notes": ["a note"],
        "kind": "neighbours",
        "heads": "5.3,6.0",
        "groups": [
            {
                "heads": "5.3,6.0",
                "items": [
                    {"picture": 2, "name": names[2], "value": 0.25},
                    {"picture": 0, "name": names[0], "value": None},
                ],
            }
        ],
    }


def test_differences_and_reasons(browsed: Browsed) -> None:
    side = Neighbours(((5, 3),), np.array([2]), np.array([0.25]))
    compared = Compared(((5, 3),), ((6, 1),), side, side, 1.0, float("nan"))
    answer = found_json(browsed.world, found([compared]))
    assert answer["kind"] == "difference"
    (group,) = answer["groups"]
    assert (group["heads"], group["others"], group["shared"], group["correlation"]) == ("5.3", "6.1", 1.0, None)
    why = Why(((5, 3),), 0.5, (TextShare((5, 3), 1, "<b>red</b>", 0.375),), 0.125)
    answer = found_json(browsed.world, found(why))
    assert answer["shares"] == [{"heads": "5.3", "pick": 1, "text": "<b>red</b>", "value": 0.375}]
    assert (answer["kind"], answer["value"], answer["rest"]) == ("why", 0.5, 0.125)


def test_a_bare_world_says_what_it_cannot(browsed: Browsed) -> None:
    place = browsed.store.folder
    lacking = dict.fromkeys(("maps", "pictures", "texts", "why"), f"{place} is of no model: --model")
    answer = world_json(HeadWorld(browsed.store, lacking=lacking, places=(place,)))
    assert answer["cannot"] == dict.fromkeys(lacking, f"{place.name} is of no model: --model")
    assert not any(answer["can"].values())
    assert answer["colourings"] == []


def test_cells_that_a_spreadsheet_would_work_out_are_texts() -> None:
    table = pd.DataFrame({"text": ["=1+1", "+x", "-x", "@x", "\tx", "\rx", "x=1", "a.png", ""], "value": [-0.5] * 9})
    tamed = tame(table)
    assert tamed["text"].tolist() == ["'=1+1", "'+x", "'-x", "'@x", "'\tx", "'\rx", "x=1", "a.png", ""]
    assert tamed["value"].tolist() == [-0.5] * 9
    assert table["text"][0] == "=1+1"
