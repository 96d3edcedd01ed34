"""The folder of scores of labelled heads: what is in it, and how it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked, checked_object, read_json
from alignbench.results.csv_table import read_csv_table

RECORD: Final = "scores.json"
SCORES: Final = "scores.csv"
HEADS: Final = "heads.csv"
JUDGED: Final = "judged.csv"
SCORE_COLUMNS: Final = ("measure", "value", "low", "high", "baseline", "baseline_low", "baseline_high", "p")
HEAD_COLUMNS: Final = (
    *("layer", "head", "label", "margin", "source", "judged", "agreeing", "share", "first_agreeing", "others"),
    *("label_again", "picks_again", "texts"),
)
JUDGED_COLUMNS: Final = ("layer", "head", "pick", "text", "label", "agrees")
_MAKE: Final = "`alignbench interpret score`"
_KINDS: Final = {
    **{"settings": (dict,), "store": (str,), "labels": (str,), "model": (str,), "heads": (int,), "size": (int,)},
    "notes": (list,),
}


def is_scored(folder: Path) -> bool:
    """Whether a folder holds scores of labelled heads."""
    return all((folder / name).is_file() for name in (RECORD, SCORES, HEADS, JUDGED))


def read_scores(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of a folder of scores, and the table: a row for each measure.

    Args:
        folder: The folder.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_scored(folder):
        raise DataError(f"{folder} holds no {RECORD} and its tables: make it by {_MAKE}")
    try:
        record = checked_object("record", read_json(folder / RECORD), _KINDS)
        table = read_csv_table(folder / SCORES, texts=("measure",), gaps=SCORE_COLUMNS[1:])
        lacking = [key for key in _KINDS if key not in record] + [name for name in SCORE_COLUMNS if name not in table]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
        _check_settings(record["settings"])
        if table["measure"].duplicated().any():
            raise ValueError("it has a measure twice")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it again by {_MAKE}"
        ) from error
    return record, table


def _check_settings(settings: dict[str, Any]) -> None:
    """Check that settings say who labelled and judged which heads.

    Raises:
        ValueError: If they do not.
    """
    parts = (("labels",), ("judge",), ("labels", "labeller"), ("labels", "span"), ("labels", "span", "heads"))
    for path in parts:
        inner: Any = settings
        for key in path:
            inner = checked("settings", inner, (dict,)).get(key)
        checked(f"settings.{'.'.join(path)}", inner, (dict,))
    for part in (settings["judge"], settings["labels"]["labeller"]):
        checked("name", part.get("name"), (str,))


def read_head_rows(folder: Path) -> pd.DataFrame:
    """Read the table of heads of a folder of scores: a row for each head, with its texts, label and scores.

    Args:
        folder: The folder.

    Raises:
        DataError: If it is none, or damaged.
    """
    gaps = ("margin", "judged", "agreeing", "share", "first_agreeing", "others", "label_again", "picks_again")
    return _read(folder, HEADS, HEAD_COLUMNS, ("label", "source", "texts"), gaps)


def read_judged_texts(folder: Path) -> pd.DataFrame:
    """Read what the judge has said: a row for each text of a head that was judged.

    Args:
        folder: The folder.

    Raises:
        DataError: If it is none, or damaged.
    """
    return _read(folder, JUDGED, JUDGED_COLUMNS, ("text", "label"), ())


def _read(folder: Path, name: str, columns: Sequence[str], texts: Sequence[str], gaps: Sequence[str]) -> pd.DataFrame:
    try:
        table = read_csv_table(folder / name, texts, gaps)
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise ValueError(f"{name} has no column {lacking[0]}")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it again by {_MAKE}"
        ) from error
    return table
