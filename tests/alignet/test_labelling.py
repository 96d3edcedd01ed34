"""Labels of triplets: products and cosines in float64, the odd one last, and what softmax makes of them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import entropy

from alignbench.alignet.labelling import LabelScale, odd_one_last, pair_similarities
from alignbench.errors import UsageError

POINTS = np.random.default_rng(0).normal(size=(30, 7)).astype(np.float32)
TRIPLETS = np.array([np.random.default_rng(seed).choice(30, 3, replace=False) for seed in range(200)], dtype=np.int32)


@pytest.mark.parametrize("kind", ["dot", "cosine"])
def test_similarities_are_those_of_float64(kind: str) -> None:
    points = POINTS.astype(np.float64)
    if kind == "cosine":
        points /= np.linalg.norm(points, axis=1, keepdims=True)
    every = points @ points.T
    wanted = [[every[i, j], every[i, k], every[j, k]] for i, j, k in TRIPLETS]
    np.testing.assert_allclose(pair_similarities(POINTS, TRIPLETS, kind), wanted, rtol=1e-12, atol=1e-13)


def test_the_odd_one_comes_last_in_pictures_and_similarities() -> None:
    similarities = pair_similarities(POINTS, TRIPLETS)
    ordered, values, places = odd_one_last(TRIPLETS, similarities)
    np.testing.assert_array_equal(values, pair_similarities(POINTS, ordered).astype(np.float32))
    np.testing.assert_array_equal(np.sort(ordered, axis=1), np.sort(TRIPLETS, axis=1))
    assert (values.argmax(axis=1) == 0).all()
    np.testing.assert_array_equal(ordered[:, 2], TRIPLETS[np.arange(200), places])
    assert set(places.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("similarities", "pictures", "values"),
    [
        ([3.0, 2.0, 1.0], [7, 8, 9], [3.0, 2.0, 1.0]),
        ([2.0, 3.0, 1.0], [7, 9, 8], [3.0, 2.0, 1.0]),
        ([2.0, 1.0, 3.0], [8, 9, 7], [3.0, 2.0, 1.0]),
        ([2.0, 2.0, 1.0], [7, 8, 9], [2.0, 2.0, 1.0]),  # of those alike the first
        ([1.0, 2.0, 2.0], [7, 9, 8], [2.0, 1.0, 2.0]),
        ([1.0, 1.0 + 1e-12, 0.0], [7, 8, 9], [1.0, 1.0, 0.0]),  # alike as they are stored
    ],
)
def test_orders_by_hand(similarities: list[float], pictures: list[int], values: list[float]) -> None:
    ordered, found, _ = odd_one_last(np.array([[7, 8, 9]], dtype=np.int32), np.array([similarities]))
    assert (ordered[0].tolist(), found[0].tolist()) == (pictures, values)


def test_the_scale_is_that_of_all_blocks_together() -> None:
    _, values, places = odd_one_last(TRIPLETS, pair_similarities(POINTS, TRIPLETS))
    values[:3] = [[2.0, 2.0, 0.0], [1.0, 1.0, 1.0], [500.0, 0.0, 0.0]]
    scale = LabelScale()
    scale.add(values[:50], places[:50])
    scale.add(values[50:], places[50:])
    exact = values.astype(np.float64)
    chosen = softmax(exact, axis=1)
    wanted = {
        "triplets": 200,
        "first_largest": 1.0,
        "ties": 2 / 200,
        "odd_was_last": (places == 2).mean(),
        "mean": exact.mean(),
        "std": exact.std(),
        "entropy": entropy(chosen, axis=1).mean(),
        "sure": (chosen.max(axis=1) > 0.99).mean(),
    }
    found = scale.record()
    assert list(found) == list(wanted)
    np.testing.assert_allclose(list(found.values()), list(wanted.values()), rtol=1e-10)


def test_an_unknown_similarity_is_refused() -> None:
    with pytest.raises(UsageError, match="did you mean cosine"):
        pair_similarities(POINTS, TRIPLETS, "cosin")
