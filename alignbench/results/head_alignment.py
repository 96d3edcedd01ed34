"""How close every component of a model is to people: the folder that scoring heads, MLPs and the embedding leaves.

It holds `alignment.csv` (a row for each component, way and measure), `cumulative.csv` (sums of heads), `align.json`,
and the figures `heads.png` and `heads.svg`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from pandas.api.types import is_integer_dtype

from alignbench.datasets.judgments import LEVELS
from alignbench.errors import DataError, one_line
from alignbench.files import whole_folder
from alignbench.files.json_text import checked, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.folders import find_folders
from alignbench.results.layer_curve import PRIMARY_METRICS

RECORD: Final = "align.json"
TABLE: Final = "alignment.csv"
CUMULATIVE: Final = "cumulative.csv"
FIGURE: Final = "heads.png"
_FILES: Final = (RECORD, TABLE, CUMULATIVE, FIGURE, "heads.svg")

KINDS: Final = ("head", "mlp", "embedding", "all")
WAYS: Final = ("alone", "left_out")
ORDERS: Final = ("chosen", "random")
PLACE: Final = ("level", "dataset", "part", "measure", "distance", "protocol")
"""The columns that say what is scored: rows that are equal in them are compared with each other."""
NULLS: Final = ("p_choices", "p_subspace", "p_twin")
COLUMNS: Final = ("kind", "layer", "head", "way", *PLACE, "value", "low", "high", "n", *NULLS)
CUMULATIVE_COLUMNS: Final = (*PLACE, "split", "direction", "heads", "kind", "value")
SEPARABLE: Final = 0.05
"""The largest p-value, corrected for all components, at which one is told from a null."""
CAVEAT: Final = "direct effects: what later layers make of a head's output is not counted"
_MOST: Final = 9_999
_AGAIN: Final = "remove the folder, and make it again by `alignbench interpret align`"


def component_name(kind: str, layer: int, head: int) -> str:
    """What a component is called where people read it, e.g. `head 3 of layer 12`.

    Args:
        kind: One of `KINDS`.
        layer: Its layer, from 1.
        head: Its number in the layer, from 0.
    """
    if kind == "head":
        return f"head {head} of layer {layer}"
    return f"MLP of layer {layer}" if kind == "mlp" else "the whole" if kind == "all" else f"the {kind}"


def own_scores(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows that are shown: those of each level's own metric, in the distances in which components are scored.

    Args:
        frame: `alignment.csv` or `cumulative.csv`; the whole stands in further distances in it.
    """
    parts = frame[frame["kind"] != "all"]
    return frame[frame["measure"].isin(PRIMARY_METRICS) & frame["distance"].isin(parts["distance"].unique())]


def by_place(frame: pd.DataFrame) -> Iterator[tuple[dict[str, str], pd.DataFrame]]:
    """Go through what is scored, by level and then as it stands in the table: its `PLACE`, and its rows."""
    groups = list(frame.groupby(list(PLACE), sort=False))
    for place, rows in sorted(groups, key=lambda group: (*LEVELS, group[0][0]).index(group[0][0])):
        yield dict(zip(PLACE, place, strict=True)), rows


def sums_of_heads(rows: pd.DataFrame) -> pd.DataFrame:
    """How sums of heads score: mean over halvings and directions, and the range of 90 % of these.

    Args:
        rows: Those of one place in `cumulative.csv`.

    Returns:
        A row for each kind and number of heads: `kind`, `heads`, `mean`, `low`, `high`.
    """
    values = rows.groupby(["kind", "heads"])["value"]
    ends = {"mean": values.mean(), "low": values.quantile(0.05), "high": values.quantile(0.95)}
    return pd.DataFrame(ends).reset_index()


def has_head_alignment(folder: Path) -> bool:
    """Whether a folder holds everything that scoring the components of a model leaves."""
    return all((folder / name).is_file() for name in _FILES)


def find_head_alignments(places: Sequence[Path]) -> list[Path]:
    """Folders of scored components, among or directly below some places."""
    return find_folders(RECORD, places)


def write_head_alignment(
    folder: Path,
    alignment: pd.DataFrame,
    cumulative: pd.DataFrame,
    record: Mapping[str, Any],
    draw: Callable[[pd.DataFrame, pd.DataFrame, Path], None],
) -> None:
    """Write the folder, whole or not at all.

    Args:
        folder: Its place; what is there is replaced.
        alignment: With `COLUMNS`.
        cumulative: With `CUMULATIVE_COLUMNS`; empty where no heads are kept.
        record: Content of `align.json`: `settings` with the name of the `model`, `store`, and perhaps `notes`.
        draw: Writes the figures of both tables into a folder.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    with whole_folder(folder) as scratch:
        alignment.to_csv(scratch / TABLE, columns=list(COLUMNS), index=False)
        cumulative.to_csv(scratch / CUMULATIVE, columns=list(CUMULATIVE_COLUMNS), index=False)
        draw(alignment, cumulative, scratch)
        (scratch / RECORD).write_text(json.dumps(dict(record), indent=2) + "\n", encoding="utf-8")


def read_head_alignment(folder: Path) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Both tables of a folder, and its record.

    Raises:
        DataError: If they cannot be read, or are another's.
    """
    gaps = {"value", "low", "high", *NULLS}
    alignment = _table(folder / TABLE, COLUMNS, ("kind", "way", *PLACE), gaps)
    cumulative = _table(folder / CUMULATIVE, CUMULATIVE_COLUMNS, (*PLACE, "kind"), {"value"})
    if not _holds_scores(alignment):
        raise DataError(f"{folder / TABLE} does not hold scores of components: {_AGAIN}")
    if not _holds_sums(cumulative):
        raise DataError(f"{folder / CUMULATIVE} does not hold scores of sums of heads: {_AGAIN}")
    try:
        record = checked("record", read_json(folder / RECORD), (dict,))
        settings = checked("settings", record.get("settings"), (dict,))
        checked("model", settings.get("model"), (str,))
        checked("store", record.get("store"), (str,))
        checked("notes", record.get("notes", []), (list,))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / RECORD} cannot be read as a record of scores ({one_line(error)}): {_AGAIN}"
        ) from error
    return alignment, cumulative, record


def _holds_scores(alignment: pd.DataFrame) -> bool:
    """Whether each component is there once in each way, at most, and some of them wherever the whole is."""
    if not set(alignment["kind"]) <= set(KINDS) or not set(alignment["way"]) <= set(WAYS):
        return False
    whole = _are_counts(alignment, {"layer": 0, "head": -1}) and not np.isinf(alignment[["value", "low", "high"]]).any(
        axis=None
    )
    own = own_scores(alignment)
    parts = own[(own["kind"] != "all") & (own["way"] == "alone")]
    places = [set(rows[list(PLACE)].itertuples(index=False, name=None)) for rows in (own, parts)]
    twice = alignment.duplicated(["kind", "layer", "head", "way", *PLACE]).any()
    return whole and not twice and places[0] == places[1] != set()


def _holds_sums(cumulative: pd.DataFrame) -> bool:
    """Whether each sum of chosen heads stands beside one of random ones."""
    if cumulative.empty:
        return True
    if not _are_counts(cumulative, {"split": 0, "direction": 0, "heads": 1}) or np.isinf(cumulative["value"]).any():
        return False
    pairs = cumulative.groupby([*PLACE, "split", "direction", "heads"])["kind"]
    both = (pairs.nunique() == len(ORDERS)).all() and (pairs.size() == len(ORDERS)).all()
    return bool(both and set(cumulative["kind"]) == set(ORDERS))


def _are_counts(frame: pd.DataFrame, least: Mapping[str, int]) -> bool:
    """Whether columns hold whole numbers from `least` on, none larger than any network would have."""
    return all(is_integer_dtype(frame[name]) and frame[name].between(low, _MOST).all() for name, low in least.items())


def _table(path: Path, columns: Sequence[str], texts: Sequence[str], gaps: set[str]) -> pd.DataFrame:
    try:
        frame = read_csv_table(path, texts, gaps)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}): {_AGAIN}") from error
    if tuple(frame.columns) != tuple(columns):
        raise DataError(f"{path} does not have the columns {', '.join(columns)}: {_AGAIN}")
    return frame
