"""Encoding by a tower that is known: what is cut, what is alike, and what does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError, UsageError
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokens


class Letters:
    """A token for each letter; a row is filled up with 0."""

    context = 5

    def __call__(self, texts: Sequence[str]) -> Tokens:
        rows = [[ord(letter) - 96 for letter in text.lower()][: self.context] for text in texts]
        longest = max(map(len, rows))
        ids = torch.tensor([row + [0] * (longest - len(row)) for row in rows])
        return Tokens(ids, (ids > 0).long(), tuple(map(len, texts)))


def sums(tokens: Tokens) -> Tensor:
    assert torch.is_inference_mode_enabled()
    return torch.stack([tokens.ids.sum(dim=1), tokens.ids[:, 0]], dim=1)


ENCODER = TextEncoder("m", Letters(), sums, 27, 2, "0")


def test_every_text_has_its_row_in_order() -> None:
    texts = ["abc"[: 1 + number % 3] + "z" * (number % 2) for number in range(150)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = ENCODER.encode(texts)
    assert found.dtype == np.float32
    expected = [[sum(ord(letter) - 96 for letter in text), ord(text[0]) - 96] for text in texts]
    assert found.tolist() == expected


def test_cut_texts_and_texts_that_are_alike_are_counted() -> None:
    with pytest.warns(AlignbenchWarning) as said:
        ENCODER.encode(["abcdef", "abcdeg", "b", "B", "b"])
    assert [str(each.message) for each in said] == [
        "2 of 5 texts are longer than the 5 tokens that m takes, and are cut ('abcdef'): shorten them",
        "2 of 5 texts are the same as an earlier one to the tokenizer of m, which does not know all of their words: of "
        "such texts the first is picked",
    ]


def test_words_that_are_unknown_are_named_once() -> None:
    class Half(Letters):
        def __call__(self, texts: Sequence[str]) -> Tokens:
            unknown = tuple(tuple(letter for letter in text if letter not in "abc") for text in texts)
            return replace(super().__call__(texts), unknown=unknown)

    with pytest.warns(AlignbenchWarning) as said:
        replace(ENCODER, tokenizer=Half()).encode(["abz", "a", "zzy", "b"])
    assert "2 of 4 texts have words that m does not know (z, y): write them in other words" in [
        str(each.message) for each in said
    ]
    tokens = Tokens(torch.zeros(2, 1), None, (1, 1), (("-",), ("z", "-", "z")))
    assert list(tokens.unknown_words()) == [(), ("z",)], "punctuation alone is no word"


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(UsageError, match="there is no text to encode"):
        ENCODER.encode([])
    few = TextEncoder("m", Letters(), sums, 26, 2, "0")
    with pytest.raises(ModelError, match="the tokenizer of m gives token 26, and its text tower knows 26"):
        few.encode(["z"])
    broken = TextEncoder("m", Letters(), lambda tokens: sums(tokens) / 0, 27, 2, "0")
    with pytest.raises(ModelError, match="the text tower of m gives numbers that are not finite"):
        broken.encode(["z"])
