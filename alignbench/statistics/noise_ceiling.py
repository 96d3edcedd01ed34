"""Noise ceilings: how well any model could agree with people who do not agree with each other.

From triplets that were judged more than once, two estimates: `max_share`, the mean over triplets of the largest share
of choices (biased up), and `loo`, the mean over judgments of agreement with the majority of the others (biased down).
Where a file has no repeats, the ceiling that its authors published. Accuracy is a mean over all judgments, also of
triplets that were judged once: with unequal repeats its share of a ceiling may exceed 1.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.numbering import numbered_rows
from alignbench.statistics.scores import Resampled, Scores

FEWEST_REPEATED = 0.01  # share of judgments on repeated triplets: below it they are coincidences of a random draw


def repeat_ceilings(judged: Indices, chosen: Indices) -> dict[str, tuple[Floats, Floats]]:
    """Both estimates as ratios of sums over judgments, by name; empty where triplets are not repeated.

    Args:
        judged: Pairs of each judgment, (n, options), in any order.
        chosen: The option that people chose, (n,).

    Returns:
        Numerators and denominators, (n,).
    """
    options = np.sort(judged, axis=1)
    choice = (options == np.take_along_axis(judged, chosen[:, None], axis=1)).argmax(axis=1)
    triplet = numbered_rows(options)
    shape = int(triplet.max()) + 1, judged.shape[1]
    counts = np.bincount(triplet * shape[1] + choice, minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)
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


def score_with_ceiling(
    correct: Iterable[NDArray[Any]], choices: Choices, published: float | None, seed: int
) -> list[Scores]:
    """Accuracy, and the noise ceilings with its shares of them where there are any.

    The shares are of `ceiling_max_share`: what an observer who always follows the majority reaches on average on a
    triplet, and the kind of estimate that was published for THINGS. A published ceiling has no interval.

    Args:
        correct: (n,) of each curve, from 0 to 1.
        choices: What people chose.
        published: The ceiling to use where triplets are not repeated; none if there is none.
        seed: Seed of the bootstrap.

    Returns:
        `accuracy`; `ceiling_loo` and `ceiling_max_share`, or `ceiling_published`; `accuracy_of_ceiling`, accuracy /
        ceiling; `accuracy_above_chance_of_ceiling`, (accuracy - chance) / (ceiling - chance).
    """
    resampled = Resampled(choices.clusters, seed)
    accuracy = resampled.mean(correct)
    found = [resampled.score("accuracy", [accuracy])]
    sums = repeat_ceilings(choices.judged, choices.chosen)
    if not sums and published is not None:
        sums = {"ceiling_published": (np.full(len(choices.chosen), published), np.ones(len(choices.chosen)))}
    if not sums:
        return found
    ceilings = {name: resampled.ratio([above], below) for name, (above, below) in sums.items()}
    for name, ceiling in ceilings.items():
        score = resampled.score(name, [ceiling])
        if name == "ceiling_published":
            score = replace(score, low=np.array([np.nan]), high=np.array([np.nan]))
        found.append(score.repeated(len(accuracy.above)))
    top = ceilings.get("ceiling_max_share") or ceilings["ceiling_published"]
    ratios = [accuracy, top]
    for name, chance in (
        ("accuracy_of_ceiling", 0.0),
        ("accuracy_above_chance_of_ceiling", 1.0 / choices.judged.shape[1]),
    ):
        found.append(resampled.score(name, ratios, *_share_above(chance), limits=(-np.inf, np.inf)))
    return found


def _share_above(chance: float) -> tuple[Callable[..., Floats], Callable[..., tuple[Floats, Floats]]]:
    """(accuracy - chance) / (ceiling - chance) as a function of both, and its partial derivatives."""

    def share(accuracy: Floats, ceiling: Floats) -> Floats:
        return (accuracy - chance) / (ceiling - chance)

    def slopes(accuracy: Floats, ceiling: Floats) -> tuple[Floats, Floats]:
        return 1.0 / (ceiling - chance), -(accuracy - chance) / (ceiling - chance) ** 2

    return share, slopes
