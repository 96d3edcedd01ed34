"""What a model gained by being taught: the folder that judging it before and after leaves.

It holds `evaluation.csv` (a row a measure), `curves.csv` (layer by layer, where people judged), `alignet.json`, and
`gains.png` and `gains.svg`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.errors import DataError, one_line
from alignbench.files import whole_folder
from alignbench.files.json_text import checked, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.folders import find_folders

Ends = tuple[float, float, float]
"""A value, the lower and the upper end of its interval, which are not numbers where there is none."""

RECORD: Final = "alignet.json"
TABLE: Final = "evaluation.csv"
CURVES: Final = "curves.csv"
FIGURE: Final = "gains.png"
_FILES: Final = (RECORD, TABLE, CURVES, FIGURE, "gains.svg")
TASKS: Final = (
    *("human choices", "human similarity", "human uncertainty", "few-shot", "distribution shift"),
    *("agreement with the teacher", "relative distance"),
)
OPTIMISTIC: Final = "probably too optimistic"
_SEEN: Final = ("in-sample", "may be in-sample")
_MEASURES: Final = {
    "entropy_spearman": "entropy of choices, Spearman",
    "log_rt_spearman": "entropy and log response time, Spearman",
    "spearman": "Spearman",
}


@dataclass(frozen=True)
class Gain:
    """One measure of a model, before and after it was taught.

    Attributes:
        task: What is asked, one of `TASKS`.
        data: Name of the data.
        subset: Name of the subset; empty where there is none.
        measure: What is counted, e.g. `accuracy`.
        better: `higher`, or empty where neither is better.
        distance: Distance or similarity by which it is measured; empty where none is.
        before_layer: Layer of the model before.
        after_layer: Layer of the model after.
        before: Value before.
        after: Value after.
        difference: After minus before, each by itself.
        corrected_low: Lower end of the interval of the difference that holds together with those of all rows.
        corrected_high: Its upper end.
        p: P-value of the difference against 0.
        p_corrected: The same, corrected for the number of rows.
        relative: Difference / before; not a number where before is not clearly above 0: its interval reaches 0, or
            there is none, or it is a correlation below 0.1.
        ceiling: What could be reached; not a number where that is not known.
        share_of_gap: Difference / (ceiling - before), which may be above 1; not a number where the interval of before
            reaches the ceiling, or there is none.
        n: Number of judgments, pictures or triplets.
        over: What intervals are over.
        sample: Whether teacher or student had seen the data: `not seen`, `same file names`, `held-out objects`,
            `in-sample`, `may be in-sample` or `unknown`.
    """

    task: str
    data: str
    subset: str
    measure: str
    better: str
    distance: str
    before_layer: str
    after_layer: str
    before: Ends
    after: Ends
    difference: Ends
    corrected_low: float
    corrected_high: float
    p: float
    p_corrected: float
    relative: float
    ceiling: float
    share_of_gap: float
    n: int
    over: str
    sample: str


_ENDS: Final = ("before", "after", "difference")
_TEXTS: Final = tuple(field.name for field in fields(Gain) if field.type == "str")
GAIN_COLUMNS: Final = tuple(
    name
    for field in fields(Gain)
    for name in ((field.name, f"{field.name}_low", f"{field.name}_high") if field.name in _ENDS else (field.name,))
)
CURVE_COLUMNS: Final = (
    *("data", "subset", "metric", "distance", "depth", "before_layer", "after_layer", "before", "after"),
    *("difference", "band_low", "band_high", "n"),
)
_CURVE_TEXTS: Final = ("data", "subset", "metric", "distance", "before_layer", "after_layer")


@dataclass(frozen=True)
class Gains:
    """What judging a model before and after gave.

    Attributes:
        rows: A row a measure.
        curves: Layer by layer, with the columns of `CURVE_COLUMNS`; empty where people judged nothing.
    """

    rows: tuple[Gain, ...]
    curves: pd.DataFrame

    @property
    def frame(self) -> pd.DataFrame:
        """The rows as `evaluation.csv` has them."""
        table = []
        for row in self.rows:
            cells: dict[str, Any] = {}
            for field in fields(row):
                value = getattr(row, field.name)
                if field.name in _ENDS:
                    cells |= dict(zip((field.name, f"{field.name}_low", f"{field.name}_high"), value, strict=True))
                else:
                    cells[field.name] = value
            table.append(cells)
        return pd.DataFrame(table, columns=list(GAIN_COLUMNS))


def has_gains(folder: Path) -> bool:
    """Whether a folder holds everything that judging before and after leaves."""
    return all((folder / name).is_file() for name in _FILES)


def find_gains(places: Sequence[Path]) -> list[Path]:
    """Folders of models that were judged before and after, among or directly below some places."""
    return find_folders(RECORD, places)


def marked(sample: str) -> str:
    """What a table says of a sample: data that teacher or student have seen, or may have, are no evidence."""
    return f"{sample}: {OPTIMISTIC}" if sample in _SEEN else sample


def said_measure(measure: str) -> str:
    """What a measure is called where people read it, in tables and figures.

    Args:
        measure: Its name in a table, see `with_distances`.
    """
    name, comma, rest = measure.partition(", ")
    return f"{_MEASURES.get(name, name)}{comma}{rest}"


def with_distances(frame: pd.DataFrame) -> pd.DataFrame:
    """The table of a folder with the distance in the name of each measure, where people's judgments have several.

    Args:
        frame: `evaluation.csv`.
    """
    human = frame["task"].isin(TASKS[:3])
    if frame.loc[human, "distance"].nunique() < 2:
        return frame
    named = frame["measure"] + ", " + frame["distance"].map(distance_name)
    return frame.assign(measure=frame["measure"].where(~human, named))


def write_gains(
    folder: Path, found: Gains, record: Mapping[str, Any], draw: Callable[[pd.DataFrame, Path], None]
) -> None:
    """Write the folder, whole or not at all.

    Args:
        folder: Its place; what is there is replaced.
        found: What judging gave.
        record: Content of `alignet.json`.
        draw: Writes the figure of a table into a folder.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    frame = found.frame
    with whole_folder(folder) as scratch:
        frame.to_csv(scratch / TABLE, index=False)
        found.curves.to_csv(scratch / CURVES, index=False)
        draw(frame, scratch)
        (scratch / RECORD).write_text(json.dumps(dict(record), indent=2) + "\n", encoding="utf-8")


def read_gains(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of a folder, and its record.

    Raises:
        DataError: If they cannot be read, or are another's.
    """
    again = "judge the model again by `alignbench alignet evaluate`"
    try:
        gaps = set(GAIN_COLUMNS) - {*_TEXTS, "n"}
        frame = read_csv_table(folder / TABLE, _TEXTS, gaps)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder / TABLE} cannot be read ({one_line(error)}): {again}") from error
    if tuple(frame.columns) != GAIN_COLUMNS or frame.empty or not set(frame["task"]) <= set(TASKS):
        raise DataError(f"{folder / TABLE} does not hold what a model gained: {again}")
    try:
        record = checked("record", read_json(folder / RECORD), (dict,))
        settings = checked("settings", record.get("settings"), (dict,))
        for name in ("before", "after"):
            checked(name, settings.get(name), (str,))
        checked("notes", record.get("notes", []), (list,))
    except (OSError, ValueError) as error:
        raise DataError(
            f"{folder / RECORD} cannot be read as a record of what was judged ({one_line(error)}): {again}"
        ) from error
    return frame, record


def read_gain_curves(folder: Path) -> pd.DataFrame:
    """`curves.csv` of a folder, with the columns of `CURVE_COLUMNS`.

    Raises:
        DataError: If it cannot be read, or is another's.
    """
    path = folder / CURVES
    try:
        frame = read_csv_table(path, _CURVE_TEXTS, set(CURVE_COLUMNS) - {*_CURVE_TEXTS, "n"})
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({one_line(error)}): judge the model again") from error
    if tuple(frame.columns) != CURVE_COLUMNS:
        raise DataError(f"{path} does not hold curves of differences: judge the model again")
    return frame
