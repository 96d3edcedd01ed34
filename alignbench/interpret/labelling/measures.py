"""Scores of heads that are labelled: whether texts hold the labels, and whether labels tell heads apart.

Association and entanglement are those of Madasu, Gandelsman, Lal and Howard (arXiv 2409.06579), with J(text, label) of
0 or 1 by a judge; the concept consistency score (CCS) is that of arXiv 2503.11103.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices

CCS_TEXTS: Final = 5
_MODERATE: Final = 3
_LOW: Final = 1
_SOME: Final = 0.6
_ROUNDING: Final = 1e-9  # of a share of texts
BETTER: Final = {  # every measure, and whether more of it (1) or less (-1) is better; 0 where neither is
    "association_all": 1,
    "association_some": 1,
    "association_mean": 1,
    "entangled": -1,
    "unique": 1,
    "distinct": 1,
    "entropy": 1,
    "simpson": -1,
    "redundancy": -1,
    "ccs_high": 1,
    "ccs_moderate": 0,
    "ccs_low": -1,
    "labelled": 0,
}
OF_LABELS_ALONE: Final = ("entangled", "unique", "distinct", "entropy", "simpson", "labelled")
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class JudgedHeads:
    """The labels of heads, and what the judge says of the texts of each.

    Attributes:
        labels: Number of each head's label, -1 where the labeller abstains, (heads,).
        counted: Whether there is a text, (heads, texts).
        agreeing: Whether it agrees with the head's label, (heads, texts); no text does where there is no label.
    """

    labels: Indices
    counted: Booleans
    agreeing: Booleans

    @property
    def shares(self) -> Floats:
        """Share of each head's texts that agree, (heads,); 0 of a head without texts."""
        return np.asarray(self.agreeing.sum(axis=1) / np.maximum(1, self.counted.sum(axis=1)))

    @property
    def consistency(self) -> Floats:
        """How many of each head's first five texts agree, (heads,); not a number of a head with fewer."""
        first = self.agreeing[:, :CCS_TEXTS].sum(axis=1).astype(np.float64)
        first[self.counted[:, :CCS_TEXTS].sum(axis=1) < CCS_TEXTS] = np.nan
        return np.asarray(first)

    @property
    def others(self) -> Indices:
        """How many other heads have the label of each, (heads,); 0 of a head without."""
        same = (self.labels[:, None] == self.labels) & (self.labels[:, None] >= 0)
        return np.asarray(np.maximum(0, same.sum(axis=1) - 1), dtype=np.int64)


def judged(labels: Indices, picks: Indices, agreement: Booleans) -> JudgedHeads:
    """Look up what the judge says of each head's texts.

    Args:
        labels: Number of each head's label, -1 for none, (heads,).
        picks: Rows of the texts that are judged, -1 for none, (heads, texts).
        agreement: Whether a text agrees with a label, (texts, labels).
    """
    counted = picks >= 0
    known = counted & (labels >= 0)[:, None]
    agreeing = np.zeros(picks.shape, dtype=np.bool_)
    if agreement.size:
        agreeing = known & agreement[np.maximum(picks, 0), np.maximum(labels, 0)[:, None]]
    return JudgedHeads(labels, counted, agreeing)


def measures(heads: JudgedHeads) -> dict[str, float]:
    """Work out all scores; see `BETTER` for their names.

    Returns:
        association_all, association_some: Share of all heads of whose texts all, or at least 0.6, agree; a head without
            label or texts is none of them. association_mean: Mean over all heads of the share that agrees.
        entangled, unique: Share of the labelled heads whose label names another head too, or that head alone.
        distinct: Labels that occur, for each labelled head.
        entropy: Shannon entropy of the labels of labelled heads, in bits. simpson: Simpson's index of them, the
            probability that two different labelled heads have one label.
        redundancy: Share of the consistent heads (at least 0.6 of whose texts agree) that could go with every label of
            them still there.
        ccs_high, ccs_moderate, ccs_low: Share of the heads with five texts or more of which 5, 3, and at most 1 of the
            first five agree.
        labelled: Share of all heads that are labelled.
        What there is no head for is not a number.
    """
    shares, first = heads.shares, heads.consistency
    has_texts = heads.counted.any(axis=1)
    named = heads.labels[heads.labels >= 0]
    others = heads.others[heads.labels >= 0]
    counts = np.bincount(named) if len(named) else np.empty(0, dtype=np.int64)
    parts = counts[counts > 0] / max(1, len(named))
    consistent = heads.labels[has_texts & (shares >= _SOME - _ROUNDING)]
    scored = first[np.isfinite(first)]
    return {
        "association_all": _mean(has_texts & (shares >= 1.0 - _ROUNDING)),
        "association_some": _mean(has_texts & (shares >= _SOME - _ROUNDING)),
        "association_mean": _mean(shares),
        "entangled": _mean(others > 0),
        "unique": _mean(others == 0),
        "distinct": len(parts) / len(named) if len(named) else np.nan,
        "entropy": float((parts * np.log2(1.0 / parts)).sum()) if len(named) else np.nan,
        "simpson": float((counts * (counts - 1)).sum() / (len(named) * (len(named) - 1))) if len(named) > 1 else np.nan,
        "redundancy": 1.0 - len(set(consistent.tolist())) / len(consistent) if len(consistent) else np.nan,
        "ccs_high": _mean(scored == CCS_TEXTS),
        "ccs_moderate": _mean(scored == _MODERATE),
        "ccs_low": _mean(scored <= _LOW),
        "labelled": _mean(heads.labels >= 0),
    }


def _mean(values: NDArray[Any]) -> float:
    return float(values.mean()) if len(values) else float("nan")
