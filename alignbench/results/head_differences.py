"""The folder of differences between the heads of two models: what is in it, and how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked_object, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.head_alignment import PLACE

TABLE: Final = "differences.csv"
RECORD: Final = "against.json"
COLUMNS: Final = (
    *("kind", "layer", "head", "way", *PLACE, "first", "second", "difference", "low", "high"),
    *("low_together", "high_together"),
)
_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret align --against`"


def is_comparison(folder: Path) -> bool:
    """Whether a folder holds a comparison of the parts of two models."""
    return (folder / RECORD).is_file() and (folder / TABLE).is_file()


def read_comparison(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of a comparison, and its table: a row for each part, way and subset.

    Args:
        folder: What `interpret align --against` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_comparison(folder):
        raise DataError(f"{folder} holds no {RECORD} and {TABLE}: make it by `alignbench interpret align --against`")
    try:
        kinds = {"settings": (dict,), "first": (str,), "second": (str,)}
        record = checked_object("record", read_json(folder / RECORD), kinds)
        gaps = ("first", "second", "difference", "low", "high", "low_together", "high_together")
        table = read_csv_table(folder / TABLE, texts=("kind", "way", *PLACE), gaps=gaps)
        lacking = [name for name in COLUMNS if name not in table] + [key for key in kinds if key not in record]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} cannot be read ({one_line(error)}): {_AGAIN}") from error
    return record, table
