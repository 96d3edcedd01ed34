"""Bounds of many contrasts that hold for all of them at once, over one sample of judgments or several independent ones.

Whoever reads off many differences which one is highest, or asks whether all lie on one side, needs bounds that hold
together (max-T; Westfall and Young, 1993). Whatever rises with every contrast is then bounded by its values at the
lower and at the upper bounds. Samples need not be alike: each contrast has the same chance to lie outside its bounds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import stats

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import CONFIDENCE, IntervalKind

DRAWS = 1_000  # of a jackknife; as many as a bootstrap has resamples
_SEED = 0
_AT_ONCE = 50  # draws that are held together
_ROUNDING = 1e-9  # errors that are smaller, beside the largest replicate, are rounding
_JACKKNIFE = "cluster jackknife t"


class Bounds(NamedTuple):
    """Simultaneous bounds of contrasts.

    Attributes:
        low: Lower bounds, (contrasts,): the value itself where it never varies, minus infinity where nothing is known
            of how it varies, not a number where it has no value.
        high: Upper bounds, likewise.
    """

    low: Floats
    high: Floats


def simultaneous_bounds(samples: Sequence[tuple[Floats, IntervalKind]]) -> list[Bounds]:
    """Bounds of contrasts of several samples, which hold for all contrasts of all samples together.

    Of a bootstrap the largest studentised deviation among the contrasts is resampled. Of a jackknife it is drawn:
    normal errors with the covariance of the replicates, over the standard errors that a covariance estimated from as
    many clusters (Wishart) would give, since with few clusters some of many standard errors come out too small, which
    a common denominator leaves out. Each deviation is put on the scale of the normal distribution by its own t
    distribution, and one critical value there holds for all samples, these being independent.

    Args:
        samples: Of each sample the contrasts, (contrasts, 1 + replicates), those of all judgments first; and how the
            replicates were made.

    Returns:
        The bounds of each sample. A bootstrap resample in which a contrast has no score is left out.
    """
    studentised = [_Sample(contrasts, kind) for contrasts, kind in samples]
    critical = _critical([sample.largest() for sample in studentised])
    return [sample.bounds(critical) for sample in studentised]


class _Sample:
    """Contrasts of one sample, with their standard errors.

    Args:
        contrasts: (contrasts, 1 + replicates).
        kind: How the replicates were made.
    """

    def __init__(self, contrasts: Floats, kind: IntervalKind) -> None:
        self._value, others = contrasts[:, 0], contrasts[:, 1:]
        self._jackknife = kind == _JACKKNIFE
        self._degrees = others.shape[1] - 1.0 if self._jackknife else np.inf
        count = np.isfinite(others).sum(axis=1)
        enough = (count == others.shape[1]) & (count > 1) if self._jackknife else count > 1
        self._known = np.isfinite(self._value) & enough & (kind != "none")
        kept, value = others[self._known], self._value[self._known, None]
        centred = kept - (kept.mean(axis=1, keepdims=True) if self._jackknife else value)
        scale = (self._degrees / (self._degrees + 1.0)) if self._jackknife else 1.0 / count[self._known]
        error = np.sqrt(scale * np.nansum(centred**2, axis=1))
        error[error <= _ROUNDING * np.fmax.reduce(np.abs(kept), axis=1, initial=0.0)] = 0.0
        self._error = np.where(np.isfinite(self._value), np.inf, np.nan)
        self._error[self._known] = error
        deviations = centred[error > 0.0] / error[error > 0.0, None]
        self._varies = bool(len(deviations))
        self._deviations = deviations[:, np.isfinite(deviations).all(axis=0)]

    def largest(self) -> Floats:
        """The largest deviation of any contrast, on the normal scale, as it falls by chance, (draws,), sorted."""
        if not self._varies:
            return np.zeros(1)
        if not self._deviations.shape[1]:
            return np.full(1, np.inf)
        if not self._jackknife:
            return np.sort(np.abs(self._deviations).max(axis=0))
        beyond = stats.t.sf(self._drawn(), self._degrees)
        return np.sort(stats.norm.isf(beyond))

    def _drawn(self) -> Floats:
        rng, rank = np.random.default_rng(_SEED), int(self._degrees)
        # replicates of a jackknife add up to 0: an orthonormal basis of what is left holds them in one dimension fewer
        basis = np.linalg.qr(np.column_stack([np.ones(rank + 1), rng.standard_normal((rank + 1, rank))]))[0][:, 1:]
        rows = self._deviations @ basis
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        diagonal, found = np.arange(rank), []
        for _ in range(0, DRAWS, _AT_ONCE):
            errors = rows @ rng.standard_normal((rank, _AT_ONCE))
            triangles = np.tril(rng.standard_normal((_AT_ONCE, rank, rank)))  # Bartlett's decomposition of Wishart's
            triangles[:, diagonal, diagonal] = np.sqrt(rng.chisquare(rank - diagonal, (_AT_ONCE, rank)))
            projected = (rows @ triangles.transpose(1, 0, 2).reshape(rank, -1)).reshape(len(rows), _AT_ONCE, rank)
            variances = np.einsum("ijk,ijk->ij", projected, projected) / rank
            found.append(np.sqrt((errors**2 / variances).max(axis=0)))
        return np.concatenate(found)

    def bounds(self, critical: float) -> Bounds:
        """The bounds that a critical value on the normal scale gives."""
        quantile = float(stats.t.isf(stats.norm.sf(critical), self._degrees)) if self._jackknife else critical
        reach = self._error.copy()
        reach[(self._error > 0.0) & np.isfinite(self._error)] *= quantile
        return Bounds(self._value - reach, self._value + reach)


def _critical(largest: Sequence[Floats]) -> float:
    """What none of several independent maxima exceeds with the probability of an interval; each (draws,), sorted."""
    candidates = np.unique(np.concatenate(largest))
    within = np.prod([np.searchsorted(each, candidates, side="right") / len(each) for each in largest], axis=0)
    return float(candidates[int(np.argmax(within >= CONFIDENCE))])
