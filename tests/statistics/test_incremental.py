"""What distances say beyond others, against residuals of ranks, scikit-learn fold by fold, and known worlds."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats
from sklearn.linear_model import LogisticRegression

from alignbench.errors import DataError
from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.incremental import FOLDS, score_beyond
from alignbench.statistics.scored_together import Judged
from alignbench.statistics.scores import Scores
from reference import jackknife_interval

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def run_of(distances: Floats, kind: str) -> Judged:
    """Distances of each judgment's options, (curves, n, k), as a run that finds them in an order of its own."""
    curves, n, k = distances.shape
    place = np.random.default_rng(k).permutation(n * k)
    pairs = np.empty((curves, n * k))
    pairs[:, place] = distances.reshape(curves, -1)
    return Judged(pairs, place.reshape(n, k), kind, True)


def named(found: list[Scores]) -> dict[str, Scores]:
    return {score.metric: score for score in found}


# --- Ratings --------------------------------------------------------------------------------------------------------


def partial(x: Floats, z: Floats, ratings: Floats) -> float:
    """Correlation of what regression on the ranks of z leaves of the ranks of -x and of the ratings."""
    ranks = [stats.rankdata(values) for values in (-x, -z, ratings)]
    design = np.stack([np.ones(len(x)), ranks[1]], axis=1)
    left = [rank - design @ np.linalg.lstsq(design, rank, rcond=None)[0] for rank in (ranks[0], ranks[2])]
    return float(stats.pearsonr(*left).statistic)


def rated(clusters: int, size: int, seed: int) -> tuple[Floats, Floats, Floats, Indices]:
    rng = np.random.default_rng(seed)
    z = rng.normal(size=clusters * size)
    x = np.round(np.stack([z + rng.normal(size=len(z)), rng.normal(size=len(z))]), 1)
    ratings = np.round(-z - x[0] + rng.normal(size=len(z)), 1)
    return x, z, ratings, rng.permutation(np.repeat(np.arange(clusters) + 5, size))


@pytest.mark.parametrize("clusters", [8, 120])
def test_partial_correlations_and_their_intervals(clusters: int) -> None:
    x, z, ratings, cluster = rated(clusters, 4, 0)
    found = named(
        score_beyond(run_of(x[..., None], "rating"), run_of(z[None, :, None], "rating"), ratings, cluster[:, None], 2)
    )
    score = found["spearman_beyond"]
    assert list(found) == ["spearman_beyond"]
    assert score.clusters == clusters
    for curve in range(2):
        assert score.value[curve] == pytest.approx(partial(x[curve], z, ratings), abs=1e-12)
        if clusters < 100:

            def of_rows(rows: Indices, curve: int = curve) -> float:
                return partial(x[curve][rows], z[rows], ratings[rows])

            ends = jackknife_interval(of_rows, cluster.tolist(), fisher=True)
        else:
            again = []
            for weights in cluster_weights(clusters, 2)[0][1:]:
                rows = np.repeat(np.arange(len(z)), weights[cluster - 5].astype(int))
                again.append(partial(x[curve][rows], z[rows], ratings[rows]))
            ends = tuple(np.percentile(again, [2.5, 97.5]))
        assert (score.low[curve], score.high[curve]) == pytest.approx(ends, abs=1e-9)


def test_ratings_by_hand() -> None:
    """Ranks of x: 1 2 3 4, of z: 1 2 4 3, of ratings: 2 1 3 4; r_xy = .8, r_xz = .8, r_zy = .6."""
    x, z, ratings = (-np.array(row, dtype=float) for row in ([1, 2, 3, 4], [1, 2, 4, 3], [-2, -1, -3, -4]))
    runs = (run_of(each[None, :, None], "rating") for each in (x, z))
    [score] = score_beyond(*runs, ratings, np.arange(4)[:, None])
    assert score.value[0] == pytest.approx((0.8 - 0.8 * 0.6) / np.sqrt((1 - 0.64) * (1 - 0.36)))


def test_what_ranks_as_the_other_or_not_at_all_has_no_score() -> None:
    x, z, ratings, cluster = rated(8, 4, 1)
    curves = np.stack([np.exp(z), -z, np.ones(len(z)), x[0]])[..., None]
    [score] = score_beyond(run_of(curves, "rating"), run_of(z[None, :, None], "rating"), ratings, cluster[:, None])
    assert np.isnan([score.value[:3], score.low[:3], score.high[:3]]).all()
    assert np.isfinite([score.value[3], score.low[3], score.high[3]]).all()


# --- Choices --------------------------------------------------------------------------------------------------------


def chosen(n: int, options: int, seed: int, mine: float = 1.0) -> tuple[Floats, Floats, Indices]:
    """Distances of two runs, (n, k) each, and what people chose by both."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=(2, n, options))
    utility = -mine * x - z + rng.gumbel(size=(n, options))
    return 3 * x + 10, 0.01 * z + 2, utility.argmax(axis=1)


def folds_of(groups: list[Any], seed: int) -> list[int]:
    """The fold of each judgment: its group's place in a random order, by turns."""
    distinct = sorted(set(groups))
    order = np.random.default_rng(seed).permutation(len(distinct))
    return [int(order[distinct.index(group)]) % min(FOLDS, len(distinct)) for group in groups]


def held_out(columns: list[Floats], right: Indices, folds: list[int]) -> tuple[Floats, Floats]:
    """Log-likelihoods and accuracies of each judgment by scikit-learn, of two options."""
    apart = np.stack([(each[:, 1] - each[:, 0]) / np.std(each[:, 1] - each[:, 0]) for each in columns], axis=1)
    likelihood, accuracy = np.empty(len(right)), np.empty(len(right))
    for fold in set(folds):
        held = np.array(folds) == fold
        model = LogisticRegression(C=np.inf, fit_intercept=False, tol=1e-12, max_iter=10_000)
        model.fit(apart[~held], right[~held])
        p = model.predict_proba(apart[held])
        likelihood[held] = np.log(p[np.arange(held.sum()), right[held]])
        accuracy[held] = model.predict(apart[held]) == right[held]
    return likelihood, accuracy


@pytest.mark.parametrize("clusters", [30, 150])
def test_gains_on_held_out_clusters_are_those_of_scikit_learn(clusters: int) -> None:
    x, z, right = chosen(300, 2, 0)
    cluster = np.random.default_rng(1).permutation(np.arange(300) % clusters) + 7
    noise = np.random.default_rng(2).normal(size=x.shape)
    run = run_of(np.stack([x, noise]), "choice")
    found = named(score_beyond(run, run_of(z[None], "choice"), right.astype(float), cluster[:, None], 4))
    assert list(found) == ["log_likelihood_beyond", "accuracy_beyond"]
    folds = folds_of(cluster.tolist(), 4)
    alone = held_out([z], right, folds)
    for curve, mine in enumerate((x, noise)):
        both = held_out([z, mine], right, folds)
        for score, gain in zip(found.values(), (both[0] - alone[0], both[1] - alone[1]), strict=True):
            assert score.value[curve] == pytest.approx(gain.mean(), abs=1e-6)
            if clusters < 100:

                def of_rows(rows: Indices, gain: Floats = gain) -> float:
                    return float(gain[rows].mean())

                ends = jackknife_interval(of_rows, cluster.tolist(), fisher=False)
            else:
                weights = cluster_weights(clusters, 4)[0][1:]
                again = [np.average(gain, weights=w[cluster - 7]) for w in weights]
                ends = tuple(np.percentile(again, [2.5, 97.5]))
            assert (score.low[curve], score.high[curve]) == pytest.approx(ends, abs=1e-5)
    assert found["log_likelihood_beyond"].low[0] > 0.05
    assert found["log_likelihood_beyond"].value[1] < 0.01


def test_preferences_count_by_the_share_of_people() -> None:
    x, z, _ = chosen(200, 2, 3)
    share = np.random.default_rng(0).integers(0, 6, 200) / 5
    cluster = np.arange(200)[:, None]
    run, other = run_of(x[None], "preference"), run_of(z[None], "preference")
    found = named(score_beyond(run, other, share, cluster))
    people = np.concatenate([[0] * round(5 - 5 * each) + [1] * round(5 * each) for each in share]).astype(float)
    copies = np.repeat(np.arange(200), 5)
    spelled_out = named(
        score_beyond(run_of(x[None, copies], "choice"), run_of(z[None, copies], "choice"), people, cluster[copies])
    )
    for metric in found:
        assert found[metric].value[0] == pytest.approx(spelled_out[metric].value[0], abs=1e-9)
        assert found[metric].low[0] == pytest.approx(spelled_out[metric].low[0], abs=1e-9)


def test_odd_ones_out_among_shared_objects() -> None:
    rng = np.random.default_rng(5)
    objects = np.array([rng.choice(40, 3, replace=False) for _ in range(900)])
    x, z, right = chosen(900, 3, 6)
    arguments = run_of(x[None], "choice"), run_of(z[None], "choice")
    found = named(score_beyond(*arguments, right.astype(float), objects, 1))
    gain = found["log_likelihood_beyond"]
    assert (gain.clusters, gain.interval) == (40, "objects counted once t")
    # The truth: mean log-likelihood of the logit that made the choices, less that of the best on z alone.
    x_all, z_all, right_all = chosen(200_000, 3, 7)

    def fitted(*columns: Floats) -> float:
        utility = sum(
            -(each - each.mean()) / each.std() * weight for each, weight in zip(columns, weights, strict=True)
        )
        odds = np.exp(utility)
        return float(np.log(odds[np.arange(len(odds)), right_all] / odds.sum(axis=1)).mean())

    weights: tuple[float, ...] = (1.0, 1.0)
    both = fitted(x_all, z_all)
    best = -np.inf
    for weight in np.linspace(0.3, 1.2, 31):
        weights = (float(weight),)
        best = max(best, fitted(z_all))
    assert gain.low[0] < both - best < gain.high[0]
    assert gain.high[0] - gain.low[0] < 0.2
    assert gain.value[0] == pytest.approx(both - best, abs=0.05)
    turned = named(score_beyond(*arguments, right.astype(float), objects[:, ::-1], 1))
    assert turned["log_likelihood_beyond"].value[0] == gain.value[0], "a triplet stays in its fold in any order"


def test_all_judgments_of_a_triplet_are_held_out_together() -> None:
    """Each triplet is judged 40 times: what a run says of triplets helps with none that no fit has seen."""
    rng = np.random.default_rng(8)
    objects = np.repeat(np.array([sorted(rng.choice(9, 3, replace=False)) for _ in range(12)]), 40, axis=0)
    _, z, right = chosen(480, 2, 9, mine=0.0)
    label = np.repeat(rng.normal(size=12), 40)
    x = np.stack([label, -label], axis=1)
    found = named(score_beyond(run_of(x[None], "choice"), run_of(z[None], "choice"), right.astype(float), objects))
    folds = folds_of([tuple(row) for row in objects.tolist()], 0)
    gain = held_out([z, x], right, folds)[0] - held_out([z], right, folds)[0]
    assert found["log_likelihood_beyond"].value[0] == pytest.approx(gain.mean(), abs=1e-6)


def test_ties_of_the_most_probable_option_are_shared() -> None:
    x, z, right = chosen(200, 3, 10)
    x[:50, 1], z[:50, 1] = x[:50, 0], z[:50, 0]  # alike in both runs
    found = named(
        score_beyond(run_of(x[None], "choice"), run_of(z[None], "choice"), right.astype(float), np.arange(200)[:, None])
    )
    halves = found["accuracy_beyond"].value[0] * 200 * 2
    assert halves == pytest.approx(round(halves), abs=1e-9)


@settings(max_examples=15)
@given(st.integers(0, 2**31), st.integers(2, 3))
def test_the_order_of_judgments_units_and_curves_do_not_matter(seed: int, options: int) -> None:
    x, z, right = chosen(150, options, seed)
    cluster = np.arange(150)[:, None] // 5
    rng = np.random.default_rng(seed)
    order = rng.permutation(150)
    noise = rng.normal(size=x.shape)
    found = score_beyond(run_of(np.stack([x, noise]), "choice"), run_of(z[None], "choice"), right * 1.0, cluster)
    again = score_beyond(
        run_of(np.stack([noise, 50 * x + 1])[:, order], "choice"),
        run_of(0.1 * z[None, order] - 3, "choice"),
        right[order] * 1.0,
        cluster[order],
    )
    for one, other in zip(found, again, strict=True):
        np.testing.assert_allclose(one.value, other.value[::-1], atol=1e-7)
        np.testing.assert_allclose(one.low, other.low[::-1], atol=1e-6)


def test_what_says_the_same_as_the_other_or_nothing_has_no_score() -> None:
    x, z, right = chosen(200, 3, 11)
    curves = np.stack([3 * z, np.full_like(z, 0.5), np.repeat(x[:, :1], 3, axis=1), x])
    for score in score_beyond(
        run_of(curves, "choice"), run_of(z[None], "choice"), right * 1.0, np.arange(200)[:, None]
    ):
        assert np.isnan([score.value[:3], score.low[:3], score.high[:3]]).all()
        assert np.isfinite([score.value[3], score.low[3], score.high[3]]).all()


# --- What is refused ------------------------------------------------------------------------------------------------


def refusals() -> dict[str, tuple[Callable[[], object], str]]:
    x, z, right = chosen(60, 2, 12)
    human, cluster, ours, theirs = (
        right * 1.0,
        np.arange(60)[:, None],
        run_of(x[None], "choice"),
        run_of(z[None], "choice"),
    )
    rating = run_of(x[None, :, :1], "rating")
    flat = run_of(np.ones((1, 60, 2)), "choice")
    same = run_of(np.stack([-human, human], axis=1)[None], "choice")
    return {
        "curves": (
            lambda: score_beyond(ours, run_of(np.stack([x, z]), "choice"), human, cluster),
            "2 curves of choices",
        ),
        "kinds": (
            lambda: score_beyond(rating, theirs, human, cluster),
            "1 curves of choices cannot be what ratings are",
        ),
        "length": (lambda: score_beyond(ours, theirs, human[:50], cluster), "are of 60, 60, 50 and 60 judgments"),
        "clusters": (lambda: score_beyond(ours, theirs, human, np.zeros((60, 1), dtype=int)), "1 clusters of choices"),
        "objects": (
            lambda: score_beyond(rating, rating, human, np.zeros((60, 2), dtype=int)),
            "judgment 0 names an object twice",
        ),
        "flat": (lambda: score_beyond(ours, flat, human, cluster), "beyond are the same for all options"),
        "flat ratings": (
            lambda: score_beyond(rating, run_of(np.ones((1, 60, 1)), "rating"), human, cluster),
            "beyond are all the same: choose another layer or run",
        ),
        "certain": (lambda: score_beyond(same, theirs, 1.0 - human, cluster), "too few or too certain"),
    }


@pytest.mark.parametrize("case", refusals())
def test_what_cannot_be_scored_is_refused_in_a_line(case: str) -> None:
    call, said = refusals()[case]
    with pytest.raises(DataError, match=said) as refused:
        call()
    assert "\n" not in str(refused.value)
