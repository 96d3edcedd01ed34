"""Beyond random subspaces: spans and projections by hand, and how often a subspace is taken for more than one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import special_ortho_group

from alignbench.errors import UsageError
from alignbench.interpret.nulls.subspaces import beyond_subspaces, directions, layer_in_span, subspace_scores


def test_a_layer_is_kept_in_what_its_heads_span() -> None:
    """Distances of pictures are those of the sum of heads; there are as many numbers as dimensions."""
    rng = np.random.default_rng(0)
    heads = [(rng.standard_normal((30, 2)) @ rng.standard_normal((2, 16)) + 5.0).astype(np.float32) for _ in range(3)]
    found = layer_in_span(heads)
    assert found.shape == (30, 6)
    total = np.sum(heads, axis=0, dtype=np.float64)
    np.testing.assert_allclose(found.mean(axis=0), 0.0, atol=1e-5)
    np.testing.assert_allclose(
        found @ found.T, (total - total.mean(axis=0)) @ (total - total.mean(axis=0)).T, rtol=1e-4, atol=1e-3
    )


def test_weak_directions_are_kept_of_many_pictures() -> None:
    """Six directions, the weakest of a 300th of the first: as many of 100,000 pictures as of 100."""
    rng = np.random.default_rng(3)
    turned = special_ortho_group(24, seed=1).rvs()[:6]
    rows = (rng.standard_normal((100_000, 6)) * np.geomspace(1.0, 1 / 300, 6)) @ turned + 2.0
    for count in (100, 100_000):
        head = rows[:count].astype(np.float32)
        assert layer_in_span([head / 8.0] * 8).shape == (count, 6)
        assert directions(head, 2.0**-23) == 6


@pytest.mark.parametrize(("kind", "precision"), [(np.float32, 2.0**-23), (np.float16, 2.0**-10)])
def test_rounding_makes_no_directions(kind: type, precision: float) -> None:
    """Contributions far from zero are rounded by more than they vary along what they do not have."""
    rng = np.random.default_rng(4)
    rows = (rng.standard_normal((200, 3)) @ special_ortho_group(64, seed=1).rvs()[:3] + 30.0).astype(kind)
    assert directions(rows.astype(np.float32), precision) == 3
    assert layer_in_span([rows.astype(np.float32)], precision).shape == (200, 3)


def test_subspaces_are_projections_on_any_direction_alike() -> None:
    """Squared lengths that a subspace of 2 of 5 directions keeps: of Haar's rotations, drawn by scipy."""
    rng = np.random.default_rng(1)
    layer = rng.standard_normal((8, 5)).astype(np.float32)
    kept: list[float] = []
    found = subspace_scores(layer, 2, lambda rows: kept.append(rows.shape[1]) or float((rows[0] ** 2).sum()), 4000)
    turned = special_ortho_group(5, seed=2).rvs(4000)[:, :, :2]
    expected = ((layer[0].astype(np.float64) @ turned) ** 2).sum(axis=1)
    assert set(kept) == {2}
    assert found.max() <= (layer[0].astype(np.float64) ** 2).sum() * (1 + 1e-5)
    np.testing.assert_allclose(np.quantile(found, [0.1, 0.5, 0.9]), np.quantile(expected, [0.1, 0.5, 0.9]), rtol=0.08)


def test_a_subspace_has_no_more_directions_than_the_span() -> None:
    """Then it is a turn of the layer: all of the lengths are kept."""
    layer = np.random.default_rng(0).standard_normal((8, 3)).astype(np.float32)
    found = subspace_scores(layer, 70, lambda rows: float((rows**2).sum()), 5)
    np.testing.assert_allclose(found, (layer.astype(np.float64) ** 2).sum(), rtol=1e-5)


def test_p_is_the_share_of_orders_in_which_another_is_as_high() -> None:
    """By hand: 9 subspaces, 1 head, which 2 reach: 3 in 10. Of 2 heads the larger is reached in 1 - 7/11 8/10 ..."""
    pool = np.arange(9.0)
    assert beyond_subspaces(np.array([6.5]), [pool], np.array([0])) == pytest.approx([0.3])
    expected = 1 - (9 * 8 * 7) / (11 * 10 * 9)
    found = beyond_subspaces(np.array([6.5, 1.0]), [pool], np.array([0, 0]))
    assert found[0] == pytest.approx(expected)
    orders = np.random.default_rng(0).random((100_000, 11)).argsort(axis=1)
    third = np.sort(orders[:, :9], axis=1)[:, -3]  # places of 9 subspaces and 2 heads in a random order
    assert (orders[:, 9:].max(axis=1) > third).mean() == pytest.approx(found[0], abs=0.01)


def test_heads_are_held_against_their_own_layer() -> None:
    """The same score is high in one layer and low in another."""
    rng = np.random.default_rng(0)
    pools = [rng.normal(0.5, 0.01, 999), rng.normal(0.6, 0.05, 999)]
    p = beyond_subspaces(np.array([0.56, 0.56, np.nan]), pools, np.array([0, 1, 1]))
    assert p[0] < 0.01
    assert p[1] > 0.9
    assert np.isnan(p[2])


def test_subspaces_that_do_not_vary_say_nothing() -> None:
    """So it is where a head has as many directions as its layer."""
    p = beyond_subspaces(np.array([0.6, 0.6]), [np.full(99, 0.5), np.linspace(0.1, 0.2, 99)], np.array([0, 1]))
    assert np.isnan(p[0])
    assert p[1] < 0.02
    assert np.isnan(beyond_subspaces(np.array([0.6]), [np.full(99, 0.5)], np.array([0]))).all()


@pytest.mark.parametrize("draws", [99, 999])
def test_a_subspace_is_taken_for_more_once_in_twenty(draws: int) -> None:
    """Heads that are random subspaces themselves, in layers that score differently: 1,000 such models."""
    rng = np.random.default_rng(5)
    pool_of = np.repeat(np.arange(4), 12)
    found = 0
    for _ in range(1000):
        pools = [rng.standard_normal(draws) * (1 + layer) + layer for layer in range(4)]
        scores = rng.standard_normal(48) * (1 + pool_of) + pool_of
        found += bool((beyond_subspaces(scores, pools, pool_of) <= 0.05).any())
    assert 20 <= found <= 75


def test_too_few_draws_are_refused() -> None:
    """In a line that says how many."""
    with pytest.raises(UsageError, match="draws are 2: give at least 3"):
        subspace_scores(np.ones((3, 2), dtype=np.float32), 1, lambda rows: 0.0, draws=2)
