"""The folder of texts that span each head: what is in it, and how it is read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked_object, read_json
from alignbench.results.csv_table import read_csv_table

TABLE: Final = "texts.csv"
RECORD: Final = "textspan.json"
COLUMNS: Final = ("layer", "head", "pick", "index", "text", "deviation", "explained_variance", "margin")
_MAKE: Final = "`alignbench interpret textspan`"


def is_span(folder: Path) -> bool:
    """Whether a folder holds the texts of heads."""
    return (folder / RECORD).is_file() and (folder / TABLE).is_file()


def read_span(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of a folder of texts of heads, and their table: a row for each pick.

    Args:
        folder: What `interpret textspan` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_span(folder):
        raise DataError(f"{folder} holds no {RECORD} and {TABLE}: make it by {_MAKE}")
    try:
        record = checked_object("record", read_json(folder / RECORD), {"settings": (dict,), "store": (str,)})
        table = read_csv_table(folder / TABLE, texts=("text",))
        lacking = [name for name in COLUMNS if name not in table] + [key for key in ("settings",) if key not in record]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it again by {_MAKE}"
        ) from error
    return record, table


def heads_of(table: pd.DataFrame) -> Iterator[tuple[int, int, pd.DataFrame]]:
    """Go through a table head by head: layer, head, and the rows of its picks."""
    for (layer, head), rows in table.groupby(["layer", "head"], sort=True):
        yield int(layer), int(head), rows.sort_values("pick")
