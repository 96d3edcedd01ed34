"""The reference's scores with their intervals: rows of `curve.csv`, shared ties, noise ceilings, logistic fits.

Plain Python over judgments, one at a time. It shares no code with the package that it checks.
"""

import warnings
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np
from scipy.optimize import OptimizeWarning, curve_fit

from object_pairs import by_pairs
from reference import Array, HumanJudgments, Interval, Rows, correlation, jackknife_interval

PUBLISHED_CEILING = 0.6767  # of THINGS
WITHOUT_INTERVAL = ("ceiling_published", "responses_per_triplet")


def shared_agreement(distances: Array, kept: Sequence[float]) -> Array:
    """1 / k where the pair that people kept is one of the k closest of its judgment, else 0; see `agreement`."""
    found = []
    for row, position in zip(distances, kept, strict=True):
        closest = [option for option, distance in enumerate(row) if distance == min(row)]
        found.append(1 / len(closest) if int(position) in closest else 0.0)
    return np.array(found)


def spearman_within(distances: Array, ratings: Array, references: Sequence[Hashable]) -> float:
    """Mean over references of the rank correlation of their own ratings."""
    found = []
    for reference in dict.fromkeys(references):
        rows = [row for row, other in enumerate(references) if other == reference]
        found.append(correlation("spearman", distances[rows], ratings[rows]))
    return float(np.mean(found))


def quiet_fit(*arguments: Any, **options: Any) -> tuple[Array, Array]:
    """`curve_fit`, which warns of steps, where it knows no covariance."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", OptimizeWarning)
        found: tuple[Array, Array] = curve_fit(*arguments, **options)
    return found


def logistic_fit(closeness: Array, ratings: Array) -> Array:
    """The least-squares logistic b1 + (b2 - b1) / (1 + exp(-(x - b3) / b4)) at every x, best of many starts.

    Args:
        closeness: Minus distance, (n,).
        ratings: (n,).
    """
    x = (closeness - closeness.mean()) / closeness.std()

    def curve(at: Array, low: float, high: float, centre: float, width: float) -> Array:
        return low + (high - low) / (1 + np.exp(-np.clip((at - centre) / width, -500, 500)))

    best, least = np.full_like(ratings, ratings.mean()), np.inf
    for centre in np.quantile(x, [0.0, 0.25, 0.5, 0.75, 1.0]):
        for width in (0.03, 0.3, 1.0, 5.0):
            for ends in ((ratings.min(), ratings.max()), (ratings.max(), ratings.min())):
                try:
                    found, _ = quiet_fit(curve, x, ratings, (*ends, centre, width), maxfev=4000)
                except RuntimeError:  # this start leads nowhere
                    continue
                left = float(((curve(x, *found) - ratings) ** 2).sum())
                if left < least:
                    best, least = curve(x, *found), left
    return best


def noise_ceilings(choices: Sequence[tuple[Hashable, Hashable]], weights: Array | None = None) -> dict[str, float]:
    """Both estimates of the noise ceiling from the triplets that were judged more than once; empty without such.

    `ceiling_max_share`: mean over triplets of the largest share of a choice. `ceiling_loo`: mean over judgments of
    agreement with the majority of the others, 1 / k where k choices tie.

    Args:
        choices: Triplet and choice of each judgment.
        weights: How much each judgment counts, the same for all of a triplet; all the same if none are given.
    """
    weights = np.ones(len(choices)) if weights is None else weights
    answers: dict[Hashable, list[Hashable]] = {}
    weight: dict[Hashable, float] = {}
    for (triplet, choice), times in zip(choices, weights, strict=True):
        answers.setdefault(triplet, []).append(choice)
        assert weight.setdefault(triplet, times) == times
    shares, agreements = [], []
    for triplet, given in answers.items():
        if len(given) == 1:
            continue
        shares.append((weight[triplet], max(Counter(given).values()) / len(given)))
        for place, own in enumerate(given):
            others = Counter(given[:place] + given[place + 1 :])
            majority = [choice for choice, count in others.items() if count == max(others.values())]
            agreements.append((weight[triplet], (own in majority) / len(majority)))
    means = {"ceiling_loo": agreements, "ceiling_max_share": shares}
    return {
        name: sum(times * value for times, value in found) / sum(times for times, _ in found)
        for name, found in means.items()
        if found
    }


def choice_metrics(
    correct: Array, choices: Sequence[tuple[Hashable, Hashable]], weights: Array, published: float | None
) -> dict[str, float]:
    """Accuracy, noise ceilings and shares of them under weights of judgments (corrected protocol).

    Args:
        correct: Agreement of each judgment, from 0 to 1.
        choices: Triplet and choice of each judgment.
        weights: How much each judgment counts.
        published: The ceiling to take where nothing is repeated.
    """
    accuracy = float((weights * correct).sum() / weights.sum())
    ceilings = noise_ceilings(choices, weights)
    if ceilings:
        ceilings["ceiling_mean"] = (ceilings["ceiling_loo"] + ceilings["ceiling_max_share"]) / 2
    elif published is not None:
        ceilings = {"ceiling_published": published}
    found = {"accuracy": accuracy, **ceilings}
    if "ceiling_mean" in ceilings:
        found["responses_per_triplet"] = responses_per_triplet(choices, weights)
    top = ceilings.get("ceiling_mean", ceilings.get("ceiling_published"))
    if top is not None:
        found["accuracy_of_ceiling"] = accuracy / top
        found["accuracy_above_chance_of_ceiling"] = (accuracy - 1 / 3) / (top - 1 / 3)
    return found


def responses_per_triplet(choices: Sequence[tuple[Hashable, Hashable]], weights: Array) -> float:
    """Mean number of judgments of a triplet, over the triplets that were judged more than once."""
    times = Counter(triplet for triplet, _ in choices)
    weight = {triplet: float(each) for (triplet, _), each in zip(choices, weights, strict=True)}
    repeated = [triplet for triplet, count in times.items() if count > 1]
    return sum(weight[each] * times[each] for each in repeated) / sum(weight[each] for each in repeated)


def interval_by_object(
    statistic: Callable[[Array], float], objects: Sequence[tuple[Hashable, ...]], judged: Sequence[Hashable]
) -> Interval:
    """95 % t interval of a function of weights of judgments that share objects: each two that do count once.

    Args:
        statistic: Value under weights of the judgments, which are the same for all of what was judged.
        objects: The objects of each judgment.
        judged: What was judged, of each judgment.
    """
    step, influences = 1e-5, np.zeros(len(objects))
    for one in dict.fromkeys(judged):
        held = np.array([other == one for other in judged], dtype=np.float64)
        slope = (statistic(1 + step * held) - statistic(1 - step * held)) / (2 * step)
        influences += slope * held / held.sum()
    numbers = {name: number for number, name in enumerate(dict.fromkeys(name for row in objects for name in row))}
    rows = [[numbers[name] for name in row] for row in objects]
    return by_pairs(rows, influences).interval(statistic(np.ones(len(objects))))


def rating_score(metric: str, distances: Array, judgments: HumanJudgments) -> tuple[float, Interval]:
    """A correlation over all judgments, or its mean within references, with its cluster-jackknife interval."""
    ratings = np.array(judgments.values)
    references = [row[0] for row in judgments.clusters]

    def statistic(rows: Rows) -> float:
        if metric == "spearman_within":
            return spearman_within(distances[rows, 0], ratings[rows], [references[row] for row in rows])
        return correlation(metric, distances[rows, 0], ratings[rows])

    return statistic(np.arange(len(ratings))), jackknife_interval(statistic, references, fisher=True)


def choice_score(correct: Array, judgments: HumanJudgments) -> tuple[float, Interval]:
    """An accuracy with its interval: by object where judgments share objects, else the cluster jackknife."""
    if judgments.by_object:
        shown = list(range(len(correct)))
        return float(correct.mean()), interval_by_object(
            lambda weights: float(np.average(correct, weights=weights)), judgments.clusters, shown
        )
    clusters = [row[0] for row in judgments.clusters]
    return float(correct.mean()), jackknife_interval(lambda rows: float(correct[rows].mean()), clusters, fisher=False)


def choice_scores(
    correct: Array, judgments: HumanJudgments, published: float | None
) -> dict[str, tuple[float, Interval | None]]:
    """The rows of the corrected protocol for choices, with intervals: by object, or the cluster jackknife."""
    choices, count = judgments.choices(), len(correct)
    known: dict[bytes, dict[str, float]] = {}

    def under(weights: Array) -> dict[str, float]:
        key = np.asarray(weights, dtype=np.float64).tobytes()
        if key not in known:
            known[key] = choice_metrics(correct, choices, weights, published)
        return known[key]

    found: dict[str, tuple[float, Interval | None]] = {}
    for metric, value in under(np.ones(count)).items():

        def weighted(weights: Array, metric: str = metric) -> float:
            return under(weights)[metric]

        def of_rows(rows: Rows, weighted: Callable[[Array], float] = weighted) -> float:
            return weighted(np.bincount(rows, minlength=count).astype(np.float64))

        interval: Interval | None = None
        if metric in WITHOUT_INTERVAL:
            pass
        elif judgments.by_object:
            interval = interval_by_object(weighted, judgments.clusters, [shown for shown, _ in choices])
        else:
            interval = jackknife_interval(of_rows, [row[0] for row in judgments.clusters], fisher=False)
        found[metric] = value, interval
    return found
