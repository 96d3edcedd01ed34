"""The paper's figure: a panel a data set, depth in percent, a line for each model or distance with its interval."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alignbench.results import LayerCurve

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#999999")  # Okabe and Ito
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES = ("-", "--", "-.", ":")
_LEVELS = ("low", "middle", "high")
_DISTANCE_NAMES = {
    "normalized_euclidean": "normalised Euclidean",
    "euclidean": "Euclidean",
    "cosine": "cosine",
}
_SCORE_NAMES = {"spearman": "Spearman correlation", "accuracy": "agreement with the choices"}


def draw_curve(curve: LayerCurve, folder: Path) -> None:
    """Write `curve.png` and `curve.svg` of one curve into a folder."""
    figure = curves_figure([curve])
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"curve.{suffix}")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending of the path says in which format (`png`, `svg` or `pdf`)."""
    figure.savefig(path, dpi=150)


def curves_figure(curves: Sequence[LayerCurve], distances: Sequence[str] | None = None) -> Figure:
    """Draw curves of any number of models and data sets.

    Args:
        curves: What to draw.
        distances: Only these distances of towers; all if none is given. Baselines, which have no layers, are always
            drawn, as horizontal lines.
    """
    frame = pd.concat([curve.primary() for curve in curves], ignore_index=True)
    is_line = frame["layer"] != "image"
    if distances is not None:
        frame = frame[~is_line | frame["distance"].isin(distances)]
    panels = _panels(frame)
    series = list(dict.fromkeys(zip(frame["model"], frame["distance"], strict=True)))
    styles = dict(zip(series, _styles(len(series)), strict=True))
    labels = _labels(frame, series)

    figure = Figure(figsize=(1.0 + 4.2 * len(panels), 4.4), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for axis, (dataset, subset) in zip(axes, panels, strict=True):
        rows = frame[(frame["dataset"] == dataset) & (frame["subset"] == subset)]
        for name in series:
            part = rows[(rows["model"] == name[0]) & (rows["distance"] == name[1])].sort_values("depth")
            if not part.empty:
                _draw(axis, part, *styles[name], label=labels[name])
        _dress(axis, rows, dataset, subset)
    if frame["model"].nunique() == 1:  # the lines then name distances only
        figure.suptitle(str(frame["model"].iloc[0]), fontsize=11)
    handles = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    rows_of_three = -(-len(handles) // 3)
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=min(3, len(handles)), fontsize=8)
    figure.set_figheight(4.2 + 0.2 * rows_of_three)
    return figure


def _styles(count: int) -> list[tuple[str, str, str]]:
    """Colour, marker and dash for each line; they differ in all three for the eight first, then in their dashes."""
    found = []
    for index in range(count):
        turn, place = divmod(index, len(_COLOURS))
        found.append((_COLOURS[place], _MARKERS[(place + turn) % len(_MARKERS)], _LINES[(place + turn) % len(_LINES)]))
    return found


def _panels(frame: pd.DataFrame) -> list[tuple[str, str]]:
    order = {level: index for index, level in enumerate(_LEVELS)}
    keys = frame[["dataset", "subset", "level"]].drop_duplicates()
    ranked = sorted(keys.itertuples(index=False), key=lambda key: order.get(key.level, len(order)))
    return [(key.dataset, key.subset) for key in ranked]


def _labels(frame: pd.DataFrame, series: list[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Names of lines: the model, the distance, or both, whichever tells them apart."""
    towers = frame[frame["layer"] != "image"]
    many_distances = towers["distance"].nunique() > 1
    many_models = towers["model"].nunique() > 1
    baselines = set(frame.loc[frame["layer"] == "image", "model"])
    labels = {}
    for model, distance in series:
        spoken = _DISTANCE_NAMES.get(distance, distance)
        if model in baselines or not many_distances:
            labels[(model, distance)] = model
        else:
            labels[(model, distance)] = f"{model}, {spoken}" if many_models else spoken
    return labels


def _draw(axis: Axes, rows: pd.DataFrame, colour: str, marker: str, line: str, label: str) -> None:
    depth, value = rows["depth"].to_numpy(), rows["value"].to_numpy()
    low, high = rows["ci_low"].to_numpy(), rows["ci_high"].to_numpy()
    if (rows["layer"] == "image").all():
        axis.axhline(value[0], color=colour, linestyle=line, linewidth=1.2, label=label)
        axis.axhspan(low[0], high[0], color=colour, alpha=0.10, linewidth=0)
        return
    axis.plot(depth, value, color=colour, linestyle=line, marker=marker, markersize=4, linewidth=1.5, label=label)
    axis.fill_between(depth, low, high, color=colour, alpha=0.15, linewidth=0)


def _dress(axis: Axes, rows: pd.DataFrame, dataset: str, subset: str) -> None:
    level = rows["level"].iloc[0]
    simulated = "\nsimulated observers, not human data" if dataset.startswith("shapes-") else ""
    shown = dataset if subset in ("all", "test", "testset1") else f"{dataset}, {subset}"
    axis.set_title(f"{shown} ({level} level){simulated}", fontsize=10)
    axis.set_xlabel("depth (% of the network; 100 = projection)", fontsize=9)
    axis.set_ylabel(_SCORE_NAMES[rows["metric"].iloc[0]], fontsize=9)
    axis.set_xlim(-2.0, 102.0)
    axis.tick_params(labelsize=8)
    axis.grid(alpha=0.25, linewidth=0.6)
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
