"""The losses of transforms in plain NumPy."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

Array = NDArray[np.float64]


def reference_triplets(x: Array, triplets: Array) -> float:
    found = []
    for i, j, k in triplets:
        logits = np.array([x[i] @ x[j], x[i] @ x[k], x[j] @ x[k]])
        found.append(logsumexp(logits) - logits[0])
    return float(np.mean(found))


def reference_divergence(x: Array, triplets: Array, targets: Array) -> float:
    """Mean KL(p || q) of choices."""
    found = []
    for (i, j, k), p in zip(triplets, targets, strict=True):
        logits = np.array([x[i] @ x[j], x[i] @ x[k], x[j] @ x[k]])
        logs = logits - logsumexp(logits)
        found.append(sum(share * (np.log(share) - log) for share, log in zip(p, logs, strict=True) if share > 0))
    return float(np.mean(found))


def reference_local(before: Array, after: Array, tau: float) -> float:
    rows = []
    for row in range(len(before)):
        others = [other for other in range(len(before)) if other != row]
        logs = []
        for x in (before, after):
            cosines = [x[row] @ x[o] / np.linalg.norm(x[row]) / np.linalg.norm(x[o]) / tau for o in others]
            logs.append(np.array(cosines) - logsumexp(cosines))
        rows.append(-(np.exp(logs[0]) * logs[1]).sum())
    return float(np.mean(rows))
