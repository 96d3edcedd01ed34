"""Rows of two curves: bands of the difference and of each curve, and how the data's choice of a layer is estimated."""

import numpy as np
import pytest

from alignbench.statistics.bands import band
from alignbench.statistics.bootstrap import IntervalKind
from alignbench.statistics.cross_fit import cross_fitted_by_objects
from alignbench.statistics.joint import of_influences
from alignbench.statistics.scored_together import Judged, score_together
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.study.compared_curves import ComparedCurves, band_between, compared_rows
from alignbench.study.places import ScoredCurve

LAYERS, DEPTHS = ("layer_0", "layer_1", "layer_2", "projection"), np.array([2.5, 50.0, 97.5, 100.0])


def compared(among: np.ndarray | SharedObjects, count: int = 150, seed: int = 0) -> ComparedCurves:
    """Two towers of four layers on two-way choices, whose better option is the first."""
    rng = np.random.default_rng(seed)
    options = np.arange(2 * count).reshape(count, 2)
    human = np.zeros(count)
    judged = []
    for ease in (0.8, 0.2):
        curves = rng.normal(size=(4, count, 2)) - ease * np.array([1.0, 0.0])
        judged.append(Judged(curves.reshape(4, -1), options, "choice", False))
    scored = score_together(judged, human, among, 0)
    first, second = (ScoredCurve(scored, np.arange(4) + start, LAYERS, DEPTHS) for start in (0, 4))
    return ComparedCurves(first, second, (judged[0], judged[1]), human, among)


def right(judged: Judged) -> np.ndarray:
    options = np.asarray(judged.distances)[:, judged.options]
    return np.asarray(options[..., 0] < options[..., 1], dtype=np.float64)


def test_bands_of_the_difference_and_of_each_curve_stand_at_layers_alone() -> None:
    pair = compared(np.arange(150)[:, None])
    rows = compared_rows(pair)
    layers = [row for row in rows if row["place"] == "layer"]
    assert len(layers) == 3
    scores = [right(judged)[:3] for judged in pair.judged]
    for name, curve, limits in (
        ("band", scores[0] - scores[1], (-2.0, 2.0)),
        ("first_band", scores[0], (-1.0, 1.0)),
        ("second_band", scores[1], (-1.0, 1.0)),
    ):
        mean = curve.mean(axis=1)
        expected = band(of_influences(mean, (curve - mean[:, None]) / 150), DEPTHS[:3], limits)
        np.testing.assert_allclose([row[f"{name}_low"] for row in layers], expected.low, atol=1e-9)
        np.testing.assert_allclose([row[f"{name}_high"] for row in layers], expected.high, atol=1e-9)
    others = [row for row in rows if row["place"] != "layer"]
    assert np.isnan([[row["band_low"], row["first_band_low"], row["second_band_high"]] for row in others]).all()


@pytest.mark.parametrize(
    ("at", "places"),
    [
        ("projection", ["projection"]),
        ("best", ["best layer"]),
        ("curve", ["layer"] * 3),
        ("layer_1", ["layer"]),
        ("all", ["projection", "best layer", "best layer, cross-fitted", *["layer"] * 3]),
    ],
)
def test_the_rows_of_a_place_are_those_among_all(at: str, places: list[str]) -> None:
    pair = compared(np.arange(150)[:, None])
    found, every = compared_rows(pair, at), compared_rows(pair)
    assert [row["place"] for row in found] == places
    assert {row["question"] for row in found} - {""} == ({"projection", "best", "curve"} if at == "all" else {at})
    for row in found:
        [same] = [each for each in every if (each["place"], each["first_layer"]) == (row["place"], row["first_layer"])]
        assert (row["difference"], row["ci_low"], row["p"]) == pytest.approx(
            (same["difference"], same["ci_low"], same["p"]), nan_ok=True
        )


def test_a_baseline_stands_beside_a_layer() -> None:
    pair = compared(np.arange(150)[:, None])
    image = ScoredCurve(pair.second.scored, np.array([4]), ("image",), np.zeros(1))
    for one, other, sign in ((pair.first, image, 1.0), (image, pair.first, -1.0)):
        [row] = compared_rows(ComparedCurves(one, other, pair.judged, pair.human, pair.among), "layer_2")
        expected = right(pair.judged[0])[2].mean() - right(pair.judged[1])[0].mean()
        assert row["difference"] == pytest.approx(sign * expected)
        assert row["depth"] == 97.5
        assert {row["first_layer"], row["second_layer"]} == {"layer_2", "image"}


def test_the_band_between_two_curves_widens_with_its_level() -> None:
    pair = compared(np.arange(150)[:, None])
    plain, wider = band_between(pair.first, pair.second), band_between(pair.first, pair.second, 0.999)
    rows = [row for row in compared_rows(pair) if row["place"] == "layer"]
    np.testing.assert_array_equal(plain.low, [row["band_low"] for row in rows])
    assert (wider.low < plain.low).all()
    assert (wider.high > plain.high).all()
    np.testing.assert_array_equal(wider.p, plain.p)


def test_by_objects_the_choice_of_a_layer_uses_the_triplets_inside_halves() -> None:
    rng = np.random.default_rng(3)
    objects = np.argsort(rng.random((400, 20)), axis=1)[:, :3]
    pair = compared(SharedObjects(objects), 400)
    [row] = [row for row in compared_rows(pair) if row["place"] == "best layer, cross-fitted"]
    alone = [cross_fitted_by_objects(right(judged)[:3], objects) for judged in pair.judged]
    assert (row["first"], row["second"]) == pytest.approx([each.value for each in alone], abs=1e-12)
    assert row["difference"] == pytest.approx(alone[0].value - alone[1].value, abs=1e-12)
    assert row["share_used"] == alone[0].share
    assert row["ci_low"] < row["difference"] < row["ci_high"]
    assert np.isnan(row["p"])


@pytest.mark.parametrize("clusters", [1, 2])
def test_with_too_few_clusters_no_choice_is_estimated(clusters: int) -> None:
    pair = compared(np.arange(150)[:, None] % clusters)
    kind: IntervalKind = pair.first.scored.kind
    places = [row["place"] for row in compared_rows(pair)]
    assert "best layer, cross-fitted" not in places
    assert (kind == "none") == (clusters == 1)
    assert places[:2] == ["projection", "best layer"]
