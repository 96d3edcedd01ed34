"""Scores of many layers that are known together: their covariance, and how far the largest of them may be off.

Layers of one model, and two models on the same judgments, err together. `Estimates` keep that; `Deviations` draw what
their studentised differences do by chance, so that bounds can hold for all of them at once (max-T).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError
from alignbench.statistics.bootstrap import CONFIDENCE, IntervalKind

DRAWS = 4_000  # of errors; a quantile that 2.5 % exceed is then exceeded by 2.2 to 2.8 %
_SEED = 0
_EACH = 4  # errors that are drawn for each drawn covariance
_AT_ONCE = 100  # covariances that are held together
_ROUNDING_OF_SCORES = 1e-12  # smaller differences, as a share of the scores, are rounding
_ROUNDING = 1e-10  # variances of differences that are smaller, as a share of those of both, are rounding


@dataclass(frozen=True, eq=False)
class Estimates:
    """Scores with their joint error, as of the layers of a model.

    Attributes:
        value: (layers,).
        covariance: Of the values, (layers, layers); not a number where there is no interval.
        degrees: Degrees of freedom of the covariance, infinite where it is exact.
        influences: What each cluster adds to the deviation of each value, (layers, clusters), where it is known.
    """

    value: Floats
    covariance: Floats
    degrees: float
    influences: Floats | None = None

    def __post_init__(self) -> None:
        count = len(self.value)
        if self.covariance.shape != (count, count):
            raise DataError(f"{count} scores need a covariance of as many rows and columns: {self.covariance.shape}")
        if not self.degrees >= 1.0 and np.isfinite(self.covariance).any():
            raise DataError(
                f"a covariance of {self.degrees:g} degrees of freedom has no interval: take more clusters or objects"
            )

    @property
    def is_known(self) -> bool:
        """Whether every score has a variance."""
        return bool(np.isfinite(self.value).all() and np.isfinite(self.covariance).all())

    def combined(self, weights: Floats) -> Estimates:
        """Weighted sums of the scores.

        Args:
            weights: (sums, layers). A sum has no number where a layer with a weight in it has none, and no error where
                only rounding is left of those of its layers, as in the difference of a layer and itself.
        """
        touched = np.abs(weights)
        sizes = np.sqrt(np.diag(self.covariance))
        value, covariance = (np.nan_to_num(each, nan=0.0) for each in (self.value, self.covariance))
        sums, errors = weighted(weights, value), weights @ covariance @ weights.T
        nothing = np.diag(errors) <= _ROUNDING * (touched @ np.nan_to_num(sizes, nan=0.0)) ** 2
        errors[nothing], errors[:, nothing] = 0.0, 0.0
        sums[touched @ np.isnan(self.value) > 0.0] = np.nan
        without = touched @ np.isnan(sizes) > 0.0
        errors[without], errors[:, without] = np.nan, np.nan
        influences = None if self.influences is None else weights @ np.nan_to_num(self.influences, nan=0.0)
        return Estimates(sums, errors, self.degrees, influences)

    def some(self, rows: Indices | slice) -> Estimates:
        """Those of some layers, named by number or by a slice."""
        influences = None if self.influences is None else self.influences[rows]
        return Estimates(self.value[rows], self.covariance[rows][:, rows], self.degrees, influences)


@dataclass(frozen=True, eq=False)
class TwoCurves:
    """Layers of two models on the same judgments.

    Attributes:
        both: The layers of the first, then those of the second.
        first_layers: How many the first has.
    """

    both: Estimates
    first_layers: int

    @property
    def first(self) -> Estimates:
        """Those of the first model."""
        return self.both.some(slice(None, self.first_layers))

    @property
    def second(self) -> Estimates:
        """Those of the second."""
        return self.both.some(slice(self.first_layers, None))


def of_influences(value: Floats, influences: Floats) -> Estimates:
    """Scores from what each cluster adds to their deviation.

    Args:
        value: (layers,).
        influences: (layers, clusters), e.g. `Ratio.residuals`; of the mean of x they are (x_i - mean) / clusters.
    """
    clusters = influences.shape[1]
    if clusters < 2:
        return Estimates(value, np.full((len(value),) * 2, np.nan), 0.0)
    centred = influences - influences.mean(axis=1, keepdims=True)
    return Estimates(value, clusters / (clusters - 1.0) * centred @ centred.T, clusters - 1.0, centred)


def estimates(replicates: Floats, kind: IntervalKind, clusters: int) -> Estimates:
    """Scores and their covariance from replicates.

    Args:
        replicates: (layers, 1 + replicates), the scores themselves first.
        kind: How the replicates were made. Those of a jackknife give pseudo-values, and so influences; bootstrap
            resamples in which a layer that has a score has none are left out.
        clusters: How many clusters (or objects) were resampled; degrees of freedom are one fewer.
    """
    value, others = replicates[:, 0], replicates[:, 1:]
    if kind == "none":
        return Estimates(value, np.full((len(value),) * 2, np.nan), 0.0)
    if kind == "cluster jackknife t":
        return of_influences(value, -(clusters - 1.0) / clusters * (others - others.mean(axis=1, keepdims=True)))
    scored = np.isfinite(value)
    others = others[:, np.isfinite(others[scored]).all(axis=0)]
    if others.shape[1] < 2:
        return Estimates(value, np.full((len(value),) * 2, np.nan), 0.0)
    return Estimates(value, np.atleast_2d(np.cov(others)), clusters - 1.0)


def jointly(first: Floats, second: Floats, kind: IntervalKind, clusters: int) -> TwoCurves:
    """Two models in the same resamples, each as for `estimates`."""
    return TwoCurves(estimates(np.concatenate([first, second]), kind, clusters), len(first))


# -------------------------------------------------------------------------------------------------- max-T


class Deviations:
    """Studentised differences of scores as they fall by chance, around true values of which nothing is assumed.

    Each draw has the errors of the scores, normal with their covariance C, and beside them the covariance that would be
    estimated, Wishart with mean C (by Bartlett's decomposition). Every difference is divided by the standard error that
    this draw would give it: with few clusters some of many come out too small, which one common denominator (the
    multivariate t) leaves out. Correlations are shrunk first, see `shrunk`.

    Args:
        estimates: The scores, all of them with a variance.
    """

    def __init__(self, estimates: Estimates) -> None:
        self._degrees = float(np.floor(estimates.degrees))
        covariance = shrunk(estimates.covariance, estimates.degrees)
        lengths, axes = np.linalg.eigh(covariance)
        kept = lengths > _ROUNDING * max(float(lengths[-1]), 0.0)
        self._root = axes[:, kept] * np.sqrt(lengths[kept])
        self._varying = standard_errors(estimates.covariance) > 0.0
        self._spread = np.diag(estimates.covariance) > 0.0

    def single(self) -> Iterator[Floats]:
        """Each score over its standard error, (some draws, layers) at a time; 0 where that is 0."""
        for errors, halves in self._draws():
            t = _ratio(errors, np.sqrt(np.einsum("...ij,...ij->...i", halves, halves)), self._spread)
            yield t.reshape(-1, t.shape[-1])

    def differences(self, rows: slice, columns: slice) -> Iterator[Floats]:
        """Differences of each score in rows with each in columns, (some draws, rows, columns) at a time."""
        for errors, halves in self._draws():
            one, other = halves[..., rows, :], halves[..., columns, :]
            own, others = (np.einsum("...ij,...ij->...i", each, each) for each in (one, other))
            variances = own[..., None] + others[..., None, :] - 2.0 * one @ other.swapaxes(-1, -2)
            apart = errors[..., rows, None] - errors[..., None, columns]
            t = _ratio(apart, np.sqrt(np.maximum(variances, 0.0)), self._varying[rows, columns])
            yield t.reshape(-1, *t.shape[-2:])

    def _draws(self) -> Iterator[tuple[Floats, Floats]]:
        """Draws of errors, and of the covariances that are estimated beside them.

        Yields:
            Errors, (4, some, layers), and for each four H with H H' the covariance, (some, layers, k): it takes longer
            to draw and varies less. Of a covariance that is exact, (layers, k).
        """
        rng = np.random.default_rng(_SEED)
        rank = self._root.shape[1]
        columns = int(min(rank, self._degrees))
        diagonal = np.arange(columns)
        for _ in range(0, DRAWS, _EACH * _AT_ONCE):
            errors = rng.standard_normal((_EACH, _AT_ONCE, rank)) @ self._root.T
            if np.isinf(self._degrees):
                yield errors, self._root
                continue
            triangle = np.tril(rng.standard_normal((_AT_ONCE, rank, columns)))
            triangle[:, diagonal, diagonal] = np.sqrt(rng.chisquare(self._degrees - diagonal, (_AT_ONCE, columns)))
            yield errors, self._root @ triangle / np.sqrt(self._degrees)


def shrunk(covariance: Floats, degrees: float) -> Floats:
    """A covariance whose correlations are drawn toward their mean.

    Few clusters show layers as moving in fewer directions than they do, so that the largest of many differences seems
    smaller than it is. The share is that of Ledoit and Wolf (2004, constant correlation), in the form of Schaefer and
    Strimmer (2005) with the variance that a correlation of normal values has, (1 - r^2)^2 / degrees:
    sum of the variances / sum of the squared distances from the mean, at most 1.

    Args:
        covariance: (k, k).
        degrees: Its degrees of freedom; infinitely many leave it as it is.
    """
    sizes = np.sqrt(np.diag(covariance))
    some = np.flatnonzero(sizes > 0.0)
    if len(some) < 3 or np.isinf(degrees):
        return covariance
    scale = np.outer(sizes[some], sizes[some])
    correlations = np.clip(covariance[np.ix_(some, some)] / scale, -1.0, 1.0)
    apart = ~np.eye(len(some), dtype=np.bool_)
    mean = correlations[apart].mean()
    noise, spread = ((1.0 - correlations[apart] ** 2) ** 2).sum() / degrees, ((correlations[apart] - mean) ** 2).sum()
    share = 1.0 if noise >= spread else noise / spread
    found = covariance.copy()
    found[np.ix_(some, some)] = scale * np.where(apart, (1.0 - share) * correlations + share * mean, 1.0)
    return found


def standard_errors(covariance: Floats) -> Floats:
    """Standard errors of the difference of every two scores, (k, k); 0 where they only differ by rounding."""
    own = np.diag(covariance)
    both = own[:, None] + own
    variances = both - 2.0 * covariance
    return np.sqrt(np.where(variances > _ROUNDING * both, variances, 0.0))


def weighted(weights: Floats, values: Floats) -> Floats:
    """Weighted sums of scores, 0 where only rounding is left; `weights` are (..., curves), `values` (curves, ...)."""
    sums = np.asarray(weights @ values)
    return np.where(np.abs(sums) <= _ROUNDING_OF_SCORES * (np.abs(weights) @ np.abs(values)), 0.0, sums)


def differences(first: Floats, second: Floats) -> Floats:
    """Differences of each score in the first with each in the second, (first, second), without rounding."""
    found = first[:, None] - second
    return np.where(np.abs(found) <= _ROUNDING_OF_SCORES * (np.abs(first)[:, None] + np.abs(second)), 0.0, found)


def quantile(largest: Floats, tail: float = 1.0 - CONFIDENCE) -> Floats:
    """What drawn maxima exceed with a probability; `largest` are (draws, ...)."""
    return np.asarray(np.quantile(largest, 1.0 - tail, axis=0))


def _ratio(above: Floats, below: Floats, varying: NDArray[np.bool_]) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(varying, above / below, 0.0)
