"""The scores of a study in one table: best layer and projection of every run, subset and distance."""

from __future__ import annotations

import pandas as pd

from alignbench.study.runs import Study


def best_table(study: Study) -> pd.DataFrame:
    """Best layer before the projection, and the projection.

    Returns:
        A row per run, subset and distance with the columns dataset, subset, level, protocol, label, distance, metric,
        best_layer, best_depth, best_value, ci_low, ci_high, projection, projection_ci_low, projection_ci_high,
        published_best, published_projection, n. A baseline's one score is its best; missing values are not a number.
    """
    raise NotImplementedError
