"""How deep the peak of each curve may lie: the layers before the projection that cannot be told from the best."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from alignbench.statistics.selection import near_best
from alignbench.study.study import Study


class Curve(NamedTuple):
    """What tells the curves of a study apart.

    Attributes:
        dataset: Name of the data set.
        subset: Name of the subset.
        protocol: How it was measured.
        tokens: Token view.
        label: The model.
        distance: Name of the distance.
    """

    dataset: str
    subset: str
    protocol: str
    tokens: str
    label: str
    distance: str


Peaks = Mapping[Curve, tuple[float, float]]
"""First and last depth, in percent, of the layers of each curve that cannot be told from its best."""


def peak_depths(study: Study) -> dict[Curve, tuple[float, float]]:
    """The interval of the depth of each curve's peak, in percent: first and last of the layers that may be the best.

    Curves without intervals are left out, and baselines, which have no depth.
    """
    found: dict[Curve, tuple[float, float]] = {}
    for group in study.groups:
        for (label, distance), run in group.series.items():
            curve = group.curve(label, distance)
            blocks = curve.blocks
            if run.is_baseline or not np.isfinite(curve.value[blocks]).any():
                continue
            known = curve.scored.estimates(curve.rows[blocks])
            name = (group.dataset, group.subset, group.condition.protocol, run.settings.tokens or "")
            if np.isfinite(known.covariance).any():
                found.setdefault(Curve(*name, label, distance), near_best(known).hull(curve.depths[blocks]))
    return found
