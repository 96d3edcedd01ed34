"""Accuracies of several arms on the same pictures, whole and by group, each beside that of the whole model.

A score is a function of the weights of pictures, so that accuracies and their differences from the whole model come
from the same resamples (`alignbench.statistics.bootstrap`).

The worst group is another matter: the lowest of several accuracies is too low where they are alike, and still lower in
each resample, so that percentiles miss the truth. With bounds of all groups that hold together (max-T), the lowest
accuracy lies between the lowest lower and the lowest upper bound. With p_g of the whole model, q_g of the arm and
d_g = q_g - p_g,

    d_(worst of q)  <=  min q - min p  <=  d_(worst of p)

which bounds of all p_g, q_g and d_g together turn into an interval, over those groups that may be the worst; so do
those of min q and min p, and the narrower end of both is taken.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.results.head_ablations import ACCURACY, GROUP, WORST
from alignbench.statistics.bootstrap import IntervalKind, cluster_weights, interval
from alignbench.statistics.simultaneous import simultaneous_bounds


@dataclass(frozen=True)
class ArmScore:
    """A score of an arm.

    Attributes:
        measure: `accuracy`, `worst_group`, or `group` for that of one group.
        group: The group; empty for all pictures.
        n: Number of the pictures that it is of.
        value: The score.
        low: Lower end of its interval; not a number where there is none.
        high: Upper end.
        difference: How far it lies above the whole model's; for the worst group, whichever is the worst of each.
        difference_low: Lower end of the difference's interval.
        difference_high: Upper end.
    """

    measure: str
    group: str
    n: int
    value: float
    low: float
    high: float
    difference: float
    difference_low: float
    difference_high: float


def arm_scores(
    right: Floats, groups: tuple[Sequence[str], Indices] | None = None, seed: int = 0
) -> tuple[list[list[ArmScore]], IntervalKind]:
    """Score arms on the same pictures.

    Args:
        right: Whether each picture is classified right, or the share of resamples or ties in which it is, (arms, n);
            the whole model first.
        groups: Names of the groups, and the number of each picture's group, (n,); none where there are no groups.
        seed: Seed of the bootstrap.

    Returns:
        The scores of each arm, `accuracy` first, then `worst_group` and each `group`; and how intervals are made.
    """
    weights, kind = cluster_weights(right.shape[1], seed)
    names, numbers = ((), np.zeros(right.shape[1], dtype=np.int64)) if groups is None else groups
    parts = [np.flatnonzero(numbers == number) for number in range(max(1, len(names)))]
    hits = np.stack([weights[:, part] @ right[:, part].T for part in parts])  # (groups, replicates, arms)
    sizes = np.stack([weights[:, part].sum(axis=1) for part in parts])[..., None]
    found = [[score] for score in _measured(ACCURACY, "", right.shape[1], hits.sum(axis=0) / sizes.sum(axis=0), kind)]
    if names:
        with np.errstate(invalid="ignore", divide="ignore"):
            shares = hits / sizes  # a resample without a picture of a group has no score of it
        for arm, scores in enumerate(found):
            worst = int(shares[:, 0, arm].argmin())
            scores.append(_worst(shares[..., 0], shares[..., arm], (names[worst], len(parts[worst])), kind))
        for name, part, share in zip(names, parts, shares, strict=True):
            for scores, score in zip(found, _measured(GROUP, name, len(part), share, kind), strict=True):
                scores.append(score)
    return found, kind


def _measured(measure: str, group: str, n: int, replicates: Floats, kind: IntervalKind) -> Iterator[ArmScore]:
    """The score of each arm, from the scores (1 + replicates, arms)."""
    value, drawn = replicates[0], replicates[1:].T
    apart = value - value[0]
    ends = (np.clip(end, 0.0, 1.0) for end in interval(value, drawn, kind))  # a jackknife's reach farther
    beyond = (np.clip(end, -1.0, 1.0) for end in interval(apart, drawn - drawn[:1], kind))
    numbers = (value, *ends, apart, *beyond)
    for each in zip(*numbers, strict=True):
        yield ArmScore(measure, group, n, *map(float, each))


def _worst(whole: Floats, arm: Floats, group: tuple[str, int], kind: IntervalKind) -> ArmScore:
    """The score of the worst group, from the accuracies of all, (groups, 1 + replicates)."""
    value, difference = float(arm[:, 0].min()), float(arm[:, 0].min() - whole[:, 0].min())
    if kind == "none":
        return ArmScore(WORST, *group, value, np.nan, np.nan, difference, np.nan, np.nan)
    (alone,) = simultaneous_bounds([(arm, kind)])
    (all_together,) = simultaneous_bounds([(np.concatenate([whole, arm, arm - whole]), kind)])
    lows, highs = (np.split(each, 3) for each in all_together)
    maybe = [low <= high.min() for low, high in zip(lows[:2], highs[:2], strict=True)]  # the worst of each
    ends = (
        max(lows[2][maybe[1]].min(initial=np.inf), lows[1].min() - highs[0].min()),
        min(highs[2][maybe[0]].max(initial=-np.inf), highs[1].min() - lows[0].min()),
    )
    if not np.isfinite(ends).all():
        ends = np.nan, np.nan
    low, high = (float(np.clip(end.min(), 0.0, 1.0)) for end in (alone.low, alone.high))
    if not np.isfinite([low, high]).all():
        low, high = np.nan, np.nan
    return ArmScore(WORST, *group, value, low, high, difference, *map(float, np.clip(ends, -1.0, 1.0)))
