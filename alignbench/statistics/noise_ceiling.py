"""Noise ceilings: how well any model could agree with people who do not agree with each other.

From triplets that were judged more than once, two estimates: `max_share`, the mean over triplets of the largest share
of choices (biased up, as a majority is read off the choices that it is held against), and `loo`, the mean over
judgments of agreement with the majority of the others (biased down, as that majority is of fewer people). Their errors
nearly cancel: the headline is their mean (`benchmarks/ceilings.py`). Where a file has no repeats, it is the ceiling
that its authors published. Accuracy is a mean over all judgments, also of triplets that were judged once: with unequal
repeats its share of a ceiling may exceed 1. Ratings are in `rating_ceiling`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.numbering import numbered_rows
from alignbench.statistics.choice_scores import ACCURACY, Formula, ratio_itself, score_formulas
from alignbench.statistics.scores import Scores

FEWEST_REPEATED = 0.01  # share of judgments on repeated triplets: below it they are coincidences of a random draw


@dataclass(frozen=True, eq=False)
class Answers:
    """Answers to triplets, or to other sets of options, of which each may be judged more than once.

    Attributes:
        options: Pairs of each distinct triplet, ascending, (triplets, options).
        triplet: Number of the triplet of each answer, (n,).
        choice: Which of the triplet's options it is, (n,).
        counts: How often each option was chosen, (triplets, options).
    """

    options: Indices
    triplet: Indices
    choice: Indices
    counts: Floats


def answers_of(judged: Indices, chosen: Indices) -> Answers:
    """Put answers to the same options together, in whatever order these are; arguments as for `repeat_ceilings`."""
    options = np.sort(judged, axis=1)
    choice = (options == np.take_along_axis(judged, chosen[:, None], axis=1)).argmax(axis=1)
    triplet = numbered_rows(options)
    first = np.searchsorted(np.maximum.accumulate(triplet), np.arange(int(triplet.max()) + 1))  # as they first occur
    shape = len(first), judged.shape[1]
    counts = np.bincount(triplet * shape[1] + choice, minlength=shape[0] * shape[1]).reshape(shape)
    return Answers(options[first], triplet, choice, counts.astype(np.float64))


def repeat_ceilings(judged: Indices, chosen: Indices) -> dict[str, tuple[Floats, Floats]]:
    """Both estimates as ratios of sums over judgments, by name; empty where triplets are not repeated.

    Args:
        judged: Pairs of each judgment, (n, options), in any order.
        chosen: The option that people chose, (n,).

    Returns:
        Numerators and denominators, (n,).
    """
    answers = answers_of(judged, chosen)
    triplet, choice, counts = answers.triplet, answers.choice, answers.counts
    times = counts.sum(axis=1)[triplet]
    repeated = (times > 1).astype(np.float64)
    if repeated.mean() < FEWEST_REPEATED:
        return {}
    others = counts[triplet]
    others[np.arange(len(choice)), choice] -= 1.0
    majority = others == others.max(axis=1, keepdims=True)
    agrees = majority[np.arange(len(choice)), choice] / majority.sum(axis=1)
    share = counts.max(axis=1)[triplet] / times
    return {
        "ceiling_loo": (agrees * repeated, repeated),
        "ceiling_max_share": (share * repeated / times, repeated / times),
    }


@dataclass(frozen=True)
class Choices:
    """What people chose.

    Attributes:
        judged: Pairs of each judgment, (n, options).
        chosen: The option that people chose, (n,).
        clusters: What is resampled, see `score_choices`.
    """

    judged: Indices
    chosen: Indices
    clusters: Indices


def mean_ceiling(judged: Indices, chosen: Indices) -> float:
    """The mean of both estimates of `repeat_ceilings`, whose arguments these are; not a number without repeats."""
    estimates = [above.sum() / below.sum() for above, below in repeat_ceilings(judged, chosen).values()]
    return float(np.mean(estimates)) if estimates else float("nan")


def score_with_ceiling(
    correct: Iterable[NDArray[Any]], choices: Choices, published: float | None, seed: int
) -> list[Scores]:
    """Accuracy, and the noise ceilings with its shares of them where there are any.

    Shares are of the mean of both estimates, or of the published ceiling, which has no interval. They are not cut off
    at 1: a share above 1 says that the ceiling is not exact, or that repeats are unequal.

    Args:
        correct: (n,) of each curve, from 0 to 1.
        choices: What people chose.
        published: The ceiling to use where triplets are not repeated; none if there is none.
        seed: Seed of the bootstrap.

    Returns:
        `accuracy`; `ceiling_loo`, `ceiling_max_share`, `ceiling_mean` and `responses_per_triplet` (the mean over
        repeated triplets, without an interval), or `ceiling_published`; `accuracy_of_ceiling`, accuracy / ceiling;
        `accuracy_above_chance_of_ceiling`, (accuracy - chance) / (ceiling - chance), not a number where people do not
        agree beyond chance.
    """
    ratios = list(repeat_ceilings(choices.judged, choices.chosen).items())
    formulas = [ACCURACY]
    if ratios:
        loo, max_share = (sums for _, sums in ratios)
        formulas += [ratio_itself(name, place) for place, (name, _) in enumerate(ratios)]
        formulas += [_MEAN, *_shares(choices.judged.shape[1])]
        ceilings = [loo, max_share]
    elif published is not None:
        count = len(choices.chosen)
        formulas += [ratio_itself("ceiling_published", 0), *_shares(choices.judged.shape[1])]
        ceilings = [(np.full(count, published), np.ones(count))]
    else:
        ceilings = []
    found = score_formulas(correct, ceilings, formulas, choices.clusters, seed)
    if ratios:
        responses = _without_interval(
            replace(found[0], metric="responses_per_triplet"), loo[1].sum() / max_share[1].sum()
        )
        found.insert(1 + len(ratios) + 1, responses)
    elif published is not None:
        found[1] = _without_interval(found[1], published)
    return found


def _mean(*ceilings: Floats) -> Floats:
    return np.asarray(sum(ceilings) / len(ceilings))


_MEAN = Formula(
    "ceiling_mean",
    lambda accuracy, *ceilings: _mean(*ceilings),
    lambda accuracy, *ceilings: (0.0, *(1.0 / len(ceilings) for _ in ceilings)),
)


def _without_interval(score: Scores, value: float) -> Scores:
    """A number that is the same for all curves and has no interval."""
    nothing = np.full_like(score.value, np.nan)
    return replace(score, value=np.full_like(score.value, value), low=nothing, high=nothing, floored=0)


def _shares(options: int) -> list[Formula]:
    """Accuracy as a share of the ceiling, and what is above chance as a share of that of the ceiling."""
    limits = (-np.inf, np.inf)
    return [
        Formula("accuracy_of_ceiling", *_share_above(0.0), limits),
        Formula("accuracy_above_chance_of_ceiling", *_share_above(1.0 / options), limits),
    ]


def _share_above(chance: float) -> tuple[Callable[..., Floats], Callable[..., tuple[Floats, ...]]]:
    """(accuracy - chance) / (mean of ceilings - chance) as a function of all, and its partial derivatives."""

    def reach(*ceilings: Floats) -> Floats:
        above = _mean(*ceilings) - chance
        return np.where(above > 0.0, above, np.nan)

    def share(accuracy: Floats, *ceilings: Floats) -> Floats:
        return (accuracy - chance) / reach(*ceilings)

    def slopes(accuracy: Floats, *ceilings: Floats) -> tuple[Floats, ...]:
        above = reach(*ceilings)
        return 1.0 / above, *([-(accuracy - chance) / above**2 / len(ceilings)] * len(ceilings))

    return share, slopes
