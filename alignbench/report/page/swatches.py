"""How lines look on the page, in the script's terms, and the boxes by which a reader shows and hides them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from alignbench.report.series import Look

_SYMBOLS: Final = {  # matplotlib's name, Plotly's
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
}
_DASHES: Final = {"-": "solid", "-.": "8px,3px,2px,3px", ":": "2px,3px"}
_PUBLISHED: Final = "5px,3px"
GREY: Final = "#555555"
MARKERS: Final = {  # outlines in the legend, around (19, 7), by Plotly's name
    "circle": "M19 3a4 4 0 1 1 0 8a4 4 0 1 1 0-8z",
    "square": "M15.5 3.5h7v7h-7z",
    "triangle-up": "M19 2.5 23.5 10.5h-9z",
    "diamond": "M19 2 24 7 19 12 14 7z",
    "triangle-down": "M19 11.5 23.5 3.5h-9z",
    "cross": "M17.3 2.5h3.4v2.8h2.8v3.4h-2.8v2.8h-3.4V8.7h-2.8V5.3h2.8z",
    "x": "M19 5 21.5 2.5 23.5 4.5 21 7 23.5 9.5 21.5 11.5 19 9 16.5 11.5 14.5 9.5 17 7 14.5 4.5 16.5 2.5z",
    "star": "M19 2 20.2 5.4H23.8L20.9 7.6 22 11 19 8.9 16 11 17.1 7.6 14.2 5.4H17.8z",
}


@dataclass(frozen=True)
class Swatch:
    """How a line looks, for the legend and the script.

    Attributes:
        colour: In hexadecimal.
        symbol: Plotly's name of the marker; empty for lines without.
        dash: Lengths of dashes and gaps, or `solid`.
        kind: `tower`, `baseline`, `twins`, `published`, `aligned` or `reference`.
    """

    colour: str
    symbol: str
    dash: str
    kind: str


@dataclass(frozen=True)
class Toggle:
    """A box that hides lines.

    Attributes:
        key: What it hides: everything that has this key.
        name: What it is called.
        on: Whether it is ticked at first.
        swatch: How its lines look.
    """

    key: str
    name: str
    on: bool
    swatch: Swatch


def draw_swatch(look: Look, kind: str) -> Swatch:
    """A line's look in the terms of the page; plain dashes are those of published curves."""
    dash = _PUBLISHED if kind == "published" else _dash(look.dashes)
    symbol = {"tower": _SYMBOLS.get(look.marker, ""), "aligned": "star"}.get(kind, "")
    return Swatch(look.colour, symbol, dash, kind)


def _dash(dashes: Any) -> str:
    """Dashes as Plotly has them, from matplotlib's name or its lengths (offset, (dash, gap, ...))."""
    if isinstance(dashes, str):
        return _DASHES[dashes]
    return ",".join(f"{2 * length}px" for length in dashes[1])
