"""Distances of pairs do not depend on batches and order, and each picture goes through once."""

import numpy as np
import pytest

from alignbench.arrays import Floats
from alignbench.datasets.judgments import Judgments
from alignbench.distances.names import DISTANCES
from alignbench.models.towers import Tower
from features import check_close
from measured_cells import MEMORY, CountedImages, distances_of

# --- Towers ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 3, 16])
def test_batch_size_does_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats], batch_size: int) -> None:
    check_close(distances_of(tower, things.images, things.pairs, things.multiplicity(), batch_size), plain)


def test_order_of_images_and_pairs_does_not_matter(tower: Tower, things: Judgments, plain: dict[str, Floats]) -> None:
    rng = np.random.default_rng(0)
    images, pairs = rng.permutation(len(things.images.names)), rng.permutation(len(things.pairs))
    renumbered = np.argsort(images)[things.pairs[pairs]]
    turned = np.where(rng.random((len(pairs), 1)) < 0.5, renumbered, renumbered[:, ::-1])
    found = distances_of(tower, things.images.select(images), turned, things.multiplicity()[pairs])
    check_close(found, {name: values[:, pairs] for name, values in plain.items()})


@pytest.mark.parametrize(("memory", "passes"), [(MEMORY, 1), (2 * 10 * 17 * 32 * 4, 3)])
def test_every_image_is_opened_once_a_pass(tower: Tower, things: Judgments, memory: int, passes: int) -> None:
    images = CountedImages(things.images)
    distances_of(tower, images, things.pairs, things.multiplicity(), memory=memory)
    assert images.opened == dict.fromkeys(things.images.names, passes)


def test_a_pair_counts_as_often_as_it_is_judged(tower: Tower, things: Judgments) -> None:
    weights = things.multiplicity()
    assert weights.max() > 1
    found = distances_of(tower, things.images, things.pairs, weights)["normalized_euclidean"]
    np.testing.assert_allclose(np.average(found**2, axis=1, weights=weights), 1.0, rtol=1e-5)


def test_a_single_pair_is_measured(tower: Tower, things: Judgments) -> None:
    found = distances_of(tower, things.images.select(np.array([0, 1])), np.array([[0, 1]]), np.ones(1))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(DISTANCES, (5, 1))


# --- Where and how the work is done ---------------------------------------------------------------------------------


@pytest.mark.parametrize("dense", [False, True])
def test_a_picture_that_cannot_be_told_apart_is_at_distance_0(tower: Tower, things: Judgments, dense: bool) -> None:
    images = things.images.select(np.array([0, 1, 1, 2]))
    pairs = np.array([(a, b) for a in range(4) for b in range(a)])
    found = distances_of(tower, images, pairs, np.ones(6), dense=dense)
    for name in DISTANCES:
        # places in a batch may round apart, so what is to tie exactly is embedded once (`distinct_pairs`)
        assert (found[name][:, 2] <= 1e-6 * found[name].max(axis=1)).all(), name
        np.testing.assert_allclose(found[name][:, 0], found[name][:, 1], rtol=1e-6)
        assert (found[name][1:, [0, 3, 4]] > 0).all()
