"""Tables of curves: a row for each data set, subset and distance, and how a notebook shows tables."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Final

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.report.panels import SIMULATED
from alignbench.report.tables.curve_rows import curve_rows
from alignbench.results.layer_curve import LayerCurve

_TEXTS: Final = (
    *("model", "dataset", "level", "observers", "subset", "part", "distance", "metric"),
    *("trained_on", "best_layer", "aligned_layer", "ceiling"),
)
MOST_ROWS: Final = 30  # of a table in a notebook


def curve_table(curves: Sequence[LayerCurve]) -> pd.DataFrame:
    """The scores of some curves.

    Args:
        curves: Which.

    Returns:
        A row for each curve, subset and distance: model, dataset, level and observers, and the columns of `curve_rows`.
    """
    table = pd.DataFrame(
        {
            "model": curve.label,
            "dataset": curve.dataset,
            "level": curve.level,
            "observers": SIMULATED if curve.is_simulated else "people",
            **row,
        }
        for curve in curves
        for row in curve_rows(curve)
    )
    numbers = [name for name in table.columns if name not in (*_TEXTS, "n")]
    return table.astype(dict.fromkeys(numbers, float))


# ------------------------------------------------------------------------------------------------ notebooks


def shown_scores(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `curve_table` as a reader wants them: scores with their intervals, and no column that says nothing.

    Args:
        table: See `curve_table`.
    """
    shown = table[["model", "dataset", "subset"]].copy()
    shown["distance"] = [distance_name(name) for name in table["distance"]]
    best = zip(table["best_layer"], table["best_depth"], _scores(table, "best"), strict=True)
    shown["best layer (selected)"] = [f"{layer} {score}" if depth == depth else score for layer, depth, score in best]
    for name in ("projection", "aligned"):
        shown[name] = _scores(table, name)
    ends = zip(table["ceiling_low"], table["ceiling_high"], strict=True)
    shown["ceiling"] = ["" if low != low else f"{low:.3f}" + f" to {high:.3f}" * (low != high) for low, high in ends]
    shown["chance"] = ["" if value != value else f"{value:.3f}" for value in table["chance"]]
    shown["judgments"] = [part or f"{n:,}" for n, part in zip(table["n"], table["part"], strict=True)]
    shown["observers"] = ["" if who == "people" else who for who in table["observers"]]
    shown["trained on"] = table["trained_on"]
    return shown.loc[:, [name == "model" or (shown[name] != "").any() for name in shown.columns]]


def _scores(table: pd.DataFrame, name: str) -> list[str]:
    """Scores with the ends of their intervals; empty where there are none."""
    return [_score(*ends) for ends in table[[name, f"{name}_low", f"{name}_high"]].itertuples(index=False, name=None)]


def _score(value: float, low: float, high: float) -> str:
    if value != value:
        return ""
    return f"{value:.3f}" if low != low else f"{value:.3f} ({low:.3f} to {high:.3f})"


def html_table(table: pd.DataFrame, caption: str = "") -> str:
    """A table as a notebook shows it: text alone, escaped, in the colours of the notebook.

    Args:
        table: Its rows; beyond `MOST_ROWS` only the first are shown, and the others counted.
        caption: What stands above it; nothing if it is empty.
    """
    with pd.option_context("display.max_colwidth", None):
        rows = table.head(MOST_ROWS).to_html(index=False, border=0, na_rep="", justify="left")
    more = len(table) - MOST_ROWS
    below = html_line(f"and {more:,} rows more") if more > 0 else ""
    return f"<div>{html_line(caption) if caption else ''}{rows}{below}</div>"


def html_line(text: str) -> str:
    """A line of text below or above a table, escaped."""
    return f"<p>{html.escape(text)}</p>"
