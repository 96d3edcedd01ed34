"""The conditional logit against scikit-learn, a likelihood written out, and worlds that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from alignbench.errors import DataError
from alignbench.statistics.conditional_logit import are_independent, fit_choices, log_likelihoods, log_probabilities

Floats = NDArray[np.float64]


def drawn(n: int, options: int, seed: int, true: tuple[float, ...] = (1.0, -0.5)) -> tuple[Floats, Floats]:
    """Attributes, (n, options, p), and who chose what by a conditional logit, (n, options)."""
    rng = np.random.default_rng(seed)
    attributes = rng.normal(size=(n, options, len(true))) * [10.0, 0.1, 3.0][: len(true)] + 5.0
    utility = attributes @ (np.array(true) / [10.0, 0.1, 3.0][: len(true)]) + rng.gumbel(size=(n, options))
    return attributes, np.eye(options)[utility.argmax(axis=1)]


def minus_likelihood(b: Floats, attributes: Floats, shares: Floats) -> float:
    """Written out judgment by judgment."""
    total = 0.0
    for options, chosen in zip(attributes, shares, strict=True):
        odds = [np.exp(sum(x * w for x, w in zip(row, b, strict=True))) for row in options - options[0]]
        total -= sum(share * np.log(odd / sum(odds)) for share, odd in zip(chosen, odds, strict=True))
    return total


@pytest.mark.parametrize("seed", range(4))
def test_two_options_are_the_logistic_regression_of_scikit_learn(seed: int) -> None:
    attributes, shares = drawn(300, 2, seed)
    theirs = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000)
    apart = attributes[:, 1] - attributes[:, 0]
    scale = apart.std(axis=0)
    theirs.fit(apart / scale, shares[:, 1])
    np.testing.assert_allclose(fit_choices(attributes, shares) * scale, theirs.coef_[0], rtol=1e-5, atol=1e-6)


@given(st.integers(2, 4), st.integers(1, 3), st.integers(0, 2**31))
def test_the_likelihood_is_highest_there(options: int, columns: int, seed: int) -> None:
    attributes, shares = drawn(60, options, seed, (0.8, -0.5, 0.3)[:columns])
    scale = attributes.std(axis=(0, 1))
    try:
        b = fit_choices(attributes, shares)
    except DataError:
        assert separating(attributes, shares)
        return
    assert not separating(attributes, shares)
    best = minus_likelihood(b, attributes, shares)
    assert log_likelihoods(attributes, shares, b).sum() == pytest.approx(-best, rel=1e-10)
    scaled = attributes / scale
    slope = optimize.approx_fprime(b * scale, minus_likelihood, 1e-6, scaled, shares)
    assert np.abs(slope).max() < 1e-2
    rng = np.random.default_rng(seed)
    for _ in range(5):
        beside = (b * scale + 0.05 * rng.normal(size=columns)) / scale
        assert minus_likelihood(beside, attributes, shares) > best


def separating(attributes: Floats, shares: Floats) -> bool:
    """Whether some direction contradicts no choice, by linear programming."""
    chosen = np.take_along_axis(attributes, shares.argmax(axis=1)[:, None, None], axis=1)
    above = (chosen - attributes).reshape(-1, attributes.shape[2]) / attributes.std(axis=(0, 1))
    box = [(-1, 1)] * attributes.shape[2]
    found = optimize.linprog(-above.sum(axis=0), A_ub=-above, b_ub=np.zeros(len(above)), bounds=box)
    return bool(-found.fun > 1e-7)


def test_shares_of_people_count_as_so_many_choices() -> None:
    attributes, _ = drawn(80, 2, 5)
    counts = np.random.default_rng(6).integers(0, 6, 80)
    shares = np.stack([5 - counts, counts], axis=1) / 5
    written_out = np.concatenate([np.eye(2)[[0] * (5 - count) + [1] * count] for count in counts])
    expected = fit_choices(np.repeat(attributes, 5, axis=0), written_out)
    np.testing.assert_allclose(fit_choices(attributes, shares), expected, rtol=1e-8)


def test_coefficients_come_back_from_many_choices() -> None:
    attributes, shares = drawn(40_000, 3, 7)
    b = fit_choices(attributes, shares) * [10.0, 0.1]
    np.testing.assert_allclose(b, [1.0, -0.5], atol=0.03)


def test_units_levels_and_the_order_of_options_do_not_matter() -> None:
    attributes, shares = drawn(100, 3, 8)
    b = fit_choices(attributes, shares)
    moved = 1e6 * attributes + np.random.default_rng(0).normal(size=(100, 1, 2))
    np.testing.assert_allclose(1e6 * fit_choices(moved[:, ::-1], shares[:, ::-1]), b, rtol=1e-6)


def test_probabilities_by_hand_and_far_apart() -> None:
    attributes = np.array([[[0.0], [1.0], [2.0]], [[0.0], [0.0], [5000.0]]])
    found = log_probabilities(attributes, np.array([np.log(2.0)]))
    np.testing.assert_allclose(np.exp(found), [[1 / 7, 2 / 7, 4 / 7], [0, 0, 1]], atol=1e-15)
    assert found[1, 0] == pytest.approx(-5000 * np.log(2.0))


# --- What is refused ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("noise", [0, 1])
def test_choices_that_nothing_contradicts_are_refused(noise: int) -> None:
    """All choices, or all but those between options that are alike, are of the larger attribute."""
    attributes = np.random.default_rng(0).normal(size=(50, 3, 1))
    shares = np.eye(3)[attributes[..., 0].argmax(axis=1)]
    attributes = np.concatenate([attributes, np.random.default_rng(1).normal(size=(50, 3, 1))], axis=2)
    attributes[: 10 * noise] = 1.0
    with pytest.raises(DataError, match=r"50 choices are too few or too certain for a logistic regression: .*more"):
        fit_choices(attributes, shares)


@pytest.mark.parametrize("kind", ["constant", "level", "twice", "sum"])
def test_attributes_that_say_nothing_of_their_own_are_refused(kind: str) -> None:
    attributes, shares = drawn(60, 3, 9, (1.0, -0.5, 0.2))
    assert are_independent(attributes)
    attributes[..., 2] = {
        "constant": np.full((60, 3), 0.1),
        "level": np.repeat(np.linspace(0, 1, 60)[:, None], 3, axis=1),
        "twice": 3 * attributes[..., 0] - 1,
        "sum": attributes[..., 0] - 2 * attributes[..., 1],
    }[kind]
    assert not are_independent(attributes)
    with pytest.raises(DataError, match="an attribute is the same for all options of every judgment, or follows from"):
        fit_choices(attributes, shares)
