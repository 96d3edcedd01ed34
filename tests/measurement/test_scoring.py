"""Rows from distances: which scores there are under which protocol, and what must not change them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import t

from alignbench import Cell
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.distances.protocols import PROTOCOLS
from alignbench.extraction.source import SourceDistances
from alignbench.measurement.scoring import Scoring, agreement, score, score_part, score_rows
from alignbench.statistics.scores import Scores
from reference import agreement as paper_agreement
from reference_scores import shared_agreement

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
KINDS = ("rating", "choice", "preference")


class NoImages:
    """Scores never look at a picture."""

    names: tuple[str, ...] = ()

    def open(self, index: int) -> Image.Image:
        raise AssertionError

    def select(self, indices: Indices) -> "NoImages":
        return self

    def identities(self) -> list[str]:
        return []


def judgments_of(kind: str, judged: Indices, human: Floats, clusters: Indices) -> Judgments:
    subset = Subset("all", np.arange(len(human)), clusters)
    return Judgments(
        dataset="by hand",
        level="low",
        kind=kind,  # type: ignore[arg-type]
        images=NoImages(),
        pairs=np.empty((0, 2), dtype=np.int64),
        judged=judged,
        human=human,
        ids=tuple(map(str, range(len(human)))),
        subsets=(subset,),
    )


def drawn(kind: str, seed: int, clusters: int = 8, size: int = 6) -> tuple[Judgments, Floats]:
    """Judgments of a kind, with repeats among choices, and two curves of distances of which many tie."""
    rng = np.random.default_rng(seed)
    count = clusters * size
    options = {"rating": 1, "choice": 3, "preference": 2}[kind]
    distances = rng.integers(1, 9, (2, 40)) / 8.0
    distances[:, :3] = [[0.1, 0.2, 0.3], [0.3, 0.1, 0.2]]  # not all are alike, whatever is drawn
    judged = np.array([rng.choice(40, options, replace=False) for _ in range(clusters)])[np.arange(count) % clusters]
    if kind == "rating":
        judged = rng.integers(0, 40, (count, 1))
        judged[:3, 0] = [0, 1, 2]
    human = {
        "rating": np.round(rng.normal(size=count), 1),
        "choice": rng.integers(0, options, count).astype(float),
        "preference": rng.integers(0, 6, count) / 5,
    }[kind]
    return judgments_of(kind, judged, human, (np.arange(count) % clusters)[:, None]), distances


def values(found: list[Scores]) -> dict[str, Floats]:
    return {one.metric: one.value for one in found}


def agreed(judgments: Judgments, subset: Subset, distances: Floats, protocol: str) -> Floats:
    return np.stack(list(agreement(judgments, subset, distances, PROTOCOLS[protocol])))


def by(protocol: str, published_ceiling: float | None = None) -> Scoring:
    return Scoring(PROTOCOLS[protocol], published_ceiling=published_ceiling)


def only(judgments: Judgments) -> Subset:
    [subset] = judgments.subsets
    return subset


# --- Which scores there are -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_metrics_of_each_kind(protocol: str) -> None:
    found = {}
    for kind in KINDS:
        judgments, distances = drawn(kind, seed=0)
        found[kind] = [one.metric for one in score(judgments, only(judgments), distances, by(protocol))]
    assert found["rating"] == ["spearman", "pearson", "kendall", "spearman_within", "pearson_logistic"]
    assert found["preference"] == ["accuracy", "ceiling_attainable"]
    ceilings = ["ceiling_loo", "ceiling_max_share", "accuracy_of_ceiling", "accuracy_above_chance_of_ceiling"]
    assert found["choice"] == ["accuracy", *(ceilings if protocol == "corrected" else [])]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ties_count_as_the_protocol_says(protocol: str) -> None:
    judgments, distances = drawn("choice", seed=1)
    found = agreed(judgments, only(judgments), distances, protocol)
    share = {"paper": paper_agreement, "corrected": shared_agreement}[protocol]
    expected = [share(curve[judgments.judged], judgments.human.tolist()) for curve in distances]
    np.testing.assert_allclose(found, expected)
    assert ({1 / 2, 1 / 3} & set(found.ravel()) != set()) == (protocol == "corrected")


def test_ties_of_three_by_hand() -> None:
    distances = np.array([[0.5, 0.5, 0.5, 0.2]])
    judged = np.array([[0, 1, 2], [0, 1, 3], [3, 0, 1]])
    judgments = judgments_of("choice", judged, np.array([1.0, 0.0, 0.0]), np.arange(3)[:, None])
    np.testing.assert_allclose(agreed(judgments, only(judgments), distances, "corrected"), [[1 / 3, 0, 1]])
    np.testing.assert_allclose(agreed(judgments, only(judgments), distances, "paper"), [[0, 0, 1]])


@given(st.integers(0, 2**31))
def test_shared_ties_lie_between_all_wrong_and_all_right(seed: int) -> None:
    judgments, distances = drawn("choice", seed)
    strict, shared = (agreed(judgments, only(judgments), distances, protocol) for protocol in PROTOCOLS)
    assert (strict <= shared).all()
    untied = [[len(set(curve[row])) == 3 for row in judgments.judged] for curve in distances]
    np.testing.assert_array_equal(strict[np.array(untied)], shared[np.array(untied)])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_preferences_by_hand(protocol: str) -> None:
    distances = np.array([[0.1, 0.4, 0.4]])
    judged = np.array([[0, 1], [1, 0], [1, 2], [2, 0]])
    preferred = np.array([0.2, 0.8, 0.9, 0.4])  # the share of people for the second
    judgments = judgments_of("preference", judged, preferred, np.arange(4)[:, None])
    accuracy, attainable = score(judgments, only(judgments), distances, by(protocol))
    assert accuracy.value[0] == pytest.approx((0.8 + 0.8 + 0.5 + 0.4) / 4)
    assert attainable.value[0] == pytest.approx((0.8 + 0.8 + 0.9 + 0.6) / 4)


# --- What must not change a score -----------------------------------------------------------------------------------

kinds = st.sampled_from(KINDS)
protocols = st.sampled_from(list(PROTOCOLS))


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_duplicates_of_every_judgment_leave_the_values(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    twice = judgments_of(
        kind,
        np.tile(judgments.judged, (2, 1)),
        np.tile(judgments.human, 2),
        np.tile(only(judgments).clusters, (2, 1)),
    )
    before = values(score(judgments, only(judgments), distances, by(protocol)))
    after = values(score(twice, only(twice), distances, by(protocol)))
    assert after.keys() == before.keys()
    for metric in before.keys() - {
        "ceiling_loo",
        "pearson_logistic",
    }:  # a copy of one's own judgment would be another's
        np.testing.assert_allclose(after[metric], before[metric], rtol=0, atol=1e-9, err_msg=metric)


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_the_order_of_judgments_leaves_values_and_intervals(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    order = np.random.default_rng(seed).permutation(len(judgments.human))
    subset = only(judgments)
    shuffled = replace(judgments, subsets=(Subset("all", subset.rows[order], subset.clusters[order]),))
    before = score(judgments, subset, distances, by(protocol))
    after = score(shuffled, only(shuffled), distances, by(protocol))
    for one, other in zip(before, after, strict=True):
        tolerance = 5e-3 if one.metric == "pearson_logistic" else 1e-9  # a fit to noise may have many a summit
        np.testing.assert_allclose(
            [other.value, other.low, other.high], [one.value, one.low, one.high], rtol=0, atol=tolerance
        )


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_only_the_order_of_distances_counts_for_ranks_and_choices(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    before = values(score(judgments, only(judgments), distances, by(protocol)))
    after = values(score(judgments, only(judgments), np.expm1(3 * distances), by(protocol)))
    for metric in before.keys() - {"pearson", "pearson_logistic"}:
        np.testing.assert_allclose(after[metric], before[metric], rtol=0, atol=1e-12, err_msg=metric)


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_curves_are_scored_each_by_itself(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    together = score(judgments, only(judgments), distances, by(protocol))
    for curve in range(2):
        alone = score(judgments, only(judgments), distances[curve : curve + 1], by(protocol))
        for one, other in zip(alone, together, strict=True):
            found = [one.value[0], one.low[0], one.high[0]]
            expected = [other.value[curve], other.low[curve], other.high[curve]]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


# --- Objects as clusters --------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(protocols, st.integers(4, 12), st.integers(0, 2**31))
def test_choices_by_object_equal_sums_over_judgments(protocol: str, objects: int, seed: int) -> None:
    """Written out over all judgments at once, in float64: what scores are computed from cluster sums instead."""
    rng = np.random.default_rng(seed)
    rows = np.array([rng.choice(objects, 3, replace=False) for _ in range(60)])
    distances = rng.integers(1, 30, (3, 40)) / 8.0
    judgments = judgments_of("choice", rng.integers(0, 40, (60, 3)), np.zeros(60), rows)
    correct = agreed(judgments, only(judgments), distances, protocol)
    found = score(judgments, only(judgments), list(distances), by(protocol, 0.6767))[0]
    deviation = (correct - correct.mean(axis=1, keepdims=True)) / 60
    influence = np.stack([deviation[:, (rows == number).any(axis=1)].sum(axis=1) for number in np.unique(rows)])
    reach = t.ppf(0.975, len(influence) - 1) * np.sqrt((influence**2).sum(axis=0))
    assert (found.clusters, found.interval) == (len(influence), "object delta-method t")
    np.testing.assert_allclose(found.value, correct.mean(axis=1), rtol=1e-12)
    np.testing.assert_allclose(found.low, np.clip(found.value - reach, 0, 1), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.high, np.clip(found.value + reach, 0, 1), rtol=0, atol=1e-12)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_more_than_a_few_curves_are_held_beside_the_distances(protocol: str) -> None:
    """Of 40 curves and 100,000 judgments, all that is right and wrong would take 32 MB as float64."""
    rng = np.random.default_rng(0)
    count = 100_000
    rows = np.argsort(rng.random((count, 30)), axis=1)[:, :3]
    judgments = judgments_of("choice", rng.integers(0, 1_000, (count, 3)), np.zeros(count), rows)
    distances = rng.random((40, 1_000))
    tracemalloc.start()
    score(judgments, only(judgments), distances, by(protocol, 0.6767))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25e6


# --- Rows -----------------------------------------------------------------------------------------------------------


def test_parts_have_the_score_of_their_level_alone() -> None:
    judgments, distances = drawn("rating", seed=3)
    rows = np.flatnonzero(np.arange(len(judgments.human)) % 4 == 1)
    part = Subset("distortion_01", rows, only(judgments).clusters[rows])
    [found] = score_part(judgments, part, distances, by("corrected"))
    alone = judgments_of("rating", judgments.judged[rows], judgments.human[rows], part.clusters)
    expected = values(score(alone, only(alone), distances))
    assert found.metric == "spearman"
    np.testing.assert_array_equal(found.value, expected["spearman"])


@pytest.mark.parametrize("ratings", [[1.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
def test_parts_that_cannot_correlate_have_no_rows(ratings: list[float]) -> None:
    count = len(ratings)
    judgments = judgments_of(
        "rating", np.arange(count)[:, None], np.array(ratings), np.arange(count, dtype=np.int64)[:, None]
    )
    assert score_part(judgments, only(judgments), np.arange(2.0 * count).reshape(2, count), by("paper")) == []


def test_rows_say_where_they_belong() -> None:
    judgments, distances = drawn("choice", seed=4)
    some = np.arange(0, len(judgments.human), 3)
    part = Subset("votes_07", some, only(judgments).clusters[some])
    judgments = replace(judgments, parts=(part,))
    cell = Cell("model", "by hand", tokens="mean", protocol="corrected")
    curves = {"cosine": distances, "euclidean": distances[::-1]}
    frame, intervals = score_rows(
        cell, judgments, SourceDistances(("layer_0", "projection"), (2.5, 100.0), curves), None
    )
    assert set(intervals) == {"all", "votes_07"}
    assert len(frame) == 2 * 2 * (5 + 1)
    for row in frame.itertuples():
        curve = curves[row.distance][["layer_0", "projection"].index(row.layer)]
        assert row.depth == {"layer_0": 2.5, "projection": 100.0}[row.layer]
        assert row.tokens == {"layer_0": "mean", "projection": ""}[row.layer]
        kept = some if row.subset == "votes_07" else np.arange(len(judgments.human))
        assert (row.n, row.n_clusters) == (len(kept), len(set(only(judgments).clusters[kept, 0])))
        if row.metric == "accuracy":
            right = shared_agreement(curve[judgments.judged[kept]], judgments.human[kept].tolist())
            assert row.value == pytest.approx(right.mean())
