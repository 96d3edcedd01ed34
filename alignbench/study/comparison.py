"""Two finished runs on the judgments that both hold: how far one lies above the other, and how certain that is.

Distances and judgments come from the run folders; both runs are scored together, see `score_together`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Indices
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import IMAGE
from alignbench.results.judgment_table import matrix, objects_of, subjects_in
from alignbench.statistics.bootstrap import holm
from alignbench.statistics.rated_pairs import Varying, varying
from alignbench.statistics.scored_together import Judged, score_together
from alignbench.study.compared_curves import ALL, ComparedCurves, compared_rows
from alignbench.study.places import ScoredCurve
from alignbench.study.shared_judgments import Side, check_comparable, read_side, shared_judgments

CLUSTERS, OBJECTS = OVER = ("clusters", "objects")


class NoObjectsError(UsageError):
    """Intervals are to be over objects, and the judgments do not name any."""


@dataclass(frozen=True)
class Question:
    """What is asked of two runs.

    Attributes:
        distances: Names of the distances; all that both have if none are given. A baseline's only one stands beside
            every one, and needs no name.
        at: Where curves are compared, see `compared_rows`.
        over: What intervals are over: `clusters`, or the `objects` of odd-one-out choices.
        seed: Seed of the bootstrap.
    """

    distances: tuple[str, ...] = ()
    at: str = ALL
    over: str = CLUSTERS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class ComparedDistance:
    """A subset and distance of two runs.

    Attributes:
        rows: The rows of `compare`, without `p_holm`.
        first: The curve of the first run.
        second: That of the second, scored together with it.
    """

    rows: list[dict[str, Any]]
    first: ScoredCurve
    second: ScoredCurve


def compare(first: Path, second: Path, seed: int = 0, over: str = CLUSTERS) -> pd.DataFrame:
    """Paired differences of two runs.

    Args:
        first: A run folder.
        second: The run folder whose scores are subtracted.
        seed: Seed of the bootstrap.
        over: What intervals are over: `clusters`, or the `objects` of odd-one-out choices.

    Returns:
        One row per subset of the first run, distance and place, with the columns subset, distance, metric, n,
        n_clusters, interval, those of `compared_rows`, p_holm. A place is `projection`; `best
        layer`, the highest before the projection, whichever it is (see `best_layers`; the values are those of the
        layers that score highest here, and so too high); `best layer, cross-fitted`, the layer that the data choose,
        scored on other data, where that can be estimated (an estimate without a p-value); `aligned`, a layer after a
        transform where both runs have it; `layer`; or, for models of different depth, `depth`, to which both curves are
        interpolated on the layers of the shallower model. At layers and depths the interval holds for that row alone,
        and the bands for all rows of the curve at once. A baseline's one score stands at every place but `aligned`.
        `p_holm` is Holm's correction over the whole table.

    Raises:
        DataError: If the runs share no judgments, or saw different data.
        UsageError: If they differ in both model and protocol, share no distance, or do not name objects that are asked
            for.
    """
    found = compared_distances(first, second, Question(over=over, seed=seed))
    table = pd.DataFrame([row for each in found for row in each.rows])
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=np.float64)))


def compared_distances(first: Path, second: Path, question: Question) -> list[ComparedDistance]:
    """What `compare` makes its table of; arguments and errors as there.

    Returns:
        One for each subset and distance.
    """
    runs = read_side(first), read_side(second)
    check_comparable(*runs)
    found: list[ComparedDistance] = []
    for subset in dict.fromkeys(runs[0].judgments["subset"]):
        shared = shared_judgments(runs[0].judgments[runs[0].judgments["subset"] == subset], runs[1].judgments)
        if shared.empty:
            continue
        among = varying(_clusters(shared, question.over), subjects_in(shared))
        for name, second_name in _distance_pairs(*runs, question.distances):
            pair = _scored(runs, (name, second_name), shared, among, question.seed)
            common = {
                "subset": subset,
                "distance": name if name == second_name else f"{name} / {second_name}",
                "metric": "spearman" if _is_rating(runs[0]) else "accuracy",
                "n": len(shared),
                "n_clusters": pair.first.scored.clusters,
                "interval": pair.first.scored.kind,
            }
            rows = [common | row for row in compared_rows(pair, question.at)]
            found.append(ComparedDistance(rows, pair.first, pair.second))
    if not found:
        raise DataError(f"{first} and {second} share no judgments: measure both on the same subset")
    return found


def _distance_pairs(first: Side, second: Side, wanted: tuple[str, ...]) -> list[tuple[str, str]]:
    """Distances to compare: those of the same name; a baseline's only one with every one."""
    sides = [
        [name for name in side.distances if not wanted or IMAGE in side.layers or name in wanted]
        for side in (first, second)
    ]
    if IMAGE in first.layers or IMAGE in second.layers:
        return [(a, b) for a in sides[0] for b in sides[1]]
    common = [(name, name) for name in sides[0] if name in sides[1]]
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
        NoObjectsError: If it is to be objects, and the judgments do not name any.
    """
    clusters = matrix(shared["cluster"])
    if over == CLUSTERS or clusters.shape[1] > 1:
        return clusters
    objects = objects_of(shared["objects"]) if "objects" in shared else None
    if objects is None:
        raise NoObjectsError(
            "the first run does not name the objects of its judgments (only odd-one-out choices have them, measured "
            "with this version): leave out --over objects, or measure it again with --overwrite"
        )
    return objects


def _scored(
    runs: tuple[Side, Side], names: tuple[str, str], shared: pd.DataFrame, among: Varying, seed: int
) -> ComparedCurves:
    """A distance of each run, all layers of both scored together."""
    options = (matrix(shared[column]) for column in ("pairs", "pairs_second"))
    one, other = (
        replace(run.judged(pairs), distances=run.distances[name])
        for run, name, pairs in zip(runs, names, options, strict=True)
    )
    human = shared["value"].to_numpy(dtype=np.float64)
    # in one order, whichever is subtracted: what is drawn is then the same, and a difference turned round its opposite
    turned = _content(other) < _content(one)
    scored = score_together((other, one) if turned else (one, other), human, among, seed)
    counts = [len(run.layers) for run in runs]
    starts = (counts[1], 0) if turned else (0, counts[0])
    first, second = (
        ScoredCurve(scored, np.arange(start, start + len(run.layers)), run.layers, run.depths)
        for run, start in zip(runs, starts, strict=True)
    )
    return ComparedCurves(first, second, (one, other), human, among)


def _content(run: Judged) -> list[float]:
    """What tells the distances of a run from those of another, wherever it stands: their means, (layers,)."""
    return [float(np.nan_to_num(np.mean(layer, dtype=np.float64))) for layer in run.distances]
