"""Beyond a twin of random weights: does a head score higher than untrained ones at its place?

The heads of a layer of an untrained network differ by chance alone. Their scores, of one twin or several, say what a
further one would have: over mean and standard deviation of the untrained ones it is a t with one degree of freedom less
than there are of these, if such scores are normal. The largest t of all components is drawn from normal errors (max-T),
with what the components of a layer share: the untrained ones that they are held against. Degrees of freedom differ, so
each t is put on the scale of the normal distribution by its own.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from scipy import stats

from alignbench.arrays import Floats, Indices
from alignbench.statistics.drawn_maxima import p_values

_FEWEST: Final = 3  # untrained scores of which something is known
_ROUNDING: Final = 1e-9  # scores that differ by less are equal
_SEED: Final = 0
_DRAWS: Final = 1_999


def beyond_twin(scores: Floats, twins: Floats, groups: Indices) -> Floats:
    """How probable it is that the best of all components of an untrained model scores so high.

    Args:
        scores: Those of the components alone, (components,).
        twins: Those of the same components of twins with random weights, (twins, components).
        groups: Which components are alike when untrained, (components,): the heads of a layer have one number; an MLP
            has a number of its own.

    Returns:
        p of each component, one-sided, corrected for all that have one, (components,); not a number where fewer than
        three untrained scores are known of a group, or these do not vary.
    """
    rng = np.random.default_rng(_SEED)
    z, largest = np.full(len(scores), np.nan), np.full(_DRAWS, -np.inf)
    for group in np.unique(groups):
        mine = (groups == group) & np.isfinite(scores)
        known = twins[:, groups == group]
        known = known[np.isfinite(known)]
        if len(known) < _FEWEST or np.ptp(known) <= _ROUNDING or not mine.any():
            continue
        z[mine] = _normal(scores[mine], known[None])
        drawn = rng.standard_normal((_DRAWS, len(known) + int(mine.sum())))
        # the largest score of a draw has its largest t, as the components of a group share what they are held against
        best = drawn[:, len(known) :].max(axis=1)
        largest = np.maximum(largest, _normal(best, drawn[:, : len(known)]))
    return p_values(z - _ROUNDING, largest, np.inf, int(np.count_nonzero(np.isfinite(z))))


def _normal(scores: Floats, untrained: Floats) -> Floats:
    """Scores (n,) beside untrained ones, (n or 1, untrained), on the scale of the normal distribution, (n,)."""
    count = untrained.shape[1]
    error = untrained.std(axis=1, ddof=1) * np.sqrt(1.0 + 1.0 / count)
    t = (scores - untrained.mean(axis=1)) / error
    # from the nearer tail: a share close to 1 would have no digits left
    far = stats.norm.isf(np.maximum(stats.t.sf(np.abs(t), count - 1), np.finfo(np.float64).tiny))
    return np.asarray(np.sign(t) * far)
