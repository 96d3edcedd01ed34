"""Beyond chance: what components score where people's answers have nothing to do with the pictures.

Choices are permuted within their triplet: the options trade their names, and those of a triplet that was judged more
than once trade them together, so that people still agree with each other. Ratings are permuted within their reference,
or among all where there are no references. The largest t of all components is drawn, see `statistics.permuted`.
"""

from __future__ import annotations

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.distances.protocols import Protocol
from alignbench.errors import UsageError
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import standard_ranks
from alignbench.statistics.agreement import agreements
from alignbench.statistics.permuted import permuted_within


def beyond_chance(part: JudgedPart, distances: Floats, rules: Protocol, draws: int = 999, seed: int = 0) -> Floats:
    """How probable it is that the best of all components scores so high by chance.

    Args:
        part: What people said.
        distances: Distances of each component alone, (components, pairs), over the distinct pairs of the data set.
        rules: Whether a tie is wrong or shared.
        draws: Permutations.
        seed: Seed of the permutations.

    Returns:
        p of each component, one-sided, corrected for all of them, (components,); not a number without a score, or where
        no permutation changes it.

    Raises:
        UsageError: If there are no draws.
    """
    if draws < 1:
        raise UsageError(f"draws are {draws}: give at least 1")
    rows, said, groups = _of_ratings(part, distances) if part.kind == "rating" else _of_choices(part, distances, rules)
    known = np.isfinite(rows).all(axis=1) & bool(np.isfinite(said).all())
    p = np.full(len(rows), np.nan)
    if known.any():
        p[known] = permuted_within(rows[known], said, groups, draws, seed).p
    return p


def _of_ratings(part: JudgedPart, distances: Floats) -> tuple[Floats, Floats, Indices]:
    """Ranks of closeness and of ratings, whose products add up to Spearman's correlation, and the references."""
    rows = np.stack([standard_ranks(-curve[part.options[:, 0]]) for curve in distances])
    clusters = part.clusters[:, 0] if part.clusters.shape[1] == 1 else np.zeros(len(part.human), dtype=np.int64)
    return rows, standard_ranks(part.human), np.unique(clusters, return_inverse=True)[1]


def _of_choices(part: JudgedPart, distances: Floats, rules: Protocol) -> tuple[Floats, Floats, Indices]:
    """Options of distinct triplets: whether each is the closest, how often people chose it, and its triplet."""
    count, options = part.options.shape
    order = np.argsort(part.options, axis=1, kind="stable")
    judged, triplet = np.unique(np.take_along_axis(part.options, order, axis=1), axis=0, return_inverse=True)
    triplet = triplet.reshape(-1)
    if part.kind == "preference":
        shares = np.stack([1.0 - part.human, part.human], axis=1)
    else:
        shares = np.eye(options)[part.human.astype(np.int64)]
    said = np.zeros((len(judged), options))
    np.add.at(said, triplet, np.take_along_axis(shares, order, axis=1))
    share_ties = rules.share_ties or part.kind == "preference"
    rows = np.empty((len(distances), len(judged), options))
    for option in range(options):
        chosen = np.full(len(judged), option)
        found = agreements(distances, judged, chosen, "choice", share_ties)
        rows[:, :, option] = np.stack(list(found))
    return rows.reshape(len(distances), -1), said.ravel() / count, np.repeat(np.arange(len(judged)), options)
