"""Scores of distances: which there are under which protocol, and what must not change them."""

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from alignbench.datasets.judgments import Judgments, Subset
from alignbench.datasets.responses import Responses
from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import AlignbenchWarning
from alignbench.scoring.judged_part import part_of
from alignbench.scoring.scores import Scoring, agreement, score
from alignbench.statistics.scores import Scores
from object_pairs import by_pairs
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
    return np.stack(list(agreement(part_of(judgments, subset), distances, PROTOCOLS[protocol])))


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
        found[kind] = [one.metric for one in score(part_of(judgments, only(judgments)), distances, by(protocol))]
    assert found["rating"] == ["spearman", "pearson", "kendall", "spearman_within", "pearson_logistic"]
    assert found["preference"] == ["accuracy", "ceiling_attainable"]
    ceilings = ["ceiling_loo", "ceiling_max_share", "ceiling_mean", "responses_per_triplet"]
    ceilings += ["accuracy_of_ceiling", "accuracy_above_chance_of_ceiling"]
    assert found["choice"] == ["accuracy", *(ceilings if protocol == "corrected" else [])]


RATING_CEILINGS = ["ceiling_spearman_within", "ceiling_spearman", "ceiling_pearson", "spearman_within_of_ceiling"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ratings_with_standard_errors_have_ceilings_under_the_corrected_protocol(protocol: str) -> None:
    judgments, distances = drawn("rating", seed=0, clusters=4, size=30)
    errors = np.random.default_rng(1).uniform(0.1, 0.4, len(judgments.human))
    part = part_of(replace(judgments, rating_errors=errors), only(judgments))
    found = score(part, distances, by(protocol))
    plain = score(part_of(judgments, only(judgments)), distances, by(protocol))
    expected = RATING_CEILINGS if protocol == "corrected" else []
    assert [one.metric for one in found] == [*(one.metric for one in plain), *expected]
    if expected:
        scores = values(found)
        within = scores["spearman_within"] / scores["ceiling_spearman_within"]
        np.testing.assert_allclose(scores["spearman_within_of_ceiling"], within, rtol=1e-12)
        assert (np.sqrt(1 - 0.4**2) < scores["ceiling_pearson"]).all()
    breakdown = part_of(replace(judgments, rating_errors=errors), only(judgments), breakdown=True)
    assert [one.metric for one in score(breakdown, distances, by(protocol))] == ["spearman"]


def test_ratings_without_a_ceiling_have_their_scores_and_a_warning() -> None:
    judgments, distances = drawn("rating", seed=0)
    part = part_of(replace(judgments, rating_errors=np.full(48, 0.1)), only(judgments))
    with pytest.warns(AlignbenchWarning, match=r"^no noise ceiling of subset all: reference 0: 6 ratings, and a noise"):
        found = score(part, distances, by("corrected"))
    plain = score(part_of(judgments, only(judgments)), distances, by("corrected"))
    assert [one.metric for one in found] == [one.metric for one in plain]


SUBJECT_CEILINGS = ["spearman_subjects", "ceiling_subjects_loo", "ceiling_subjects_all", "ceiling_spearman_of_mean"]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ratings_of_pairs_that_share_pictures_are_scored_over_pictures_and_subjects(protocol: str) -> None:
    rng = np.random.default_rng(0)
    pairs = np.column_stack(np.triu_indices(8, 1))
    distances = rng.uniform(1.0, 2.0, (2, len(pairs)))
    said = -distances[0][:, None] + rng.normal(size=(len(pairs), 3))
    said[:, 2] = np.nan  # of another subset
    judgments = judgments_of("rating", np.arange(len(pairs))[:, None], np.nanmean(said, axis=1), pairs)
    alone = score(part_of(judgments, only(judgments)), distances, by(protocol))
    assert [one.metric for one in alone] == ["spearman", "pearson"]
    assert {(one.interval, one.clusters) for one in alone} == {("objects counted once t", 8)}
    judgments = replace(judgments, subject_ratings=said)
    found = score(part_of(judgments, only(judgments)), distances, by(protocol))
    assert [one.metric for one in found] == ["spearman", "pearson", *(SUBJECT_CEILINGS * (protocol == "corrected"))]
    assert found[0].interval == "pictures and subjects crossed t"
    assert (found[0].high - found[0].low > alone[0].high - alone[0].low).all()
    said[:, 1] = 2.0
    part = part_of(replace(judgments, subject_ratings=said), only(judgments))
    if protocol == "corrected":
        with pytest.warns(
            AlignbenchWarning, match=r"^no noise ceiling of subset all: subject 2 of 2 rated fewer than 3"
        ):
            assert [one.metric for one in score(part, distances, by(protocol))] == ["spearman", "pearson"]


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
    accuracy, attainable = score(part_of(judgments, only(judgments)), distances, by(protocol))
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
    before = values(score(part_of(judgments, only(judgments)), distances, by(protocol)))
    after = values(score(part_of(twice, only(twice)), distances, by(protocol)))
    assert after.keys() == before.keys()
    others = {"ceiling_loo", "ceiling_mean", "accuracy_of_ceiling", "accuracy_above_chance_of_ceiling"}
    # a copy of one's own judgment would be another's
    for metric in before.keys() - others - {"responses_per_triplet", "pearson_logistic"}:
        np.testing.assert_allclose(after[metric], before[metric], rtol=0, atol=1e-9, err_msg=metric)


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_the_order_of_judgments_leaves_values_and_intervals(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    order = np.random.default_rng(seed).permutation(len(judgments.human))
    subset = only(judgments)
    shuffled = replace(judgments, subsets=(Subset("all", subset.rows[order], subset.clusters[order]),))
    before = score(part_of(judgments, subset), distances, by(protocol))
    after = score(part_of(shuffled, only(shuffled)), distances, by(protocol))
    for one, other in zip(before, after, strict=True):
        tolerance = 5e-3 if one.metric == "pearson_logistic" else 1e-9  # a fit to noise may have many a summit
        np.testing.assert_allclose(
            [other.value, other.low, other.high], [one.value, one.low, one.high], rtol=0, atol=tolerance
        )


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_only_the_order_of_distances_counts_for_ranks_and_choices(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    before = values(score(part_of(judgments, only(judgments)), distances, by(protocol)))
    after = values(score(part_of(judgments, only(judgments)), np.expm1(3 * distances), by(protocol)))
    for metric in before.keys() - {"pearson", "pearson_logistic"}:
        np.testing.assert_allclose(after[metric], before[metric], rtol=0, atol=1e-12, err_msg=metric)


@settings(max_examples=20)
@given(kinds, protocols, st.integers(0, 2**31))
def test_curves_are_scored_each_by_itself(kind: str, protocol: str, seed: int) -> None:
    judgments, distances = drawn(kind, seed)
    together = score(part_of(judgments, only(judgments)), distances, by(protocol))
    for curve in range(2):
        alone = score(part_of(judgments, only(judgments)), distances[curve : curve + 1], by(protocol))
        for one, other in zip(alone, together, strict=True):
            found = [one.value[0], one.low[0], one.high[0]]
            expected = [other.value[curve], other.low[curve], other.high[curve]]
            np.testing.assert_allclose(found, expected, rtol=0, atol=1e-9)


# --- Objects as clusters --------------------------------------------------------------------------------------------


@settings(max_examples=20)
@given(protocols, st.integers(6, 12), st.integers(0, 2**31))
def test_choices_by_object_count_each_two_that_share_one_once(protocol: str, objects: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = np.array([rng.choice(objects, 3, replace=False) for _ in range(60)])
    distances = rng.integers(1, 30, (3, 40)) / 8.0
    judgments = judgments_of("choice", rng.integers(0, 40, (60, 3)), np.zeros(60), rows)
    correct = agreed(judgments, only(judgments), distances, protocol)
    found = score(part_of(judgments, only(judgments)), list(distances), by(protocol, 0.6767))[0]
    assert (found.clusters, found.interval) == (len(np.unique(rows)), "objects counted once t")
    np.testing.assert_allclose(found.value, correct.mean(axis=1), rtol=1e-12)
    floored = 0
    for curve, row in enumerate(correct):
        expected = by_pairs(rows.tolist(), (row - row.mean()) / 60)
        low, high = expected.interval(row.mean())
        assert (found.low[curve], found.high[curve]) == pytest.approx((max(low, 0.0), min(high, 1.0)), rel=0, abs=1e-9)
        floored += expected.floored
    assert found.floored == floored


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_no_more_than_a_few_curves_are_held_beside_the_distances(protocol: str) -> None:
    """Of 40 curves and 100,000 judgments, all that is right and wrong would take 32 MB as float64."""
    rng = np.random.default_rng(0)
    count = 100_000
    rows = np.argsort(rng.random((count, 30)), axis=1)[:, :3]
    judgments = judgments_of("choice", rng.integers(0, 1_000, (count, 3)), np.zeros(count), rows)
    distances = rng.random((40, 1_000))
    tracemalloc.start()
    score(part_of(judgments, only(judgments)), distances, by(protocol, 0.6767))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25e6


# --- Who answered, and how long it took -----------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_human_uncertainty_is_scored_where_it_is_known_who_answered(protocol: str) -> None:
    plain, distances = drawn("choice", seed=2, clusters=30)
    count = len(plain.human)
    rng = np.random.default_rng(0)
    responses = Responses(np.arange(count) // 30, rng.lognormal(1.0, 0.5, count))
    judgments = replace(plain, responses=responses)
    before, after = (score(part_of(each, only(each)), distances, by(protocol)) for each in (plain, judgments))
    added = after[len(before) :]
    metrics = ["entropy_spearman", "log_rt_spearman"]
    ceilings = {"paper": metrics, "corrected": [name for each in metrics for name in (each, f"ceiling_{each}")]}
    assert [one.metric for one in added] == ceilings[protocol]
    for one, other in zip(before, after, strict=False):
        np.testing.assert_array_equal(one.value, other.value)
    assert {one.interval for one in added} == {"triplets and participants crossed t"} | (
        {"none"} if protocol == "corrected" else set()
    )
    part = part_of(judgments, only(judgments), breakdown=True)
    assert [one.metric for one in score(part, distances, by(protocol))] == ["accuracy"]


# --- Breakdowns -----------------------------------------------------------------------------------------------------


def test_parts_have_the_score_of_their_level_alone() -> None:
    judgments, distances = drawn("rating", seed=3)
    rows = np.flatnonzero(np.arange(len(judgments.human)) % 4 == 1)
    part = Subset("distortion_01", rows, only(judgments).clusters[rows])
    [found] = score(part_of(judgments, part, breakdown=True), distances, by("corrected"))
    alone = judgments_of("rating", judgments.judged[rows], judgments.human[rows], part.clusters)
    expected = values(score(part_of(alone, only(alone)), distances))
    assert found.metric == "spearman"
    np.testing.assert_array_equal(found.value, expected["spearman"])


@pytest.mark.parametrize("ratings", [[1.0, 2.0], [3.0, 3.0, 3.0, 3.0]])
def test_parts_that_cannot_correlate_have_no_rows(ratings: list[float]) -> None:
    count = len(ratings)
    judgments = judgments_of(
        "rating", np.arange(count)[:, None], np.array(ratings), np.arange(count, dtype=np.int64)[:, None]
    )
    assert (
        score(
            part_of(judgments, only(judgments), breakdown=True), np.arange(2.0 * count).reshape(2, count), by("paper")
        )
        == []
    )
