"""Curves made of columns."""

from __future__ import annotations

import pandas as pd

from alignbench import LayerCurve
from alignbench.results.layer_curve import COLUMNS


def curve_of(**columns: object) -> LayerCurve:
    """A curve of as many rows as its columns have values; what is not given is the same in every row."""
    usual: dict[str, object] = {
        "model": "m",
        "dataset": "nights",
        "subset": "all",
        "level": "middle",
        "protocol": "paper",
        "tokens": "all",
        "distance": "cosine",
        "layer": "layer_0",
        "depth": 2.5,
        "metric": "accuracy",
        "value": 0.5,
        "ci_low": 0.4,
        "ci_high": 0.6,
        "n": 10,
        "n_clusters": 10,
    }
    length = max((len(column) for column in columns.values() if isinstance(column, list)), default=1)
    filled = {name: given if isinstance(given, list) else [given] * length for name, given in (usual | columns).items()}
    return LayerCurve(pd.DataFrame(filled)[list(COLUMNS)])
