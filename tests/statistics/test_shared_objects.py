"""The variance over judgments that share objects, against loops over every two judgments and worked by hand."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest

from alignbench.errors import DataError
from alignbench.statistics.shared_objects import SharedObjects
from object_pairs import by_pairs, drawn_objects


def influences(rng: np.random.Generator, objects: np.ndarray, curves: int) -> np.ndarray:
    """Influences that go together where objects are shared, in some curves more than in others."""
    effects = rng.normal(size=(curves, int(objects.max()) + 1))
    values = np.linspace(0.0, 0.6, curves)[:, None] * effects[:, objects].sum(axis=2)
    values += rng.normal(size=values.shape)
    return (values - values.mean(axis=1, keepdims=True)) / len(objects)


@pytest.mark.parametrize("each", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_each_two_judgments_that_share_an_object_count_once(each: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    objects = drawn_objects(rng, 14, 70, each)
    given = influences(rng, objects, 4)
    found = SharedObjects(objects * 7 + 2).variance(given)
    for curve, row in enumerate(given):
        expected = by_pairs(objects.tolist(), row)
        assert found.covariance[curve, curve] == pytest.approx(expected.variance, rel=1e-10)
        assert found.floored[curve] == (expected.cells > expected.once * (1 + 1e-9))
        degrees = expected.degrees_of_cells if found.floored[curve] else expected.degrees
        assert found.degrees[curve] == pytest.approx(degrees, rel=1e-9)


def test_the_reference_meets_both_cases() -> None:
    """Curves with and without a floored variance are among those of the test above."""
    rng = np.random.default_rng(0)
    objects = drawn_objects(rng, 14, 70, 3)
    floored = SharedObjects(objects).variance(influences(rng, objects, 40)).floored
    assert 5 < floored.sum() < 35


def test_worked_by_hand() -> None:
    """Triplets 012, 034, 567 and 012 again: three of them share an object, one stands alone."""
    objects = np.array([[0, 1, 2], [0, 3, 4], [5, 6, 7], [2, 0, 1]])
    row = np.array([3.0, -1.0, -4.0, 2.0])
    shared = SharedObjects(objects)
    assert (shared.count, shared.judgments) == (8, 4)
    assert shared.share_apart == 6 / 16  # of 16 ordered pairs those of the third triplet with each other one
    found = shared.variance(row[None])
    assert found.covariance[0, 0] == pytest.approx(((3 - 1 + 2) ** 2 + 4**2) * 16 / 6)  # by cells 42 * 16 / 10
    assert not found.floored[0]
    fourths = 4**4 + 2 * 5**4 + 2 * 1**4 + 3 * 4**4  # of the sums of object 0, of 1 and 2, of 3 and 4, of 5 to 7
    assert 3 * 32**2 / fourths == pytest.approx(1.349, abs=1e-3)
    assert found.degrees[0] == pytest.approx(3 * 32**2 / fourths)


def test_judgments_that_share_nothing_are_independent() -> None:
    given = np.random.default_rng(0).normal(size=(300, 50))
    given -= given.mean(axis=1, keepdims=True)
    found = SharedObjects(np.arange(150).reshape(50, 3)).variance(given / 50)
    np.testing.assert_allclose(np.diag(found.covariance), given.var(axis=1, ddof=1) / 50)
    assert not found.floored.any(), "rounding is not below"


def test_the_covariance_is_that_of_each_two_curves() -> None:
    """Where objects alone make the difference nothing is clipped, and it is the sum of products."""
    rng = np.random.default_rng(3)
    objects = drawn_objects(rng, 30, 160, 3)
    effects = rng.normal(size=(3, 30)) + rng.normal(size=30)
    given = effects[:, objects].sum(axis=2)
    given = (given - given.mean(axis=1, keepdims=True)) / 160
    found = SharedObjects(objects).variance(given)
    rows = objects.tolist()
    expected = np.array([[by_pairs(rows, a, b).once for b in given] for a in given])
    floor = np.array([[by_pairs(rows, a, b).cells for b in given] for a in given])
    assert np.linalg.eigvalsh(expected - floor).min() > 0.0
    np.testing.assert_allclose(found.covariance, expected, rtol=1e-9)


def test_the_variance_of_a_curve_does_not_depend_on_the_others() -> None:
    rng = np.random.default_rng(4)
    objects = drawn_objects(rng, 20, 90, 3)
    given = influences(rng, objects, 25)
    shared = SharedObjects(objects)
    together = shared.variance(given)
    alone = [shared.variance(row[None]) for row in given]
    np.testing.assert_allclose(np.diag(together.covariance), [one.covariance[0, 0] for one in alone], rtol=1e-9)
    np.testing.assert_allclose(together.degrees, [one.degrees[0] for one in alone], rtol=1e-9)
    assert np.linalg.eigvalsh(together.covariance).min() > -1e-12 * np.trace(together.covariance)


@pytest.mark.parametrize("each", [2, 3])
def test_sums_of_scores_have_the_variance_of_their_influences(each: int) -> None:
    rng = np.random.default_rng(9)
    objects = drawn_objects(rng, 16, 80, each)
    given = influences(rng, objects, 4)
    shared = SharedObjects(objects)
    weights = np.array([[1.0, -1.0, 0.0, 0.0], [0.3, 0.7, 0.0, -1.0], [0.0, 0.0, 2.0, 0.0]])
    found = shared.sums(given).combined(weights).variance()
    for number, row in enumerate(weights @ given):
        expected = by_pairs(objects.tolist(), row)
        assert found.covariance[number, number] == pytest.approx(expected.variance, rel=1e-9)
        assert found.floored[number] == expected.floored
        assert found.degrees[number] == pytest.approx(expected.degrees_used, rel=1e-9)
    directly = shared.variance(weights @ given)
    np.testing.assert_allclose(found.covariance, directly.covariance, rtol=1e-9)


def test_sums_do_not_see_scores_that_have_no_weight() -> None:
    rng = np.random.default_rng(10)
    objects = drawn_objects(rng, 16, 80, 3)
    given = influences(rng, objects, 3)
    given[1] = np.nan
    sums, weights = SharedObjects(objects).sums(given), np.array([[1.0, 0.0, -1.0], [1.0, -1.0, 0.0]])
    alone = sums.combined(weights[:1]).variance()
    expected = by_pairs(objects.tolist(), given[0] - given[2])
    assert alone.covariance[0, 0] == pytest.approx(expected.variance, rel=1e-9)
    assert np.isnan(sums.combined(weights[1:]).variance().covariance).all()


def test_order_and_names_do_not_matter() -> None:
    rng = np.random.default_rng(5)
    objects = drawn_objects(rng, 20, 90, 3)
    given = influences(rng, objects, 3)
    order, names = rng.permutation(90), rng.permutation(1000)[:20] * 10**12
    before = SharedObjects(objects).variance(given)
    after = SharedObjects(names[rng.permuted(objects, axis=1)][order]).variance(iter(given[:, order]))
    np.testing.assert_allclose(after.covariance, before.covariance, rtol=1e-9)
    np.testing.assert_allclose(after.degrees, before.degrees, rtol=1e-9)


def test_a_judgment_given_many_times_is_one_cell() -> None:
    """Each judgment a thousand times over, with a thousandth of its influence, changes the share of cells alone."""
    rng = np.random.default_rng(6)
    objects = drawn_objects(rng, 30, 60, 3)
    row = influences(rng, objects, 3)[2]
    once, often = (
        SharedObjects(np.repeat(objects, times, axis=0)).variance([np.repeat(row / times, times)])
        for times in (1, 1000)
    )
    assert often.covariance[0, 0] == pytest.approx(once.covariance[0, 0], rel=1e-9)


@pytest.mark.parametrize("objects", [[[0, 1, 2]], [[0, 1, 2], [2, 3, 4], [0, 3, 1]], list(combinations(range(5), 3))])
def test_where_all_judgments_meet_nothing_is_known(objects: list[list[int]]) -> None:
    rows = np.repeat(np.array(objects), 3, axis=0)
    shared = SharedObjects(rows)
    assert shared.share_apart == 0.0
    found = shared.variance(np.linspace(-1.0, 1.0, len(rows))[None])
    assert np.isnan(found.covariance).all()
    assert not found.floored.any()


def test_scores_that_are_not_numbers_leave_the_others_alone() -> None:
    rng = np.random.default_rng(7)
    objects = drawn_objects(rng, 20, 90, 3)
    given = influences(rng, objects, 3)
    whole = SharedObjects(objects).variance(given[[0, 2]])
    given[1] = np.nan
    found = SharedObjects(objects).variance(given)
    assert np.isnan(found.covariance[1]).all()
    np.testing.assert_allclose(found.covariance[np.ix_([0, 2], [0, 2])], whole.covariance, rtol=1e-9)


def test_no_influence_is_no_variance() -> None:
    found = SharedObjects(np.arange(30).reshape(10, 3)).variance(np.zeros((2, 10)))
    assert (found.covariance == 0.0).all()
    assert found.degrees.tolist() == [9.0, 9.0]


@pytest.mark.parametrize("objects", [np.zeros((0, 3), dtype=np.int64), np.arange(6), np.zeros((4, 0), dtype=np.int64)])
def test_what_is_no_table_of_objects_is_refused(objects: np.ndarray) -> None:
    with pytest.raises(
        DataError, match=r"^objects of judgments have the shape .*: give \(judgments, objects of each\)"
    ):
        SharedObjects(objects)


def test_a_judgment_with_an_object_twice_is_refused() -> None:
    with pytest.raises(DataError, match=r"^judgment 1 names an object twice \(\[5, 3, 5\]\): leave it out"):
        SharedObjects(np.array([[1, 2, 3], [5, 3, 5], [1, 1, 1]]))


def test_influences_that_do_not_fit_are_refused() -> None:
    shared = SharedObjects(np.arange(12).reshape(4, 3))
    with pytest.raises(DataError, match=r"^\(3,\) influences of 4 judgments: give one for each judgment"):
        shared.variance(np.zeros((1, 3)))
    with pytest.raises(DataError, match=r"^no influences of judgments: give those of one score at least"):
        shared.variance([])


def test_more_combinations_than_64_bits_hold_are_told_apart() -> None:
    """Five numbers below 20,000 make 3.2e21 combinations."""
    rows = np.arange(20_000).reshape(4_000, 5)
    assert SharedObjects(rows).share_apart == 1.0 - 1.0 / 4_000
    assert math.prod([20_000] * 5) > 2**63
