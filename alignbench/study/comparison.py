"""Two finished runs on the judgments that both hold: how far one lies above the other, and how certain that is.

Distances and judgments come from the run folders; both runs are scored in the same resamples (see `differences`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError
from alignbench.models.layer_names import IMAGE, is_aligned, is_block, is_plain, split_label
from alignbench.results.judgment_table import matrix
from alignbench.results.run_record import RunSettings
from alignbench.results.stored_run import StoredRun
from alignbench.statistics.bootstrap import IntervalKind, holm
from alignbench.statistics.paired import Judged, PairedDifference, Place, paired_difference, score_together
from alignbench.study.places import at_best, at_projection

_IDENTIFYING = {"model", "dataset", "protocol", "subset", "limit", "random_init", "seed", "data_fingerprint"}


@dataclass(frozen=True, eq=False)
class _Side:
    """One of the two runs, with all that is scored of it.

    Attributes:
        stored: Its folder.
        judgments: Its judgments, see `StoredRun.judgment_rows`.
        distances: Its distances by name, (layers, pairs).
    """

    stored: StoredRun
    judgments: pd.DataFrame
    distances: dict[str, Floats]

    @property
    def label(self) -> str:
        """What the model is called."""
        return self.stored.label

    @property
    def settings(self) -> RunSettings:
        """Every setting that can change a number."""
        return self.stored.settings

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return self.stored.layers

    @property
    def depths(self) -> Floats:
        """Depths of the layers in percent."""
        return self.stored.depths


def compare(first: Path, second: Path, seed: int = 0) -> pd.DataFrame:
    """Paired differences of two runs.

    Args:
        first: A run folder.
        second: The run folder whose scores are subtracted.
        seed: Seed of the bootstrap.

    Returns:
        One row per subset of the first run, distance and place, with the columns subset, distance, metric, place,
        depth, first, second, first_layer, second_layer, difference, ci_low, ci_high, p, p_holm, n, n_clusters,
        interval. A place is `projection`; `best layer` before the projection, chosen for each run again inside every
        resample; `aligned`, a layer after a transform where both runs have it; `layer` (pointwise: the interval holds
        for that layer alone); or, for models of different depth, `depth` (pointwise), to which both curves are
        interpolated on the layers of the shallower model. A baseline's one score stands at every place but `aligned`.
        `p_holm` is Holm's correction over the whole table.

    Raises:
        DataError: If the runs share no judgments, or saw different data.
        UsageError: If they differ in both model and protocol, or share no distance.
    """
    runs = _read(first), _read(second)
    _check_comparable(*runs)
    rows: list[dict[str, Any]] = []
    for subset in dict.fromkeys(runs[0].judgments["subset"]):
        shared = _shared(runs[0].judgments[runs[0].judgments["subset"] == subset], runs[1].judgments)
        if shared.empty:
            continue
        scores, kind, clusters = _scored(runs, shared, seed)
        for name, second_name in _distance_pairs(*runs):
            common = {
                "subset": subset,
                "distance": name if name == second_name else f"{name} / {second_name}",
                "metric": "spearman" if _is_rating(runs[0]) else "accuracy",
                "n": len(shared),
                "n_clusters": clusters,
                "interval": kind,
            }
            rows += [common | row.to_row() for row in _places(runs, (scores[0][name], scores[1][second_name]), kind)]
    if not rows:
        raise DataError(f"{first} and {second} share no judgments: measure both on the same subset")
    table = pd.DataFrame(rows)
    return table.assign(p_holm=holm(table["p"].to_numpy(dtype=np.float64)))


# ------------------------------------------------------------------------------------------------- checks


def _read(folder: Path) -> _Side:
    """Read a run folder.

    Raises:
        DataError: If it is no run folder, or was written without what a comparison needs.
    """
    stored = StoredRun(folder)
    stored.check_tells(_IDENTIFYING, "a comparison")
    judgments = stored.judgment_rows()
    stored.check_together(int(matrix(judgments["pairs"]).max()))
    return _Side(stored, judgments, stored.all_distances())


def fitted_apart(first: StoredRun, second: StoredRun) -> bool:
    """Whether the channel means of two runs were fitted on different pairs."""
    fitted = [
        (run.settings.protocol, run.settings.data_fingerprint, run.settings.calibration_fingerprint)
        for run in (first, second)
    ]
    normalised = all("normalized_euclidean" in run.shapes for run in (first, second))
    return normalised and fitted[0] != fitted[1]


def _check_comparable(first: _Side, second: _Side) -> None:
    settings, others = first.settings, second.settings
    if settings.dataset != others.dataset:
        raise DataError(f"the runs are on {settings.dataset} and {others.dataset}, and share no judgments")
    if settings.protocol != others.protocol and _identify_model(first) != _identify_model(second):
        raise UsageError(
            f"the runs differ in both model ({first.label}, {second.label}) and protocol ({settings.protocol}, "
            f"{others.protocol}), so that a difference could be of either: measure both by one protocol"
        )
    names = [run.judgments["id"] for run in (first, second)]
    same_judgments = names[0].equals(names[1]) or set(names[0]) == set(names[1])
    if same_judgments and settings.data_fingerprint != others.data_fingerprint and _reads_alike(settings, others):
        raise DataError(
            f"the runs saw different data (fingerprints {settings.data_fingerprint[:8]} and "
            f"{others.data_fingerprint[:8]}): measure both on one copy"
        )


def _identify_model(run: _Side) -> tuple[Any, ...]:
    settings = run.settings
    model, _ = split_label(settings.model, run.layers)
    return model, settings.random_init, settings.seed if settings.random_init else None


def _reads_alike(first: RunSettings, second: RunSettings) -> bool:
    """Whether both runs read the same subsets for the same purpose, so that their fingerprints must be equal."""
    return (first.protocol, first.subset, first.limit) == (second.protocol, second.subset, second.limit)


def _shared(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """Judgments of both, with the pairs of each.

    Raises:
        DataError: If what was shown or said differs.
    """
    other = second.drop_duplicates("id")[["id", "pairs", "value", "stimuli"]]
    both = first.merge(other, on="id", suffixes=("", "_second"))
    unlike = (both["stimuli"] != both["stimuli_second"]) | (both["value"] != both["value_second"])
    if unlike.any():
        raise DataError(
            f"the runs saw different data: {int(unlike.sum()):,} of {len(both):,} shared judgments (e.g. "
            f"{both.loc[unlike.idxmax(), 'id']}) differ in their images or in what people said; measure both on one "
            "copy"
        )
    return both


def _distance_pairs(first: _Side, second: _Side) -> list[tuple[str, str]]:
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


def _is_rating(run: _Side) -> bool:
    return len(run.judgments["pairs"].iloc[0]) == 1


def _scored(
    runs: tuple[_Side, _Side], shared: pd.DataFrame, seed: int
) -> tuple[list[dict[str, Floats]], IntervalKind, int]:
    """Scores of all layers in the same resamples: for each run by distance (layers, 1 + resamples).

    Returns:
        The scores, how they were resampled, and the number of clusters.
    """
    clusters, *options = (matrix(shared[column]) for column in ("cluster", "pairs", "pairs_second"))
    judged = [
        Judged(
            [curve for values in run.distances.values() for curve in values],
            pairs,
            run.stored.record.kind,
            run.settings.protocol == "corrected",
        )
        for run, pairs in zip(runs, options, strict=True)
    ]
    scores, kind = score_together(judged, shared["value"].to_numpy(dtype=np.float64), clusters, seed)
    found = [
        dict(zip(run.distances, np.split(values, len(run.distances)), strict=True))
        for run, values in zip(runs, scores, strict=True)
    ]
    return found, kind, len(pd.unique(clusters.ravel()))


# ------------------------------------------------------------------------------------------------- places


def _places(runs: tuple[_Side, _Side], scored: tuple[Floats, Floats], kind: IntervalKind) -> list[PairedDifference]:
    first, second = runs
    rows = [
        paired_difference(
            "projection", 100.0, at_projection(first.layers, scored[0]), at_projection(second.layers, scored[1]), kind
        ),
        paired_difference(
            "best layer", np.nan, at_best(first.layers, scored[0]), at_best(second.layers, scored[1]), kind
        ),
        *_aligned(runs, scored, kind),
    ]
    if any(run.layers == (IMAGE,) for run in runs):
        curve = max(range(2), key=lambda i: len(runs[i].layers))
        if len(runs[curve].layers) == 1:
            return [replace(rows[0], place="image", depth=0.0)]
        depths, place = _blocks(runs[curve]), "layer"
    elif [*filter(is_plain, first.layers)] == [*filter(is_plain, second.layers)]:
        depths, place = _blocks(first), "layer"
    else:
        depths, place = min((_blocks(run) for run in runs), key=len), "depth"
    return rows + [
        paired_difference(place, depth, _at(first, scored[0], depth), _at(second, scored[1], depth), kind)
        for depth in depths
    ]


def _aligned(runs: tuple[_Side, _Side], scored: tuple[Floats, Floats], kind: IntervalKind) -> list[PairedDifference]:
    """Differences of the aligned layers that both have."""
    names = [layer for layer in runs[0].layers if is_aligned(layer) and layer in runs[1].layers]
    where = [tuple(run.layers.index(name) for run in runs) for name in names]
    return [
        paired_difference("aligned", float(runs[0].depths[i]), (scored[0][i], name), (scored[1][j], name), kind)
        for name, (i, j) in zip(names, where, strict=True)
    ]


def _blocks(run: _Side) -> list[float]:
    """Depths of the layers before the projection."""
    return [float(depth) for layer, depth in zip(run.layers, run.depths, strict=True) if is_block(layer)]


def _at(run: _Side, scores: Floats, depth: float) -> Place:
    """Scores at a depth, linearly between the layers before the projection; the only one of a baseline everywhere."""
    places = [index for index, layer in enumerate(run.layers) if is_block(layer)]
    layers, scores, depths = [run.layers[index] for index in places], scores[places], run.depths[places]
    exact = np.flatnonzero(np.isclose(depths, depth))
    if run.layers == (IMAGE,) or len(exact):
        index = int(exact[0]) if len(exact) else 0
        return scores[index], layers[index]
    above = int(np.searchsorted(depths, depth))
    share = (depth - depths[above - 1]) / (depths[above] - depths[above - 1])
    between = (1.0 - share) * scores[above - 1] + share * scores[above]
    return between, f"{layers[above - 1]} .. {layers[above]}"
