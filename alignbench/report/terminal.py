"""The figure of curves as text: a panel of 80 columns a data set, for a terminal while the work still goes on.

Lines are drawn in braille dots, of which a letter holds eight, and layers as markers with a whisker that spans the 95 %
interval; chance is dotted. Where the encoding of the output has no such letters, all is ASCII.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.report.panels import DEPTH, SIMULATED, Panel, is_baseline, lay_out_panels
from alignbench.report.series import Names

if TYPE_CHECKING:
    import pandas as pd

    from alignbench.results.layer_curve import LayerCurve

COLUMNS: Final = 80
_LEFT: Final = 8  # columns of the numbers of the vertical axis and the axis itself
_WIDE, _HIGH = COLUMNS - _LEFT - 3, 15  # letters between the axes, less the margin on the right
_TICK_ROWS: Final = (0, 7, 14)
_TICKS: Final = (0, 25, 50, 75, 100)  # percent of depth
_DOTS: Final = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))  # of a braille letter, by row and column
_STEPS: Final = 4000  # points by which a line is drawn, so that a steep one has no gaps


class Alphabet(NamedTuple):
    """What a plot is drawn with."""

    markers: str
    whisker: str
    level: str  # lines from edge to edge: baselines
    chance: str
    upright: str
    tick: str
    corner: str
    across: str
    below: str
    dot: str  # a letter with a dot of a line; empty where it is braille


BRAILLE: Final = Alphabet("●○◆◇■□", "│", "─", "┄", "│", "┤", "└", "─", "┬", "")
ASCII: Final = Alphabet("ox*#%@", "|", "=", ".", "|", "+", "+", "-", "+", "'")


def terminal_plot(curves: Sequence[LayerCurve], distances: Sequence[str] | None = None, encoding: str = "utf-8") -> str:
    """Draw curves as text of at most 80 columns, a panel for each data set and subset.

    Args:
        curves: What to draw.
        distances: Only these distances of towers; all if none is given.
        encoding: Encoding of the output, which says which letters there are.

    Returns:
        Lines, each with its end. Labels that are too long for a line are cut.
    """
    frame, panels = lay_out_panels(curves, distances)
    letters = alphabet_for(encoding)
    text = "\n".join(_Plot(panel, letters).text(Names(frame)) for panel in panels)
    return text.encode(encoding, "replace").decode(encoding)


def alphabet_for(encoding: str) -> Alphabet:
    """Braille and box-drawing letters where an encoding has them, and ASCII elsewhere."""
    try:
        ("".join(BRAILLE) + "\u28ff").encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return BRAILLE


@dataclass
class _Plot:
    """One panel being drawn."""

    panel: Panel
    letters: Alphabet
    dots: NDArray[np.bool_] = field(default_factory=lambda: np.zeros((4 * _HIGH, 2 * _WIDE), dtype=bool))
    grid: list[list[str]] = field(default_factory=lambda: [[" "] * _WIDE for _ in range(_HIGH)])

    def text(self, names: Names) -> str:
        """The panel with its title, axes and legend."""
        legend = self._draw(names)
        title = " ".join(filter(None, [self.panel.title, self.panel.part, f"({SIMULATED})" * self.panel.simulated]))
        lines = [title, self.panel.score, *self._rows(), *self._depths(), *legend]
        return "".join(f"{line[:COLUMNS].rstrip()}\n" for line in lines)

    def _draw(self, names: Names) -> list[str]:
        """Draw everything, from the back to the front, and return the lines of the legend."""
        entries = []
        if self.panel.chance is not None:
            self._level(self.panel.chance, self.letters.chance)
            entries.append(f"{self.letters.chance * 2} chance")
        towers = [item for item in self.panel.lines.items() if not is_baseline(item[1])]
        for key, rows in self.panel.lines.items():
            if is_baseline(rows):
                self._level(float(rows["value"].iloc[0]), self.letters.level)
                entries.append(f"{self.letters.level * 2} {names.of(key, rows)}")
        for _, rows in towers:
            self._line(rows)
        self._fill_dots()
        for _, rows in towers:
            self._whiskers(rows)
        for place, (key, rows) in reversed(list(enumerate(towers))):  # the first stands before all others
            marker = self.letters.markers[place % len(self.letters.markers)]
            self._markers(rows, marker)
            entries.insert(0, f"{marker} {names.of(key, rows)}")
        return _flowed([*entries, f"{self.letters.whisker} 95 % interval"] if towers else entries)

    def _height(self, values: Floats | float) -> Indices:
        """Rows of dots from the top."""
        low, high = self.panel.span
        share = (high - np.asarray(values, dtype=np.float64)) / (high - low)
        return np.asarray((share * (4 * _HIGH - 1)).round(), dtype=np.int64)

    def _letter_row(self, value: float) -> int:
        return int(self._height(value)) // 4

    def _level(self, value: float, letter: str) -> None:
        if math.isfinite(value):
            self.grid[self._letter_row(value)] = [letter] * _WIDE

    def _line(self, rows: pd.DataFrame) -> None:
        known = rows[rows["value"].notna()].sort_values("depth", kind="stable")
        if len(known) < 2:
            return
        depth = np.linspace(known["depth"].min(), known["depth"].max(), _STEPS)
        across = (depth / 100 * (2 * _WIDE - 1)).round().astype(int)
        down = self._height(np.interp(depth, known["depth"], known["value"]))
        self.dots[down, across] = True

    def _fill_dots(self) -> None:
        """Put the letters of lines where there is a dot."""
        for row, column in zip(*np.nonzero(self.dots.reshape(_HIGH, 4, _WIDE, 2).any(axis=(1, 3))), strict=True):
            cell = self.dots[4 * row : 4 * row + 4, 2 * column : 2 * column + 2]
            code = 0x2800 + int((np.array(_DOTS) * cell).sum())
            self.grid[row][column] = self.letters.dot or chr(code)

    def _whiskers(self, rows: pd.DataFrame) -> None:
        for depth, low, high in rows[["depth", "ci_low", "ci_high"]].dropna().itertuples(index=False):
            for line in range(self._letter_row(high), self._letter_row(low) + 1):
                self.grid[line][_column(depth)] = self.letters.whisker

    def _markers(self, rows: pd.DataFrame, marker: str) -> None:
        for depth, value in rows[["depth", "value"]].dropna().itertuples(index=False):
            self.grid[self._letter_row(value)][_column(depth)] = marker

    def _rows(self) -> list[str]:
        """The rows between the axes, with the vertical axis and its numbers."""
        ticks, lines = self._ticks(), []
        for number, cells in enumerate(self.grid):
            margin = f"{ticks[number]:{_LEFT - 2}.2f} " if number in ticks else " " * (_LEFT - 1)
            lines.append(margin + (self.letters.tick if number in ticks else self.letters.upright) + "".join(cells))
        return lines

    def _ticks(self) -> dict[int, float]:
        """Numbers of the vertical axis by row: the middle of some rows, and chance, beside which there is no other."""
        low, high = self.panel.span
        middles = {row: high - (4 * row + 1.5) / (4 * _HIGH - 1) * (high - low) for row in _TICK_ROWS}
        if self.panel.chance is None:
            return middles
        own = self._letter_row(self.panel.chance)
        return {row: value for row, value in middles.items() if abs(row - own) > 1} | {own: self.panel.chance}

    def _depths(self) -> list[str]:
        """The horizontal axis with its numbers and its name; where nothing has layers, the axis alone."""
        axis, numbers = [self.letters.across] * _WIDE, [" "] * (_LEFT + _WIDE + 3)
        for tick in _TICKS if self.panel.has_depth else ():
            column = _column(tick)
            axis[column] = self.letters.below
            start = _LEFT + column - (len(str(tick)) - 1) // 2
            numbers[start : start + len(str(tick))] = str(tick)
        line = " " * (_LEFT - 1) + self.letters.corner + "".join(axis)
        return [line, "".join(numbers), " " * _LEFT + DEPTH] if self.panel.has_depth else [line]


def _column(depth: float) -> int:
    return round(depth / 100 * (_WIDE - 1))


def _flowed(entries: Sequence[str]) -> list[str]:
    """The entries of a legend in as few lines as hold them."""
    lines: list[str] = []
    for entry in entries:
        if lines and len(lines[-1]) + 3 + len(entry) <= COLUMNS:
            lines[-1] += f"   {entry}"
        else:
            lines.append(" " * _LEFT + entry)
    return lines
