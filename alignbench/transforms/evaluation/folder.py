"""What judging a transform leaves behind: a folder with a table of before and after, whole or not at all.

It holds `evaluation.csv` (a row a measure), `evaluated.json`, `similarities.npz` (the matrices of the figure), and
`similarity.png` and `similarity.svg`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.errors import DataError
from alignbench.files import whole_folder
from alignbench.files.json_text import checked, checked_object, read_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.folders import find_folders
from alignbench.transforms.affine import PROVENANCE

Ends = tuple[float, float, float]  # a value, the lower and the upper end of its interval
RECORD: Final = "evaluated.json"
FIGURE: Final = "similarity.png"
_FILES: Final = (RECORD, "evaluation.csv", "similarities.npz", FIGURE, "similarity.svg")
_OVER: Final[Mapping[str, str]] = {  # what the intervals of a task are over, and what stays as it is
    "odd-one-out": "objects",
    "rsa": "pictures, and subjects where it is known what each said",
    "few-shot": "draws of the pictures to learn from, among the same classes and pictures",
    "anomaly": "these classes, of the same pictures",
}
_TEXTS: Final = ("task", "data", "measure", "better", "reference", "sample")


@dataclass(frozen=True)
class EvaluationRow:
    """One measure, before and after.

    Attributes:
        task: `odd-one-out`, `rsa`, `local structure`, `few-shot` or `anomaly`.
        data: Name of the data.
        measure: Name of the measure, e.g. `accuracy`.
        better: `higher` or `lower`; empty where neither is.
        before: Value before, with its interval, whose ends are not numbers where there is none.
        after: Value after, likewise.
        difference: After minus before.
        n: Number of judgments, pairs or pictures.
        reference: What it can be held against: the noise ceiling, or chance.
        sample: Whether the transform had seen these data: `not seen`, `held-out objects`, `in-sample`,
            `may be in-sample` or `unknown`.
    """

    task: str
    data: str
    measure: str
    better: str
    before: Ends
    after: Ends
    difference: Ends
    n: int
    reference: str
    sample: str


_ENDS: Final = ("before", "after", "difference")
EVALUATION_COLUMNS: Final = tuple(
    name
    for field in fields(EvaluationRow)
    for name in ((field.name, f"{field.name}_low", f"{field.name}_high") if field.name in _ENDS else (field.name,))
)


def evaluation_frame(rows: Sequence[EvaluationRow]) -> pd.DataFrame:
    """The rows of `evaluation.csv`."""
    table = []
    for row in rows:
        cells: dict[str, Any] = {}
        for field in fields(row):
            value = getattr(row, field.name)
            if field.name in _ENDS:
                cells |= dict(zip((field.name, f"{field.name}_low", f"{field.name}_high"), value, strict=True))
            else:
                cells[field.name] = value
        table.append(cells)
    return pd.DataFrame(table, columns=list(EVALUATION_COLUMNS))


@dataclass(frozen=True)
class Evaluated:
    """What judging gave.

    Attributes:
        rows: Rows of the table.
        title: Name of the pictures whose similarities the matrices are.
        matrices: Cosine similarities of the same pictures, (n, n), by name: `before`, `after`, perhaps `people`.
    """

    rows: tuple[EvaluationRow, ...]
    title: str
    matrices: Mapping[str, Floats]


def is_evaluated(folder: Path) -> bool:
    """Whether a folder holds everything that judging leaves."""
    return all((folder / name).is_file() for name in _FILES)


def write_evaluated(
    folder: Path, found: Evaluated, record: Mapping[str, Any], draw: Callable[[Evaluated, Path], None]
) -> None:
    """Write the folder.

    Args:
        folder: Its place; what is there is replaced.
        found: What judging gave.
        record: Content of `evaluated.json`.
        draw: Writes the figure of similarities into a folder.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    with whole_folder(folder) as scratch:
        evaluation_frame(found.rows).to_csv(scratch / "evaluation.csv", index=False)
        arrays = {name: matrix.astype(np.float32) for name, matrix in found.matrices.items()}
        np.savez_compressed(scratch / "similarities.npz", **arrays)  # type: ignore[arg-type]  # taken for others
        draw(found, scratch)
        (scratch / RECORD).write_text(json.dumps(dict(record), indent=2) + "\n", encoding="utf-8")


def find_evaluated(places: Sequence[Path]) -> list[Path]:
    """Folders of judged transforms among or directly below some places."""
    return find_folders(RECORD, places)


def intervals_over(tasks: Iterable[str]) -> str:
    """What the intervals of some tasks are over, in words; tasks without intervals are left out."""
    told = "; ".join(f"{task}: over {_OVER[task]}" for task in dict.fromkeys(tasks) if task in _OVER)
    return f"95 % intervals: {told}." if told else ""


def read_evaluation(folder: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """The table of a folder, and its record.

    Raises:
        DataError: If they cannot be read, or are another's.
    """
    again = "judge the transform again"
    try:
        frame = read_csv_table(folder / "evaluation.csv", _TEXTS, gaps=set(EVALUATION_COLUMNS) - {*_TEXTS, "n"})
        record: dict[str, Any] = read_json(folder / RECORD)
    except (OSError, ValueError) as error:
        raise DataError(f"{folder} does not hold a judged transform that can be read: {again}") from error
    if tuple(frame.columns) != EVALUATION_COLUMNS or frame.empty:
        raise DataError(f"{folder / 'evaluation.csv'} does not hold the columns of a judged transform: {again}")
    try:
        checked("record", record, (dict,))
        settings = checked("settings", record.get("settings"), (dict,))
        named = checked("settings.transform", settings.get("transform"), (dict,))
        checked_object("provenance", record.get("provenance", {}), PROVENANCE)
        for name, value in (("title", record), ("model", settings), ("name", named)):
            checked(name, value.get(name), (str,))
    except ValueError as error:
        raise DataError(f"{folder / RECORD} lacks what a judged transform says of itself: {again} ({error})") from error
    return frame, record
