"""Any table in words, and numbers as the page writes them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.results.extent import data_set_title

NONE = "-"


def number(value: float, sign: str = "") -> str:
    """A score with three decimals."""
    return f"{value:{sign}.3f}" if math.isfinite(value) else NONE


def spoken_p(value: float) -> str:
    """A p-value with three decimals."""
    return "<0.001" if value < 0.0005 else number(value)


@dataclass(frozen=True)
class Plain:
    """A table in words: its columns, which of them hold numbers, and its rows."""

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def plain(frame: pd.DataFrame) -> Plain:
    """A frame in words."""
    numeric = tuple(
        pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]) for name in frame
    )
    columns = tuple(str(name).replace("_", " ") for name in frame)
    said = [frame[name].map(_OWN_WORDS.get(name, _word), na_action=None) for name in frame]
    return Plain(columns, numeric, tuple(zip(*said, strict=True)))


_OWN_WORDS: Final[dict[Any, Callable[[Any], str]]] = {  # columns that have theirs
    "p": spoken_p,
    "p_corrected": spoken_p,
    "dataset": data_set_title,
}


def _word(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)
