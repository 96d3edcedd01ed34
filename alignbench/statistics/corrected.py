"""One of many intervals: how much wider it is where all of them are to hold together, and the p-value it stands for.

Bonferroni: of `count` intervals, each at the level 1 - 0.05 / count, all hold in at least 95 % of samples, however they
depend on each other. A thousand resamples do not show percentiles so far out. Beyond 95 % an interval therefore grows
by standard errors, as many as Student's quantile does: t intervals are what they would be, others keep their skewness.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import stats

from alignbench.statistics.bootstrap import CONFIDENCE


class Known(NamedTuple):
    """What is known of a number.

    Attributes:
        low: Lower end of its 95 % interval; not a number where there is none.
        high: Upper end.
        plain: Its two-sided p-value against 0, such as the share of resamples on the other side.
        error: Its standard error.
        degrees: Degrees of freedom of the error.
    """

    low: float
    high: float
    plain: float
    error: float
    degrees: float

    def at(self, level: float) -> tuple[float, float]:
        """Ends of the interval that holds the truth in this share of samples."""
        further = (self._reach(level) - self._reach(CONFIDENCE)) * self.error
        return self.low - further, self.high + further

    @property
    def p(self) -> float:
        """The p-value; below 0.05, where resamples run out, one minus the level at which the interval ends at 0."""
        beyond = max(self.low, -self.high)  # how far 0 lies outside
        if np.isnan([self.low, self.high, self.plain, self.error]).any():
            return float("nan")
        if beyond <= 0.0:
            return max(self.plain, 1.0 - CONFIDENCE)
        if self.error == 0.0:
            return 0.0
        return float(2.0 * stats.t.sf(self._reach(CONFIDENCE) + beyond / self.error, self.degrees))

    def _reach(self, level: float) -> float:
        return float(stats.t.isf((1.0 - level) / 2.0, self.degrees))


def family_level(count: int) -> float:
    """The level of each of `count` intervals that are to hold together in 95 % of samples."""
    return 1.0 - (1.0 - CONFIDENCE) / count
