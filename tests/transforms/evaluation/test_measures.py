"""Rows of before and after, against NumPy, scipy and direct calls."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.spatial.distance import pdist

from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.images import FileImages
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation import measures as evaluation
from alignbench.transforms.evaluation.downstream import anomaly, few_shot
from alignbench.transforms.evaluation.folder import EVALUATION_COLUMNS, EvaluationRow, evaluation_frame
from alignbench.transforms.evaluation.measures import applied, downstream_rows, local_rows, odd_one_out_rows, rsa_rows
from alignbench.transforms.evaluation.odd_one_out import OddOneOut
from alignbench.transforms.evaluation.similarity import (
    KERNELS,
    agreement,
    dissimilarities,
    linear_cka,
    neighbour_overlap,
)
from object_pairs import by_pairs

Floats = NDArray[np.float64]
GOLDEN = {"correlation": (0.7614794652, 0.7412052591), "cosine": (0.8050065306, 0.7900567530)}


def human(values: Floats, kind: str = "dissimilarity") -> HumanMatrix:
    count = round((1 + math.sqrt(1 + 8 * len(values))) / 2)
    names = tuple(f"{number}.jpg" for number in range(count))
    return HumanMatrix("people", FileImages(Path(), names), values, kind, "")  # type: ignore[arg-type]


def two_representations() -> tuple[Floats, Floats]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 16))
    return x, x @ rng.normal(size=(16, 24)) + 0.5 * rng.normal(size=(40, 24))


def by_measure(rows: list[EvaluationRow]) -> dict[str, EvaluationRow]:
    return {row.measure: row for row in rows}


def identity(width: int) -> AffineTransform:
    return AffineTransform(np.eye(width), 0.0, 1.0)


def rotation(width: int, scale: float) -> AffineTransform:
    return AffineTransform(
        scale * np.linalg.qr(np.random.default_rng(3).normal(size=(width, width)))[0], 0.0, 1.0, np.zeros(width)
    )


# ---------------------------------------------------------------------------------------- human matrices


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("kind", ["dissimilarity", "similarity"])
def test_rsa_gives_the_golden_numbers(kernel: str, kind: str) -> None:
    x, y = two_representations()
    values = pdist(y, kernel)
    rows = by_measure(rsa_rows(human(values if kind == "dissimilarity" else -values, kind), x, y, "not seen"))
    for statistic, expected in zip(("pearson", "spearman"), GOLDEN[kernel], strict=True):
        row = rows[f"{statistic} ({kernel})"]
        assert row.before[0] == pytest.approx(expected, abs=5e-11)
        assert row.after[0] == pytest.approx(1.0), "a representation agrees with itself"
        assert row.difference[0] == pytest.approx(1.0 - expected, abs=5e-11)
        assert (row.task, row.data, row.better, row.n, row.sample) == ("rsa", "people", "higher", 780, "not seen")


def test_rsa_is_the_agreement_of_every_kernel() -> None:
    x, y = two_representations()
    matrix = human(np.random.default_rng(1).uniform(size=780))
    rows = by_measure(rsa_rows(matrix, x, y, "not seen"))
    for kernel in KERNELS:
        before, after = (agreement(dissimilarities(each, kernel), matrix.values) for each in (x, y))
        for name in ("pearson", "spearman"):
            row = rows[f"{name} ({kernel})"]
            assert (row.before[0], row.after[0]) == (getattr(before, name), getattr(after, name))
            for value, low, high in (row.before, row.after, row.difference):
                assert low < value < high


def test_an_identity_gains_nothing() -> None:
    x, y = two_representations()
    for row in rsa_rows(human(pdist(y)), x, applied(identity(16), x), "not seen"):
        np.testing.assert_allclose(row.difference, 0.0, atol=1e-12)
        np.testing.assert_allclose(row.before, row.after, rtol=1e-12)


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize("metric", ["pearson", "spearman"])
def test_pairs_that_share_a_picture_count_once(kernel: str, metric: str) -> None:
    """Against influences by leaving out each pair, and loops over every two pairs."""
    rng = np.random.default_rng(2)
    said = rng.normal(size=(14, 6))
    before, after = (said[:, :width] + noise * rng.normal(size=(14, width)) for width, noise in ((5, 0.8), (6, 0.5)))
    matrix = human(pdist(said, kernel))
    row = by_measure(rsa_rows(matrix, before, after, ""))[f"{metric} ({kernel})"]
    correlate = {"pearson": stats.pearsonr, "spearman": stats.spearmanr}[metric]
    x, y, pairs = [pdist(each, kernel) for each in (before, after)], matrix.values, list(combinations(range(14), 2))
    influences = np.array([[_weighted_slope(correlate, one, y, i) for i in range(91)] for one in x])
    values = [float(correlate(one, y).statistic) for one in x]
    for found, value, own in zip((row.before, row.after), values, influences, strict=True):
        expected = by_pairs(pairs, own)
        error = math.sqrt(expected.variance) / (1.0 - value**2)
        ends = np.tanh(stats.t.interval(0.95, expected.degrees_used, np.arctanh(value), error))
        assert found[1:] == pytest.approx(tuple(ends), abs=2e-3)
    gain = by_pairs(pairs, influences[1] - influences[0]).interval(values[1] - values[0])
    assert row.difference == pytest.approx((values[1] - values[0], *gain), abs=2e-3)


def test_subjects_who_differ_widen_intervals() -> None:
    rng = np.random.default_rng(3)
    seen = rng.normal(size=(14, 6))
    before, after = (seen + noise * rng.normal(size=seen.shape) for noise in (0.9, 0.5))
    each = np.stack([pdist(seen * rng.uniform(0.1, 2.0, 6)) for _ in range(4)])
    alone = human(each.mean(axis=0))
    told = HumanMatrix("people", alone.images, -alone.values, "similarity", "", -each)
    for over_pictures, crossed in zip(
        rsa_rows(alone, before, after, ""), rsa_rows(told, before, after, ""), strict=True
    ):
        for one, other in zip(_ends(over_pictures), _ends(crossed), strict=True):
            assert other[0] == pytest.approx(one[0], rel=1e-12)
            assert other[1] < one[1] < one[2] < other[2]


def _ends(row: EvaluationRow) -> tuple[tuple[float, float, float], ...]:
    return row.before, row.after


def _weighted_slope(correlate: Callable[..., Any], x: Floats, y: Floats, i: int) -> float:
    """What one pair adds, from a hundred copies of all pairs, with one more of it and one less."""
    times = np.repeat(np.arange(len(x)), 100)
    more = np.append(times, i)
    without = np.delete(times, 100 * i)
    return float(correlate(x[more], y[more]).statistic - correlate(x[without], y[without]).statistic) * 50.0


def test_intervals_over_pictures_hold_the_truth() -> None:
    """The truth is that of 1,000 pictures; intervals of 30 hold it nearly always, and are not merely wide."""

    def drawn(pictures: int, seed: int) -> tuple[HumanMatrix, Floats, Floats]:
        rng = np.random.default_rng(seed)
        shared = rng.normal(size=(pictures, 6))
        said, before, after = (np.hstack([shared, noise * rng.normal(size=(pictures, 6))]) for noise in (0.5, 2.0, 1.0))
        return human(pdist(said, "cosine")), before, after

    matrix, *features = drawn(1000, 1000)
    before, after = (agreement(dissimilarities(each, "cosine"), matrix.values).pearson for each in features)
    found = np.array([by_measure(rsa_rows(*drawn(30, n), ""))["pearson (cosine)"].difference for n in range(60)])
    covered = (found[:, 1] <= after - before) & (after - before <= found[:, 2])
    assert covered.mean() > 0.9
    spread = found[:, 0].std() * 2 * 1.96
    assert 0.9 * spread < (found[:, 2] - found[:, 1]).mean() < 1.4 * spread


# --------------------------------------------------------------------------------------- local structure


@pytest.mark.parametrize("transform", [identity(16), rotation(16, 0.08)], ids=["identity", "scaled rotation"])
def test_what_keeps_angles_keeps_neighbours(transform: AffineTransform) -> None:
    rows = local_rows(transform, two_representations()[0], "pictures", "not seen")
    assert len(rows) == 6
    for row in rows:
        expected = 0.0 if row.measure.startswith("KL") else 1.0
        for value, low, high in (row.before, row.after):
            assert value == pytest.approx(expected, abs=1e-12)
            assert math.isnan(low)
            assert math.isnan(high)
        assert row.difference[0] == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize(("tau", "golden"), [(1.0, 0.0045291344), (0.1, 0.1171362534)])
def test_divergence_is_the_local_loss_without_the_entropy_before(tau: float, golden: float) -> None:
    rng = np.random.default_rng(7)
    x = rng.normal(size=(6, 4))
    weights, bias = 0.5 * np.eye(4) + 0.1 * rng.normal(size=(4, 4)), np.full(4, 0.01)
    found = by_measure(local_rows(AffineTransform(weights, 0.0, 1.0, bias), x, "pictures", ""))
    assert found[f"KL(P||Q), tau {tau:g}"].after[0] == pytest.approx(golden, abs=5e-11)
    scaled = by_measure(local_rows(AffineTransform(weights, 0.4, 1.7, bias), 1.7 * x + 0.4, "pictures", ""))
    assert scaled[f"KL(P||Q), tau {tau:g}"].after[0] == pytest.approx(golden, abs=5e-11), "of standardised features"
    loss, entropy = _local_loss(x, x @ weights + bias, tau), _local_loss(x, x, tau)
    assert loss - entropy == pytest.approx(golden, abs=5e-11)


def _local_loss(before: Floats, after: Floats, tau: float) -> float:
    """Mean over pictures of -sum P log Q, picture by picture."""
    total = 0.0
    for i in range(len(before)):
        others = [j for j in range(len(before)) if j != i]
        first, second = (
            np.array([each[i] @ each[j] / np.linalg.norm(each[i]) / np.linalg.norm(each[j]) for j in others]) / tau
            for each in (before, after)
        )
        p, q = (np.exp(each) / np.exp(each).sum() for each in (first, second))
        total -= float(p @ np.log(q))
    return total / len(before)


def test_what_a_transform_changes_is_told() -> None:
    x, _ = two_representations()
    weights = np.random.default_rng(5).normal(size=(16, 9))
    transform = AffineTransform(weights, 0.2, 2.0)
    after = (x - 0.2) / 2.0 @ weights
    found = by_measure(local_rows(transform, x, "pictures", "not seen"))
    assert found["overlap of 10 nearest neighbours"].after[0] == neighbour_overlap(x, after, 10)
    assert found["linear CKA"].after[0] == pytest.approx(linear_cka(x, after), rel=1e-12)
    assert found["linear CKA (unbiased)"].after[0] == pytest.approx(linear_cka(x, after, unbiased=True), rel=1e-12)
    singular = np.linalg.svd(weights, compute_uv=False)
    condition = found["condition number of W"]
    assert condition.after[0] == pytest.approx(singular[0] / singular[-1])
    assert condition.n == 16
    assert {row.better for name, row in found.items() if "CKA" in name or "overlap" in name} == {"higher"}


def test_of_many_pictures_some_are_drawn_for_the_divergence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluation, "_MOST_ROWS", 12)
    x, _ = two_representations()
    transform = rotation(16, 1.0)
    turned = AffineTransform(transform.weights + 0.3, 0.0, 1.0)
    found = by_measure(local_rows(turned, x, "pictures", "", seed=4))
    drawn = np.sort(np.random.default_rng(4).choice(40, 12, replace=False))
    expected = _local_loss(x[drawn], applied(turned, x[drawn]), 1.0) - _local_loss(x[drawn], x[drawn], 1.0)
    assert found["KL(P||Q), tau 1"].after[0] == pytest.approx(expected, abs=1e-12)
    assert (found["KL(P||Q), tau 1"].n, found["linear CKA"].n) == (12, 40)


# -------------------------------------------------------------------------------------------- downstream


def test_downstream_rows_are_those_of_direct_calls_with_t_intervals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(downstream, "PENALTIES", (0.1, 10.0))
    rng = np.random.default_rng(0)
    labels = np.repeat([2, 5, 9], 14)
    before = np.eye(3, 8)[np.repeat(np.arange(3), 14)] + 0.6 * rng.normal(size=(42, 8))
    after = before @ rng.normal(size=(8, 5))
    shots, alarms = downstream_rows(before, after, labels, "classes", "not seen")
    accuracies = [few_shot(each, labels).accuracies for each in (before, after)]
    aurocs = [anomaly(each, labels).aurocs for each in (before, after)]
    for row, (one, two) in ((shots, accuracies), (alarms, aurocs)):
        gain = np.array(two) - np.array(one)
        for ends, values in ((row.before, one), (row.after, two), (row.difference, gain)):
            expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
            np.testing.assert_allclose(ends, [np.mean(values), *expected], rtol=1e-9)
    assert [row.task for row in (shots, alarms)] == ["few-shot", "anomaly"]
    assert (shots.measure, shots.reference, shots.n) == ("accuracy, 5 a class", "chance 0.3333", 42)
    assert (alarms.measure, alarms.reference) == ("AUROC, 5 nearest", "chance 0.5")


# ----------------------------------------------------------------------------------- choices, and the table


def test_choices_are_held_against_the_ceiling_and_chance() -> None:
    judged = OddOneOut(90, 20, (0.4, 0.3, 0.5), (0.6, 0.5, 0.7), (0.2, 0.1, 0.3), 0.01, 0.68)
    accuracy, entropy = odd_one_out_rows(judged, "things", "dot", "held-out objects", (1.05, 0.9))
    assert accuracy.measure == "accuracy (dot)"
    assert (accuracy.before, accuracy.after, accuracy.difference) == (judged.before, judged.after, judged.difference)
    assert accuracy.reference == "noise ceiling 0.6800, chance 0.3333"
    assert (accuracy.n, accuracy.sample) == (90, "held-out objects")
    assert (entropy.before[0], entropy.after[0], entropy.better) == (1.05, 0.9, "")
    assert entropy.difference[0] == pytest.approx(-0.15)
    assert entropy.reference == f"uniform {math.log(3):.4f}"
    unknown = odd_one_out_rows(replace(judged, ceiling=math.nan), "mine", "cosine", "unknown", (1.0, 0.9))[0]
    assert unknown.reference == "chance 0.3333"


def test_a_row_has_its_intervals_beside_it() -> None:
    row = EvaluationRow("rsa", "people", "pearson", "higher", (1, 2, 3), (4, 5, 6), (7, 8, 9), 10, "chance", "not seen")
    frame = evaluation_frame([row])
    assert tuple(frame.columns) == EVALUATION_COLUMNS
    names = [f"{name}{end}" for name in ("before", "after", "difference") for end in ("", "_low", "_high")]
    assert frame.loc[0, names].tolist() == list(range(1, 10))
    assert frame.loc[0, ["task", "n", "reference", "sample"]].tolist() == ["rsa", 10, "chance", "not seen"]
