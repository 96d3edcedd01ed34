"""The folder of ablations: what is in it, how it is read, and what its arms are called where people read them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, one_line
from alignbench.files.json_text import checked, checked_object, read_json
from alignbench.results.csv_table import read_csv_table

TABLE: Final = "ablations.csv"
RECORD: Final = "ablate.json"
ACCURACY: Final = "accuracy"
WORST: Final = "worst_group"
GROUP: Final = "group"
COLUMNS: Final = (
    *("kind", "layer", "head", "heads", "label", "way", "measure", "group", "n", "value", "low", "high"),
    *("difference", "difference_low", "difference_high"),
)
_ARM: Final = ("kind", "layer", "head", "heads", "label", "way")  # what is ablated, and what takes its place
_TEXTS: Final = ("kind", "heads", "label", "way", "measure", "group")
_GAPS: Final = ("low", "high", "difference_low", "difference_high")
_MAKE: Final = "`alignbench interpret ablate`"


def is_ablation(folder: Path) -> bool:
    """Whether a folder holds ablations."""
    return (folder / RECORD).is_file() and (folder / TABLE).is_file()


def read_ablation(folder: Path) -> tuple[dict[str, Any], pd.DataFrame]:
    """Read the record of a folder of ablations, and their table: a row for each arm, way and score.

    Args:
        folder: What `interpret ablate` has left.

    Raises:
        DataError: If it is none, or damaged.
    """
    if not is_ablation(folder):
        raise DataError(f"{folder} holds no {RECORD} and {TABLE}: make it by {_MAKE}")
    try:
        kinds = {"settings": (dict,), "store": (str,), "reference": (str,), "classes": (dict,)}
        record = checked_object("record", read_json(folder / RECORD), kinds)
        table = read_csv_table(folder / TABLE, _TEXTS, _GAPS)
        lacking = [name for name in COLUMNS if name not in table] + [key for key in kinds if key not in record]
        if lacking:
            raise ValueError(f"{lacking[0]} is not there")
        checked("settings.heads", record["settings"].get("heads"), (dict,))
        if table.empty or table["measure"].iloc[0] != ACCURACY:
            raise ValueError(f"{TABLE} does not begin with an accuracy")
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder} cannot be read ({one_line(error)}): remove the folder, and make it again by {_MAKE}"
        ) from error
    return record, table


def arm_name(row: Any) -> str:
    """What an arm is called where people read it, e.g. `heads of layer 5`.

    Args:
        row: A row of the table, as `itertuples` gives it.
    """
    named: dict[str, str] = {
        "all": "nothing",
        "head": f"head {row.layer}.{row.head}",
        "layer": f"heads of layer {row.layer}",
        "mlp": f"MLP {row.layer}",
        "mlps": "all MLPs",
        "class": "class token to itself",
        "early": f"attention up to layer {row.layer}",
        "random": f"drawn: {row.heads}",
    }
    return named.get(row.kind, f"{row.label}: {row.heads}" if row.label else str(row.heads))


def ablated_model(record: dict[str, Any]) -> str:
    """Return the name of the model of a folder.

    Args:
        record: What `read_ablation` gives.
    """
    return str(record["settings"]["heads"].get("model", ""))


def arms(table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    """Go through a table arm by arm, as they stand in it: the rows of each, its accuracy first.

    Args:
        table: The table of a folder. Drawn groups may be of the same heads, and are arms of their own.
    """
    for _, rows in table.groupby((table["measure"] == ACCURACY).cumsum(), sort=True):
        yield rows


def rows_to_show(table: pd.DataFrame, most: int) -> tuple[pd.DataFrame, str]:
    """Leave out accuracies of groups, and those single heads that change less than others.

    Args:
        table: The table of a folder.
        most: Single heads that are kept: those whose accuracy, or that of the worst group where there is one, changes
            most.

    Returns:
        The rows, and a line that says how many of single heads are shown; empty where all are.
    """
    own = table[table["measure"] != GROUP]
    score = WORST if (own["measure"] == WORST).any() else ACCURACY
    single = own[(own["kind"] == "head") & (own["measure"] == score)]
    first = single["difference"].abs().sort_values(ascending=False, kind="stable").index[:most]
    left_out = pd.MultiIndex.from_frame(single.drop(first)[list(_ARM)])
    shown = own[~pd.MultiIndex.from_frame(own[list(_ARM)]).isin(left_out)]
    told = f"{most} of {len(single)} ablations of single heads, those that change most; all are in the folder"
    return shown, told if len(left_out) else ""
