"""The table of a paper: a row for each model, data set, subset and distance; best layer, projection and ceiling."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.layer_names import IMAGE
from alignbench.report.tables.captions import CONDITIONS, SELECTED, condition_text, told_of_data
from alignbench.report.tables.curve_rows import curve_rows
from alignbench.report.tables.sheet import NOTHING, Sheet, number, with_interval
from alignbench.results.extent import place_name
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun


def score_table(runs: Sequence[StudyRun], distances: Sequence[str] | None) -> pd.DataFrame:
    """Best layer, projection, aligned layer and noise ceiling of runs.

    Args:
        runs: Which.
        distances: Only these distances of towers; all if none is given. Baselines have their own.

    Returns:
        A row for each run, subset and distance: model, kind (`model`, `untrained` or `baseline`), dataset, level,
        observers, the `CONDITIONS`, the columns of `curve_rows`, interval (how intervals were made) and run (the name
        of its folder). What there is none of is missing.
    """
    return pd.DataFrame(
        {
            "model": run.label,
            "kind": kind_of(run),
            "dataset": run.dataset,
            "level": run.level,
            "observers": run.observers,
            **conditions_of(run),
            **row,
            "interval": run.stored.intervals.get(row["subset"], ""),
            "run": run.folder.name,
        }
        for run in runs
        for row in curve_rows(run.curve, distances)
    )


def kind_of(run: StudyRun) -> str:
    """What a run is of: `model`, `untrained` or `baseline`."""
    return "baseline" if run.is_baseline else "untrained" if run.settings.random_init else "model"


def conditions_of(run: StudyRun) -> dict[str, str]:
    """How a run was measured, by the `CONDITIONS`; baselines have only a protocol."""
    settings = run.settings
    towers = {"tokens": settings.tokens or "", "precision": settings.precision, "resize": str(settings.resize)}
    return {"protocol": run.protocol} | {name: "" if run.is_baseline else text for name, text in towers.items()}


# --------------------------------------------------------------------------------------------------- to be read


def score_sheet(table: pd.DataFrame, study: Study) -> Sheet:
    """The same to be read: rounded, under a caption.

    Args:
        table: The rows of `score_table`.
        study: Where they come from; its remarks go into the caption.
    """
    towers = table[table["kind"] != "baseline"]
    several = towers["distance"].nunique() > 1
    varying = [name for name in CONDITIONS if towers[name].nunique() > 1]
    aligned = table["aligned_layer"].notna().any()
    shown = {
        "model": [_named(row, varying) for row in table.to_dict("records")],
        "data set": [_data_set(row) for row in table.to_dict("records")],
        "distance": [distance_name(name) for name in table["distance"]] if several else None,
        "best layer (selected)": [
            layer if isinstance(layer, str) and layer != IMAGE else NOTHING for layer in table["best_layer"]
        ],
        "depth": [f"{depth:.1f} %" if depth == depth else NOTHING for depth in _floats(table, "best_depth")],
        "best": _intervals(table, "best"),
        "projection": _intervals(table, "projection"),
        "aligned layer": _intervals(table, "aligned") if aligned else None,
        "ceiling": [
            _range(*ends) for ends in zip(*(_floats(table, f"ceiling_{end}") for end in ("low", "high")), strict=True)
        ],
        "judgments": [f"{count:,}" for count in table["n"]],
    }
    columns = {name: cells for name, cells in shown.items() if cells is not None}
    numbers = frozenset({"depth", "best", "projection", "aligned layer", "ceiling", "judgments"})
    distances = [] if several else list(dict.fromkeys(towers["distance"]))
    caption = (
        *([f"The distance of models is {distance_name(distances[0])}."] if distances else []),
        SELECTED,
        "A baseline has one score, under best.",
        *(["The aligned layer is the one that a transform aligned."] if aligned else []),
        *told_of_data(table, varying),
        *(f"{remark}." for remark in study.remarks),
    )
    return Sheet(
        "Alignment with what people judged",
        caption,
        tuple(columns),
        tuple(zip(*columns.values(), strict=True)),
        numbers,
    )


def _named(row: dict[str, Any], varying: Sequence[str]) -> str:
    """What a row is called: the model, how it was measured where that varies, and whether it is untrained."""
    ways = condition_text({name: row[name] for name in varying})
    mark = {"untrained": "untrained", "baseline": "baseline"}.get(row["kind"], "")
    return ", ".join(filter(None, [row["model"], ways, mark]))


def _data_set(row: dict[str, Any]) -> str:
    part = f" ({row['part']})" if row["part"] else ""
    return place_name(row["dataset"], row["subset"], row["protocol"]) + part


def _floats(table: pd.DataFrame, name: str) -> list[float]:
    return [float(value) for value in pd.to_numeric(table[name])]


def _intervals(table: pd.DataFrame, name: str) -> list[str]:
    ends = (_floats(table, column) for column in (name, f"{name}_low", f"{name}_high"))
    return [with_interval(*numbers) for numbers in zip(*ends, strict=True)]


def _range(low: float, high: float) -> str:
    """Write one ceiling or the two ends of its range."""
    return number(low) if low == high or low != low else f"{number(low)} to {number(high)}"
