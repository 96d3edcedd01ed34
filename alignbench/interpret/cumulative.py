"""How many heads it takes: sums of the best heads, in an order that is chosen on other judgments than it is scored on.

Clusters (references, triplets, or objects) are halved. Heads are put in the order of their own scores on one half; the
sums of the first one, two, ... are scored on the other half. Then the halves trade places. Random orders of as many
heads stand beside. Where a judgment has several objects, it is used if one half holds all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.distances.protocols import Protocol
from alignbench.errors import DataError, UsageError
from alignbench.extraction.host import side_by_side
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import own_scores

Rows = NDArray[Any]


@dataclass(frozen=True, eq=False)
class SummedHeads:
    """Heads that are added up.

    Attributes:
        alone: Distances of each head alone, (heads, pairs).
        contributions: Gives what a head adds, by its number, (n pictures, d').
        distance: Gives the distances of some pairs, by their numbers (some,), of features (n pictures, d'): (some,).
    """

    alone: Rows
    contributions: Callable[[int], Rows]
    distance: Callable[[Rows, Indices], Floats]


@dataclass(frozen=True)
class Halvings:
    """How often heads are chosen and scored.

    Attributes:
        most: Heads of a sum at most.
        splits: Random halvings of the clusters.
        seed: Seed of halvings and of random orders.
    """

    most: int = 20
    splits: int = 20
    seed: int = 0

    def checked(self) -> Halvings:
        """Return it.

        Raises:
            UsageError: If there are no heads, or no halvings.
        """
        for name, number in (("most", self.most), ("splits", self.splits)):
            if number < 1:
                raise UsageError(f"{name} is {number}: give at least 1")
        return self


def cumulative_scores(heads: SummedHeads, part: JudgedPart, rules: Protocol, how: Halvings) -> pd.DataFrame:
    """Score sums of heads in orders that were chosen on the other half, and in random orders.

    Args:
        heads: The heads.
        part: What people said.
        rules: Whether a tie is wrong or shared.
        how: How often, and how many heads.

    Returns:
        Columns `split` (from 0), `direction` (0 or 1: which half is scored), `heads` (from 1), `kind` (`chosen` or
        `random`), `value`. The random order of a split is the same in both directions.

    Raises:
        UsageError: If there are no heads, or no halvings.
        DataError: If a half has too few judgments to be scored.
    """
    rng = np.random.default_rng(how.checked().seed)
    count = len(heads.alone)
    most = min(how.most, count)

    def scored(drawn: _Split) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        pairs = np.unique(np.concatenate([half.options.ravel() for half in drawn.halves]))
        by_chance = _sums(heads, drawn.order, pairs)
        for direction, (own, other) in enumerate((drawn.halves, drawn.halves[::-1])):
            scores = own_scores(other, heads.alone, rules)
            best = np.argsort(-scores, kind="stable")[:most]  # those without a score come last
            found = {"chosen": _sums(heads, best, np.unique(own.options)), "random": by_chance}
            for kind, distances in found.items():
                values = own_scores(own, distances, rules)
                rows += [
                    {"split": drawn.number, "direction": direction, "heads": place, "kind": kind, "value": float(value)}
                    for place, value in enumerate(values, start=1)
                ]
        return rows

    splits = (_Split(number, halved(part, rng), rng.permutation(count)[:most]) for number in range(how.splits))
    rows = [row for found in side_by_side(scored, splits) for row in found]
    return pd.DataFrame(rows, columns=["split", "direction", "heads", "kind", "value"])


@dataclass(frozen=True, eq=False)
class _Split:
    """A halving: its number, both halves, and the random order that stands beside."""

    number: int
    halves: tuple[JudgedPart, JudgedPart]
    order: Indices


def halved(part: JudgedPart, rng: np.random.Generator) -> tuple[JudgedPart, JudgedPart]:
    """Halve the clusters at random; the judgments inside each half.

    Args:
        part: What people said.
        rng: What draws.

    Raises:
        DataError: If a half has fewer than three ratings, or ratings that are all equal, or no choice.
    """
    distinct, members = np.unique(part.clusters, return_inverse=True)
    members = members.reshape(part.clusters.shape)
    half = rng.permutation(len(distinct)) % 2
    found = []
    for side in (0, 1):
        inside = np.flatnonzero((half[members] == side).all(axis=1))
        human = part.human[inside]
        if len(inside) < 1 or (part.kind == "rating" and (len(inside) < 3 or np.ptp(human) == 0.0)):
            raise DataError(
                f"half of the {len(distinct)} clusters of {part.name} holds {len(inside)} judgments, too few to score "
                "heads on: take more judgments, or leave the sums of heads out"
            )
        found.append(
            replace(
                part,
                options=part.options[inside],
                human=human,
                clusters=part.clusters[inside],
                errors=None,
                objects=None,
                subject_ratings=None,
                responses=None,
            )
        )
    return found[0], found[1]


def _sums(heads: SummedHeads, order: Sequence[int] | Indices, pairs: Indices) -> Floats:
    """Distances of sums of the first heads of an order, (heads, all pairs); not numbers where none were asked for."""
    return np.stack(list(_running(heads, order, pairs)))


def _running(heads: SummedHeads, order: Sequence[int] | Indices, pairs: Indices) -> Iterator[Floats]:
    total: Rows = np.zeros(())
    for head in order:
        total = total + heads.contributions(int(head)).astype(np.float64)
        distances = np.full(heads.alone.shape[1], np.nan)
        distances[pairs] = heads.distance(total, pairs)
        yield distances
