"""How far distances agree with what people chose: the pair that looks closest to them, or the closer of two.

Curves are taken one after another: of millions of judgments, those of all curves would fill gigabytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices

Curves = Floats | Sequence[Floats]  # distances of pairs, (curves, pairs)


def agreements(
    distances: Curves, judged: Indices, human: Floats | Indices, kind: str, share_ties: bool = False
) -> Iterator[NDArray[Any]]:
    """How far each curve agrees with each choice or preference.

    Args:
        distances: (curves, pairs).
        judged: Pairs of each judgment, (n, options).
        human: The option that people chose, or the share of them who preferred the second, (n,).
        kind: `choice` or `preference`.
        share_ties: See `correct_choices`; ties of preferences are always shared.

    Yields:
        For each curve (n,), from 0 to 1; true and false where nothing lies between.
    """
    if kind == "preference":
        first, second = np.ascontiguousarray(judged.T)
        for curve in distances:
            yield _preferred(curve[first], curve[second], np.asarray(human, dtype=np.float64))
        return
    options = _chosen_first(judged, human.astype(np.int64))
    for curve in distances:
        picked, *others = (curve[option] for option in options)
        yield _tied_share(picked, others) if share_ties else _strictly_closest(picked, others)


def correct_choices(distances: Curves, judged: Indices, chosen: Indices, share_ties: bool = False) -> Floats:
    """Whether the pair that people chose is the closest.

    Args:
        distances: (curves, pairs).
        judged: Pairs of each judgment, (n, options).
        chosen: The option that people chose, (n,).
        share_ties: Whether a chosen pair that ties with k - 1 others for the closest counts 1/k (the corrected rule;
            one half of two), or nothing (the paper's).

    Returns:
        (curves, n), from 0 to 1.
    """
    return np.array(list(agreements(distances, judged, chosen, "choice", share_ties)), dtype=np.float64)


def agreement_with_preferences(distances: Curves, judged: Indices, preferred: Floats) -> Floats:
    """Share of people who prefer the closer of two pairs, one half where they tie (Zhang et al., CVPR 2018).

    Args:
        distances: (curves, pairs).
        judged: The two pairs of each judgment, (n, 2).
        preferred: Share of people who prefer the second, (n,).

    Returns:
        (curves, n), from 0 to 1.
    """
    return np.array(list(agreements(distances, judged, preferred, "preference")), dtype=np.float64)


def _chosen_first(judged: Indices, chosen: Indices) -> Indices:
    """Pairs of each judgment by option, (options, n), the chosen one before the others."""
    count = judged.shape[1]
    return np.take_along_axis(judged.T, (chosen + np.arange(count)[:, None]) % count, axis=0)


def _strictly_closest(picked: Floats, others: Sequence[Floats]) -> NDArray[np.bool_]:
    closest = np.ones(len(picked), dtype=np.bool_)
    for other in others:
        closest &= picked < other
    return closest


def _tied_share(picked: Floats, others: Sequence[Floats]) -> Floats:
    smallest = reduce(np.minimum, others, picked)
    closest = picked == smallest
    tied = sum((other == smallest for other in others), closest.astype(np.int64))
    with np.errstate(invalid="ignore"):  # where a distance is not a number, nothing is the smallest
        return np.asarray(closest / tied)


def _preferred(first: Floats, second: Floats, preferred: Floats) -> Floats:
    return np.where(first == second, 0.5, np.where(second < first, preferred, 1.0 - preferred))
