"""The sheet that panels are drawn on: its width, the size of its letters, one legend below all panels, and its file."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final, NamedTuple

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from alignbench.report.figures.text import plain_text

_NARROWEST: Final = 2.1  # inches that a panel takes at least
_FLATTEST, _TALLEST = 2.2, 4.0  # inches: a panel's height with its axis labels
_NO_BREAK: Final = "\u00a0"
_PER_LETTER: Final = 0.0081  # inches: the width of a letter of one point, in text of many small ones
_AXIS: Final = 0.65  # inches of a panel that its vertical axis takes, whose numbers and label stand left of it
_SPACES: Final = {"handlelength": 2.6, "handletextpad": 0.8, "columnspacing": 1.5}  # in heights of a letter
_NOTEBOOK: Final = 100  # dots an inch of a figure in a notebook
_LINE: Final = 1.25  # heights of a letter from one line of text to the next


class Letters(NamedTuple):
    """Sizes of text in points, as they are on paper."""

    title: float
    label: float
    tick: float
    legend: float
    note: float
    heading: float


SCREEN: Final = Letters(title=10, label=9, tick=8, legend=8, note=8, heading=11)
PAPER: Final = Letters(title=8, label=7.5, tick=7, legend=7, note=7, heading=8.5)


class ShownFigure(Figure):
    """A figure that a notebook shows as the value of a cell, as it shows those of pyplot, which keeps them all."""

    def _repr_png_(self) -> bytes:
        """The figure as a PNG."""
        content = BytesIO()
        with plain_text():
            self.savefig(content, format="png", dpi=_NOTEBOOK)
        return content.getvalue()


@dataclass(frozen=True)
class Canvas:
    """A figure and its panels.

    Attributes:
        figure: The figure, in inches as it is to be printed.
        axes: Its panels, row by row.
        letters: Sizes of its text.
    """

    figure: Figure
    axes: list[Axes]
    letters: Letters

    def wrapped(self, text: str, size: float, inches: float | None = None) -> str:
        """Break a text into lines that are no wider than the horizontal axis of a panel, or than so many inches."""
        grid = self.axes[0].get_gridspec()
        width = inches or self.figure.get_figwidth() / (grid.ncols if grid else 1) - _AXIS
        kept = text.replace(" level)", f"{_NO_BREAK}level)")
        filled = textwrap.fill(kept, max(12, int(width / (_PER_LETTER * size))), break_on_hyphens=False)
        return filled.replace(_NO_BREAK, " ")

    def trim(self, axis: Axes, xlabel: str, ylabel: str) -> None:
        """Give a panel its labels, its range of depths, a grid, and no frame."""
        axis.set_xlabel(self.wrapped(xlabel, self.letters.note), fontsize=self.letters.note)
        axis.set_ylabel(ylabel, fontsize=self.letters.label)
        axis.set_xlim(-2.0, 102.0)
        axis.tick_params(labelsize=self.letters.tick)
        axis.grid(alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            axis.spines[side].set_visible(False)

    def set_heading(self, text: str) -> None:
        """Give the figure a heading above all panels."""
        shown = self.wrapped(text, self.letters.heading, self.figure.get_figwidth())
        self.figure.suptitle(shown, fontsize=self.letters.heading)

    def add_legend(self, further: Mapping[str, Any], last: Sequence[str] = ()) -> None:
        """Put one legend below all panels, in as many columns as fit; panels keep their height beside it and notes.

        Args:
            further: Handles by label that no panel has.
            last: Labels that come after all others, in their order.
        """
        handles, names = self.handles(further, last)
        size = self.letters.legend
        labels = [self.wrapped(label, size, self.figure.get_figwidth() - _AXIS) for label in names]
        style: dict[str, Any] = {"fontsize": size, "frameon": False, **_SPACES}
        trial = self.figure.legend(handles, labels, **style)
        columns = self._columns([text.get_window_extent().width for text in trial.get_texts()])
        trial.remove()
        where: dict[str, Any] = {"loc": "outside lower center", "ncols": columns}
        legend = self.figure.legend(handles, labels, **where, **style)
        height = legend.get_window_extent().height / self.figure.dpi
        grid = self.axes[0].get_gridspec()
        lines = max(axis.get_xlabel().count("\n") for axis in self.axes) * (grid.nrows if grid else 1)
        beside = lines * _LINE * self.letters.note / 72
        self.figure.set_figheight(self.figure.get_figheight() + height + beside)

    def handles(self, further: Mapping[str, Any], last: Sequence[str] = ()) -> tuple[list[Any], list[str]]:
        """Handles and labels of all that is named in the panels, each once; see `add_legend`."""
        found: dict[str, Any] = {}
        for axis in self.axes:
            found |= {label: handle for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
        named = {label: handle for label, handle in found.items() if label not in last} | dict(further)
        named |= {label: found[label] for label in last if label in found}
        return list(named.values()), list(named)

    def _columns(self, widths: Sequence[float]) -> int:
        """The most columns of a legend that fit, given the widths of its texts in dots."""
        beside = sum(_SPACES.values()) * self.letters.legend / 72 * self.figure.dpi
        for columns in range(len(widths), 1, -1):
            # as matplotlib hands them out
            needed = sum(max(part) + beside for part in np.array_split(np.array(widths), columns))
            if needed <= 0.96 * self.figure.bbox.width:
                return columns
        return 1


def canvas(panels: int, width: float | None = None) -> Canvas:
    """Make an empty figure.

    Args:
        panels: Number of panels.
        width: Width in inches: as many panels stand side by side as it has room for, with the letters of a paper. None
            for a screen: up to three panels a row, as wide as they need.
    """
    most = 3 if width is None else max(1, int(width / _NARROWEST))
    columns = panels if panels <= most else 2 if panels == 4 and most > 1 else most
    rows = -(-panels // columns)
    across = max(6.0, 1.0 + 4.2 * columns) if width is None else width
    down = _TALLEST if width is None else min(_TALLEST, max(_FLATTEST, 0.85 * across / columns))
    figure = ShownFigure(figsize=(across, down * rows))
    FigureCanvasAgg(figure)
    pad = 0.08 if width is None else 0.04
    figure.set_layout_engine("constrained", w_pad=pad, h_pad=pad)
    axes = figure.subplots(rows, columns, squeeze=False).ravel().tolist()
    for axis in axes[panels:]:
        axis.remove()
    return Canvas(figure, axes[:panels], SCREEN if width is None else PAPER)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure; the ending of the path says in which format, see `figure_content`."""
    path.write_bytes(figure_content(figure, path.suffix))


@plain_text()
def figure_content(figure: Figure, ending: str, dots: int = 150) -> bytes:
    """The content of the file of a figure; letters of a PDF stay letters, in fonts (TrueType) that it holds.

    Args:
        figure: What is drawn.
        ending: `.png`, `.svg` or `.pdf`.
        dots: Dots an inch of a PNG.
    """
    content = io.BytesIO()
    with matplotlib.rc_context({"pdf.fonttype": 42}):
        figure.savefig(content, dpi=dots, format=ending.removeprefix(".").lower())
    return content.getvalue()
