"""Reads a table that we wrote as CSV: every number to its last digit, and every text as it is."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from alignbench.files import open_plain

_VERSION: Final = tuple(int(part) for part in pd.__version__.split(".")[:2])
# before 3.1 pandas rounds the last digit unless it is told not to; since then it never does, and warns of being told
_EXACTLY: Final[dict[str, Any]] = {"float_precision": "round_trip"} if _VERSION < (3, 1) else {}


def read_csv_table(path: Path, texts: Collection[str], gaps: Collection[str] = ()) -> pd.DataFrame:
    """Read a table.

    Args:
        path: The CSV file.
        texts: Columns of text. They stay as they are, also where they look like numbers or like a missing value; all
            others are numbers.
        gaps: Columns of numbers in which an empty field means that there is none (NaN); all others are finite.

    Raises:
        OSError: If the file cannot be opened.
        ValueError: If it is no table, or if something else stands where a number belongs, or one that is
            infinite; names the column.
    """
    open_plain(path).close()
    missing, types = dict.fromkeys(gaps, ""), dict.fromkeys(texts, str)
    frame = pd.read_csv(path, keep_default_na=False, na_values=missing, dtype=types, **_EXACTLY)
    for name, column in frame.items():
        if name in texts or frame.empty:
            continue
        if not is_numeric_dtype(column) or is_bool_dtype(column):
            raise ValueError(f"column '{name}' holds what is no number")
        if name not in gaps and np.isinf(column.to_numpy(dtype=np.float64)).any():
            raise ValueError(f"column '{name}' holds a number that is not finite")
    return frame
