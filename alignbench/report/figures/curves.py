"""The paper's figure: a panel a data set, depth in percent, a line for each model or distance with its interval.

Untrained twins of a model make one band, published curves are dashed, the noise ceiling is grey, and a star is a layer
that was aligned by a transform.
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

from alignbench.models.layer_names import PROJECTION, is_block, is_plain, select_rows
from alignbench.report.figures.text import legend_label, plain_text
from alignbench.report.panels import DEPTH, SIMULATED, Ceiling, Panel, aligned_by, is_baseline, lay_out_panels
from alignbench.report.series import Key, Look, Names, looks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from alignbench.results.layer_curve import LayerCurve

_QUANTITIES = {  # name, colour, marker
    "mean_square": ("mean squared activation", "#0072b2", "o"),
    "mean_difference": ("mean squared difference of pairs", "#d55e00", "s"),
}
_PUBLISHED = (0, (4, 2))
_STAR: dict[str, Any] = {"marker": "*", "markersize": 11, "markeredgecolor": "white", "markeredgewidth": 0.6}
_ASIDE, _MOST_ASIDE = 1.5, 9.0  # percent of depth: from a star to its layer and to the next star, and of the last one
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


@plain_text()
def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending of the path says in which format (`png`, `svg` or `pdf`)."""
    figure.savefig(path, dpi=150)


# --------------------------------------------------------------------------------------------------- curves


@plain_text()
def curves_figure(curves: Sequence[LayerCurve], distances: Sequence[str] | None = None) -> Figure:
    """Draw curves of any number of models and data sets.

    Args:
        curves: What to draw.
        distances: Only these distances of towers; all if none is given. Baselines, which have no layers, are always
            drawn, as horizontal lines.
    """
    frame, panels = lay_out_panels(curves, distances)
    look, names = looks(frame), Names(frame)
    figure, axes = _canvas(len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        if panel.ceiling is not None:
            _draw_ceiling(axis, panel.ceiling)
        for key, part in panel.published.items():
            _draw_published(axis, part, look[key])
        for key, part in panel.lines.items():
            draw = _draw_twins if part["band"].iloc[0] else _draw
            draw(axis, part, look[key], legend_label(names.of(key, part)))
        _dress(axis, panel)
        _draw_aligned(axis, panel, look)
    if names.title:
        _set_title(figure, names.title)
    _add_legend(figure, axes)
    return figure


def _draw(axis: Axes, rows: pd.DataFrame, look: Look, label: str) -> None:
    """A line with its interval; of a baseline, from edge to edge."""
    depth, value = rows["depth"].to_numpy(), rows["value"].to_numpy()
    low, high = rows["ci_low"].to_numpy(), rows["ci_high"].to_numpy()
    if is_baseline(rows):
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
    if is_baseline(rows):
        axis.axhline(rows["value"].iloc[0], **style)
    else:
        axis.plot(rows["depth"], rows["value"], **style)


def _draw_aligned(axis: Axes, panel: Panel, look: dict[Key, Look]) -> None:
    """A star with its interval beside each layer that was aligned, to the right, so that none hides another."""
    step = min(_ASIDE, _MOST_ASIDE / max(1, len(panel.aligned)))
    for place, (key, rows) in enumerate(panel.aligned.items(), start=1):
        depth, colour = rows["depth"] + place * step, look[key].colour
        axis.vlines(depth, rows["ci_low"], rows["ci_high"], color=colour, linewidth=1.2)
        axis.plot(depth, rows["value"], color=colour, linewidth=0, **_STAR, label=f"_{aligned_by(rows)}", zorder=3)
        axis.set_xlim(right=max(axis.get_xlim()[1], depth.max() + _ASIDE))


def _draw_ceiling(axis: Axes, ceiling: Ceiling) -> None:
    if len(ceiling.values) > 1:
        axis.axhspan(ceiling.values[0], ceiling.values[-1], color="0.85", linewidth=0, label=ceiling.name, zorder=0)
    else:
        axis.axhline(ceiling.values[0], color="0.75", linewidth=1.5, label=ceiling.name, zorder=0)


def _dress(axis: Axes, panel: Panel) -> None:
    heading = [panel.title, panel.part, SIMULATED if panel.simulated else ""]
    axis.set_title("\n".join(filter(None, heading)), fontsize=10)
    axis.set_xlabel(DEPTH, fontsize=9)
    axis.set_ylabel(panel.score, fontsize=9)
    _trim(axis)
    if not panel.has_depth:
        axis.set_xlabel("")
        axis.set_xticks([])
    if panel.notes:
        wrapped = [textwrap.fill(text, 66, break_on_hyphens=False) for text in panel.notes]
        axis.set_xlabel("\n".join(filter(None, [axis.get_xlabel(), *wrapped])), fontsize=8)


# ------------------------------------------------------------------------------------------------- channels


@plain_text()
def channels_figure(frame: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of the strongest channel, and the participation ratio as a fraction of the channels, over depth.

    A filled marker says that the strongest channel of a layer is the one that is strongest of all, of any layer before
    the projection, whose channels are others. Aligned layers are left out.

    Args:
        frame: See `draw_channels`.
        title: Name of the model and data set.
    """
    figure, axes = _canvas(2)
    for quantity, rows in (
        select_rows(frame, is_plain).sort_values("depth", kind="stable").groupby("quantity", sort=False)
    ):
        name, colour, marker = _QUANTITIES[quantity]
        blocks = select_rows(rows, is_block)
        strongest = blocks.loc[blocks["top_share"].idxmax(), "top_channel"]
        hollow = (rows["top_channel"] != strongest) | (rows["layer"] == PROJECTION)
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
        axis.set_xlabel(DEPTH, fontsize=9)
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
    drawn = dict.fromkeys(str(line.get_label()) for axis in axes for line in axis.get_lines())
    for label in drawn:  # in the colours of many lines: grey stands for all of them
        if label == "_published":
            handles["published"] = Line2D([], [], color="0.3", linestyle=_PUBLISHED, linewidth=1.3)
        elif label.startswith("_aligned by "):
            handles[label[1:]] = Line2D([], [], color="0.3", linewidth=0, **_STAR)
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
