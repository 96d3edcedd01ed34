"""TEXTSPAN, held against the plain algorithm, planted directions and figures that were worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from alignbench.errors import UsageError
from alignbench.interpret.text_span import numerical_rank, textspan, textspan_heads

Array = NDArray[np.float64]


def plain(x: Array, t: Array, m: int, r: int) -> tuple[list[int], Array, list[float]]:
    """The facts, line by line: every product of every image with every text, all anew for each pick."""
    vectors = np.linalg.svd(x, full_matrices=False)[2][:r]
    t = t @ vectors.T @ vectors
    start = np.linalg.norm(t, axis=1).max()
    mean = x.mean(axis=0, keepdims=True)
    x = x - mean
    reconstruction = np.repeat(mean, len(x), axis=0)
    picks: list[int] = []
    deviations = []
    for _ in range(m):
        if np.linalg.norm(t, axis=1).max() < 1e-9 * start:
            break
        spread = (x @ t.T).std(axis=0)
        star = int(np.flatnonzero(spread >= spread.max() * (1 - 1e-9))[0])
        along = t[star] / np.linalg.norm(t[star])
        picks.append(star)
        deviations.append(float(spread[star]))
        moved = np.outer(x @ along, along)
        reconstruction += moved
        x = x - moved
        t = t - np.outer(t @ along, along)
    return picks, reconstruction, deviations


def unit(rows: Array) -> Array:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def arrays(kind: str) -> tuple[Array, Array]:
    rng = np.random.default_rng(7)
    texts = unit(rng.normal(size=(90, 24)))
    if kind == "low rank":
        return rng.normal(size=(60, 6)) @ rng.normal(size=(6, 24)), texts
    if kind == "far from zero":
        return rng.normal(size=(60, 5)) @ rng.normal(size=(5, 24)) + 30 * rng.normal(size=24), texts
    if kind == "fading":
        return (rng.normal(size=(60, 24)) * np.logspace(0, -5, 24)) @ np.linalg.qr(rng.normal(size=(24, 24)))[0], texts
    if kind == "fewer images":
        return rng.normal(size=(9, 24)), texts
    if kind == "few texts":
        return rng.normal(size=(60, 24)), texts[:4]
    if kind == "duplicates":
        return rng.normal(size=(60, 24)), texts[rng.integers(0, 12, size=90)]
    assert kind == "full rank"
    return rng.normal(size=(60, 24)) + 1, texts


KINDS = ("low rank", "far from zero", "fading", "fewer images", "few texts", "duplicates", "full rank")


@pytest.mark.parametrize("rank", [None, 3, 8, 24, 80])
@pytest.mark.parametrize("kind", KINDS)
def test_picks_are_those_of_the_plain_algorithm(kind: str, rank: int | None) -> None:
    x, t = arrays(kind)
    before = x.copy(), t.copy()
    found = textspan(x, t, 40, rank)
    kept = np.linalg.matrix_rank(x) if rank is None else rank
    picks, reconstruction, deviations = plain(x, t, 40, kept)
    assert found.indices.tolist() == picks
    assert len(picks) == min(kept, *x.shape, len({row.tobytes() for row in t}), 40), "until the texts are spent"
    np.testing.assert_allclose(found.reconstruction, reconstruction, atol=1e-9 * np.abs(x).max())
    np.testing.assert_allclose(found.deviations, deviations, rtol=1e-6)
    assert np.array_equal(x, before[0])
    assert np.array_equal(t, before[1])
    assert found.rank == min(kept, *x.shape)


def test_heads_together_are_as_alone() -> None:
    t = arrays("full rank")[1]
    heads = [arrays(kind)[0] for kind in KINDS if kind != "fewer images"]
    for x, together in zip(heads, textspan_heads(iter(heads), t, 10), strict=True):
        alone = textspan(x, t, 10)
        for name in ("indices", "reconstruction", "deviations", "explained_variance", "margins"):
            assert np.array_equal(getattr(together, name), getattr(alone, name))


def test_planted_directions_are_found_in_order() -> None:
    rng = np.random.default_rng(3)
    texts = unit(rng.normal(size=(400, 64)))
    planted = [311, 17, 208, 5]
    axes = np.linalg.qr(texts[planted].T)[0].T  # what is left of each once those before it are taken out
    weights = np.linalg.qr(rng.normal(size=(500, 4)))[0] * np.array([8.0, 4.0, 2.0, 1.0])
    found = textspan((weights - weights.mean(axis=0)) @ axes + texts[0], texts, 20)
    assert found.indices[:3].tolist() == planted[:3]
    assert set(planted) <= set(found.indices[:5].tolist())


def test_orthogonal_texts_are_found_in_the_order_of_their_spread() -> None:
    rng = np.random.default_rng(4)
    basis = np.linalg.qr(rng.normal(size=(32, 32)))[0]
    spread = {20: 5.0, 3: 4.0, 31: 3.0, 8: 2.0, 15: 1.0}
    signs = np.array([[(-1) ** (image >> bit) for bit in range(5)] for image in range(32)])  # uncorrelated, mean 0
    x = sum(size * np.outer(signs[:, bit], basis[text]) for bit, (text, size) in enumerate(spread.items()))
    found = textspan(np.asarray(x), basis, 20)
    assert found.indices.tolist() == list(spread)
    np.testing.assert_allclose(found.deviations, [5, 4, 3, 2, 1], rtol=1e-12)
    np.testing.assert_allclose(found.explained_variance, np.array([25, 16, 9, 4, 1]) / 55, rtol=1e-12)
    np.testing.assert_allclose(found.margins, [1 / 5, 1 / 4, 1 / 3, 1 / 2, 1], rtol=1e-9)
    np.testing.assert_allclose(found.reconstruction, x, atol=1e-12)


def test_explained_variance_and_margins_by_hand() -> None:
    """Variances 16 along x and 9 along y; the texts (4, 3)/5 and (3, -4)/5 answer with 337/25 and 288/25."""
    x = np.array([[4.0, 3.0], [4.0, -3.0], [-4.0, 3.0], [-4.0, -3.0]]) + 2
    t = np.array([[3.0, -4.0], [4.0, 3.0]]) / 5
    found = textspan(x, t, 2)
    assert found.indices.tolist() == [1, 0]
    np.testing.assert_allclose(found.deviations, np.sqrt([337 / 25, 288 / 25]))
    np.testing.assert_allclose(found.explained_variance, np.array([337, 288]) / 625)
    np.testing.assert_allclose(found.margins, [1 - np.sqrt(288 / 337), 1], atol=1e-12)
    for unpacked, named in zip(
        found, ("indices", "reconstruction", "deviations", "explained_variance", "margins"), strict=True
    ):
        assert unpacked is getattr(found, named)


def test_the_order_of_images_changes_nothing() -> None:
    x, t = arrays("fading")
    order = np.random.default_rng(0).permutation(len(x))
    first, second = textspan(x, t, 24), textspan(x[order], t, 24)
    assert first.indices.tolist() == second.indices.tolist()
    np.testing.assert_allclose(first.reconstruction[order], second.reconstruction, atol=1e-9)
    np.testing.assert_allclose(first.explained_variance, second.explained_variance, rtol=1e-6)


def test_equal_texts_are_a_tie_and_the_first_is_taken() -> None:
    x, t = arrays("full rank")
    best = int(textspan(x, t, 1).indices[0])
    nearly = t[best] * (1 - 5e-10)
    doubled = np.vstack([t[:2], nearly, t[2:], t[best]])
    found = textspan(x, doubled, 2)
    assert found.indices[0] == 2, "1e-9 is no difference, and it comes first"
    assert found.margins[0] == 0
    assert found.indices[1] not in (2, best + (best >= 2), len(doubled) - 1)


@pytest.mark.parametrize("x", [np.full((50, 24), 0.1), np.ones((1, 24)) / 3, np.zeros((5, 24))])
def test_where_nothing_varies_no_text_is_picked(x: Array) -> None:
    for rank in (None, 1, 80):
        found = textspan(x.astype(np.float32), arrays("full rank")[1], 5, rank)
        assert len(found.indices) == len(found.explained_variance) == 0
        np.testing.assert_allclose(found.reconstruction, x, rtol=1e-6)


def test_texts_beside_the_span_are_never_picked() -> None:
    x = np.zeros((40, 6))
    x[:, :2] = np.random.default_rng(1).normal(size=(40, 2))
    found = textspan(x, np.eye(6)[[5, 4, 1, 3, 0]], 5)
    assert sorted(found.indices.tolist()) == [2, 4]


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_the_numerical_rank_sees_through_the_rounding_of_a_type(kind: Any) -> None:
    rng = np.random.default_rng(11)
    x = (rng.normal(size=(300, 19)) @ rng.normal(size=(19, 64)) + 4 * rng.normal(size=64)).astype(kind)
    texts = unit(rng.normal(size=(50, 64)))
    assert textspan(x, texts, 3).rank == 20
    widened, precision = x.astype(np.float64), float(np.finfo(kind).eps)
    assert textspan(widened, texts, 3, precision=precision).rank == 20, "as a store hands it out"
    assert numerical_rank(np.linalg.svd(widened, compute_uv=False), x.shape, precision) == 20


def test_the_numerical_rank_of_nothing_is_none() -> None:
    assert textspan(np.zeros((4, 3)), np.eye(3), 3).rank == 0
    assert textspan(np.ones((4, 3), dtype=np.int64), np.eye(3), 3).rank == 1


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"picks": 0}, "picks is 0: give at least 1"),
        ({"rank": 0}, "rank is 0: give at least 1"),
        ({"contributions": np.ones(3)}, r"contributions are of shape \(3,\)"),
        ({"contributions": np.empty((0, 24))}, r"contributions are of shape \(0, 24\)"),
        ({"contributions": np.full((3, 24), np.nan)}, "contributions hold numbers that are not finite"),
        ({"texts": np.full((3, 24), np.inf)}, "texts hold numbers that are not finite"),
        ({"texts": np.ones((3, 23))}, "contributions have 24 channels and texts 23: encode the texts with the model"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], said: str) -> None:
    x, t = arrays("full rank")
    given: dict[str, Any] = {"contributions": x, "texts": t, "picks": 3, "rank": None}
    with pytest.raises(UsageError, match=said):
        textspan(**(given | change))
