"""What is known of scores over judgments that share objects: errors, intervals, p-values, and how they go together."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import CONFIDENCE


@dataclass(frozen=True, eq=False)
class ObjectVariance:
    """The variances of scores and their covariance, see `SharedObjects.variance`.

    Attributes:
        covariance: (curves, curves); positive semidefinite. Not numbers where nothing is known of a curve.
        degrees: Degrees of freedom of each variance, (curves,).
        floored: Whether a variance is that of distinct sets of objects because what these share came out below it,
            (curves,): such an interval may be too narrow, and whoever shows it says so.
    """

    covariance: Floats
    degrees: Floats
    floored: NDArray[np.bool_]

    @classmethod
    def of(cls, once: Floats, floor: Floats, floored: NDArray[np.bool_], degrees: Floats) -> ObjectVariance:
        """The variances from what each two judgments that share objects add, and from what those of one cell do.

        The covariance is `floor` plus the difference of `once` from it without the negative eigenvalues of that
        difference, scaled to the variances: of one curve alone it is the larger of the two.

        Args:
            once: Sums over each two judgments that share an object, (curves, curves).
            floor: Sums over each two of the same objects, (curves, curves).
            floored: Where `floor` takes the place of `once`, (curves,).
            degrees: Degrees of freedom, (curves,).
        """
        variance = np.where(floored, np.diag(floor), np.diag(once))
        known = np.flatnonzero(np.isfinite(variance))
        block = np.ix_(known, known)
        roots = _root(once[block] - floor[block])
        joint = floor[block] + roots @ roots.T
        with np.errstate(divide="ignore", invalid="ignore"):
            scale = np.where(np.diag(joint) > 0.0, np.sqrt(variance[known] / np.diag(joint)), 0.0)
        covariance = np.full_like(once, np.nan)
        covariance[block] = joint * np.outer(scale, scale)
        return cls(covariance, degrees, floored)

    @property
    def error(self) -> Floats:
        """Standard errors, (curves,)."""
        return np.sqrt(np.diag(self.covariance))

    @property
    def least_degrees(self) -> float:
        """The fewest degrees of freedom of any curve of which something is known."""
        return float(self.degrees[np.isfinite(self.error)].min(initial=np.inf))

    def reach(self, level: float = CONFIDENCE) -> Floats:
        """How far an interval reaches to either side, (curves,); not a number where there is none."""
        return np.asarray(stats.t.ppf(0.5 + level / 2.0, self.degrees) * self.error)

    def interval(self, estimate: Floats, level: float = CONFIDENCE) -> tuple[Floats, Floats]:
        """Ends of the t interval of each score.

        Args:
            estimate: The scores, (curves,).
            level: Share of intervals that hold the truth.
        """
        reach = self.reach(level)
        return estimate - reach, estimate + reach

    def p_value(self, estimate: Floats) -> Floats:
        """Two-sided p-values of scores against 0, (curves,); not numbers where nothing is known of them."""
        with np.errstate(divide="ignore", invalid="ignore"):
            p = 2.0 * stats.t.sf(np.abs(estimate) / self.error, self.degrees)
        return np.where(self.error == 0.0, np.where(estimate == 0.0, 1.0, 0.0), p)

    def draws(self, rng: np.random.Generator, count: int) -> Floats:
        """Deviations of all scores at once, for simultaneous bounds.

        Args:
            rng: What draws.
            count: How many.

        Returns:
            From the multivariate t distribution with the fewest degrees of freedom of any curve, (count, curves); not
            numbers where nothing is known of a curve.
        """
        known = np.flatnonzero(np.isfinite(self.error))
        normal = rng.normal(size=(count, len(known))) @ _root(self.covariance[np.ix_(known, known)]).T
        found = np.full((count, len(self.degrees)), np.nan)
        if len(known):
            degrees = self.least_degrees
            found[:, known] = normal / np.sqrt(rng.chisquare(degrees, count) / degrees)[:, None]
        return found


def _root(matrix: Floats) -> Floats:
    """R with R R' the symmetric matrix without its negative eigenvalues."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))
