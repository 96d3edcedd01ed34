"""Two finished runs on the judgments that both hold: how far one lies above the other, and how certain that is.

Distances and judgments come from the run folders; both runs are scored together, see `score_together`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import IMAGE, is_aligned, is_plain
from alignbench.results.judgment_table import matrix, objects_of
from alignbench.statistics.bands import Band, band
from alignbench.statistics.bootstrap import holm
from alignbench.statistics.cross_fit import cross_fitted, cross_fitted_difference
from alignbench.statistics.joint import Estimates
from alignbench.statistics.paired import PairedDifference, paired_difference
from alignbench.statistics.scored_together import ScoredTogether, score_together
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.study.places import CROSS_FITTED, ScoredCurve, best_difference, two_curves
from alignbench.study.shared_judgments import Side, check_comparable, read_side, shared_judgments

CLUSTERS, OBJECTS = OVER = ("clusters", "objects")


def compare(first: Path, second: Path, seed: int = 0, over: str = CLUSTERS) -> pd.DataFrame:
    """Paired differences of two runs.

    Args:
        first: A run folder.
        second: The run folder whose scores are subtracted.
        seed: Seed of the bootstrap.
        over: What intervals are over: `clusters`, or the `objects` of odd-one-out choices.

    Returns:
        One row per subset of the first run, distance and place, with the columns subset, distance, metric, n,
        n_clusters, interval, those of `PairedDifference`, band_low, band_high, p_holm. A place is `projection`; `best
        layer`, the highest before the projection, whichever it is (see `best_layers`; the values are those of the
        layers that score highest here, and so too high); `best layer, cross-fitted`, the layer that the data choose,
        scored on other data, where that can be estimated (an estimate without a p-value); `aligned`, a layer after a
        transform where both runs have it; `layer`; or, for models of different depth, `depth`, to which both curves are
        interpolated on the layers of the shallower model. At layers and depths the interval holds for that row alone,
        and from band_low to band_high for all rows of the curve at once. A baseline's one score stands at every place
        but `aligned`. `p_holm` is Holm's correction over the whole table.

    Raises:
        DataError: If the runs share no judgments, or saw different data.
        UsageError: If they differ in both model and protocol, share no distance, or do not name objects that are asked
            for.
    """
    runs = read_side(first), read_side(second)
    check_comparable(*runs)
    rows: list[dict[str, Any]] = []
    for subset in dict.fromkeys(runs[0].judgments["subset"]):
        shared = shared_judgments(runs[0].judgments[runs[0].judgments["subset"] == subset], runs[1].judgments)
        if shared.empty:
            continue
        clusters = _clusters(shared, over)
        among = SharedObjects(clusters) if clusters.shape[1] > 1 else clusters
        for name, second_name in _distance_pairs(*runs):
            pair = _scored(runs, (name, second_name), shared, among, seed)
            common = {
                "subset": subset,
                "distance": name if name == second_name else f"{name} / {second_name}",
                "metric": "spearman" if _is_rating(runs[0]) else "accuracy",
                "n": len(shared),
                "n_clusters": pair[0].scored.clusters,
                "interval": pair[0].scored.kind,
            }
            rows += [common | row for row in _places(runs, pair)]
    if not rows:
        raise DataError(f"{first} and {second} share no judgments: measure both on the same subset")
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=np.float64)))


def where_they_differ(table: pd.DataFrame, first: str, second: str) -> Iterator[str]:
    """Yield for each curve of a table at which depths the runs differ, by its simultaneous band.

    Args:
        table: The rows of `compare`.
        first: Name of the first run.
        second: Name of the second.
    """
    curves = table[table["place"].isin(("layer", "depth"))]
    for (subset, distance), rows in curves.groupby(["subset", "distance"], sort=False):
        columns = (rows[name].to_numpy(np.float64) for name in ("depth", "difference", "band_low", "band_high"))
        yield f"{subset}, {distance}: {Band(*columns).in_words(first, second)} (95 % band over all depths)."


def _distance_pairs(first: Side, second: Side) -> list[tuple[str, str]]:
    """Distances to compare: those of the same name; a baseline's only one with every one."""
    if IMAGE in first.layers or IMAGE in second.layers:
        return [(a, b) for a in first.distances for b in second.distances]
    common = [(name, name) for name in first.distances if name in second.distances]
    if not common:
        raise UsageError(
            f"the runs share no distance ({', '.join(first.distances)} and {', '.join(second.distances)}): measure one "
            "of them again with --distance all"
        )
    return common


# ------------------------------------------------------------------------------------------------- scores


def _is_rating(run: Side) -> bool:
    return len(run.judgments["pairs"].iloc[0]) == 1


def _clusters(shared: pd.DataFrame, over: str) -> Indices:
    """What intervals are over, (n, m).

    Raises:
        UsageError: If it is to be objects, and the judgments do not name any.
    """
    clusters = matrix(shared["cluster"])
    if over == CLUSTERS or clusters.shape[1] > 1:
        return clusters
    objects = objects_of(shared["objects"]) if "objects" in shared else None
    if objects is None:
        raise UsageError(
            "the first run does not name the objects of its judgments (only odd-one-out choices have them, measured "
            "with this version): leave out --over objects, or measure it again with --overwrite"
        )
    return objects


def _scored(
    runs: tuple[Side, Side], names: tuple[str, str], shared: pd.DataFrame, among: Indices | SharedObjects, seed: int
) -> tuple[ScoredCurve, ScoredCurve]:
    """A distance of each run, all layers of both scored together."""
    options = (matrix(shared[column]) for column in ("pairs", "pairs_second"))
    judged = [
        replace(run.judged(pairs), distances=run.distances[name])
        for run, name, pairs in zip(runs, names, options, strict=True)
    ]
    scored = score_together(judged, shared["value"].to_numpy(dtype=np.float64), among, seed)
    ends = np.cumsum([0, *(len(run.layers) for run in runs)])
    first, second = (
        ScoredCurve(scored, np.arange(start, end), run.layers, run.depths)
        for run, start, end in zip(runs, ends[:-1], ends[1:], strict=True)
    )
    return first, second


# ------------------------------------------------------------------------------------------------- places


def _places(runs: tuple[Side, Side], curves: tuple[ScoredCurve, ScoredCurve]) -> list[dict[str, Any]]:
    """The rows of one distance."""
    first, second = curves
    scored, nowhere = first.scored, dict.fromkeys(("band_low", "band_high"), np.nan)
    projection = paired_difference("projection", 100.0, first.projection(), second.projection(), scored)
    if all(len(curve.layers) == 1 for curve in curves):
        return [replace(projection, place="image", depth=0.0).to_row() | nowhere]
    rows = [projection, best_difference(first, second), *_cross_fitted(curves), *_aligned(curves)]
    if any(run.layers == (IMAGE,) for run in runs):
        depths, place = _blocks(max(curves, key=lambda curve: len(curve.layers))), "layer"
    elif [*filter(is_plain, first.layers)] == [*filter(is_plain, second.layers)]:
        depths, place = _blocks(first), "layer"
    else:
        depths, place = min((_blocks(curve) for curve in curves), key=len), "depth"
    places = [(first.at(depth), second.at(depth)) for depth in depths]
    found = [paired_difference(place, depth, *each, scored) for depth, each in zip(depths, places, strict=True)]
    weights = np.stack([one.weights - other.weights for one, other in places])
    everywhere = band(_combined(scored, weights), np.array(depths), (-2.0, 2.0))
    bands = [
        {"band_low": float(low), "band_high": float(high)}
        for low, high in zip(everywhere.low, everywhere.high, strict=True)
    ]
    return [row.to_row() | nowhere for row in rows] + [
        row.to_row() | ends for row, ends in zip(found, bands, strict=True)
    ]


def _combined(scored: ScoredTogether, weights: Floats) -> Estimates:
    """Weighted sums of some of the scores, (sums, curves), with their joint error."""
    used = np.flatnonzero(weights.any(axis=0))
    return scored.estimates(used).combined(weights[:, used])


def _cross_fitted(curves: tuple[ScoredCurve, ScoredCurve]) -> list[PairedDifference]:
    """The difference of the layers that the data choose, where it can be estimated."""
    both = two_curves(*curves)
    try:
        found = cross_fitted_difference(both)
        one, other = (cross_fitted(each).value for each in (both.first, both.second))
    except DataError:  # too few clusters, or judgments that share objects
        return []
    return [PairedDifference(CROSS_FITTED, np.nan, one, other, "", "", found.value, found.low, found.high, np.nan)]


def _aligned(curves: tuple[ScoredCurve, ScoredCurve]) -> list[PairedDifference]:
    """Differences of the aligned layers that both have."""
    first, second = curves
    return [
        paired_difference(
            "aligned", float(first.depths[i]), first.layer(i), second.layer(second.layers.index(name)), first.scored
        )
        for i, name in enumerate(first.layers)
        if is_aligned(name) and name in second.layers
    ]


def _blocks(curve: ScoredCurve) -> list[float]:
    """Depths of the layers before the projection."""
    return [float(depth) for depth in curve.depths[curve.blocks]]
