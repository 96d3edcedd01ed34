"""Rules about the three distances and the channel, each branch on hand-made curves whose outcome is known."""

import numpy as np
import pytest

from alignbench.study.levels import LevelPanel, Scored
from alignbench.study.rules import distances
from level_panels import COSINE, EUCLIDEAN, LEVELS, NORMALISED, curve, flat, panel
from studies import BASE_16, BASE_32, LARGE_14, SIGLIP

DIP, SLIGHT, RISE = (0.8, 0.8, 0.5, 0.6, 0.7, 0.9), (0.8, 0.8, 0.65, 0.7, 0.7, 0.9), (0.5, 0.55, 0.6, 0.65, 0.7, 0.8)


def both(
    plain: tuple[float, ...], normalised: tuple[float, ...], model: str = BASE_16, spread: float = 0.001
) -> dict[tuple[str, str], Scored]:
    return {
        (model, EUCLIDEAN): curve(*plain, spread=spread),
        (model, NORMALISED): curve(*normalised, spread=spread, seed=1),
    }


# --- Dips -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("plain", "normalised", "spread", "expected"),
    [
        (DIP, SLIGHT, 0.001, "borne out"),
        (DIP, RISE, 0.001, "borne out"),
        (DIP, SLIGHT, 0.1, "by value only"),
        (SLIGHT, DIP, 0.001, "contradicted"),  # the normalised one dips more
        (RISE, (0.5, 0.6, 0.6, 0.7, 0.9, 0.9), 0.001, "contradicted"),
        (RISE, RISE, 0.1, "undecided"),
    ],
)
def test_euclidean_dips(plain: tuple[float, ...], normalised: tuple[float, ...], spread: float, expected: str) -> None:
    outcome = distances.euclidean_dips({"low": panel("low", both(plain, normalised, spread=spread))})
    assert outcome.verdict == expected
    expected_dips = [min(max(values[:2]), values[4]) - min(values[2:4])
                     for values in (plain, np.array(plain) - np.array(normalised))]  # fmt: skip
    np.testing.assert_allclose(outcome.evidence["value"], expected_dips, atol=1e-12)


def test_every_model_and_level_is_to_dip() -> None:
    panels = {"low": panel("low", both(DIP, RISE)), "high": panel("high", both(RISE, RISE))}
    outcome = distances.euclidean_dips(panels)
    assert outcome.verdict == "contradicted"
    assert "not dip of Euclidean high openai/clip-vit-base-patch16" in outcome.why


def test_base_32_need_not_dip_and_is_shown_beside_as_are_no_other_models() -> None:
    curves = both(DIP, SLIGHT) | both(RISE, RISE, BASE_32) | both(RISE, RISE, SIGLIP)
    outcome = distances.euclidean_dips({"low": panel("low", curves)})
    assert outcome.verdict == "borne out"
    assert outcome.why.endswith("base-32, which the text includes and appendix C excepts, dips at no level.")
    shown = outcome.evidence.groupby("model")["judged"].all()
    assert shown.to_dict() == {BASE_16: True, BASE_32: False}
    dipping = distances.euclidean_dips({"low": panel("low", both(DIP, SLIGHT) | both(DIP, SLIGHT, BASE_32))})
    assert dipping.why.endswith("dips at low.")
    assert distances.euclidean_dips({"low": panel("low", both(DIP, SLIGHT, BASE_32))}).verdict == "untestable"


def test_dips_need_both_distances_and_layers_at_all_depths() -> None:
    alone = {(BASE_16, EUCLIDEAN): curve(*DIP)}
    shallow = {(BASE_16, name): curve(0.4, 0.5) for name in (EUCLIDEAN, NORMALISED)}
    for curves in (alone, shallow):
        assert distances.euclidean_dips({"low": panel("low", curves)}).verdict == "untestable"
    assert distances.euclidean_dips({}).verdict == "untestable"


# --- Cosine ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shift", "spread", "expected"),
    [
        (0.02, 0.0001, "borne out"),
        (-0.02, 0.0001, "borne out"),
        (0.04, 0.1, "by value only"),
        (0.06, 0.0001, "contradicted"),
        (0.051, 0.1, "undecided"),
    ],
)
def test_cosine_is_near_euclidean(shift: float, spread: float, expected: str) -> None:
    """The normalised distance is 0.1 away at every layer, so that the bound is 0.05."""
    plain = np.array([0.5, 0.6, 0.5, 0.4, 0.5, 0.7])
    curves = {
        (BASE_16, name): curve(*(plain + by), spread=spread, seed=seed)
        for seed, (name, by) in enumerate({EUCLIDEAN: 0.0, COSINE: shift, NORMALISED: 0.1}.items())
    }
    outcome = distances.cosine_is_near_euclidean({"middle": panel("middle", curves)})
    assert outcome.verdict == expected
    row = outcome.evidence.iloc[0]
    assert row["cosine_from_euclidean"] == pytest.approx(abs(shift))
    assert row["normalised_from_euclidean"] == pytest.approx(0.1)
    assert row["value"] == pytest.approx(0.05 - abs(shift))


def test_cosine_needs_the_three_distances_of_one_of_openais_sizes() -> None:
    curves = {(BASE_16, name): flat(0.5) for name in (EUCLIDEAN, COSINE)}
    curves |= {(SIGLIP, name): flat(0.5) for name in (EUCLIDEAN, COSINE, NORMALISED)}
    assert distances.cosine_is_near_euclidean({"low": panel("low", curves)}).verdict == "untestable"


# --- The channel ----------------------------------------------------------------------------------------------------

TAKES = np.array([0.1, 0.1, 0.9, 0.8, 0.7, 0.0])  # from mid-depth on; the last is the projection
EVEN = np.array([0.1, 0.11, 0.1, 0.11, 0.1, 0.0])
EARLY = np.array([0.9, 0.9, 0.1, 0.1, 0.1, 0.0])
LATE = np.array([0.1, 0.2, 0.15, 0.2, 0.9, 0.0])  # rises, and not where Euclidean loses


def with_shares(share: np.ndarray, spread: float = 0.001, level: str = "low") -> dict[str, LevelPanel]:
    return {level: panel(level, both(DIP, (0.8, 0.8, 0.8, 0.8, 0.8, 0.9), spread=spread), shares={BASE_16: share})}


@pytest.mark.parametrize(
    ("share", "spread", "expected"),
    [
        (TAKES, 0.001, "borne out"),
        (TAKES, 0.15, "by value only"),
        (EARLY, 0.001, "contradicted"),
        (LATE, 0.001, "contradicted"),
        (LATE, 0.3, "undecided"),
    ],
)
def test_the_share_of_one_channel_goes_with_what_euclidean_loses(
    share: np.ndarray, spread: float, expected: str
) -> None:
    outcome = distances.one_channel_explains_the_dip(with_shares(share, spread))
    assert outcome.verdict == expected
    rise, goes = outcome.evidence["value"]
    assert rise == pytest.approx(share[2:5].mean() - share[:2].mean())
    loss = 0.8 - np.array(DIP[:5])
    assert goes == pytest.approx(np.corrcoef(share[:5], loss)[0, 1])
    assert outcome.evidence["dip"].tolist() == pytest.approx([0.2, 0.2])


def test_the_correlation_is_made_in_each_resample() -> None:
    rng = np.random.default_rng(0)
    share, loss = rng.random(5), rng.normal(size=(5, 4))
    expected = [np.corrcoef(share, column)[0, 1] for column in loss.T]
    np.testing.assert_allclose(distances.correlation(share, loss), expected)
    assert np.isnan(distances.correlation(np.full(5, 0.5), loss)).all()


def test_every_level_is_to_be_explained_and_base_32_stands_beside() -> None:
    panels = {level: with_shares(TAKES, level=level)[level] for level in LEVELS}
    assert distances.one_channel_explains_the_dip(panels).verdict == "borne out"
    panels["high"] = with_shares(EARLY, level="high")["high"]
    assert distances.one_channel_explains_the_dip(panels).verdict == "contradicted"
    curves = both(DIP, RISE) | both(RISE, RISE, BASE_32)
    beside = panel("high", curves, shares={BASE_16: TAKES, BASE_32: EARLY})
    outcome = distances.one_channel_explains_the_dip({"high": beside})
    assert outcome.evidence.groupby("model")["judged"].all().to_dict() == {BASE_16: True, BASE_32: False}


def test_without_channels_nothing_is_said_of_them() -> None:
    for curves, shares in ((both(DIP, RISE), {}), (both(DIP, RISE), {LARGE_14: TAKES}), ({}, {BASE_16: TAKES})):
        outcome = distances.one_channel_explains_the_dip({"low": panel("low", curves, shares=shares)})
        assert outcome.verdict == "untestable"
        assert "channels.csv" in outcome.why


def test_shares_that_are_the_same_everywhere_leave_it_untestable() -> None:
    outcome = distances.one_channel_explains_the_dip(with_shares(np.full(6, 0.1)))
    assert outcome.verdict == "untestable"
