"""The ceiling curve: what a linear readout reaches at each depth, beside zero-shot."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alignbench.report.figures.canvas import save_figure
from alignbench.report.figures.text import plain_text
from alignbench.results.extent import data_set_title
from alignbench.results.layer_curve import is_simulated

_LINES = (
    ("before", "zero-shot", "#0072b2", "o", -0.7),
    ("after", "after a transform learned on other objects", "#d55e00", "*", 0.7),
)


def draw_ceiling(frame: pd.DataFrame, folder: Path) -> None:
    """Write `ceiling.png` and `ceiling.svg`.

    Args:
        frame: `ceiling.csv` of one model.
        folder: Where to write.
    """
    figure = ceiling_figure(frame)
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"ceiling.{suffix}")


@plain_text()
def ceiling_figure(frame: pd.DataFrame) -> Figure:
    """Draw odd-one-out accuracy over depth, before and after, each with its interval, chance and the noise ceiling."""
    first = frame.iloc[0]
    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    for name, label, colour, marker, aside in _LINES:
        low, high = frame[f"{name}_low"], frame[f"{name}_high"]
        depth = frame["depth"] + (aside if len(frame) == 1 else 0.0)  # bars beside each other, bands over each other
        axis.plot(depth, frame[name], color=colour, marker=marker, markersize=6, linewidth=1.5, label=label)
        if len(frame) == 1:
            axis.vlines(depth, low, high, color=colour, linewidth=1.5)
        else:
            axis.fill_between(depth, low, high, color=colour, alpha=0.15, lw=0)
    axis.set_xlim(-2.0, 103.0)
    ceiling = frame["noise_ceiling"].max()
    if pd.notna(ceiling):
        axis.axhline(ceiling, color="0.6", linewidth=1.5, label="noise ceiling", zorder=0)
    axis.axhline(1 / 3, color="0.6", linewidth=1.0, linestyle=":", label="chance", zorder=0)
    simulated = " (simulated observers)" if is_simulated(first["dataset"]) else ""
    place = f"{data_set_title(first['dataset'])}{simulated}"
    axis.set_title(f"{first['model']} on {place}: {first['objective']}", fontsize=10)
    axis.set_xlabel("depth (% of the network; 100 = projection)")
    axis.set_ylabel(f"odd-one-out accuracy on held-out objects\n({first['similarity']})")
    figure.legend(loc="outside lower center", ncols=2, fontsize=8, frameon=False)
    axis.spines[["top", "right"]].set_visible(False)
    return figure
