"""How much of a layer's activity is in its strongest channel, over depth."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from alignbench.models.layer_names import PROJECTION, is_block, is_plain, select_rows
from alignbench.report.figures.canvas import canvas, save_figure
from alignbench.report.figures.text import plain_text
from alignbench.report.panels import DEPTH

_QUANTITIES = {  # name, colour, marker
    "mean_square": ("mean squared activation", "#0072b2", "o"),
    "mean_difference": ("mean squared difference of pairs", "#d55e00", "s"),
}


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
def channels_figure(frame: pd.DataFrame, title: str = "") -> Figure:
    """Draw the share of the strongest channel, and the participation ratio as a fraction of the channels, over depth.

    A filled marker says that the strongest channel of a layer is the one that is strongest of all, of any layer before
    the projection, whose channels are others, unless there is nothing else. Aligned layers are left out.

    Args:
        frame: See `draw_channels`.
        title: Name of the model and data set.
    """
    sheet = canvas(2)
    for quantity, rows in (
        select_rows(frame, is_plain).sort_values("depth", kind="stable").groupby("quantity", sort=False)
    ):
        name, colour, marker = _QUANTITIES[quantity]
        blocks = select_rows(rows, is_block)
        among = rows if blocks.empty else blocks
        strongest = among.loc[among["top_share"].idxmax(), "top_channel"]
        hollow = (rows["top_channel"] != strongest) | ((rows["layer"] == PROJECTION) & (not blocks.empty))
        shown = {
            f"{name} (filled: channel {strongest})": rows["top_share"],
            "_fraction": rows["participation_ratio"] / rows["channels"],
        }
        for axis, (label, values) in zip(sheet.axes, shown.items(), strict=True):
            axis.plot(rows["depth"], values, color=colour, linewidth=1.5, marker=marker, markersize=5, label=label)
            style: dict[str, Any] = {
                "color": colour,
                "marker": marker,
                "markersize": 3,
                "markerfacecolor": "white",
                "linewidth": 0,
            }
            axis.plot(rows["depth"][hollow], values[hollow], **style, label="_hollow")
    said = ("share of the strongest channel", "participation ratio / channels")
    for axis, text in zip(sheet.axes, said, strict=True):
        sheet.trim(axis, DEPTH, text)
        axis.set_ylim(bottom=0.0)
    if title:
        sheet.set_heading(title)
    sheet.add_legend({})
    return sheet.figure
