"""What is linearly readable from a head, where attributes of all pictures are known: a truth to hold labels against.

Two things are asked of each head and attribute, as one does not imply the other: can the attribute's value be read from
the head's contributions, and how much of what the head varies by is due to it?
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError

COLUMNS: Final = ("layer", "head", "attribute", "accuracy", "chance", "share")
_FOLDS: Final = 5


def probe_heads(
    heads: Iterable[tuple[int, int, Floats]], attributes: Mapping[str, Sequence[object]], seed: int = 0
) -> pd.DataFrame:
    """Read attributes of pictures from the contributions of heads.

    Args:
        heads: Layer, head, and contributions (n, d') of each head.
        attributes: The value of each picture (n) in each attribute; 5 pictures or more of each value.
        seed: Seed of the folds.

    Returns:
        A row for each head and attribute. `accuracy` is the balanced accuracy of a linear probe on pictures that it
        has not seen (5 folds; linear discriminants with the covariance of Ledoit and Wolf 2004), `chance` one over the
        number of values. `share` is the share of the head's variance between the values of the attribute, with the
        degrees of freedom taken off (Kelley's epsilon squared): about 0 where there is none, and below it by accident.

    Raises:
        UsageError: If an attribute has another number of pictures, or a value of too few.
    """
    coded = {
        name: np.unique(np.asarray(values).astype(str), return_inverse=True)[1] for name, values in attributes.items()
    }
    rows: list[tuple[int, int, str, float, float, float]] = []
    for layer, head, contributions in heads:
        points = np.asarray(contributions, dtype=np.float64)
        for name, codes in coded.items():
            _check(name, codes, len(points))
            chance = 1.0 / float(codes.max() + 1)
            rows.append((layer, head, name, _accuracy(points, codes, seed, chance), chance, _share(points, codes)))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _check(name: str, codes: Indices, pictures: int) -> None:
    if len(codes) != pictures:
        raise UsageError(f"attribute {name} has {len(codes):,} values, and there are {pictures:,} pictures")
    counts = np.bincount(codes)
    if len(counts) < 2 or counts.min() < _FOLDS:
        raise UsageError(f"attribute {name} needs two values or more, and {_FOLDS} pictures or more of each")


def _accuracy(points: Floats, codes: Indices, seed: int, chance: float) -> float:
    """Balanced accuracy of a linear probe on folds that it has not seen."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedKFold

    scale = points.std()
    if not scale > 0:
        return chance  # a head that says the same of every picture
    told = np.empty_like(codes)
    for train, test in StratifiedKFold(_FOLDS, shuffle=True, random_state=seed).split(points, codes):
        probe = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(points[train] / scale, codes[train])
        told[test] = probe.predict(points[test] / scale)
    return float(balanced_accuracy_score(codes, told))


def _share(points: Floats, codes: Indices) -> float:
    """Share of the variance between the values of an attribute (Kelley 1935)."""
    centred = points - points.mean(axis=0)
    whole = float((centred**2).sum())
    if not whole > 0:
        return 0.0
    counts = np.bincount(codes)
    sums = np.zeros((len(counts), points.shape[1]))
    np.add.at(sums, codes, centred)
    between = float((sums**2 / counts[:, None]).sum())
    within = (whole - between) / (len(points) - len(counts))
    return 1.0 - within / (whole / (len(points) - 1))
