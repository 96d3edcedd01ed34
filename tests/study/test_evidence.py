"""What a rule comes to: the five verdicts, bounds of all comparisons together, and the sentence on them."""

import numpy as np
import pytest
from numpy.typing import NDArray

from alignbench.study.contrasts import rising
from alignbench.study.evidence import Expectation, Term, judge
from alignbench.study.levels import LevelPanel
from level_panels import panel

Floats = NDArray[np.float64]


def noise(seed: int, spread: float = 0.01) -> Floats:
    return spread * np.random.default_rng(seed).normal(size=1000)


def compared(name: str, value: float, found: LevelPanel, below: bool = False, bound: float = 0.0) -> Expectation:
    """A difference with noise of its own, of standard error 0.01."""
    contrasts = np.concatenate([[value], value + noise(len(name))])[None]
    return Expectation({"name": name}, (Term(found, contrasts),), rising(lambda term: term[0]), below, bound)


@pytest.mark.parametrize(
    ("values", "verdict"),
    [
        ((0.2, 0.3), "borne out"),
        ((0.2, 0.01), "by value only"),
        ((0.01, 0.01), "by value only"),
        ((0.2, -0.01), "undecided"),
        ((-0.01, -0.01), "undecided"),
        ((0.2, -0.2), "contradicted"),
        ((0.01, -0.2), "contradicted"),
    ],
)
def test_the_verdict_is_that_of_all_comparisons(values: tuple[float, float], verdict: str) -> None:
    found = panel("low", {})
    outcome = judge([compared("a", values[0], found), compared("bb", values[1], found)], ("name",))
    assert outcome.verdict == verdict
    mirrored = [compared("a", -values[0], found, below=True), compared("bb", -values[1], found, below=True)]
    assert judge(mirrored, ("name",)).verdict == verdict


def test_a_comparison_without_scores_leaves_a_rule_untestable() -> None:
    found = panel("low", {})
    outcome = judge([compared("a", 0.2, found), compared("gone", np.nan, found)], ("name",))
    assert (outcome.verdict, outcome.why) == ("untestable", "Needs scores of gone: there distances are constant.")


def test_what_is_clear_alone_may_not_be_among_many_of_any_level() -> None:
    """A difference of 2.3 standard errors, beside others that are clear by far."""
    here, elsewhere = panel("high", {}), panel("low", {})
    unclear = compared("a", 0.023, here)
    assert judge([unclear], ("name",)).verdict == "borne out"
    for where in (here, elsewhere):
        others = [compared("b" * count, 0.5, where) for count in range(2, 12)]
        outcome = judge([unclear, *others], ("name",))
        assert outcome.verdict == "by value only"
        assert outcome.evidence.iloc[0]["ci_low"] < 0.0 < outcome.evidence.iloc[0]["ci_high"]


def test_bounds_are_of_the_largest_deviation_of_all_comparisons_of_a_level() -> None:
    found = panel("middle", {})
    comparisons = [compared(name, value, found) for name, value in {"a": 0.1, "bb": 0.0, "ccc": -0.2}.items()]
    table = judge(comparisons, ("name",)).evidence
    deviations = np.stack([noise(seed) for seed in (1, 2, 3)])
    errors = np.sqrt((deviations**2).mean(axis=1))
    critical = np.sort(np.abs(deviations / errors[:, None]).max(axis=0))[949]
    np.testing.assert_allclose(table["ci_low"], np.array([0.1, 0.0, -0.2]) - critical * errors, atol=1e-12)
    np.testing.assert_allclose(table["ci_high"], np.array([0.1, 0.0, -0.2]) + critical * errors, atol=1e-12)


def test_the_sentence_counts_what_holds_what_is_clear_and_what_is_clearly_the_other_way_round() -> None:
    found = panel("high", {})
    values = {"clear": 0.2, "unclear": 0.001, "against": -0.2, "hardly against": -0.001}
    of_all = judge([compared(name, value, found) for name, value in values.items()], ("name",))
    assert of_all.why == (
        "2 of 4 comparisons are as stated, 1 of them by interval; not against, hardly against (1 of these with an "
        "interval on the other side)."
    )


@pytest.mark.parametrize(("below", "verdict"), [(True, "borne out"), (False, "contradicted")])
def test_a_bound_is_what_a_quantity_is_held_against(below: bool, verdict: str) -> None:
    """A difference of 0.1 is below a bound of 0.15, though it is above 0."""
    outcome = judge([compared("a", 0.1, panel("low", {}), below, 0.15)], ("name",))
    assert outcome.verdict == verdict
    assert outcome.evidence.iloc[0]["expected"] == f"{'below' if below else 'above'} 0.15"


def test_a_quantity_at_its_bound_is_on_no_side() -> None:
    for below in (True, False):
        exactly = Expectation({"name": "m"}, (Term(panel("low", {}), np.zeros((1, 1001))),), rising(np.max), below)
        assert judge([exactly], ("name",)).verdict == "undecided"


def test_what_stands_beside_is_shown_and_not_judged() -> None:
    found = panel("low", {})
    alone = judge([compared("a", 0.1, found)], ("name",))
    outcome = judge([compared("a", 0.1, found)], ("name",), [compared("bb", -0.5, found)])
    assert (outcome.verdict, outcome.why) == (alone.verdict, alone.why)
    assert outcome.evidence["judged"].tolist() == [True, False]
    assert outcome.evidence["value"].tolist() == [0.1, -0.5]
    assert outcome.evidence["ci_low"][0] == alone.evidence["ci_low"][0]
    assert np.isnan(outcome.evidence["ci_low"][1])


def test_without_resamples_a_verdict_is_by_value() -> None:
    bare = LevelPanel("tid2013", "paper", "people", 0.0, "none", {}, {})
    for value, verdict in ((0.5, "by value only"), (-0.5, "undecided")):
        one = Expectation({"name": "a"}, (Term(bare, np.array([[value]])),), rising(np.max))
        outcome = judge([one], ("name",))
        assert outcome.verdict == verdict
        assert np.isnan(outcome.evidence[["ci_low", "ci_high"]].to_numpy()).all(), "infinite bounds are none"
