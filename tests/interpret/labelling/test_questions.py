"""What chat models are asked, and what is made of their answers, with a chat that follows a rule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.labelling.labeller import HeadTexts
from alignbench.interpret.labelling.questions import NONE, ChatLabeller, ChatQuestion, list_question, pair_question

PROPERTIES = {"colours": ("red",), "animals": ("dog",)}


class RuledChat:
    """Says colours where the last turn has red in it, and none of these otherwise."""

    identities = frozenset({"rule"})
    settings: dict[str, Any] = {"model": "rule"}  # noqa: RUF012

    def __init__(self) -> None:
        self.asked: list[ChatQuestion] = []

    def choose(self, question: ChatQuestion) -> tuple[int, float]:
        self.asked.append(question)
        said = "colours" if "red" in question.messages[-1].content else NONE
        return question.choices.index(said), 0.5

    def agreeing(self, text: str, labels: Sequence[str]) -> list[bool]:
        return [label == "colours" and "red" in text for label in labels]


def test_heads_are_asked_about_once_and_may_have_none() -> None:
    chat = RuledChat()
    heads = [
        HeadTexts(1, 0, ("red", "x")),
        HeadTexts(1, 1, ("dog",)),
        HeadTexts(2, 0, ("red", "x")),
        HeadTexts(2, 1, ()),
    ]
    found = ChatLabeller(chat, PROPERTIES).label(heads)
    assert [each.label for each in found] == ["colours", "", "colours", ""]
    assert found[0].margin == 0.5
    assert len(chat.asked) == 2
    assert chat.asked[0].choices == ("colours", "animals", NONE)
    content = chat.asked[0].messages[0].content
    assert "- red\n- x\n" in content
    assert "colours, animals, none of these?" in content


def test_examples_come_before_and_are_part_of_the_settings() -> None:
    chat = RuledChat()
    example = (HeadTexts(1, 3, ("dog", "fox")), "animals")
    labeller = ChatLabeller(chat, PROPERTIES, [example])
    labeller.label([HeadTexts(1, 0, ("red",))])
    (asked,) = chat.asked
    assert [message.role for message in asked.messages] == ["user", "assistant", "user"]
    assert "- dog\n- fox" in asked.messages[0].content
    assert asked.messages[1].content == "animals"
    assert labeller.settings["examples"] == [message.content for message in asked.messages[:2]]
    assert labeller.settings["model"] == "rule"
    assert labeller.asks
    with pytest.raises(UsageError, match="example of layer 1, head 3 is labelled 'plants', which is none of the prop"):
        ChatLabeller(chat, PROPERTIES, [(example[0], "plants")])


def test_texts_are_judged_with_all_labels() -> None:
    found = ChatLabeller(RuledChat(), PROPERTIES).judge(("red", "dog"), ("animals", "colours"))
    assert found.tolist() == [[False, True], [False, False]]
    assert ChatLabeller(RuledChat(), PROPERTIES).judge((), ("a",)).shape == (0, 1)
    assert pair_question("a dog", "animals") == 'The text is: "a dog"\nIs it about animals? Answer yes or no.'
    assert "if any: a, b?" in list_question("a dog", ("a", "b"))
