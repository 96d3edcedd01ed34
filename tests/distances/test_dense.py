"""Distances from matrix products are those of the differences themselves, in float64 NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.distances.dense import DenseDistances, PairBlock
from alignbench.distances.functional import ChannelFit, norms
from alignbench.distances.gram import image_sum
from alignbench.distances.names import DISTANCES
from features import features
from reference import pair_distances

Floats = NDArray[np.float64]


def all_pairs(images: int) -> tuple[torch.Tensor, torch.Tensor]:
    i, j = torch.triu_indices(images, images, 1)
    return i, j


def dense(x: torch.Tensor, weights: Floats, split: int | None = None) -> dict[str, Floats]:
    """Distances of all pairs of images; with a split, as if the images from there on were another rank's."""
    count, tokens, channels = x.shape
    i, j = all_pairs(count)
    centre = (image_sum(x) / count).float()
    fit = ChannelFit(torch.tensor(weights)[None], torch.zeros(len(i), dtype=torch.long))
    metric = DenseDistances(fit, tokens, channels, DISTANCES)
    order = torch.arange(len(i))
    if split is None:
        blocks = [PairBlock(slice(0, len(i)), x, x, norms(x), norms(x), i, j, upper=True)]
    else:
        low, high = (i < split) & (j < split), i >= split
        order = torch.cat([order[low], order[high], order[~low & ~high]])
        blocks, start = [], 0
        for chosen, a, b, upper in ((low, 0, 0, True), (high, split, split, True), (~low & ~high, 0, split, False)):
            first, second = (x[a:split] if not a else x[a:]), (x[b:] if b else x[:split])
            rows = slice(start, start + int(chosen.sum()))
            blocks.append(
                PairBlock(rows, first, second, norms(first), norms(second), i[chosen] - a, j[chosen] - b, upper)
            )
            start = rows.stop
        metric.weights.copy_(metric.weights[order])
    for block in blocks:
        metric.update(block, centre)
    for block in blocks:
        metric.normalise(block, centre, metric.channel_means())
    back = torch.argsort(order)
    assert bool(metric.filled.all())
    return {name: values[back].numpy() for name, values in metric.by_name().items()}


def reference(x: torch.Tensor, weights: Floats) -> dict[str, Floats]:
    """The same, with every occurrence of a pair written out; pairs that count nothing last."""
    i, j = (side.numpy() for side in all_pairs(len(x)))
    a, b = x.numpy().astype(np.float64)[i], x.numpy().astype(np.float64)[j]
    differences = ((a - b) ** 2).mean(axis=1)
    means = np.average(differences, axis=0, weights=weights)
    used = means > 0
    plain = pair_distances(list(x.numpy().astype(np.float64)), list(zip(i.tolist(), j.tolist(), strict=True)))
    normalized = np.sqrt((differences[:, used] / means[used]).mean(axis=1)) if used.any() else np.zeros(len(i))
    return {"normalized_euclidean": normalized, "euclidean": plain["euclidean"], "cosine": plain["cosine"]}


def check(found: dict[str, Floats], expected: dict[str, Floats], rtol: float = 1e-5) -> None:
    assert list(found) == list(DISTANCES)
    for name in DISTANCES:
        np.testing.assert_allclose(
            found[name], expected[name], rtol=rtol, atol=1e-5 * np.median(expected[name]) + 1e-12, err_msg=name
        )


shapes = st.tuples(st.integers(3, 12), st.integers(1, 60), st.integers(1, 40), st.integers(0, 2**31))


@given(shapes, st.data())
def test_dense_distances_equal_numpy(shape: tuple[int, int, int, int], data: st.DataObject) -> None:
    x = features(*shape)
    weights = np.random.default_rng(shape[3]).integers(0, 5, shape[0] * (shape[0] - 1) // 2) + 0.0
    weights[0] = 1.0
    check(dense(x, weights), reference(x, weights))
    check(dense(x, weights, split=data.draw(st.integers(2, shape[0] - 1))), reference(x, weights))


def ones(x: torch.Tensor) -> Floats:
    return np.ones(len(x) * (len(x) - 1) // 2)


def test_more_images_than_are_multiplied_at_once() -> None:
    x = features(300, 3, 8, seed=0)
    check(dense(x, ones(x)), reference(x, ones(x)))


def test_a_channel_that_towers_over_the_others_takes_no_digits() -> None:
    x = features(30, 20, 32, seed=1)
    x[:, :, 5] = 1e4 * (1.0 + 1e-3 * x[:, :, 6])
    x[:, 0, 9] = 300.0
    check(dense(x, ones(x)), reference(x, ones(x)))


def test_near_images_keep_their_digits() -> None:
    x = features(12, 20, 32, seed=2)
    x[3] = x[2] * (1.0 + 1e-4 * features(1, 20, 32, seed=3)[0].sign())
    x[5] = x[4]
    found, expected = dense(x, ones(x)), reference(x, ones(x))
    for name in DISTANCES:
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-5, err_msg=name)
    i, j = all_pairs(12)
    [same] = ((i == 4) & (j == 5)).nonzero()[:, 0].tolist()
    assert [found[name][same] for name in DISTANCES] == [0.0, 0.0, 0.0]


def test_images_of_two_far_kinds_keep_their_digits() -> None:
    x = features(20, 10, 16, seed=4)
    kinds = features(2, 10, 16, seed=5)
    x = (kinds * 100)[torch.arange(20) % 2] + x * 0.1
    check(dense(x, ones(x)), reference(x, ones(x)), rtol=1e-5)


def test_directions_count_where_lengths_differ_much() -> None:
    x = features(20, 10, 16, seed=6)
    x = (x[:1] + 0.01 * x) * torch.linspace(1, 40, 20)[:, None, None]
    check(dense(x, ones(x)), reference(x, ones(x)), rtol=1e-5)


def test_means_of_near_pairs_alone_keep_their_digits() -> None:
    """Channel means are fitted on pairs that lie near each other, in a set that is spread out widely."""
    x = features(20, 10, 16, seed=7)
    x[1::2] = x[::2] + 0.01 * features(10, 10, 16, seed=8)
    i, j = (side.numpy() for side in all_pairs(20))
    weights = ((i % 2 == 0) & (j == i + 1)).astype(np.float64)
    check(dense(x, weights), reference(x, weights), rtol=1e-5)


def test_a_channel_that_never_differs_is_dropped() -> None:
    x = features(9, 6, 5, seed=9)
    x[:, :, 2] = 0.1
    kept = [0, 1, 3, 4]
    found, expected = dense(x, ones(x)), reference(x[:, :, kept], ones(x))
    np.testing.assert_allclose(found["normalized_euclidean"], expected["normalized_euclidean"], rtol=1e-5)


def test_squared_normalized_distances_have_a_weighted_mean_of_1() -> None:
    x = features(40, 10, 16, seed=10)
    weights = np.random.default_rng(0).integers(0, 5, 40 * 39 // 2) + 0.0
    found = dense(x, weights)["normalized_euclidean"]
    assert np.average(found**2, weights=weights) == pytest.approx(1.0, rel=1e-6)


def test_matrix_products_refuse_several_folds() -> None:
    fit = ChannelFit(torch.ones(2, 3, dtype=torch.float64), torch.zeros(3, dtype=torch.long))
    with pytest.raises(ValueError, match="2 folds"):
        DenseDistances(fit, 4, 5, DISTANCES)
