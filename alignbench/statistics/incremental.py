"""Incremental validity: what distances say of people's judgments beyond what other distances say already.

Of ratings the partial rank correlation given the other distances. Of choices the gain of a conditional logit on both
distances over one on the other alone, on judgments that neither was fitted to: in log-likelihood, and in agreement.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import interval
from alignbench.statistics.choice_scores import ACCURACY, score_formulas
from alignbench.statistics.conditional_logit import are_independent, fit_choices, log_likelihoods
from alignbench.statistics.rated_pairs import (
    PicturesAndSubjects,
    Varying,
    objects_of,
    rank_correlations,
    sums_of_ratings,
    varying,
)
from alignbench.statistics.scored_together import Judged
from alignbench.statistics.scores import Scores, correlations_with_intervals, rating_replicates
from alignbench.statistics.shared_objects import SharedObjects

FOLDS = 10
_SAME = 1e-12  # what two rank correlations may lack of 1 and be of the same order


def score_beyond(run: Judged, other: Judged, human: Floats, clusters: Varying, seed: int = 0) -> list[Scores]:
    """What the distances of one run say of judgments beyond one curve of another run, for each curve.

    Args:
        run: Distances of the run.
        other: Those of the other run on the same judgments: one curve.
        human: What people said, (n,): the rating, the option that they chose, or the share who preferred the second.
        clusters: What is resampled, (n, 1), or the objects of each judgment, (n, m), or these as `varying` gives them.
        seed: Seed of the bootstrap, and of the folds.

    Returns:
        Of ratings `spearman_beyond`, the partial rank correlation, with the interval of rank correlations; where the
        run adds nothing it lies a little off 0, as rank correlations do not multiply as linear ones do (by 0.01 where
        both correlate with the other's distances at 0.7). Of choices and preferences `log_likelihood_beyond` (nats a
        judgment) and `accuracy_beyond`, both on held-out clusters; the fits are held fixed in their intervals. Gains
        above 0 count: a run that adds nothing is fitted to noise, so that its likelihood falls, and in a quarter to a
        third of simulated studies its interval lies below 0. Not numbers where the run's distances are constant, or say
        the same as the other's.

    Raises:
        DataError: If the runs do not fit each other or the judgments, the other's distances are all the same, there are
            fewer than two clusters of choices, or distances part these so well that no logit can be fitted.
    """
    rows = clusters if isinstance(clusters, np.ndarray) else objects_of(clusters).objects
    _check(run, other, human, rows)
    if run.kind == "rating":
        among = varying(clusters) if isinstance(clusters, np.ndarray) else clusters
        if isinstance(among, np.ndarray):
            return [_partial_spearman(run, other, human, among[:, 0], seed)]
        return [_partial_over_objects(run, other, human, among)]
    return _held_out_gains(run, other, human, rows, seed)


def _check(run: Judged, other: Judged, human: Floats, clusters: Indices) -> None:
    if run.kind != other.kind or len(other.distances) != 1:
        raise DataError(
            f"{len(other.distances)} curves of {other.kind}s cannot be what {run.kind}s are scored beyond: give one "
            "curve of the same judgments"
        )
    if not len(run.options) == len(other.options) == len(human) == len(clusters):
        sizes = f"{len(run.options)}, {len(other.options)}, {len(human)} and {len(clusters)}"
        raise DataError(f"runs, people and clusters are of {sizes} judgments: give the same ones in one order")


# ------------------------------------------------------------------------------------------------ ratings


def _partial_spearman(run: Judged, other: Judged, ratings: Floats, clusters: Indices, seed: int) -> Scores:
    """(r_xy - r_xz r_yz) / sqrt((1 - r_xz^2) (1 - r_yz^2)) of ranks, all three in the same resamples."""
    x, z = _rated(run, other)

    def correlations(distances: Floats, values: Floats) -> Floats:
        return rating_replicates(distances, values, clusters, seed, ("spearman",))[0]["spearman"]

    found, kind = rating_replicates(x, ratings, clusters, seed, ("spearman",))
    partial = _partial(found["spearman"], correlations(x, -z), correlations(z[None], ratings))
    low, high = interval(partial[:, 0], partial[:, 1:], kind, fisher=True)
    return Scores("spearman_beyond", partial[:, 0], low, high, len(np.unique(clusters)), kind)


def _rated(run: Judged, other: Judged) -> tuple[Floats, Floats]:
    """Distances of the rated pairs, (curves, n), and those to score them beyond, (n,)."""
    z = other.distances[0][other.options[:, 0]]
    if np.ptp(z) == 0.0:
        raise DataError("the distances to score others beyond are all the same: choose another layer or run")
    return np.stack([curve[run.options[:, 0]] for curve in run.distances]), z


def _partial(xy: Floats, xz: Floats, yz: Floats) -> Floats:
    """The partial correlation; not a number where z says the same as x or y."""
    alike = (np.abs(xz) > 1.0 - _SAME) | (np.abs(yz) > 1.0 - _SAME)
    with np.errstate(divide="ignore", invalid="ignore"):
        partial = (xy - xz * yz) / np.sqrt((1.0 - xz**2) * (1.0 - yz**2))
    return np.where(alike, np.nan, np.clip(partial, -1.0, 1.0))


def _partial_over_objects(
    run: Judged, other: Judged, ratings: Floats, among: SharedObjects | PicturesAndSubjects
) -> Scores:
    """The same of ratings of pairs; what a pair adds follows from what it adds to the three correlations."""
    x, z = _rated(run, other)
    of_curves, of_other = rank_correlations(-x), rank_correlations(-z[None])
    xz, of_xz = of_curves(-z)

    def partial(said: Floats) -> tuple[Floats, Floats]:
        (xy, of_xy), (yz, of_yz) = of_curves(said), of_other(said)
        found = _partial(xy, xz, yz)
        with np.errstate(divide="ignore", invalid="ignore"):
            root = np.sqrt((1.0 - xz**2) * (1.0 - yz**2))
            along = 1.0 / root, found * xz / (1.0 - xz**2) - yz / root, found * yz / (1.0 - yz**2) - xz / root
            adds = sum(slope[:, None] * each for slope, each in zip(along, (of_xy, of_xz, of_yz), strict=True))
        return found, np.where(np.isnan(found)[:, None], np.nan, adds)

    values, sums = sums_of_ratings(partial, ratings, among)
    return correlations_with_intervals("spearman_beyond", values, sums.variance(), (objects_of(among).count, sums.kind))


# ------------------------------------------------------------------------------------------------ choices


@dataclass(frozen=True, eq=False)
class _Held:
    """What fits foresee of judgments that they were not made on.

    Attributes:
        likelihood: Log-likelihood of each judgment, (n,).
        agreement: How far the most probable option agrees with people, (n,).
    """

    likelihood: Floats
    agreement: Floats


def _held_out_gains(run: Judged, other: Judged, human: Floats, clusters: Indices, seed: int) -> list[Scores]:
    shares = np.stack([1.0 - human, human], axis=1)
    if run.kind == "choice":
        shares = np.eye(run.options.shape[1])[human.astype(np.int64)]
    folds = _folds(clusters, seed)
    theirs = other.distances[0][other.options]
    if not are_independent(theirs[..., None]):
        raise DataError(
            "the distances to score others beyond are the same for all options: choose another layer or run"
        )
    alone = _cross_fitted(theirs[..., None], shares, folds)
    nothing = np.full(len(human), np.nan)
    gains = []
    for curve in run.distances:
        both = np.stack([theirs, curve[run.options]], axis=-1)
        held = _cross_fitted(both, shares, folds) if are_independent(both) else _Held(nothing, nothing)
        gains.append((held.likelihood - alone.likelihood, held.agreement - alone.agreement))
    metrics = (("log_likelihood_beyond", np.inf), ("accuracy_beyond", 1.0))
    return [
        _mean(metric, most, rows, clusters, seed)
        for (metric, most), rows in zip(metrics, zip(*gains, strict=True), strict=True)
    ]


def _folds(clusters: Indices, seed: int) -> Indices:
    """The fold of each judgment, (n,): those of a cluster, or of the same objects, are in one."""
    distinct, group = np.unique(np.sort(clusters, axis=1), axis=0, return_inverse=True)
    count = len(distinct)
    if count < 2:
        raise DataError(f"{count} clusters of choices cannot be held out one after another: take more judgments")
    return np.asarray((np.random.default_rng(seed).permutation(count) % min(FOLDS, count))[group.reshape(-1)])


def _cross_fitted(distances: Floats, shares: Floats, folds: Indices) -> _Held:
    """Fit distances, (n, options, p), to all folds but one, and judge that one by them, for each."""
    likelihood, agreement = np.empty(len(shares)), np.empty(len(shares))
    for fold in range(int(folds.max()) + 1):
        held = folds == fold
        coefficients = fit_choices(distances[~held], shares[~held])
        likelihood[held] = log_likelihoods(distances[held], shares[held], coefficients)
        utility = distances[held] @ coefficients
        best = utility >= utility.max(axis=1, keepdims=True) - _SAME * np.abs(utility).max()  # equal but for rounding
        agreement[held] = (shares[held] * best).sum(axis=1) / best.sum(axis=1)
    return _Held(likelihood, agreement)


def _mean(metric: str, most: float, rows: Sequence[Floats], clusters: Indices, seed: int) -> Scores:
    """Means of gains, (n,) of each curve, with their intervals; `most` is the most that a gain can be."""
    return score_formulas(rows, (), (replace(ACCURACY, metric=metric, limits=(-most, most)),), clusters, seed)[0]
