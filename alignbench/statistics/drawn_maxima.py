"""Critical values and p-values from drawn maxima of several t, which always say the same.

A Monte Carlo test holds its level at any number of draws if the sample counts as one of them (Dwass, 1957): p is
(1 + those that reach it) / (1 + draws). Where no draw reaches it, Bonferroni's bound of the tail is taken if it is
smaller, since draws cannot tell such p-values apart.
"""

from __future__ import annotations

import numpy as np
from scipy import stats

from alignbench.arrays import Floats


def p_values(t: Floats, drawn: Floats, degrees: float, many: int) -> Floats:
    """How often the largest of several t reaches a value by chance.

    Args:
        t: The values, (...).
        drawn: Draws of the largest t beside each of them, (draws, ...) or (draws,).
        degrees: Degrees of freedom of each t.
        many: How many t the largest is of; twice as many where it is the largest absolute one.

    Returns:
        (...); not a number where `t` is not.
    """
    beside = drawn.reshape(len(drawn), *(1,) * (np.ndim(t) - drawn.ndim + 1), *drawn.shape[1:])
    beyond = np.count_nonzero(beside >= t, axis=0)
    share = (1.0 + beyond) / (1.0 + len(drawn))
    tail = many * stats.t.sf(t, degrees)
    return np.where(np.isnan(t), np.nan, np.where(beyond > 0, share, np.minimum(share, tail)))


def critical_values(drawn: Floats, tail: float, degrees: float, many: int) -> Floats:
    """What a t has to exceed for its p-value to lie below `tail`; the other arguments as for `p_values`.

    Returns:
        (...) of `drawn`, (draws, ...).
    """
    below = int(np.ceil(tail * (1.0 + len(drawn)) - 1.0)) - 1  # so many draws may reach a t that exceeds it
    if below >= 0:
        place = len(drawn) - 1 - below
        return np.asarray(np.partition(drawn, place, axis=0)[place])
    return np.asarray(np.maximum(drawn.max(axis=0), stats.t.isf(tail / many, degrees)))
