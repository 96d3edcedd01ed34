"""Noise ceilings against plain loops and hand-worked cases."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.noise_ceiling import Choices, mean_ceiling, repeat_ceilings, score_with_ceiling
from alignbench.statistics.scores import Scores
from layouts import write_things
from object_pairs import by_pairs
from reference import jackknife_interval, read_things, save_clip
from reference_scores import PUBLISHED_CEILING, WITHOUT_INTERVAL, choice_metrics, noise_ceilings
from run_folders import read_curve, run_command

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
SHARES = ["accuracy_of_ceiling", "accuracy_above_chance_of_ceiling"]


def pairs_of(triplets: Sequence[Sequence[int]]) -> Indices:
    """Numbers of the three pairs of each triplet of objects whose third is the odd one: the first pair was kept."""
    return np.array([[pair_number(i, j), pair_number(i, k), pair_number(j, k)] for i, j, k in triplets])


def pair_number(a: int, b: int) -> int:
    return 1000 * min(a, b) + max(a, b)


def choices_of(triplets: Sequence[Sequence[int]]) -> list[tuple[frozenset[int], int]]:
    """The reference's form: what was shown, and the odd one."""
    return [(frozenset(row), row[2]) for row in triplets]


def estimates(triplets: Sequence[Sequence[int]]) -> dict[str, float]:
    found = repeat_ceilings(pairs_of(triplets), np.zeros(len(triplets), dtype=np.int64))
    return {name: float(top.sum() / bottom.sum()) for name, (top, bottom) in found.items()}


def judged(triplets: int, repeats: Sequence[int], seed: int = 0, objects: int = 12) -> list[list[int]]:
    """Triplets of objects, each judged as often as the repeats say in turn, in mixed order of rows and columns."""
    rng = np.random.default_rng(seed)
    rows: list[list[int]] = []
    distinct: set[tuple[int, ...]] = set()
    while len(distinct) < triplets:
        distinct.add(tuple(sorted(rng.choice(objects, 3, replace=False).tolist())))
    for index, triplet in enumerate(sorted(distinct)):
        for _ in range(repeats[index % len(repeats)]):
            odd = int(rng.choice(3, p=[0.15, 0.2, 0.65]))
            kept = rng.permutation([object_ for place, object_ in enumerate(triplet) if place != odd])
            rows.append([*kept.tolist(), triplet[odd]])
    return [rows[int(row)] for row in rng.permutation(len(rows))]


def scored(
    rows: Sequence[Sequence[int]], by_object: bool = False, published: float | None = PUBLISHED_CEILING, seed: int = 0
) -> tuple[dict[str, Scores], Floats, Indices]:
    """The package's scores by metric, the two curves they are of, and their clusters."""
    correct = np.random.default_rng(9).choice([0.0, 1 / 3, 0.5, 1.0], (2, len(rows)), p=[0.4, 0.05, 0.05, 0.5])
    sets = [tuple(sorted(row)) for row in rows]
    clusters = np.array(rows) if by_object else np.array([[sorted(set(sets)).index(row)] for row in sets])
    chosen = np.zeros(len(rows), dtype=np.int64)
    found = score_with_ceiling(correct, Choices(pairs_of(rows), chosen, clusters), published, seed)
    return {score.metric: score for score in found}, correct, clusters


# --- The two estimates ----------------------------------------------------------------------------------------------


def test_ceilings_by_hand() -> None:
    # Shown five times: odd 2, 2, 2, 1, 0; twice: 5, 4; once: 8, which says nothing.
    rows = [[0, 1, 2], [1, 0, 2], [0, 1, 2], [0, 2, 1], [1, 2, 0], [3, 4, 5], [5, 3, 4], [6, 7, 8]]
    agree_with_others = [1, 1, 1, 0, 0, 0, 0]  # the two of the last but one disagree with their only other
    expected = {"ceiling_loo": np.mean(agree_with_others), "ceiling_max_share": (3 / 5 + 1 / 2) / 2}
    assert estimates(rows) == pytest.approx(expected)
    assert noise_ceilings(choices_of(rows)) == pytest.approx(expected)


def test_others_that_tie_share_their_agreement() -> None:
    rows = [[0, 1, 2], [0, 2, 1], [1, 2, 0]]  # the others of each are one for either of the two that it is not
    assert estimates(rows) == pytest.approx({"ceiling_loo": 0.0, "ceiling_max_share": 1 / 3})
    rows = [[0, 1, 2], [1, 0, 2], [0, 2, 1]]  # the others: {2, 1}, {2, 1}, {2, 2}
    assert estimates(rows) == pytest.approx({"ceiling_loo": (1 / 2 + 1 / 2 + 0) / 3, "ceiling_max_share": 2 / 3})


def test_people_who_agree_have_a_ceiling_of_1() -> None:
    assert estimates([[0, 1, 2], [1, 0, 2], [3, 4, 5], [4, 3, 5]]) == {"ceiling_loo": 1.0, "ceiling_max_share": 1.0}


@given(st.integers(1, 20), st.lists(st.integers(1, 7), min_size=1, max_size=4), st.integers(0, 2**31))
def test_estimates_equal_plain_loops(triplets: int, repeats: list[int], seed: int) -> None:
    rows = judged(triplets, repeats, seed)
    assert estimates(rows) == pytest.approx(noise_ceilings(choices_of(rows)))


@given(st.integers(2, 20), st.integers(0, 2**31))
def test_the_order_of_rows_columns_and_objects_does_not_matter(triplets: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows = judged(triplets, [3, 4], seed)
    names = rng.permutation(12)
    turned = [[*(names[row[:2]] if rng.random() < 0.5 else names[row[1::-1]]), names[row[2]]] for row in rows]
    again = [turned[int(row)] for row in rng.permutation(len(turned))]
    assert estimates([[int(n) for n in row] for row in again]) == pytest.approx(estimates(rows))


@given(st.integers(1, 20), st.integers(2, 9), st.integers(0, 2**31))
def test_leaving_oneself_out_gives_the_lower_estimate(triplets: int, repeats: int, seed: int) -> None:
    found = estimates(judged(triplets, [repeats], seed))
    assert found["ceiling_loo"] <= found["ceiling_max_share"] + 1e-12


def test_no_model_beats_max_share_where_all_triplets_are_repeated_alike() -> None:
    rows = judged(15, [6])
    choices = choices_of(rows)
    best = 0.0
    for triplet in {shown for shown, _ in choices}:
        odd = [chosen for shown, chosen in choices if shown == triplet]
        best += max(odd.count(one) for one in triplet) / len(rows)
    assert estimates(rows)["ceiling_max_share"] == pytest.approx(best)


def test_the_headline_is_the_mean_of_both_estimates_and_says_how_many_people_it_rests_on() -> None:
    rows = [[0, 1, 2], [1, 0, 2], [0, 1, 2], [0, 2, 1], [1, 2, 0], [3, 4, 5], [5, 3, 4], [6, 7, 8]]
    found = scored(rows)[0]
    np.testing.assert_allclose(found["ceiling_mean"].value, (3 / 7 + (3 / 5 + 1 / 2) / 2) / 2, rtol=1e-12)
    np.testing.assert_allclose(found["responses_per_triplet"].value, (5 + 2) / 2, rtol=1e-12)
    nothing = np.zeros(len(rows), dtype=np.int64)
    assert mean_ceiling(pairs_of(rows), nothing) == pytest.approx((3 / 7 + (3 / 5 + 1 / 2) / 2) / 2)
    assert np.isnan(mean_ceiling(pairs_of(rows[-2:]), nothing[:2]))


def test_a_share_is_not_cut_off_at_1() -> None:
    rows = [[0, 1, 2], [0, 2, 1], [1, 2, 0]] * 10  # people who choose at random, and a model that foresees them
    clusters = np.arange(len(rows))[:, None] // 3
    choices = Choices(pairs_of(rows) + 10_000 * clusters, np.zeros(len(rows), dtype=np.int64), clusters)
    found = {score.metric: score for score in score_with_ceiling([np.arange(30) % 3 < 2], choices, None, 0)}
    loo, share = 0.0, 1 / 3
    np.testing.assert_allclose(found["accuracy_of_ceiling"].value, (2 / 3) / ((loo + share) / 2), rtol=1e-12)
    np.testing.assert_allclose(found["accuracy_of_ceiling"].high, 4.0, rtol=1e-12)
    assert np.isnan(found["accuracy_above_chance_of_ceiling"].value[0]), "1/6 is no more than chance"


# --- Rows and intervals ---------------------------------------------------------------------------------------------


def check_rows(found: dict[str, Scores], correct: Floats, rows: Sequence[Sequence[int]]) -> None:
    expected = [choice_metrics(row, choices_of(rows), np.ones(len(rows)), PUBLISHED_CEILING) for row in correct]
    assert found.keys() == expected[0].keys()
    for metric, score in found.items():
        np.testing.assert_allclose(score.value, [one[metric] for one in expected], rtol=1e-12, err_msg=metric)


@pytest.mark.parametrize("triplets", [8, 60])
def test_few_triplets_get_the_jackknife_over_distinct_triplets(triplets: int) -> None:
    rows = judged(triplets, [5, 3, 1])
    found, correct, clusters = scored(rows)
    check_rows(found, correct, rows)
    choices = choices_of(rows)
    for metric, score in found.items():
        assert (score.clusters, score.interval) == (triplets, "cluster jackknife t")
        if metric in WITHOUT_INTERVAL:
            assert np.isnan([score.low, score.high]).all()
            continue
        for curve, right in enumerate(correct):

            def statistic(kept: Indices, right: Floats = right, metric: str = metric) -> float:
                some = [choices[row] for row in kept]
                return choice_metrics(right[kept], some, np.ones(len(kept)), PUBLISHED_CEILING)[metric]

            expected = jackknife_interval(statistic, clusters[:, 0].tolist(), fisher=False)
            ends = expected if metric in SHARES else np.clip(expected, 0, 1)
            assert (score.low[curve], score.high[curve]) == pytest.approx(ends, rel=0, abs=1e-9), metric


def test_a_share_is_resampled_jointly_with_its_ceiling() -> None:
    rows = judged(100, [2, 3], objects=30)
    found, correct, clusters = scored(rows, seed=4)
    drawn = cluster_weights(100, 4)[0][1:]
    choices = choices_of(rows)
    replicates = [choice_metrics(correct[0], choices, draw[clusters[:, 0]], None) for draw in drawn]
    for metric in ("accuracy", "ceiling_loo", "ceiling_max_share", "ceiling_mean", *SHARES):
        assert found[metric].interval == "percentile cluster bootstrap"
        expected = np.percentile([replicate[metric] for replicate in replicates], [2.5, 97.5])
        assert (found[metric].low[0], found[metric].high[0]) == pytest.approx(tuple(expected), rel=0, abs=1e-9)
    alone = np.percentile([one["accuracy"] for one in replicates], [2.5, 97.5]) / found["ceiling_mean"].value[0]
    assert abs(found["accuracy_of_ceiling"].high[0] - alone[1]) > 1e-3, "as if the ceiling were known"


def test_a_triplet_that_is_drawn_twice_is_two_triplets() -> None:
    rows = judged(10, [2, 5])
    choices, (_, correct, clusters) = choices_of(rows), scored(rows)
    draw = cluster_weights(120, 0)[0][1][:10]
    assert draw.max() > 1
    copies = [(row, copy) for row in range(len(rows)) for copy in range(int(draw[clusters[row, 0]]))]
    some = [((choices[row][0], copy), choices[row][1]) for row, copy in copies]
    written_out = choice_metrics(correct[0][[row for row, _ in copies]], some, np.ones(len(copies)), None)
    assert written_out == pytest.approx(choice_metrics(correct[0], choices, draw[clusters[:, 0]], None))


def test_intervals_by_object_count_each_two_judgments_that_share_one_once() -> None:
    rows = judged(60, [1, 1, 2, 4], objects=14)
    found, correct, clusters = scored(rows, by_object=True)
    check_rows(found, correct, rows)
    choices = choices_of(rows)
    shown = [triplet for triplet, _ in choices]
    for metric, score in found.items():
        assert (score.clusters, score.interval) == (14, "objects counted once t")
        if metric in WITHOUT_INTERVAL:
            assert np.isnan([score.low, score.high]).all()
            continue
        for curve, right in enumerate(correct):

            def statistic(weights: Floats, right: Floats = right, metric: str = metric) -> float:
                return choice_metrics(right, choices, weights, None)[metric]

            influences, step = np.zeros(len(rows)), 1e-5
            for triplet in set(shown):
                held = np.array([each == triplet for each in shown], dtype=np.float64)
                slope = (statistic(1 + step * held) - statistic(1 - step * held)) / (2 * step)
                influences += slope * held / held.sum()
            known = by_pairs(clusters.tolist(), influences)
            degrees = known.degrees if known.once >= known.cells else known.degrees_of_cells
            reach = stats.t.ppf(0.975, degrees) * np.sqrt(known.variance)
            expected = score.value[curve] - reach, score.value[curve] + reach
            ends = expected if metric in SHARES else np.clip(expected, 0, 1)
            assert (score.low[curve], score.high[curve]) == pytest.approx(ends, rel=0, abs=1e-6), metric


def test_the_published_ceiling_stands_in_only_where_nothing_is_repeated() -> None:
    rows = judged(40, [1])
    found, correct, _ = scored(rows)
    assert list(found) == ["accuracy", "ceiling_published", *SHARES]
    check_rows(found, correct, rows)
    np.testing.assert_array_equal(found["ceiling_published"].value, 0.6767)
    np.testing.assert_allclose(found["accuracy_of_ceiling"].low, found["accuracy"].low / 0.6767, rtol=1e-12)
    assert list(scored(rows, published=None)[0]) == ["accuracy"]
    assert "ceiling_published" not in scored(judged(40, [1, 2]))[0]


@pytest.mark.parametrize(("repeated", "known"), [(1, False), (2, True)])
def test_a_few_coincidences_of_a_random_draw_are_no_repeats(repeated: int, known: bool) -> None:
    """1 % of the judgments must be on triplets that others judged too: of 250 + r judgments these are 2r."""
    rows = judged(250, [1], objects=40)
    found = scored([*rows, *rows[:repeated]])[0]
    assert ("ceiling_loo" in found, "ceiling_published" in found) == (known, not known)


def test_the_row_of_a_published_ceiling_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "data"
    write_things(root, triplets=20)
    rows = judged(30, [1], objects=10)
    np.savetxt(root / "triplets" / "validationset.txt", rows, fmt="%d")
    save_clip(tmp_path / "clip")
    arguments = ("--model", tmp_path / "clip", "--dataset", "things", "--data-root", root, "--protocol", "corrected")
    curve = read_curve(run_command(capsys, *arguments, "--output", tmp_path / "runs", "--subset", "validationset"))
    assert {metric for _, _, _, metric in curve} == {"accuracy", "ceiling_published", *SHARES}
    judgments = read_things(root, "validationset")
    for (subset, distance, layer, metric), row in curve.items():
        accuracy = curve[subset, distance, layer, "accuracy"]
        assert (int(row["n"]), int(row["n_clusters"])) == (len(judgments.values), 10)
        if metric == "accuracy_above_chance_of_ceiling":
            inside = [end for end in ("ci_low", "ci_high") if 0 < float(accuracy[end]) < 1]  # it is cut off there
            for end in ("value", *inside):
                assert float(row[end]) == pytest.approx((float(accuracy[end]) - 1 / 3) / (0.6767 - 1 / 3), abs=1e-9)
