"""Whether a model is unsure where people are: its choice entropies against what people's answers say of each triplet.

What varies are triplets and participants, two crossed factors, and the variance of a rank correlation over triplets is

    V = V_triplets + V_participants - V_both

V_triplets is the sum over triplets of squared influences. Without an answer the value of its triplet is another, and so
is what the triplet adds; without the last one the triplet is gone. V_participants is the sum over participants of the
squared sums of these changes, V_both that over the answers of one participant to one triplet, which the other two both
count (two-way clustering: Cameron, Gelbach and Miller, 2011). V is at least V_triplets.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.datasets.numbering import numbered_rows
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import PARTICIPANTS, IntervalKind
from alignbench.statistics.choice_entropy import people_entropies
from alignbench.statistics.influences import Ranked, moved, rank_correlations
from alignbench.statistics.noise_ceiling import Answers
from alignbench.statistics.object_variance import ObjectVariance
from alignbench.statistics.scored_together import CORRELATIONS, ObjectScores, ScoredTogether
from alignbench.statistics.scores import Scores, correlations_with_intervals

_FEWEST = 10  # triplets that a correlation takes
_SPLITS = 50


@dataclass(frozen=True, eq=False)
class Uncertainty:
    """What people's answers say of triplets, a value each.

    Attributes:
        metric: Name of the correlation with it.
        triplets: Numbers of the triplets of which something is known, ascending, (m,).
        values: Their values, (m,).
        place: The place among these of the triplet of each answer that counts, (n,).
        participant: Who gave it, (n,).
        without: The value of its triplet without it, (n,); not a number where nothing would be known of that.
        from_some: Makes of some of the answers the value of each triplet; not a number where they are too few.
        fewest: How many it takes.
    """

    metric: str
    triplets: Indices
    values: Floats
    place: Indices
    participant: Indices
    without: Floats
    from_some: Callable[[Indices], Floats]
    fewest: int

    def __post_init__(self) -> None:
        if len(self.values) < _FEWEST or np.ptp(self.values) == 0.0:
            raise DataError(f"it takes {_FEWEST} triplets that differ, and {len(self.values):,} can be used")


def entropies(answers: Answers, participant: Indices) -> Uncertainty:
    """Entropies of people's choices, of triplets with two answers or more.

    Args:
        answers: The answers.
        participant: Who gave each, (n,).

    Raises:
        DataError: If there are too few such triplets, or all are alike.
    """
    options = answers.counts.shape[1]
    rows, triplets, place = _used(answers.triplet, np.flatnonzero(answers.counts.sum(axis=1)[answers.triplet] > 1.0))
    choice, counts = answers.choice[rows], answers.counts[triplets]
    left = counts[place]
    left[np.arange(len(rows)), choice] -= 1.0

    def of_some(some: Indices) -> Floats:
        chosen = np.bincount(place[some] * options + choice[some], minlength=counts.size)
        return people_entropies(chosen.reshape(counts.shape).astype(np.float64))

    said = people_entropies(counts), place, participant[rows], people_entropies(left)
    return Uncertainty("entropy_spearman", triplets, *said, of_some, 2)


def response_times(answers: Answers, participant: Indices, seconds: Floats) -> Uncertainty:
    """Mean log response times, centred within participants, of whom two times or more are known.

    Args:
        answers: The answers.
        participant: Who gave each, (n,).
        seconds: How long it took, (n,); not a number where that is not known.

    Raises:
        DataError: If they are known of too few triplets, or all are alike.
    """
    known = np.isfinite(seconds)
    who, _ = pd.factorize(participant)
    times = np.bincount(who, known)
    rows, triplets, place = _used(answers.triplet, np.flatnonzero(known & (times[who] > 1.0)))
    logs, who = np.log(seconds[rows]), who[rows]
    centred = logs - (np.bincount(who, logs, len(times)) / np.maximum(times, 1.0))[who]
    sizes, sums = (np.bincount(place, weights, len(triplets)) for weights in (None, centred))

    def of_some(some: Indices) -> Floats:
        above, below = (np.bincount(place[some], weights, len(triplets)) for weights in (centred[some], None))
        return np.asarray(above / np.where(below > 0, below, np.nan))

    others = sizes[place] - 1.0
    without = (sums[place] - centred) / np.where(others > 0.0, others, np.nan)
    return Uncertainty("log_rt_spearman", triplets, sums / sizes, place, participant[rows], without, of_some, 1)


def _used(triplet: Indices, rows: Indices) -> tuple[Indices, Indices, Indices]:
    """Some answers, the triplets that they are to, and the place of each answer's triplet among these."""
    triplets, place = np.unique(triplet[rows], return_inverse=True)
    return rows, triplets, place.reshape(-1)


# ------------------------------------------------------------------------------------------------ reliability


def reliability(people: Uncertainty, seed: int) -> float:
    """The share of the variance of people's values that does not come from who happened to answer.

    It is the mean covariance of values from two random halves of the answers to each triplet, over the variance of the
    values. What halves are expected to be does not depend on their size, so that nothing has to be stepped up. One
    answer of an odd number is in no half; triplets with too few answers for two halves are left out.

    Args:
        people: The values.
        seed: Of what is drawn.

    Returns:
        Not a number where there are too few triplets, or halves do not agree.
    """
    place = people.place
    sizes = np.bincount(place)
    starts, half = np.cumsum(sizes) - sizes, sizes // 2
    used = half >= people.fewest
    if used.sum() < _FEWEST:
        return float("nan")
    rng, found = np.random.default_rng(seed), []
    for _ in range(_SPLITS):
        order = np.lexsort((rng.random(len(place)), place))
        of = place[order]
        rank, most = np.arange(len(place)) - starts[of], half[of]
        first, second = used[of] & (rank < most), used[of] & (rank >= most) & (rank < 2 * most)
        one, other = (people.from_some(order[each])[used] for each in (first, second))
        found.append(float(np.cov(one, other)[0, 1]))
    shared, whole = float(np.mean(found)), float(people.values[used].var(ddof=1))
    return shared / whole if shared > 0.0 < whole else float("nan")


# ------------------------------------------------------------------------------------------------------ scores


@dataclass(frozen=True, eq=False)
class CrossedChanges:
    """What the variance of weighted sums of rank correlations over triplets and participants follows from.

    Attributes:
        adds: What each triplet adds to the deviation of each correlation, (curves, triplets).
        changes: How that changes without each answer, (curves, n).
        place: Place of the triplet of each answer among the triplets, (n,).
        who: Number of the participant of each answer, (n,).
    """

    adds: Floats
    changes: Floats
    place: Indices
    who: Indices

    @property
    def participants(self) -> int:
        """How many participants there are."""
        return int(self.who.max()) + 1

    @property
    def kind(self) -> IntervalKind:
        """How intervals are made."""
        return PARTICIPANTS if self.participants > 1 else "none"

    def combined(self, weights: Floats) -> CrossedChanges:
        """Those of weighted sums of the correlations; `weights` are (sums, curves)."""
        used = np.flatnonzero(weights.any(axis=0))
        return replace(self, adds=weights[:, used] @ self.adds[used], changes=weights[:, used] @ self.changes[used])

    def variance(self) -> ObjectVariance:
        """The variances, V above, and their covariance; degrees of freedom are Satterthwaite's (1946) of two parts."""
        triplets, participants = self.adds.shape[1], self.participants
        cell = numbered_rows(np.column_stack([self.place, self.who]))
        of_triplets = triplets / (triplets - 1.0) * _products(self.adds)
        beyond = _products(_summed(self.changes, self.who)) - _products(_summed(self.changes, cell))
        if participants < 2:
            beyond = np.full_like(beyond, np.nan)
        one, other = np.diag(of_triplets), np.maximum(np.diag(beyond), 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            degrees = (one + other) ** 2 / (one**2 / (triplets - 1.0) + other**2 / (participants - 1.0))
        degrees = np.where(one + other == 0.0, triplets - 1.0, degrees)
        found = ObjectVariance.of(of_triplets + beyond, of_triplets, np.diag(beyond) < 0.0, degrees)
        return replace(found, floored=np.zeros(len(one), dtype=np.bool_))


def score_uncertainty(entropy: Floats, people: Uncertainty) -> Scores:
    """Rank correlations of a model's choice entropies with what people's answers say, with t intervals on Fisher's z.

    Args:
        entropy: Entropies of all triplets, (curves, triplets).
        people: What people's answers say.
    """
    value, changes = _correlated(entropy, people)
    return correlations_with_intervals(people.metric, value, changes.variance(), (len(people.values), changes.kind))


def uncertainty_together(entropy: Floats, people: Uncertainty, seed: int = 0) -> ScoredTogether:
    """The same of several models at once, so that differences of their correlations are known with their intervals.

    Args:
        entropy: Entropies of all triplets, (curves, triplets).
        people: What people's answers say.
        seed: Seed of what may be drawn.
    """
    value, changes = _correlated(entropy, people)
    return ObjectScores(changes, value, len(people.values), seed, CORRELATIONS)


def _correlated(entropy: Floats, people: Uncertainty) -> tuple[Floats, CrossedChanges]:
    """The correlations, (curves,), and what their variances follow from."""
    curves, human = Ranked.of(entropy[:, people.triplets]), Ranked.of(people.values[None])
    value, adds = rank_correlations(curves, human)
    changes = _about_means(moved(curves, human, people.values, (people.place, people.without)), people.place)
    gone = np.isnan(people.without)
    changes[:, gone] = -adds[:, people.place[gone]]
    who, _ = pd.factorize(people.participant)
    return value, CrossedChanges(adds, changes, people.place, who)


def _about_means(changes: Floats, groups: Indices) -> Floats:
    """Changes less their means over the answers to each triplet: what comes of fewer answers, whosever they are."""
    sizes = np.bincount(groups)
    return np.array([row - (np.bincount(groups, row) / sizes)[groups] for row in changes])


def _summed(changes: Floats, groups: Indices) -> Floats:
    """Sums over groups, (curves, groups)."""
    return np.array([np.bincount(groups, row) for row in changes])


def _products(rows: Floats) -> Floats:
    """Sums of products of each two rows, (rows, rows)."""
    return np.asarray(rows @ rows.T)


def ceiling(people: Uncertainty, curves: int, seed: int) -> Scores:
    """What could be reached: the root of the reliability of people's values, without an interval.

    Args:
        people: Their values.
        curves: For how many curves it is given.
        seed: Of the halves, see `reliability`.
    """
    value, nothing = np.full(curves, np.sqrt(reliability(people, seed))), np.full(curves, np.nan)
    return Scores(f"ceiling_{people.metric}", value, nothing, nothing, len(people.values), "none")
