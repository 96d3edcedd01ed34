"""Small curves to be drawn: towers of four layers, and baselines."""

import numpy as np
import pandas as pd

from alignbench import LayerCurve
from alignbench.results.layer_curve import COLUMNS

LAYERS = ("layer_0", "layer_1", "layer_2", "projection")
DEPTHS = (2.5, 7.5, 97.5, 100.0)
LEVELS = {"tid2013": ("low", "spearman"), "nights": ("middle", "accuracy"), "things": ("high", "accuracy")}


def row(
    model: str, dataset: str, subset: str, distance: str, layer: str, depth: float, value: float
) -> dict[str, object]:
    level, metric = LEVELS.get(dataset, ("low", "spearman"))
    return {
        **{"model": model, "dataset": dataset, "subset": subset, "level": level, "protocol": "paper"},
        **{"tokens": "" if layer in ("projection", "image") else "all", "distance": distance, "layer": layer},
        **{"depth": depth, "metric": metric, "value": value, "ci_low": value - 0.1, "ci_high": value + 0.05},
        **{"n": 100, "n_clusters": 10},
    }


def tower_curve(
    model: str, dataset: str = "tid2013", distances: tuple[str, ...] = ("normalized_euclidean",), subset: str = "all"
) -> LayerCurve:
    """A curve of four layers whose values differ between models, distances and data sets."""
    rng = np.random.default_rng([*model.encode(), *dataset.encode(), *subset.encode()])
    rows = [
        row(model, dataset, subset, distance, layer, depth, float(rng.uniform(0.2, 0.8)))
        for distance in distances
        for layer, depth in zip(LAYERS, DEPTHS, strict=True)
    ]
    return LayerCurve(pd.DataFrame(rows)[list(COLUMNS)])


def baseline_curve(model: str, dataset: str = "tid2013", value: float = 0.4) -> LayerCurve:
    return LayerCurve(pd.DataFrame([row(model, dataset, "all", "euclidean", "image", 0.0, value)])[list(COLUMNS)])
