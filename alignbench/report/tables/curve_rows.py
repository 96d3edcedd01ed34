"""A curve in a few numbers: a row for each subset and distance, with best layer, projection, ceiling and chance."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError
from alignbench.models.layer_names import IMAGE, PROJECTION, is_aligned, select_rows
from alignbench.report.panels import find_ceiling
from alignbench.results.extent import extents
from alignbench.results.layer_curve import LayerCurve

_NOTHING: Final = pd.Series({"layer": None, "depth": None, "value": None, "ci_low": None, "ci_high": None})


def curve_rows(curve: LayerCurve, distances: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """Yield the rows of a curve.

    Args:
        curve: Which.
        distances: Only these distances of a tower; all if none is given. A baseline has its own.

    Yields:
        For each subset and distance: subset, n (judgments), part (how much of what was published; empty for all),
        distance, metric, chance; trained_on (empty unless the model was trained on such data); layer, depth (percent),
        score and ends of the interval of the best layer before the projection, which is selected; score and interval of
        the projection; layer, score and interval of the layer that a transform aligned; name and ends of the noise
        ceiling. What there is none of is none.
    """
    everything, parts = curve.primary(), extents(curve)
    for subset in dict.fromkeys(everything["subset"]):
        of_subset = everything[everything["subset"] == subset]
        ceiling = find_ceiling(curve.frame[curve.frame["subset"] == subset])
        for distance, rows in of_subset.groupby("distance", sort=False):
            is_baseline = bool((rows["layer"] == IMAGE).all())
            if not (is_baseline or distances is None or distance in distances):
                continue
            best, aligned = _best(curve, str(distance), str(subset)), select_rows(rows, is_aligned)
            yield {
                "subset": subset,
                "n": int(rows["n"].max()),
                "part": parts[str(subset)],
                "distance": distance,
                "metric": rows["metric"].iloc[0],
                "chance": curve.chance,
                "trained_on": curve.trained_on,
                "best_layer": best["layer"],
                "best_depth": None if is_baseline else best["depth"],
                **_scored("best", best),
                **_scored("projection", _first(rows[rows["layer"] == PROJECTION])),
                "aligned_layer": _first(aligned)["layer"],
                **_scored("aligned", _first(aligned)),
                "ceiling": ceiling.name if ceiling else None,
                "ceiling_low": ceiling.values[0] if ceiling else None,
                "ceiling_high": ceiling.values[-1] if ceiling else None,
            }


def _best(curve: LayerCurve, distance: str, subset: str) -> pd.Series[Any]:
    try:
        return curve.best(distance, subset=subset)
    except DataError:  # no layer has a score
        return _NOTHING


def _first(rows: pd.DataFrame) -> pd.Series[Any]:
    return _NOTHING if rows.empty else rows.iloc[0]


def _scored(name: str, row: pd.Series[Any]) -> dict[str, Any]:
    return {name: row["value"], f"{name}_low": row["ci_low"], f"{name}_high": row["ci_high"]}
