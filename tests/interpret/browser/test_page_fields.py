"""The fields of a page: their names are those that it shows, and each refusal names the field and the remedy."""

from __future__ import annotations

import re
from importlib.resources import files
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from alignbench.errors import UsageError
from alignbench.interpret.browser.page_fields import FIELDS, TITLES, check_fields, fault_line, in_page_words, named
from alignbench.interpret.browser.questions import (
    ListQuestion,
    SearchQuestion,
    ThumbnailQuestion,
    UploadQuestion,
    WhyQuestion,
)
from alignbench.interpret.searching.analysis import ANALYSES

FOLDER = files("alignbench").joinpath("interpret/browser/page")
PAGE = {each.name: each.read_text(encoding="utf-8") for each in FOLDER.iterdir()}
GIVEN = {"other": "o0", "dataset": "x", "text": "a", "against": "b", "measure": "dot", "count": "3"} | {
    "other_heads": "1.1",
    "together": "1",
}


def test_fields_and_analyses_are_called_as_on_the_page() -> None:
    shown = "".join(PAGE.values())
    for label in set(FIELDS.values()) - {"Chosen heads"}:
        assert f'"{label}"' in shown
    assert "to the chosen heads" in shown
    titles = re.findall(r'^  (\w+): \{\n    title: "([^"]+)"', PAGE["analyses.js"], re.MULTILINE)
    assert dict(titles) == dict(TITLES)
    assert set(TITLES) == {*ANALYSES, "people", "difference"}
    assert (named("count"), named("side")) == ("“How many” (count)", "side")


def test_the_server_takes_what_the_page_sends() -> None:
    taken = dict(re.findall(r"^  (\w+): \{\n.*takes: \[([^\]]*)\]", PAGE["analyses.js"], re.MULTILINE))
    assert set(taken) == set(TITLES)
    for analysis, listed in taken.items():
        takes = set(re.findall(r"\w+", listed))
        asked = {"analysis": analysis} | {name: value for name, value in GIVEN.items() if name in takes}
        whole = asked | ({"picture": "1"} if {"picture", "pairs"} & takes else {})
        check_fields(SearchQuestion.model_validate(whole))
        for name in GIVEN.keys() - takes:
            with pytest.raises(UsageError, match=rf"^{TITLES[analysis]} takes no .*{name}"):
                check_fields(SearchQuestion.model_validate(whole | {name: GIVEN[name]}))


COUNT = "“How many” (count) takes a whole number from 1 to 200, in the digits 0 to 9"
PICTURE = "“Picture” (picture) takes a whole number from 0, in the digits 0 to 9"


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        *((SearchQuestion, {"count": each}, COUNT) for each in ("0", "-1", "201", "1e9", "NaN", "Infinity", "")),
        (SearchQuestion, {"count": "9" * 5000}, COUNT),
        *((SearchQuestion, {"picture": each}, PICTURE) for each in ("-1", str(2**31), "1.5", "\u0663", "0x1", " 1")),
        (SearchQuestion, {"text": "x" * 1001}, "“Text” (text) has more than 1,000 letters: shorten it"),
        (SearchQuestion, {"together": "2"}, "“Heads” (together) takes a whole number from 0 to 1, in the digits"),
        (SearchQuestion, {"heads": "1.1," * 6000}, "“Chosen heads” (heads) has more than 20,000 letters: shorten it"),
        (SearchQuestion, {"format": "xml"}, "format is one of json, csv, png"),
        (SearchQuestion, {"path": "x"}, "path is nothing that can be asked: leave it out"),
        (SearchQuestion, {"x" * 900: "x"}, "... is nothing that can be asked: leave it out"),
        (WhyQuestion, {}, "neighbour is missing: give it"),
        (ListQuestion, {"like": "x" * 201}, "“Search by name” (like) has more than 200 letters: shorten it"),
        (ThumbnailQuestion, {"number": "1", "side": "9999"}, "side takes a whole number from 16 to 512"),
        (UploadQuestion, {"name": "x" * 201}, "name has more than 200 letters: shorten it"),
    ],
)
def test_what_is_wrong_is_said_of_the_field_in_plain_english(
    kind: type[BaseModel], given: dict[str, Any], said: str
) -> None:
    analysis = {"analysis": "text"} if issubclass(kind, SearchQuestion) else {}
    with pytest.raises(ValidationError) as caught:
        kind.model_validate(analysis | given)
    line = fault_line(caught.value.errors()[0])
    assert said in line
    assert len(line) < 200


def test_numbers_reach_as_far_as_is_said() -> None:
    asked = SearchQuestion.model_validate({"analysis": "text", "picture": str(2**31 - 1), "count": "200"})
    assert (asked.picture, asked.count) == (2**31 - 1, 200)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"analysis": "x"}, "unknown analysis 'x': valid: attention, contrast, difference, people, picture, "),
        ({"analysis": "property"}, "Property needs “Picture” (picture): choose one, or upload one"),
        ({"analysis": "text"}, "Text needs “Text” (text): give it"),
        ({"analysis": "contrast", "picture": "1", "text": "a"}, "Contrast needs “Against” (against): give it"),
        ({"analysis": "contrast", "picture": "1", "against": "a"}, "Contrast needs “Text” (text): give it"),
        ({"analysis": "text", "text": "a", "picture": "1"}, "Text takes no “Picture” (picture): leave it out"),
        ({"analysis": "picture", "picture": "1", "upload": "x"}, "are two pictures: give one of them"),
    ],
)
def test_an_analysis_is_asked_with_what_it_takes(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_fields(SearchQuestion.model_validate(given))
    assert said in str(caught.value)


@pytest.mark.parametrize("analysis", ["topic", "people", "difference"])
def test_why_is_said_of_neighbours_alone(analysis: str) -> None:
    question = WhyQuestion.model_validate({"analysis": analysis, "picture": "1", "neighbour": "2"})
    with pytest.raises(
        UsageError, match=r"finds no neighbours that texts explain: ask why of Property, Picture, Text$"
    ):
        check_fields(question, asks_why=True)


@pytest.mark.parametrize("heads", ["", "1.0,1.1"])
def test_why_of_neighbours_by_each_head_is_of_one(heads: str) -> None:
    asked = {"analysis": "picture", "picture": "1", "neighbour": "2"}
    with pytest.raises(
        UsageError, match=r"^Picture finds neighbours by each head: name one by “Chosen heads” \(heads\)"
    ):
        check_fields(WhyQuestion.model_validate(asked | {"heads": heads}), asks_why=True)
    check_fields(WhyQuestion.model_validate(asked | {"heads": "1.0"}), asks_why=True)


def test_options_of_the_search_are_fields_and_those_of_the_command_stay() -> None:
    assert in_page_words("give --text, not --than-group 5") == "give “Text”, not “Heads there” 5"
    assert in_page_words("--group x names no heads") == "“Chosen heads” x names no heads"
    kept = "name their folder with --images, --than, --text-file or --texts"
    assert in_page_words(kept) == kept
    assert in_page_words("a - b -- c --") == "a - b -- c --"
