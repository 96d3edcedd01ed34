"""The folder of labels of heads: what is in it, and how its table is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked, checked_object, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.head_texts import is_span

TABLE: Final = "labels.csv"
RECORD: Final = "labels.json"
COLUMNS: Final = ("layer", "head", "label", "margin", "source")
LABELLED, EXAMPLE = "labelled", "example"
AGAIN: Final = "remove the folder, and make it again by `alignbench interpret label`"
_MOST: Final = 1_000_000  # permutations


def is_labelled(folder: Path) -> bool:
    """Whether a folder holds labels of heads."""
    return (folder / RECORD).is_file() and (folder / TABLE).is_file()


def read_label_table(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of a folder of labels, and the table: layer, head, label (empty for none), margin and source.

    Args:
        folder: What `interpret label` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_labelled(folder):
        hint = " (these are picks: label them first)" if is_span(folder) else ""
        raise DataError(f"{folder} holds no {RECORD} and {TABLE}{hint}: make it by `alignbench interpret label`")
    kinds = {"settings": (dict,), "store": (str,), "picks": (str,), "identities": (list,), "names": (list,)}
    try:
        record = checked_object("record", read_json(folder / RECORD), kinds)
        table = read_csv_table(folder / TABLE, texts=("label", "source"), gaps=("margin",))
        lacking = [key for key in kinds if key not in record] + [name for name in COLUMNS if name not in table]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
        names = tuple(record["names"])
        _check_settings(record["settings"])
        if table.duplicated(["layer", "head"]).any():
            raise ValueError("it labels a head twice")
        if not set(table.loc[table["source"] == LABELLED, "label"]) <= {"", *names} or "" in names:
            raise ValueError("it has a label that is not among its names")
        if len(set(names)) < len(names) or not set(table["source"]) <= {LABELLED, EXAMPLE}:
            raise ValueError("it has a name twice, or a source that is none")
    except (OSError, ValueError, OverflowError) as error:
        raise DataError(f"{folder} cannot be read ({one_line(error)}): {AGAIN}") from error
    return record, table


def _check_settings(settings: dict[str, Any]) -> None:
    """Check that settings say what was labelled, and by whom.

    Raises:
        ValueError: If they do not.
    """
    kinds = {"span": (dict,), "labeller": (dict,), "permutations": (int,), "seed": (int,), "anew": (bool,)}
    checked_object("settings", settings, kinds)
    if not kinds.keys() <= settings.keys() or min(settings["permutations"], settings["seed"]) < 0:
        raise ValueError("its settings are not whole")
    if settings["permutations"] > _MOST:
        raise ValueError("it has more permutations than anyone makes")
    checked("labeller", settings["labeller"].get("name"), (str,))
