"""The paper's figure: a panel a data set, depth in percent, a line for each model or distance with its interval.

Untrained twins of a model make one band, published curves are dashed, the noise ceiling is grey.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from alignbench.published import PAPER_JUDGMENTS, oddity
from alignbench.report.series import Key, Look, Names, by_key, looks, published_rows, rows_to_draw
from alignbench.results import LayerCurve

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LEVELS = ("low", "middle", "high")
_SCORE_NAMES = {"spearman": "Spearman correlation", "accuracy": "agreement with the choices"}
_CEILINGS = {  # the first of these that a panel has are drawn
    "noise ceiling": ("ceiling_loo", "ceiling_max_share"),
    "noise ceiling, published": ("ceiling_published",),
    "best attainable": ("ceiling_attainable",),
}
_QUANTITIES = {  # name, colour, marker
    "mean_square": ("mean squared activation", "#0072b2", "o"),
    "mean_difference": ("mean squared difference of pairs", "#d55e00", "s"),
}
_DEPTH = "depth (% of the network; 100 = projection)"
_PUBLISHED = (0, (4, 2))
_NOTE = 0.14  # inches: the height of a line below a panel
_Style = dict[str, Any]


def draw_curve(curve: LayerCurve, folder: Path) -> None:
    """Write `curve.png` and `curve.svg` of one curve into a folder."""
    figure = curves_figure([curve])
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"curve.{suffix}")


def draw_channels(frame: pd.DataFrame, folder: Path, title: str = "") -> None:
    """Write `channels.png` and `channels.svg`: how much of a layer's activity is in its strongest channel.

    Args:
        frame: `channels.csv`: layer, depth, quantity, top_channel, top_share, participation_ratio, channels.
        folder: Where to write.
        title: Name of the model and data set.
    """
    figure = channels_figure(frame, title)
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"channels.{suffix}")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending of the path says in which format (`png`, `svg` or `pdf`)."""
    figure.savefig(path, dpi=150)


# --------------------------------------------------------------------------------------------------- curves


def curves_figure(curves: Sequence[LayerCurve], distances: Sequence[str] | None = None) -> Figure:
    """Draw curves of any number of models and data sets.

    Args:
        curves: What to draw.
        distances: Only these distances of towers; all if none is given. Baselines, which have no layers, are always
            drawn, as horizontal lines.
    """
    frame, published = rows_to_draw(curves, distances), published_rows(curves, distances)
    everything = pd.concat([curve.frame for curve in curves], ignore_index=True)
    look, names = looks(frame), Names(frame)
    panels = _panels(frame)
    figure, axes = _canvas(len(panels))
    for axis, (dataset, subset) in zip(axes, panels, strict=True):
        rows = _of_panel(frame, dataset, subset)
        theirs = by_key(_of_panel(published, dataset, subset))
        _draw_ceiling(axis, _of_panel(everything, dataset, subset))
        for key, part in theirs.items():
            _draw_published(axis, part, look[key])
        lines = by_key(rows)
        for key, part in lines.items():
            (_draw_twins if part["band"].iloc[0] else _draw)(axis, part, look[key], names.of(key, part))
        alone = sum(name == dataset for name, _ in panels) == 1
        _dress(axis, rows, dataset if alone and subset in ("all", "test", "testset1") else f"{dataset}, {subset}")
        _annotate(axis, theirs, lines)
    if names.title:
        _set_title(figure, names.title)
    _add_legend(figure, axes)
    return figure


def _panels(frame: pd.DataFrame) -> list[tuple[str, str]]:
    order = {level: index for index, level in enumerate(_LEVELS)}
    keys = frame[["dataset", "subset", "level"]].drop_duplicates()
    ranked = sorted(keys.itertuples(index=False), key=lambda key: order.get(key.level, len(order)))
    return [(key.dataset, key.subset) for key in ranked]


def _of_panel(frame: pd.DataFrame, dataset: str, subset: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["subset"] == subset)]


def _draw(axis: Axes, rows: pd.DataFrame, look: Look, label: str) -> None:
    """A line with its interval; of a baseline, from edge to edge."""
    depth, value = rows["depth"].to_numpy(), rows["value"].to_numpy()
    low, high = rows["ci_low"].to_numpy(), rows["ci_high"].to_numpy()
    if (rows["layer"] == "image").all():
        axis.axhline(value[0], color=look.colour, linestyle=look.dashes, linewidth=1.2, label=label)
        axis.axhspan(low[0], high[0], color=look.colour, alpha=0.10, linewidth=0)
        return
    style: _Style = {"color": look.colour, "linestyle": look.dashes, "marker": look.marker}
    axis.plot(depth, value, **style, markersize=4, linewidth=1.5, label=label)
    axis.fill_between(depth, low, high, color=look.colour, alpha=0.15, linewidth=0)


def _draw_twins(axis: Axes, rows: pd.DataFrame, look: Look, label: str) -> None:
    """A band from the least to the greatest of several random initialisations, with a thin line at their mean."""
    value = rows.groupby("depth")["value"]
    low, high, mean = value.min(), value.max(), value.mean()
    axis.fill_between(
        low.index,
        low,
        high,
        facecolor=look.colour,
        alpha=0.3,
        hatch="////",
        edgecolor="white",
        linewidth=0,
        label=label,
    )
    axis.plot(mean.index, mean, color=look.colour, linewidth=0.8)


def _draw_published(axis: Axes, rows: pd.DataFrame, look: Look) -> None:
    style: _Style = {"color": look.colour, "linestyle": _PUBLISHED, "linewidth": 1.3, "label": "_published"}
    if (rows["layer"] == "image").all():
        axis.axhline(rows["value"].iloc[0], **style)
    else:
        axis.plot(rows["depth"], rows["value"], **style)


def _draw_ceiling(axis: Axes, rows: pd.DataFrame) -> None:
    """How far people agree with each other; that depends on the judgments alone, so a line of most of them tells it."""
    for label, metrics in _CEILINGS.items():
        most = rows[rows["metric"].isin(metrics)].sort_values("n", ascending=False, kind="stable")
        values = most.drop_duplicates("metric")["value"].dropna()
        if len(values) > 1:
            axis.axhspan(values.min(), values.max(), color="0.85", linewidth=0, label=label, zorder=0)
        elif len(values):
            axis.axhline(values.iloc[0], color="0.75", linewidth=1.5, label=label, zorder=0)
        if len(values):
            return


def _dress(axis: Axes, rows: pd.DataFrame, shown: str) -> None:
    first = rows.iloc[0]
    simulated = "\nsimulated observers, not human data" if first["dataset"].startswith("shapes-") else ""
    axis.set_title(f"{shown} ({first['level']} level){simulated}", fontsize=10)
    axis.set_xlabel(_DEPTH, fontsize=9)
    axis.set_ylabel(_SCORE_NAMES[first["metric"]], fontsize=9)
    _trim(axis)
    if (rows["layer"] == "image").all():  # then there is no depth
        axis.set_xlabel("")
        axis.set_xticks([])


def _annotate(axis: Axes, published: Mapping[Key, pd.DataFrame], ours: Mapping[Key, pd.DataFrame]) -> None:
    """Say below a panel what to mind about the published values in it."""
    said: dict[str, None] = {}  # in this order, each once
    for key, rows in published.items():
        for row in rows.itertuples():
            text = oddity(row.published, row.dataset, row.layer)
            if text:
                which = row.published if row.layer == "image" else row.layer
                whose = f"{key.line}, " if row.layer != "image" and len(published) > 1 else ""
                said[f"{whose}published {which}: {text}"] = None
    for key, rows in published.items():
        count, theirs = int(ours[key]["n"].iloc[0]), PAPER_JUDGMENTS[rows["dataset"].iloc[0]]
        if count != theirs:
            whose = f"{key.line}, " if len(ours) > 1 else ""
            said[f"{whose}ours of {count:,} judgments, published of {theirs:,}"] = None
    if said:
        wrapped = [textwrap.fill(text, 66, break_on_hyphens=False) for text in said]
        axis.set_xlabel("\n".join(filter(None, [axis.get_xlabel(), *wrapped])), fontsize=8)


# ------------------------------------------------------------------------------------------------- channels


def channels_figure(frame: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of the strongest channel, and the participation ratio as a fraction of the channels, over depth.

    A filled marker says that the strongest channel of a layer is the one that is strongest of all, of any layer before
    the projection, whose channels are others.

    Args:
        frame: See `draw_channels`.
        title: Name of the model and data set.
    """
    figure, axes = _canvas(2)
    for quantity, rows in frame.sort_values("depth").groupby("quantity", sort=False):
        name, colour, marker = _QUANTITIES[quantity]
        blocks = rows[rows["layer"] != "projection"]
        strongest = blocks.loc[blocks["top_share"].idxmax(), "top_channel"]
        hollow = (rows["top_channel"] != strongest) | (rows["layer"] == "projection")
        shown = {
            f"{name} (filled: channel {strongest})": rows["top_share"],
            "_fraction": rows["participation_ratio"] / rows["channels"],
        }
        for axis, (label, values) in zip(axes, shown.items(), strict=True):
            axis.plot(rows["depth"], values, color=colour, linewidth=1.5, marker=marker, markersize=5, label=label)
            style: _Style = {
                "color": colour,
                "marker": marker,
                "markersize": 3,
                "markerfacecolor": "white",
                "linewidth": 0,
            }
            axis.plot(rows["depth"][hollow], values[hollow], **style, label="_hollow")
    for axis, text in zip(axes, ("share of the strongest channel", "participation ratio / channels"), strict=True):
        axis.set_ylabel(text, fontsize=9)
        axis.set_xlabel(_DEPTH, fontsize=9)
        axis.set_ylim(bottom=0.0)
        _trim(axis)
    if title:
        _set_title(figure, title)
    _add_legend(figure, axes)
    return figure


# ---------------------------------------------------------------------------------------------- the canvas


def _canvas(panels: int) -> tuple[Figure, list[Axes]]:
    """A figure of up to three panels a row."""
    columns = panels if panels <= 3 else 2 if panels == 4 else 3
    rows = -(-panels // columns)
    figure = Figure(figsize=(max(6.0, 1.0 + 4.2 * columns), 4.0 * rows))
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained", w_pad=0.08, h_pad=0.08)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[panels:]:
        axis.remove()
    return figure, axes[:panels]


def _trim(axis: Axes) -> None:
    axis.set_xlim(-2.0, 102.0)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)


def _set_title(figure: Figure, text: str) -> None:
    figure.suptitle(textwrap.fill(text, int(10 * figure.get_figwidth())), fontsize=11)


def _add_legend(figure: Figure, axes: Sequence[Axes]) -> None:
    """One legend below all panels, in as many columns as fit; panels keep their height beside it and their notes."""
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if any(line.get_label() == "_published" for axis in axes for line in axis.get_lines()):
        handles["published"] = Line2D([], [], color="0.3", linestyle=_PUBLISHED, linewidth=1.3)
    for rows in range(1, len(handles) + 1):
        columns = -(-len(handles) // rows)
        where: _Style = {"loc": "outside lower center", "ncols": columns}
        labels = [textwrap.fill(label, int(13 * figure.get_figwidth())) for label in handles]
        legend = figure.legend(list(handles.values()), labels, **where, fontsize=8, frameon=False)
        extent = legend.get_window_extent()
        if extent.width <= 0.98 * figure.bbox.width or columns == 1:
            break
        legend.remove()
    grid = axes[0].get_gridspec()
    notes = max(axis.get_xlabel().count("\n") for axis in axes) * (grid.nrows if grid else 1)
    figure.set_figheight(figure.get_figheight() + extent.height / figure.dpi + _NOTE * notes)
