"""Which heads agree with people: a map of layers and heads for each level, and how many heads it takes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PatchCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import MaxNLocator

from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.text import plain_text
from alignbench.report.panels import score_name
from alignbench.results.extent import data_set_title
from alignbench.results.head_alignment import CAVEAT, NULLS, SEPARABLE, by_place, own_scores, sums_of_heads
from alignbench.results.layer_curve import is_simulated

_LEVEL_COLOURS: Final = {"low": "#0072b2", "middle": "#009e73", "high": "#d55e00"}
_OTHER, _GREY, _RANDOM = "#7d3cff", "#e4e4e4", "0.55"
_INK: Final = "#1b1b1b"
_COLUMNS: Final = 3
_WIDE, _CELL, _SUMS = 3.6, 0.17, 1.75  # inches: a panel's width, a cell's height, the height of the panel of sums
_LEAST, _MOST = 2.2, 4.6  # inches of a map
_FEW: Final = 12  # layers, or heads, that are all named
_GAP: Final = 0.5  # widths of a cell between heads and MLPs


def draw_heads(alignment: pd.DataFrame, cumulative: pd.DataFrame, folder: Path, title: str = "") -> None:
    """Write `heads.png` and `heads.svg`.

    Args:
        alignment: `alignment.csv`.
        cumulative: `cumulative.csv`.
        folder: Where to write.
        title: What the heads are of.
    """
    figure = heads_figure(alignment, cumulative, title)
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"heads.{suffix}")


@plain_text()
def heads_figure(alignment: pd.DataFrame, cumulative: pd.DataFrame, title: str = "") -> Figure:
    """Draw a map for everything that is scored, and below it the scores of sums of heads.

    A cell is a head, alone; the column on the right has the MLPs, and the embedding below them. The colour is the
    score. Grey are those that are not told from chance. A dot marks heads above random subspaces of their layer, a
    frame what lies above a twin of random weights. Of sums the mean over halvings is drawn, with 90 % of them.

    Args:
        alignment: `alignment.csv`, of one data set or of several of one model.
        cumulative: `cumulative.csv`, likewise.
        title: What the heads are of.
    """
    places = list(by_place(own_scores(alignment)))
    sums = {tuple(place.values()): rows for place, rows in by_place(own_scores(cumulative))}
    alone = own_scores(alignment).query("way == 'alone' and kind != 'all'")
    columns = min(_COLUMNS, len(places))
    lines = -(-len(places) // columns)
    tall = float(np.clip(_CELL * (alone["layer"].max() + 1), _LEAST, _MOST))
    heights = [tall, _SUMS] if sums else [tall]
    size = (max(5.0, _WIDE * columns), lines * (sum(heights) + 0.75 * len(heights)) + 0.6)
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.subplots(lines * len(heights), columns, squeeze=False, height_ratios=heights * lines)
    for axis in grid.ravel():
        axis.set_visible(False)
    for number, (place, rows) in enumerate(places):
        line, column = divmod(number, columns)
        _draw_map(grid[line * len(heights), column], place, rows)
        if tuple(place.values()) in sums:
            _draw_sums(grid[line * len(heights) + 1, column], place, sums[tuple(place.values())], _whole(rows))
    handles = _legend(alone)
    if sums:
        handles += [Line2D([], [], color=_INK, label="heads in the order chosen on the other half")]
        handles += [Line2D([], [], color=_RANDOM, linestyle="--", label="in random order")]
    style: dict[str, Any] = {"fontsize": 8, "title_fontsize": 8, "frameon": False}
    columns = 2 if columns > 1 else 1
    figure.legend(handles=handles, title=CAVEAT, loc="outside lower center", ncols=columns, **style)
    if title:
        figure.suptitle(title, fontsize=11)
    return figure


# ------------------------------------------------------------------------------------------------- the map


def _draw_map(axis: Axes, place: Mapping[str, str], rows: pd.DataFrame) -> None:
    """Draw the components of a place, alone."""
    axis.set_visible(True)
    axis.set_title(_title(place), fontsize=9, loc="left")
    alone = rows[(rows["way"] == "alone") & (rows["kind"] != "all")]
    heads = alone.loc[alone["kind"] == "head", "head"]
    beside = heads.max() + 1.0 + _GAP if len(heads) else 0.0  # where the column of MLPs begins
    left = np.where(alone["kind"] == "head", alone["head"], beside)
    cells = pd.DataFrame({"x": left, "y": alone["layer"] - 0.5}, index=alone.index)
    grey = alone["value"].isna() | (alone["p_choices"].notna().any() & ~(alone["p_choices"] <= SEPARABLE))
    shown, whole = alone[~grey], _whole(rows)
    edges: dict[str, Any] = {"edgecolor": "white", "linewidth": 0.8}
    axis.add_collection(PatchCollection(_squares(cells[grey]), facecolor=_GREY, **edges))
    norm = _norm(shown if len(shown) else alone, whole)
    coloured = PatchCollection(_squares(cells[~grey]), cmap=_ramp(place["level"]), norm=norm, **edges)
    coloured.set_array(shown["value"].to_numpy())
    axis.add_collection(coloured)
    framed = _squares(cells[alone["p_twin"] <= SEPARABLE], 0.03)
    axis.add_collection(PatchCollection(framed, facecolor="none", edgecolor=_INK, linewidth=0.9))
    above = cells[alone["p_subspace"] <= SEPARABLE] + 0.5
    axis.plot(above["x"], above["y"], "o", color="white", markeredgecolor=_INK, markersize=3.4, markeredgewidth=0.7)
    _label_map(axis, alone, beside)
    _add_bar(axis, coloured, place["measure"], whole)


def _squares(cells: pd.DataFrame, inset: float = 0.0) -> list[Rectangle]:
    side = 1.0 - 2.0 * inset
    return [Rectangle((x + inset, y + inset), side, side) for x, y in cells.to_numpy()]


def _label_map(axis: Axes, alone: pd.DataFrame, beside: float) -> None:
    """Name layers, heads, and what is beside them."""
    layers = range(int(alone["layer"].max()), 0, -1 if alone["layer"].max() <= _FEW else -2)
    axis.set_yticks(list(layers), [str(layer) for layer in layers], fontsize=7)
    heads = range(0, int(max(0.0, beside - _GAP)), 1 if beside <= _FEW else 2)
    ticks = {str(head): head + 0.5 for head in heads}
    if (alone["kind"] == "mlp").any():
        ticks["MLP"] = beside + 0.5
    axis.set_xticks(list(ticks.values()), list(ticks), fontsize=7)
    lowest = int((alone["kind"] != "embedding").all())
    if not lowest:
        where: dict[str, Any] = {"xytext": (-3, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        axis.annotate("embedding", (beside, 0.0), fontsize=7, **where)
    axis.set_xlim(-0.1, beside + 1.1)
    axis.set_ylim(lowest - 0.6, alone["layer"].max() + 0.6)
    axis.set_xlabel("head", fontsize=8)
    axis.set_ylabel("layer", fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)


def _add_bar(axis: Axes, coloured: PatchCollection, measure: str, whole: float) -> None:
    """Put the scale of the colours below a map, with the place of the whole on it."""
    bar = axis.figure.colorbar(coloured, ax=axis, location="bottom", shrink=0.92, aspect=26, pad=0.03)
    bar.set_label(f"{score_name(measure)}, alone", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    bar.locator = MaxNLocator(nbins=5)
    bar.ax.spines[:].set_visible(False)
    if np.isfinite(whole):
        bar.ax.axvline(whole, color=_INK, linewidth=1.4)
        _say_whole(bar.ax, (whole, 1.0), ("data", "axes fraction"), "center")


def _say_whole(axis: Axes, place: tuple[float, float], units: tuple[str, str], side: str) -> None:
    where: dict[str, Any] = {"xytext": (0, 1.5), "textcoords": "offset points", "ha": side, "va": "bottom"}
    axis.annotate("whole", place, xycoords=units, fontsize=7, **where)


def _norm(shown: pd.DataFrame, whole: float) -> Normalize:
    """From the least to the greatest score that is coloured, and that of the whole."""
    values = [*shown["value"].dropna(), *([whole] if np.isfinite(whole) else [])]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    apart = 0.04 * (high - low) or 0.01
    return Normalize(low - apart, high + apart)


def _ramp(level: str) -> LinearSegmentedColormap:
    """From a tint of the colour of a level to a shade of it."""
    colour = np.array(to_rgb(_LEVEL_COLOURS.get(level, _OTHER)))
    return LinearSegmentedColormap.from_list(level, [0.28 * colour + 0.72, 0.75 * colour + 0.25, colour, 0.45 * colour])


def _whole(rows: pd.DataFrame) -> float:
    """The score of all components together; not a number without one."""
    found = rows.loc[rows["kind"] == "all", "value"]
    return float(found.iloc[0]) if len(found) else float("nan")


def _title(place: Mapping[str, str]) -> str:
    people = " (simulated)" if is_simulated(place["dataset"]) else ""
    data = f"{place['level']} level: {data_set_title(place['dataset'])}{people}"
    return f"{data}\n{place['part']}, {place['protocol']} protocol"


def _legend(alone: pd.DataFrame) -> list[Any]:
    """What marks say, as far as there are any."""
    known = {null: alone[null].notna().any() for null in NULLS}
    handles: list[Any] = []
    if known["p_choices"]:
        handles.append(Patch(facecolor=_GREY, label="not told from chance"))
    if known["p_subspace"]:
        style: dict[str, Any] = {"color": "white", "markeredgecolor": _INK, "markersize": 4.5, "linestyle": "none"}
        handles.append(Line2D([], [], marker="o", label="above random subspaces of its layer", **style))
    if known["p_twin"]:
        handles.append(Patch(facecolor="none", edgecolor=_INK, label="above a twin of random weights"))
    return handles


# ------------------------------------------------------------------------------------------------- the sums


def _draw_sums(axis: Axes, place: Mapping[str, str], rows: pd.DataFrame, whole: float) -> None:
    """Draw the score of a sum of heads over their number, of both kinds of orders, and that of the whole."""
    axis.set_visible(True)
    colour = _LEVEL_COLOURS.get(place["level"], _OTHER)
    found = sums_of_heads(rows)
    for kind, drawn, line in (("random", _RANDOM, "--"), ("chosen", colour, "-")):
        of = found[found["kind"] == kind]
        axis.fill_between(of["heads"], of["low"], of["high"], color=drawn, alpha=0.16, lw=0)
        axis.plot(of["heads"], of["mean"], color=drawn, linestyle=line, linewidth=1.6)
    if np.isfinite(whole):
        axis.axhline(whole, color=_INK, linewidth=0.9, linestyle=":")
        _say_whole(axis, (1.0, whole), ("axes fraction", "data"), "right")
    axis.set_xlim(0.7, found["heads"].max() + 0.3)
    axis.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    axis.set_xlabel("heads added up", fontsize=8)
    axis.set_ylabel(score_name(place["measure"]).replace(" ", "\n", 1), fontsize=8)
    axis.tick_params(labelsize=7)
    axis.grid(alpha=0.25, linewidth=0.6)
    axis.spines[["top", "right"]].set_visible(False)
