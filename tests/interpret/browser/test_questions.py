"""What may be asked: what is unknown, too long, or of another kind is refused."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from alignbench.errors import UsageError
from alignbench.interpret.browser.questions import (
    CropQuestion,
    HeadQuestion,
    ListQuestion,
    SearchQuestion,
    ThumbnailQuestion,
    WhyQuestion,
)


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (SearchQuestion, {"analysis": "text", "path": "/etc/passwd"}),
        (SearchQuestion, {}),
        (SearchQuestion, {"analysis": "text", "text": "x" * 1001}),
        (SearchQuestion, {"analysis": "text", "heads": "1.1," * 30_000}),
        (SearchQuestion, {"analysis": "text", "count": "0"}),
        (SearchQuestion, {"analysis": "text", "count": "201"}),
        (SearchQuestion, {"analysis": "text", "count": "1e1"}),
        (SearchQuestion, {"analysis": "text", "format": "html"}),
        (SearchQuestion, {"analysis": "text", "together": "2"}),
        (SearchQuestion, {"analysis": "text", "neighbour": "3"}),
        (WhyQuestion, {"analysis": "text"}),
        (CropQuestion, {"picture": "-1"}),
        (CropQuestion, {"picture": "1.0"}),
        (CropQuestion, {"picture": "1_0"}),
        (CropQuestion, {"picture": " 1"}),
        (CropQuestion, {"picture": "+1"}),
        (CropQuestion, {"picture": "\u0661"}),
        (CropQuestion, {"picture": "\u00b2"}),
        (CropQuestion, {"picture": "9" * 30}),
        (CropQuestion, {"picture": "../x"}),
        (HeadQuestion, {"layer": "1"}),
        (ListQuestion, {"count": "501"}),
        (ListQuestion, {"like": "x" * 201}),
        (ThumbnailQuestion, {"number": "1", "side": "100000"}),
        (ThumbnailQuestion, {"number": "1", "side": "1"}),
    ],
)
def test_what_is_not_asked_properly_is_refused(kind: type[SearchQuestion], given: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        kind.model_validate(given)


def test_a_question_has_heads_and_texts() -> None:
    asked = SearchQuestion.model_validate(
        {"analysis": "contrast", "heads": "5.3, 6.0,5.3", "text": " a red star ", "against": "a disc", "format": "csv"}
    )
    assert asked.asked_heads == ((5, 3), (6, 0))
    assert asked.texts == ("a red star", "a disc")
    assert asked.format == "csv"
    assert SearchQuestion(analysis="text").asked_heads == ()
    assert SearchQuestion(analysis="text").texts == ()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": "  "}, r"^“Text” \(text\) is empty: write a text$"),
        ({"text": "a", "against": ""}, r"^“Against” \(against\) is empty"),
        ({"text": "\ufffd"}, "cannot be printed"),
        ({"text": "\u202ea"}, "cannot be printed"),
        ({"text": "a\x00b"}, "cannot be printed"),
        ({"text": "a\nb"}, "cannot be printed"),
    ],
)
def test_a_text_is_one(given: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        _ = SearchQuestion.model_validate({"analysis": "text", **given}).texts
    with pytest.raises(UsageError, match="names no heads"):
        _ = SearchQuestion(analysis="text", heads="5;3").asked_heads
