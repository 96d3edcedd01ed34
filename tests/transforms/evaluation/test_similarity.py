"""Agreement of representations against scipy, explicit kernel matrices, loops, and hand-worked cases."""

import math
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

from alignbench.errors import DataError, UsageError
from alignbench.transforms.evaluation import similarity
from alignbench.transforms.evaluation.similarity import (
    KERNELS,
    Kernel,
    agreement,
    dissimilarities,
    linear_cka,
    neighbour_overlap,
    row_blocks,
    similarities,
    unit_rows,
)

Floats = NDArray[np.float64]
every_kernel = pytest.mark.parametrize("kernel", KERNELS)


def two_representations() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 16))
    return x, x @ rng.normal(size=(16, 24)) + 0.5 * rng.normal(size=(40, 24))


def turned(x: Floats, seed: int) -> Floats:
    """The rows, rotated: by a random orthogonal matrix."""
    return x @ np.linalg.qr(np.random.default_rng(seed).normal(size=(x.shape[1],) * 2))[0]


# ----------------------------------------------------------------------------------- similarity matrices


@every_kernel
def test_dissimilarities_are_scipys(kernel: Kernel) -> None:
    x, _ = two_representations()
    np.testing.assert_allclose(dissimilarities(x + 3.0, kernel), pdist(x + 3.0, kernel), rtol=0, atol=1e-12)


@every_kernel
def test_condensed_is_the_upper_triangle_by_rows(kernel: Kernel) -> None:
    x = two_representations()[0][:4]
    full = similarities(x, kernel)
    by_rows = [1.0 - full[i, j] for i in range(4) for j in range(i + 1, 4)]
    np.testing.assert_array_equal(dissimilarities(x, kernel), by_rows)
    np.testing.assert_array_equal(full, full.T)
    np.testing.assert_array_equal(np.diagonal(full), 1.0)


def test_correlations_are_numpys() -> None:
    x, _ = two_representations()
    np.testing.assert_allclose(similarities(x, "correlation"), np.corrcoef(x), rtol=0, atol=1e-12)


@every_kernel
@pytest.mark.parametrize("scale", [1e-200, 1e-3, 1e200])
def test_scale_of_a_row_does_not_matter(kernel: Kernel, scale: float) -> None:
    x, _ = two_representations()
    scaled = x.copy()
    scaled[3] *= scale
    np.testing.assert_allclose(dissimilarities(scaled, kernel), dissimilarities(x, kernel), rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("kernel", "row", "message"),
    [
        ("correlation", 0.1, r"row 2 of the features, counted from 0, is constant.*: leave it out, or take the cosine"),
        ("correlation", 0.0, "row 2 .* is constant"),
        ("cosine", 0.0, "row 2 .* is zero, so that it has no direction: leave it out"),
        ("cosine", math.nan, "row 2 .* is not finite"),
        ("correlation", math.inf, "row 2 .* is not finite"),
    ],
)
def test_a_row_without_similarities_is_named(kernel: Kernel, row: float, message: str) -> None:
    x = two_representations()[0]
    x[2] = row
    with pytest.raises(DataError, match=message):
        dissimilarities(x, kernel)
    x[5] = row
    with pytest.raises(DataError, match=r"row 2 of the features, counted from 0, \(2 such rows\)"):
        dissimilarities(x, kernel)


def test_wrong_use_is_named() -> None:
    with pytest.raises(UsageError, match="unknown kernel 'cosin': did you mean cosine"):
        dissimilarities(np.eye(3), "cosin")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"features of the shape \(3,\) are no matrix"):
        dissimilarities(np.ones(3), "cosine")
    with pytest.raises(DataError, match=r"row 0 .* is zero"):
        unit_rows(np.empty((2, 0)), "cosine")


# --------------------------------------------------------------------------------------------- agreement


@pytest.mark.parametrize(
    ("kernel", "pearson", "spearman"),
    [("correlation", 0.7614794652, 0.7412052591), ("cosine", 0.8050065306, 0.7900567530)],
)
def test_agreement_has_the_known_values(kernel: Kernel, pearson: float, spearman: float) -> None:
    x, y = two_representations()
    found = agreement(dissimilarities(x, kernel), dissimilarities(y, kernel))
    assert found.pearson == pytest.approx(pearson, rel=0, abs=1e-8)
    assert found.spearman == pytest.approx(spearman, rel=0, abs=1e-8)


@given(st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=2, max_size=30))
def test_agreement_is_that_of_ranks_and_turns_with_the_direction(rows: list[tuple[int, int]]) -> None:
    first, second = np.array(rows, dtype=np.float64).T
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = agreement(first, second)
        turned_round = agreement(-first, second)
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert math.isnan(found.pearson)
        assert math.isnan(found.spearman)
        return
    assert found.pearson == pytest.approx(np.corrcoef(first, second)[0, 1], abs=1e-12)
    ranks = np.corrcoef(stats.rankdata(first), stats.rankdata(second))[0, 1]
    assert found.spearman == pytest.approx(ranks, abs=1e-12)
    assert turned_round.pearson == pytest.approx(-found.pearson, abs=1e-12)
    assert turned_round.spearman == pytest.approx(-found.spearman, abs=1e-12)


def test_agreement_of_nearly_constant_numbers_warns_of_nothing() -> None:
    first = 1.0 + np.array([0.0, 1.0, 3.0]) * 2.0**-52
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert agreement(first, np.array([1.0, 2.0, 3.0])).spearman == pytest.approx(1.0)


def test_numbers_that_cannot_be_compared_are_refused() -> None:
    with pytest.raises(UsageError, match=r"\(3,\) and \(4,\) numbers cannot be compared"):
        agreement(np.arange(3.0), np.arange(4.0))
    with pytest.raises(DataError, match="not finite"):
        agreement(np.array([0.0, math.nan, 1.0]), np.arange(3.0))


# --------------------------------------------------------------------------------------------------- CKA


def gram_cka(x: Floats, y: Floats, unbiased: bool) -> float:
    """From n x n kernel matrices, term by term."""
    of_x, of_y, n = x @ x.T, y @ y.T, len(x)
    centre = np.eye(n) - np.ones((n, n)) / n
    one = np.ones(n)

    def hsic(first: Floats, second: Floats) -> float:
        if not unbiased:
            return float(np.trace(first @ centre @ second @ centre)) / (n - 1) ** 2
        first, second = (kernel - np.diag(np.diagonal(kernel)) for kernel in (first, second))
        means = (one @ first @ one) * (one @ second @ one) / ((n - 1) * (n - 2))
        return float(np.trace(first @ second) + means - 2 / (n - 2) * (one @ first @ second @ one)) / (n * (n - 3))

    return hsic(of_x, of_y) / math.sqrt(hsic(of_x, of_x) * hsic(of_y, of_y))


@pytest.mark.parametrize(("unbiased", "known"), [(False, 0.8503560266), (True, 0.8079360038)])
def test_cka_has_the_known_values(unbiased: bool, known: float) -> None:
    assert linear_cka(*two_representations(), unbiased=unbiased) == pytest.approx(known, rel=0, abs=1e-8)


@pytest.mark.parametrize("unbiased", [False, True])
@given(st.integers(0, 2**31), st.integers(4, 12), st.integers(1, 15), st.integers(1, 15))
def test_cka_is_that_of_kernel_matrices(unbiased: bool, seed: int, n: int, d: int, e: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = rng.normal(size=(n, d)) + 1.0, rng.normal(size=(n, e)) - 2.0
    assert linear_cka(x, y, unbiased=unbiased) == pytest.approx(gram_cka(x, y, unbiased), rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("unbiased", [False, True])
def test_cka_does_not_see_rotation_scale_and_shift(unbiased: bool) -> None:
    x, y = two_representations()
    assert linear_cka(x, 5.0 * turned(x, 1) - 3.0, unbiased=unbiased) == pytest.approx(1.0, abs=1e-12)
    moved = linear_cka(turned(x, 1) + 1e3, -0.01 * turned(y, 2), unbiased=unbiased)
    assert moved == pytest.approx(linear_cka(x, y, unbiased=unbiased), abs=1e-9)
    assert linear_cka(y, x, unbiased=unbiased) == pytest.approx(linear_cka(x, y, unbiased=unbiased), abs=1e-12)


def test_unbiased_cka_of_unrelated_representations_is_about_zero() -> None:
    rng = np.random.default_rng(3)
    pairs = [(rng.normal(size=(20, 50)), rng.normal(size=(20, 50))) for _ in range(200)]
    biased, unbiased = ([linear_cka(x, y, unbiased=kind) for x, y in pairs] for kind in (False, True))
    assert np.mean(biased) > 0.5
    assert abs(np.mean(unbiased)) < 4 * np.std(unbiased) / math.sqrt(len(pairs))


@pytest.mark.parametrize("unbiased", [False, True])
def test_cka_of_a_constant_representation_is_no_number(unbiased: bool) -> None:
    x, _ = two_representations()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert math.isnan(linear_cka(x, np.full((40, 3), 0.1), unbiased=unbiased))


def test_cka_of_other_or_too_few_pictures_is_refused() -> None:
    x, _ = two_representations()
    with pytest.raises(UsageError, match="CKA of 40 and 39 pictures"):
        linear_cka(x, x[1:])
    with pytest.raises(UsageError, match="CKA of 3 and 3 pictures: the same ones are needed, 4 at least"):
        linear_cka(x[:3], x[:3], unbiased=True)
    assert linear_cka(x[:3], x[:3]) == pytest.approx(1.0)


# -------------------------------------------------------------------------------------------- neighbours


def looped_overlap(x: Floats, y: Floats, k: int) -> float:
    """Picture by picture, sorting all others."""
    shares = []
    for picture in range(len(x)):
        near = []
        for rows in (x, y):
            cosines = [rows[picture] @ row / np.linalg.norm(rows[picture]) / np.linalg.norm(row) for row in rows]
            others = [other for other in range(len(x)) if other != picture]
            near.append(set(sorted(others, key=lambda other: -round(float(cosines[other]), 12))[:k]))
        shares.append(len(near[0] & near[1]) / len(near[0]))
    return float(np.mean(shares))


@pytest.mark.parametrize("k", [1, 3, 10, 38, 39, 200])
def test_overlap_is_that_of_loops(k: int) -> None:
    x, y = two_representations()
    assert neighbour_overlap(x, y, k) == pytest.approx(looped_overlap(x, y, k), abs=1e-12)


@given(st.integers(0, 2**31), st.integers(2, 12), st.integers(1, 6))
def test_ties_are_broken_by_index(seed: int, n: int, k: int) -> None:
    rng = np.random.default_rng(seed)
    x, y = (rng.integers(0, 2, (n, 3)).astype(np.float64) for _ in range(2))
    x[:, 0], y[:, 0] = 1.0, 1.0  # no row is zero, and many are alike
    assert neighbour_overlap(x, y, k) == pytest.approx(looped_overlap(x, y, k), abs=1e-12)


def test_overlap_of_a_hand_worked_case() -> None:
    # angles 0, 10, 30, 60: nearest are 1, 0, 1, 2; angles 0, 60, 20, 50: nearest are 2, 3, 0, 1
    x, y = (np.stack([np.cos(a), np.sin(a)], axis=1) for a in np.radians([[0, 10, 30, 60], [0, 60, 20, 50]]))
    assert neighbour_overlap(x, y, 1) == 0.0
    # two nearest: {1, 2}, {0, 2}, {1, 0}, {2, 1} and {2, 3}, {3, 2}, {0, 3}, {1, 2}: 1, 1, 1 and 2 of 2 are shared
    assert neighbour_overlap(x, y, 2) == pytest.approx(5 / 8)


def test_overlap_does_not_see_rotation_and_scale() -> None:
    x, y = two_representations()
    doubled = np.concatenate([x, x])  # every picture twice: ties
    assert neighbour_overlap(doubled, 7.0 * turned(doubled, 1)) == 1.0
    assert neighbour_overlap(x, y, 5) == neighbour_overlap(turned(x, 1), turned(y, 2), 5)


def test_overlap_of_unrelated_representations_is_chance() -> None:
    rng = np.random.default_rng(5)
    x, y = rng.normal(size=(400, 20)), rng.normal(size=(400, 20))
    assert neighbour_overlap(x, y, 10) == pytest.approx(10 / 399, abs=0.01)


def test_overlap_does_not_depend_on_the_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = two_representations()
    whole = neighbour_overlap(x, y)
    monkeypatch.setattr(similarity, "_BLOCK", 40 * 7)
    assert [block.stop - block.start for block in row_blocks(40, 40)] == [7] * 5 + [5]
    assert neighbour_overlap(x, y) == whole


def test_too_few_pictures_or_neighbours_are_refused() -> None:
    with pytest.raises(UsageError, match="0 neighbours cannot be compared"):
        neighbour_overlap(np.eye(3), np.eye(3), 0)
    with pytest.raises(UsageError, match="neighbours among 3 and 4 pictures"):
        neighbour_overlap(np.eye(3), np.eye(4))
    with pytest.raises(UsageError, match="neighbours among 1 and 1 pictures"):
        neighbour_overlap(np.eye(1), np.eye(1))
