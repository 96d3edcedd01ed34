"""Kept embeddings: found again, never of something else, and done without where there is no room."""

from __future__ import annotations

import warnings
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
import torch
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.interpret.text_cache import read_rows, unit_embeddings
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokens

TEXTS = ("ab", "b", "ccc")


def letters(texts: object) -> Tokens:
    rows = [[ord(letter) - 96 for letter in text] for text in texts]  # type: ignore[attr-defined]
    ids = torch.tensor([(row + [0] * 5)[:5] for row in rows])
    return Tokens(ids, None, tuple(map(len, rows)))


def encoder(fingerprint: str = "0", sign: int = 1) -> tuple[TextEncoder, mock.Mock]:
    tokenizer = mock.Mock(side_effect=letters, context=5)

    embedded = mock.Mock()

    def tower(tokens: Tokens) -> Tensor:
        embedded()
        return torch.stack([sign * tokens.ids.sum(dim=1), tokens.ids[:, 1] * 2.0], dim=1)

    return TextEncoder("m", tokenizer, tower, 27, 2, fingerprint), embedded


EXPECTED = np.array([[3, 4], [2, 0], [9, 6]]) / np.array([[5], [2], [117**0.5]])


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/texts"


def test_embeddings_are_of_length_one_and_kept(cache: Path) -> None:
    first, asked = encoder()
    np.testing.assert_allclose(unit_embeddings(first, TEXTS), EXPECTED, rtol=1e-7)
    assert asked.call_count == 1
    assert len(list(cache.iterdir())) == 1
    again, asked = encoder()
    np.testing.assert_allclose(unit_embeddings(again, TEXTS), EXPECTED, rtol=1e-7)
    assert asked.call_count == 0
    with pytest.warns(AlignbenchWarning, match="1 of 2 texts are longer than the 5 tokens"):
        unit_embeddings(again, ("ab", "abcdef"))
    with pytest.warns(AlignbenchWarning, match="1 of 2 texts are longer than the 5 tokens"):
        unit_embeddings(again, ("ab", "abcdef"))
    assert asked.call_count == 1


def test_other_texts_and_other_encoders_are_others(cache: Path) -> None:
    first, _ = encoder()
    unit_embeddings(first, TEXTS)
    other, asked = encoder("1", sign=-1)
    np.testing.assert_allclose(unit_embeddings(other, TEXTS), EXPECTED * [-1, 1], rtol=1e-7)
    assert asked.call_count == 1
    np.testing.assert_allclose(unit_embeddings(first, TEXTS[::-1]), EXPECTED[::-1], rtol=1e-7)
    assert len(list(cache.iterdir())) == 3


def test_damaged_files_are_made_anew(cache: Path) -> None:
    first, asked = encoder()
    unit_embeddings(first, TEXTS)
    (path,) = cache.iterdir()
    sound = path.read_bytes()
    key = path.stem
    assert read_rows(path, key, (3, 2)) is not None
    assert read_rows(path, key, (2, 3)) is None
    assert read_rows(path, "other", (3, 2)) is None
    for damaged in (b"", sound[:-1], sound[:-1] + bytes([sound[-1] ^ 1]), b"x" * len(sound)):
        path.write_bytes(damaged)
        assert read_rows(path, key, (3, 2)) is None
        np.testing.assert_allclose(unit_embeddings(first, TEXTS), EXPECTED, rtol=1e-7)
        assert read_rows(path, key, (3, 2)) is not None
    assert asked.call_count == 5


def test_without_room_they_are_not_kept(cache: Path) -> None:
    cache.parent.write_text("a file")
    with pytest.warns(AlignbenchWarning, match="embeddings of texts are not kept: .* ALIGNBENCH_CACHE"):
        np.testing.assert_allclose(unit_embeddings(encoder()[0], TEXTS), EXPECTED, rtol=1e-7)
    with mock.patch("alignbench.interpret.text_cache.cache_folder", return_value=None), warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_allclose(unit_embeddings(encoder()[0], TEXTS), EXPECTED, rtol=1e-7)


def test_a_text_without_direction_is_named(cache: Path) -> None:
    nothing = TextEncoder("m", encoder()[0].tokenizer, lambda tokens: torch.zeros(len(tokens.ids), 2), 27, 2, "2")
    with pytest.raises(ModelError, match="the text tower of m gives nothing for 'ab': leave this text out"):
        unit_embeddings(nothing, TEXTS)
