"""Labels by nearness to the words of a property, against plain float64, with an encoder of planted rows."""

from __future__ import annotations

from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch

from alignbench.errors import ModelError, UsageError
from alignbench.interpret.labelling import prototypes
from alignbench.interpret.labelling.labeller import HeadTexts, LabellerRequest, make_labeller
from alignbench.interpret.labelling.prototypes import PrototypeLabeller
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokens

WORDS = {"colours": ("red", "blue"), "animals": ("dog", "fox"), "all": ("thing",)}
POOL = tuple(f"pool {number}" for number in range(40))
TEXTS = ("reddish", "bluish", "doggish", "both", "neither")
ALL = (*POOL, *TEXTS, *(word for each in WORDS.values() for word in each))
ROWS = np.random.default_rng(4).normal(size=(len(ALL), 12)).astype(np.float32)
ROWS[:40, 8] += 4  # near to the words of `all`, as everything is
for word, axis in (("red", 0), ("blue", 1), ("dog", 2), ("fox", 3), ("thing", 8)):
    ROWS[ALL.index(word)] = 2 * np.eye(12)[axis]
for text, axes in (("reddish", [0]), ("bluish", [1]), ("doggish", [2]), ("both", [0, 2]), ("neither", [8])):
    ROWS[ALL.index(text)] = 5 * np.eye(12)[axes].sum(axis=0) + 5 * np.eye(12)[8]


def encoder(fingerprint: str = "f") -> TextEncoder:
    def tokens(texts: object) -> Tokens:
        numbers = [ALL.index(text) for text in texts]  # type: ignore[attr-defined]
        return Tokens(torch.tensor(numbers)[:, None], None, (1,) * len(numbers))

    tokenizer = mock.Mock(side_effect=tokens, context=4)
    return TextEncoder(
        "m", tokenizer, lambda rows: torch.from_numpy(ROWS[rows.ids[:, 0].numpy()]), len(ALL), 12, fingerprint
    )


@pytest.fixture
def labeller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PrototypeLabeller:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path))
    monkeypatch.setattr(prototypes, "packaged_texts", lambda: POOL)
    return PrototypeLabeller(encoder(), WORDS)


def nearness(text: str) -> list[float]:
    """Standard deviations over the pool, property by property."""

    def unit(word: str) -> np.ndarray:
        row = ROWS[ALL.index(word)].astype(np.float64)
        return row / np.sqrt((row**2).sum())

    found = []
    for words in WORDS.values():
        mean = sum(unit(word) for word in words)
        mean /= np.sqrt((mean**2).sum())
        pool = [float(unit(each) @ mean) for each in POOL]
        found.append((float(unit(text) @ mean) - np.mean(pool)) / np.std(pool))
    return found


def test_heads_are_what_they_are_nearest_to_for_the_pool(labeller: PrototypeLabeller) -> None:
    heads = [HeadTexts(1, 0, ("reddish", "bluish")), HeadTexts(1, 1, ("doggish", "doggish")), HeadTexts(1, 2, ())]
    found = labeller.label(heads)
    assert [each.label for each in found] == ["colours", "animals", ""]
    means = np.mean([nearness("reddish"), nearness("bluish")], axis=0)
    first, second = sorted(means)[::-1][:2]
    assert found[0].margin == pytest.approx(first - second, rel=1e-5)


def test_near_ties_are_no_label(labeller: PrototypeLabeller) -> None:
    near = nearness("both")
    assert abs(near[0] - near[1]) < 0.25, "the planted text is no tie"
    assert [each.label for each in labeller.label([HeadTexts(1, 0, ("both",))])] == [""]


def test_a_text_agrees_from_one_standard_deviation_on(labeller: PrototypeLabeller) -> None:
    labels = ("animals", "colours")
    expected = [[nearness(text)[1] >= 1, nearness(text)[0] >= 1] for text in TEXTS]
    assert labeller.judge(TEXTS, labels).tolist() == expected
    assert expected[TEXTS.index("both")] == [True, True]
    assert expected[TEXTS.index("neither")] == [False, False]
    assert labeller.judge((), labels).shape == (0, 2)


def test_an_encoder_that_tells_nothing_apart_is_refused(
    labeller: PrototypeLabeller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prototypes, "packaged_texts", lambda: (POOL[0], POOL[0]))
    with pytest.raises(ModelError, match="m does not tell the texts of the packaged pool apart"):
        PrototypeLabeller(encoder(), WORDS)


def test_it_is_its_encoder_whatever_the_words(labeller: PrototypeLabeller) -> None:
    assert labeller.identities == PrototypeLabeller(encoder(), {"colours": ("red",), "all": ("thing",)}).identities
    assert labeller.identities != PrototypeLabeller(encoder("g"), WORDS).identities
    with pytest.raises(UsageError, match="prototypes cannot judge the label 'plants'"):
        labeller.judge(("both",), ("plants",))


def test_the_model_of_the_heads_is_refused(labeller: PrototypeLabeller, monkeypatch: pytest.MonkeyPatch) -> None:
    home = "alignbench.interpret.text_encoders.loading.load_text_encoder"
    monkeypatch.setattr(home, lambda name: encoder())
    with pytest.raises(UsageError, match="m is the model whose heads are labelled, which picked the texts itself"):
        make_labeller("prototypes", LabellerRequest(WORDS, model="m", tested="f"))
    made = make_labeller("prototypes", LabellerRequest(WORDS, model="m", tested="another"))
    assert made.identities == labeller.identities
    with pytest.raises(UsageError, match="prototypes needs --model: give it"):
        make_labeller("prototypes", LabellerRequest(WORDS))
