"""What a run is logged as: its configuration, the scores of each layer, a summary, and the lines of its charts.

Everything is taken from the run folder, so that a run that was measured before is logged as one measured now. Nothing
here knows W&B.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.errors import DataError
from alignbench.models.layer_names import IMAGE, PROJECTION, is_aligned, is_plain, select_rows
from alignbench.results.extent import extents, measured_on
from alignbench.results.layer_curve import PRIMARY_METRICS, LayerCurve
from alignbench.results.published import published_for
from alignbench.results.run_folder import find_runs
from alignbench.results.run_record import RunRecord
from alignbench.scoring.scored_run import ScoredRun
from alignbench.tracking.keys import (
    DEPTH,
    best_key,
    chart_key,
    level_baseline_key,
    level_best_key,
    level_curve_key,
    level_projection_key,
    projection_key,
    score_key,
)

_SETTINGS = (
    *("model", "dataset", "protocol", "subset", "distance", "tokens", "resize", "precision", "random_init", "seed"),
    *("limit", "transform"),
)
_DETAILS = (
    *("label", "checkpoint", "level", "observers", "images", "pairs", "timing", "images_per_second", "peak_memory_gb"),
    *("versions", "projection", "trained_on"),
)
_ASKED_FOR = ("layers",)  # settings that are told where a run has them
SELECTED = "the highest of several layers, selected on the judgments that it is scored on, and so too high"
_WHOLE_DEPTH = (0.0, 100.0)


@dataclass(frozen=True)
class Line:
    """One line of a chart.

    Attributes:
        name: What it is called.
        depth: Percent of the network; of a baseline, which has no depth, from end to end.
        value: Scores, fractions.
    """

    name: str
    depth: tuple[float, ...]
    value: tuple[float, ...]


def configuration(record: RunRecord) -> dict[str, Any]:
    """The configuration of a run, flat but for timing and versions, so that runs can be grouped by any of it.

    Args:
        record: What its `run.json` tells.

    Returns:
        Every factor of the model's card under its own name, every setting, and how the run went.
    """
    written = record.settings.to_json()
    settings = {name: written.get(name) for name in _SETTINGS}
    settings |= {name: written[name] for name in _ASKED_FOR if name in written}
    if isinstance(settings["transform"], Mapping):
        settings["transform"] = settings["transform"]["name"]
    told = {name: getattr(record, name) for name in _DETAILS}
    details = {name: value for name, value in told.items() if value not in (None, "", {})}
    return {**record.factors, **settings, **details}


def run_title(curve: LayerCurve) -> str:
    """What a run is called: the model, the data set, and how much of it was measured if that is a part."""
    return f"{curve.label} on {measured_on(curve)}"


def parts(curve: LayerCurve) -> dict[str, str]:
    """How much of what was published was measured, as `data/part`; nothing where that is all, or nobody knows.

    Subsets after the first are named at the end of the key.
    """
    first = curve.main()["subset"].iloc[0]
    return {f"data/part{_suffix(subset, first)}": part for subset, part in extents(curve).items() if part}


def scores_by_depth(curve: LayerCurve) -> Iterator[dict[str, float]]:
    """For each layer in the order of depth its scores, as `align/<distance>/<metric>`, and its `depth` in percent.

    Subsets after the first are named at the end of the key. Breakdowns are in the table only, and so are layers without
    a score, and an aligned one, which shares its depth with the layer that it was made of.

    The level's own score on the first subset stands once more under a name that begins with the level. There, the score
    of a baseline, which has no depth, goes from end to end.
    """
    rows = select_rows(curve.main().dropna(subset="value"), is_plain)
    first = curve.main()["subset"].iloc[0]
    ends = _level_baseline(curve)
    for depth, layer in rows.groupby("depth", sort=True):
        named = {
            score_key(row.distance, row.metric, _suffix(row.subset, first)): float(row.value)
            for row in layer.itertuples()
        }
        own = layer[(layer["subset"] == first) & layer["metric"].isin(PRIMARY_METRICS)]
        of_level = {
            level_curve_key(curve.level, row.metric, row.distance): float(row.value) for row in own.itertuples()
        }
        yield {DEPTH: float(depth), **named, **(ends or of_level)}
    if ends:
        yield {DEPTH: _WHOLE_DEPTH[1], **ends}


def _level_baseline(curve: LayerCurve) -> dict[str, float]:
    """The score of a baseline on the first subset, by the name that begins with the level; nothing for a tower."""
    rows = curve.primary().dropna(subset="value")
    rows = rows[rows["subset"] == curve.main()["subset"].iloc[0]]
    if rows.empty or not is_baseline(curve):
        return {}
    return {level_baseline_key(curve.level, rows["metric"].iloc[0]): float(rows["value"].iloc[0])}


def is_baseline(curve: LayerCurve) -> bool:
    """Whether a curve is of a pair metric, which has no layers."""
    return bool((curve.frame["layer"] == IMAGE).all())


def summary(curve: LayerCurve) -> dict[str, float | str]:
    """For each distance and subset the best layer before the projection, its depth and score, and the projection's.

    The score of an aligned layer is `aligned`. What was measured in part is said, see `parts`. The scores of a tower on
    the first subset stand once more under names that begin with the level.
    """
    rows = curve.primary()
    first = curve.main()["subset"].iloc[0]
    found: dict[str, float | str] = {**parts(curve)}
    for (subset, distance), part in rows.dropna(subset="value").groupby(["subset", "distance"], sort=False):
        suffix = f"{distance}{_suffix(subset, first)}"
        own = (curve.level, str(part["metric"].iloc[0]), str(distance))
        of_level = subset == first and not is_baseline(curve)
        last, aligned = part[part["layer"] == PROJECTION], select_rows(part, is_aligned)
        for name, some in ((projection_key(suffix), last), (f"aligned/{suffix}", aligned)):
            if len(some):
                found[name] = float(some["value"].iloc[0])
        if of_level and len(last):
            found[level_projection_key(*own)] = float(last["value"].iloc[0])
        if len(last) + len(aligned) == len(part):
            continue
        best = curve.best(distance, subset=subset)
        found[best_key(suffix)] = float(best["value"])
        found[best_key(suffix, "layer")] = str(best["layer"])
        found[best_key(suffix, "depth")] = float(best["depth"])
        if of_level:
            found[level_best_key(*own)] = float(best["value"])
        found["best_is"] = SELECTED
    return found


def charts(curve: LayerCurve, baselines: list[LayerCurve]) -> dict[str, list[Line]]:
    """The lines of each chart: the curve, the published one if there is one, and baselines on the same judgments.

    A score without depth, as of a baseline, goes from end to end; so does that of an aligned layer, to be seen.

    Args:
        curve: The curve of the run.
        baselines: Curves of baselines; those on another subset or another number of judgments are left out.

    Returns:
        By the chart's name, `curves/<distance>`, with the subset at its end as in `scores_by_depth`.
    """
    rows, published = curve.primary(), published_for(curve)
    first = curve.main()["subset"].iloc[0]
    found = {}
    for (subset, distance), part in rows.groupby(["subset", "distance"], sort=False):
        aligned = f"aligned by {curve.transform}"
        lines = [_line(curve.label, select_rows(part, is_plain)), _line(aligned, select_rows(part, is_aligned))]
        theirs = published[(published["subset"] == subset) & (published["distance"] == distance)]
        lines.append(_line("published", theirs[theirs["metric"].isin(PRIMARY_METRICS)]))
        for baseline in baselines:
            same = baseline.primary()
            same = same[(same["subset"] == subset) & (same["n"] == part["n"].iloc[0])]
            lines += [_line(f"{baseline.label} {name}", some) for name, some in same.groupby("distance", sort=False)]
        found[chart_key(distance, _suffix(subset, first))] = [line for line in lines if line.value]
    return {name: lines for name, lines in found.items() if lines}


def baselines_beside(folder: Path, curve: LayerCurve) -> list[LayerCurve]:
    """The baselines on the same data set, by the same protocol, whose run folders lie beside one.

    Folders that cannot be read are left out: they are not what is being logged.
    """
    found = []
    for other in find_runs([folder.parent]):
        if other == folder or other.name.startswith("."):
            continue
        try:
            beside = ScoredRun(other).curve
        except DataError:
            continue
        if is_baseline(beside) and (beside.dataset, beside.protocol) == (curve.dataset, curve.protocol):
            found.append(beside)
    return found


def _line(name: str, rows: pd.DataFrame) -> Line:
    rows = rows.dropna(subset="value").sort_values("depth", kind="stable")
    values = tuple(map(float, rows["value"]))
    if len(values) == 1 and (rows["layer"].iloc[0] == IMAGE or is_aligned(rows["layer"].iloc[0])):
        return Line(name, _WHOLE_DEPTH, values * 2)
    return Line(name, tuple(map(float, rows["depth"])), values)


def _suffix(subset: str, first: str) -> str:
    return "" if subset == first else f"/{subset}"
