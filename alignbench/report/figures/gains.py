"""What a model gained by being taught: every measure before and after, and their differences beside them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.text import plain_text
from alignbench.results.extent import data_set_title
from alignbench.results.gains import OPTIMISTIC, TASKS, marked, said_measure, with_distances
from alignbench.results.layer_curve import is_simulated

_BEFORE, _AFTER = "#0072b2", "#d55e00"
_SEPARABLE, _NEITHER = "0.1", "0.6"
_ROW: Final = 0.27  # inches


def draw_gains(frame: pd.DataFrame, folder: Path, title: str = "") -> None:
    """Write `gains.png` and `gains.svg`.

    Args:
        frame: `evaluation.csv`.
        folder: Where to write.
        title: What is compared.
    """
    figure = gains_figure(frame, title)
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"gains.{suffix}")


@plain_text()
def gains_figure(frame: pd.DataFrame, title: str = "") -> Figure:
    """Draw a row a measure: left the scores before and after with their intervals, right the difference with its own.

    The intervals of differences are those that hold for all rows together. Rows stand by task, and a task that has
    scores of its own kind has a scale of its own. A short grey line is a ceiling. A star marks data that teacher or
    student have seen, or may have.

    Args:
        frame: `evaluation.csv`.
        title: What is compared.
    """
    frame = with_distances(frame)
    groups = [(task, frame[frame["task"] == task]) for task in TASKS if (frame["task"] == task).any()]
    heights = [len(rows) + 0.9 for _, rows in groups]
    figure = Figure(figsize=(9.0, 1.0 + _ROW * sum(heights) + 0.32 * len(groups)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(len(groups), 2, squeeze=False, width_ratios=(1.35, 1.0), height_ratios=heights)
    for (scores, gains), (task, rows) in zip(axes, groups, strict=True):
        _draw_scores(scores, rows)
        _draw_differences(gains, rows)
        scores.set_title(task, loc="left", fontsize=9, fontweight="bold")
        for axis, ticks in ((scores, 6), (gains, 4)):
            _trim(axis, len(rows), ticks)
    axes[-1][0].set_xlabel("score, 95 % interval of each", fontsize=8)
    axes[-1][1].set_xlabel("after minus before, 95 %\nfor all rows together;\ngrey where that holds 0", fontsize=8)
    handles, labels = _legend(axes[0][0], frame)
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8, frameon=False)
    if title:
        figure.suptitle(title, fontsize=10)
    return figure


def _draw_scores(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw both scores of each row, the one before a little above the one after."""
    places = np.arange(len(rows))
    for name, colour, marker, aside in (("before", _BEFORE, "o", -0.13), ("after", _AFTER, "D", 0.13)):
        values = rows[name].to_numpy()
        axis.hlines(places + aside, rows[f"{name}_low"], rows[f"{name}_high"], color=colour, linewidth=1.4)
        face = "white" if name == "before" else colour
        axis.plot(values, places + aside, marker, color=colour, markerfacecolor=face, markersize=4.5, label=name)
    for place, lacking in enumerate(rows[["before", "after"]].isna().to_numpy()):
        if lacking.any():
            said = "no score" if lacking.all() else f"no score {'before' if lacking[0] else 'after'}"
            axis.annotate(said, (0.02, place), xycoords=("axes fraction", "data"), fontsize=7, color="0.4", va="center")
    axis.vlines(rows["ceiling"], places - 0.36, places + 0.36, color="0.55", linewidth=1.6)
    axis.set_yticks(places, [_label(row) for row in rows.to_dict("records")], fontsize=8)


def _draw_differences(axis: Axes, rows: pd.DataFrame) -> None:
    """Draw the difference of each row, grey where its interval holds 0."""
    axis.axvline(0.0, color="0.7", linewidth=1.0, zorder=0)
    for place, row in enumerate(rows.to_dict("records")):
        low, high = row["corrected_low"], row["corrected_high"]
        colour = _SEPARABLE if low > 0.0 or high < 0.0 else _NEITHER
        axis.hlines(place, low, high, color=colour, linewidth=1.6)
        axis.plot(row["difference"], place, "s", color=colour, markersize=4.5)
    axis.set_yticks(np.arange(len(rows)), [""] * len(rows))


def _trim(axis: Axes, rows: int, ticks: int) -> None:
    axis.set_ylim(rows - 0.5, -0.5)
    axis.tick_params(labelsize=8, length=0, axis="y")
    axis.tick_params(labelsize=7, axis="x")
    axis.locator_params(axis="x", nbins=ticks)
    axis.grid(axis="x", alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)


def _label(row: Mapping[Any, Any]) -> str:
    """What a row is about."""
    data = data_set_title(row["data"]) + (" (simulated)" if is_simulated(row["data"]) else "")
    subset = row["subset"] if row["subset"] != "all" else ""
    about = " ".join(filter(None, [data, subset]))
    said = about if row["measure"] == row["task"] else f"{about}: {said_measure(row['measure'])}"
    return said + (" *" if OPTIMISTIC in marked(row["sample"]) else "")


def _legend(axis: Axes, frame: pd.DataFrame) -> tuple[list[Any], list[str]]:
    """The legend: both scores, and what of ceilings and marks there is."""
    from matplotlib.lines import Line2D

    handles, labels = axis.get_legend_handles_labels()
    if frame["ceiling"].notna().any():
        handles.append(Line2D([], [], color="0.55", marker="|", markersize=9, linestyle="none", markeredgewidth=1.6))
        labels.append("ceiling")
    if any(OPTIMISTIC in marked(sample) for sample in frame["sample"]):
        handles.append(Line2D([], [], linestyle="none"))
        labels.append(f"* {OPTIMISTIC}")
    return handles, labels
