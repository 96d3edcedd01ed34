"""What a rule comes to: its comparisons with intervals, corrected for their number, and the sentence on them."""

import numpy as np
import pytest
from scipy import stats

from alignbench.study.evidence import Comparison, outcome
from alignbench.study.levels import LevelPanel, Scored
from level_panels import NORMALISED, flat, panel, verdict


def against_baselines(found: LevelPanel, curves: dict[tuple[str, str], Scored]) -> list[Comparison]:
    """The best layer of each model minus each baseline."""
    return [
        Comparison({"model": model, "baseline": name}, found, best.blocks.max(axis=0) - score)
        for (model, _), best in curves.items()
        for name, score in found.baselines.items()
    ]


def test_a_comparison_is_corrected_and_its_interval_is_that_of_the_resamples() -> None:
    curves = {("m", NORMALISED): flat(0.7, spread=0.02), ("n", NORMALISED): flat(0.72, spread=0.02)}
    found = panel("middle", curves, {"pixels": 0.66, "ssim": 0.5})
    table = outcome(against_baselines(found, curves), ("model", "baseline")).evidence
    raw = []
    for row in table.itertuples():
        difference = curves[row.model, NORMALISED].scores[:-1].max(axis=0) - found.baselines[row.baseline]
        assert (row.ci_low, row.ci_high) == pytest.approx(tuple(np.percentile(difference[1:], [2.5, 97.5])), abs=1e-12)
        least = min((difference[1:] <= 0).sum(), (difference[1:] >= 0).sum())
        p = 2 * (1 + least) / 1001
        raw.append(min(p, 2 * stats.norm.sf(difference[0] / difference[1:].std())) if least == 0 else p)
    order = np.argsort(raw)
    adjusted = np.maximum.accumulate(np.sort(raw) * np.arange(4, 0, -1)).clip(max=1)
    np.testing.assert_allclose(table["p_holm"].to_numpy()[order], adjusted, rtol=1e-9)


def test_what_is_clear_alone_may_not_be_among_many() -> None:
    """A difference of 2.3 standard errors: p is about 0.02, and 0.1 after correction for five."""
    curves = {("m", NORMALISED): flat(0.7, spread=0.02)}
    alone, many = (
        outcome(against_baselines(panel("high", curves, dict.fromkeys(names, 0.654)), curves), ("model", "baseline"))
        for names in (["a"], ["a", "b", "c", "d", "e"])
    )
    assert (many.evidence["ci_low"] > 0).all()
    assert (verdict(alone), verdict(many)) == ("borne out", "not separable")


def test_the_sentence_counts_what_holds_what_is_clear_and_what_is_clearly_the_other_way_round() -> None:
    found = panel("high", {})
    noise = 0.01 * np.random.default_rng(0).normal(size=1000)
    values = {"clear": 0.2, "unclear": 0.001, "against": -0.2, "hardly against": -0.001}
    comparisons = [
        Comparison({"name": name}, found, np.concatenate([[value], value + noise])) for name, value in values.items()
    ]
    of_all = outcome(comparisons, ("name",))
    assert (of_all.holds, of_all.separable) == (False, False)
    assert of_all.why == (
        "2 of 4 comparisons are as stated, 1 of them separably; not against, hardly against (1 of these with an "
        "interval on the other side)."
    )
    alone = outcome(comparisons[:1], ("name",))
    assert (alone.holds, alone.separable) == (True, True)
    assert alone.why == "1 of 1 comparisons are as stated, 1 of them separably."


@pytest.mark.parametrize(("below", "separable"), [(True, True), (False, False)])
def test_a_bound_is_what_a_difference_is_held_against(below: bool, separable: bool) -> None:
    """A difference of 0.1 is below a bound of 0.15, though it is above 0."""
    noise = 0.001 * np.random.default_rng(1).normal(size=1000)
    difference = np.concatenate([[0.1], 0.1 + noise])
    table = outcome([Comparison({"name": "m"}, panel("low", {}), difference, below, 0.15)], ("name",)).evidence
    [row] = table.itertuples()
    assert row.expected == f"{'below' if below else 'above'} 0.15"
    assert (row.holds, row.separable, row.contradicted) == (below, separable, not below)
    assert (row.ci_low, row.ci_high) == pytest.approx(tuple(np.percentile(difference[1:], [2.5, 97.5])), abs=1e-12)


def test_a_difference_at_its_bound_does_not_hold() -> None:
    exactly = np.zeros(1001)
    for below in (True, False):
        assert outcome([Comparison({"name": "m"}, panel("low", {}), exactly, below)], ("name",)).holds is False
