"""Labels by words: whole ones, plurals, ties, and texts that name several properties."""

from __future__ import annotations

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.labelling.labeller import HeadTexts, LabellerRequest, make_labeller
from alignbench.interpret.labelling.words import WordLabeller

PROPERTIES = {"colours": ("red", "blue"), "animals": ("dog", "fox", "polar bear"), "signs": ("c++",)}
LABELLER = WordLabeller(PROPERTIES)


def labelled(*texts: str) -> tuple[str, float]:
    (found,) = LABELLER.label([HeadTexts(1, 0, texts)])
    return found.label, found.margin


def test_texts_name_properties_by_whole_words() -> None:
    texts = ("a Red dog", "two foxes and dogs", "reduced", "polar bears", "a polar  bear", "a bear", "hotdog")
    found = LABELLER.judge(texts, ("animals", "colours"))
    assert found.tolist() == [
        *([True, True], [True, False], [False, False], [True, False]),
        *([False, False], [False, False], [False, False]),
    ]
    assert LABELLER.judge((), ("animals",)).shape == (0, 1)


def test_a_head_is_what_most_of_its_texts_name() -> None:
    assert labelled("a red dog", "a blue wall", "a cup") == ("colours", pytest.approx(1 / 3))
    assert labelled("a dog", "a fox", "a red cup") == ("animals", pytest.approx(1 / 3))


def test_ties_and_single_texts_are_no_label() -> None:
    assert labelled("a red cup", "a dog") == ("", 0)
    assert labelled("a red dog", "a blue fox") == ("", 0)
    assert labelled("a red cup", "a cup", "a plate")[0] == "", "one of three"
    assert labelled("a red cup")[0] == "colours", "one of one"
    assert labelled()[0] == ""
    assert labelled("a cup", "a plate")[0] == ""


def test_what_it_does_not_know_or_need_is_refused() -> None:
    with pytest.raises(UsageError, match="words cannot judge the label 'plants', which it has no texts or words for"):
        LABELLER.judge(("a",), ("plants",))
    with pytest.raises(UsageError, match="words takes no --model: leave it out"):
        make_labeller("words", LabellerRequest(PROPERTIES, model="x"))
    made = make_labeller("words", LabellerRequest(PROPERTIES))
    assert made.identities == LABELLER.identities
    assert made.identities != WordLabeller({**PROPERTIES, "colours": ("red",)}).identities
    assert not made.asks
