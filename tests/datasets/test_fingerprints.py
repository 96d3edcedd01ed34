"""Digests against plain implementations of what is hashed, which is kept in run folders and must not change."""

import hashlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.datasets import fingerprints as module
from alignbench.datasets.fingerprints import hash_parts, stimulus_digests

Indices = NDArray[np.int64]
some_texts = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=5), max_size=9)


def plain_digest(texts: list[list[str]], arrays: list[NDArray[np.generic]]) -> str:
    digest = hashlib.sha256()
    for text in (text for some in texts for text in some):
        digest.update(text.encode() + b"\0")
    for array in arrays:
        digest.update(array.tobytes())
    return digest.hexdigest()


def plain_stimuli(pairs: Indices, judged: Indices, identities: list[str]) -> list[str]:
    found = []
    for row in judged.tolist():
        ends = [[identities[image].split("/")[0] for image in pairs[pair]] for pair in row]
        found.append(hashlib.sha256("|".join(f"{one}-{other}" for one, other in ends).encode()).hexdigest()[:16])
    return found


@pytest.fixture(params=[3, 1_000])
def _at_once(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AT_ONCE", request.param)


@pytest.mark.usefixtures("_at_once")
class TestInBlocks:
    @given(st.lists(some_texts, max_size=3), st.integers(0, 5))
    def test_a_digest_is_of_all_texts_and_arrays(self, texts: list[list[str]], rows: int) -> None:
        arrays = [np.arange(3 * rows).reshape(rows, 3), np.linspace(0, 1, rows), np.asfortranarray(np.eye(rows))]
        assert hash_parts(texts, arrays) == plain_digest(texts, arrays)

    @given(st.integers(1, 3), st.integers(0, 20), st.integers(0, 2**31))
    def test_stimuli_are_those_of_a_plain_loop(self, options: int, rows: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        pairs, judged = rng.integers(0, 6, (8, 2)), rng.integers(0, 8, (rows, options))
        identities = ["a", "ab", "ä%b", "c/d", "c/e/f", "0" * 64]
        found = stimulus_digests(pairs, judged, identities)
        assert [one.decode() for one in found.tolist()] == plain_stimuli(pairs, judged, identities)


def test_a_digest_of_nothing_is_that_of_no_bytes() -> None:
    assert hash_parts([], [np.empty((0, 3))]) == hashlib.sha256().hexdigest()
