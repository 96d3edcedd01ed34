"""What a run says of people's judgments beyond what another says already, layer by layer; see `score_beyond`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import is_plain
from alignbench.results.judgment_table import matrix, subjects_in
from alignbench.statistics.incremental import score_beyond
from alignbench.statistics.rated_pairs import varying
from alignbench.statistics.scored_together import Judged
from alignbench.study.shared_judgments import Side, check_comparable, read_side, shared_judgments

COLUMNS = (
    *("model", "given", "subset", "distance", "layer", "depth", "metric"),
    *("value", "ci_low", "ci_high", "n", "n_clusters", "interval"),
)


def beyond(folder: Path, given: Path, seed: int = 0) -> pd.DataFrame:
    """Scores of a run beyond those of another one.

    Args:
        folder: A run folder.
        given: The run folder of what is known already: a baseline, or a tower by its projection.
        seed: Seed of the bootstrap and of the folds.

    Returns:
        One row per subset, distance, layer and metric, with the columns model, given, subset, distance, layer, depth,
        metric, value, ci_low, ci_high, n, n_clusters, interval.

    Raises:
        DataError: If the runs are not on the same judgments, or nothing can be said beyond the other's distances.
        UsageError: If the other run has several distances and none of them is that of the run.
    """
    run, other = read_side(folder), read_side(given)
    check_comparable(run, other)
    rows: list[dict[str, Any]] = []
    for subset in dict.fromkeys(run.judgments["subset"]):
        of_subset = run.judgments[run.judgments["subset"] == subset]
        shared = shared_judgments(of_subset, other.judgments)
        if len(shared) < len(of_subset):
            raise DataError(
                f"{given} has {len(shared):,} of the {len(of_subset):,} judgments of {subset}: measure it on the same "
                "ones, with the same --subset and --limit"
            )
        rows += [{"subset": subset} | row for row in _rows(run, other, shared, seed)]
    return pd.DataFrame(rows).assign(model=run.label, given=other.label)[list(COLUMNS)]


def _rows(run: Side, other: Side, shared: pd.DataFrame, seed: int) -> list[dict[str, Any]]:
    clusters, options, others = (matrix(shared[column]) for column in ("cluster", "pairs", "pairs_second"))
    among = varying(clusters, subjects_in(shared)) if run.stored.record.kind == "rating" else clusters
    human = shared["value"].to_numpy(dtype=np.float64)
    judged = run.judged(options)
    rows = []
    for place, name in enumerate(run.distances):
        first = place * len(run.layers)
        curves = judged.distances[first : first + len(run.layers)]
        known = _given(other, name, others)
        for scores in score_beyond(replace(judged, distances=curves), known, human, among, seed):
            rows += [
                {
                    "distance": name,
                    "layer": layer,
                    "depth": float(depth),
                    "metric": scores.metric,
                    "value": scores.value[index],
                    "ci_low": scores.low[index],
                    "ci_high": scores.high[index],
                    "n": len(shared),
                    "n_clusters": scores.clusters,
                    "interval": scores.interval,
                }
                for index, (layer, depth) in enumerate(zip(run.layers, run.depths, strict=True))
            ]
    return rows


def _given(other: Side, distance: str, options: Indices) -> Judged:
    """The one curve of what is known already: of a tower its projection, by the same distance.

    Raises:
        UsageError: If it has several distances, and not this one.
    """
    names = list(other.distances)
    if distance not in names and len(names) > 1:
        raise UsageError(
            f"{other.label} has no distance {distance} (only {', '.join(names)}): measure it with --distance all"
        )
    values = other.distances[distance if distance in names else names[0]]
    last = max(index for index, layer in enumerate(other.layers) if is_plain(layer))
    return replace(other.judged(options), distances=[values[last]])
