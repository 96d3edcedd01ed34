"""Models that were judged before and after they were taught, on the page: a table and a figure for each folder."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from alignbench.errors import DataError
from alignbench.report.page.plain_tables import number, spoken_p
from alignbench.report.page.tables import Score, read_score
from alignbench.results.extent import data_set_title
from alignbench.results.gains import FIGURE, OPTIMISTIC, find_gains, marked, read_gains, said_measure, with_distances
from alignbench.results.layer_curve import is_simulated


@dataclass(frozen=True)
class GainsFolder:
    """A folder of a model that was judged before and after.

    Attributes:
        name: Its own.
        frame: `evaluation.csv`.
        record: `alignet.json`.
        figure: The picture, a PNG; empty if it is not there.
    """

    name: str
    frame: pd.DataFrame
    record: Mapping[str, Any]
    figure: bytes

    @property
    def simulated(self) -> list[str]:
        """Data sets among its whose people are simulated observers."""
        return [name for name in dict.fromkeys(self.frame["data"]) if is_simulated(name)]


def read_gain_folders(places: Sequence[Path], refused: list[str]) -> tuple[GainsFolder, ...]:
    """Read the folders among or directly below some places.

    Args:
        places: Such folders, or folders of them.
        refused: Hears of each that cannot be read and is left out.
    """
    found = []
    for folder in dict.fromkeys(folder.resolve() for folder in find_gains(places)):
        try:
            frame, record = read_gains(folder)
        except DataError as error:
            refused.append(str(error))
            continue
        picture = folder / FIGURE
        found.append(GainsFolder(folder.name, frame, record, picture.read_bytes() if picture.is_file() else b""))
    return tuple(found)


@dataclass(frozen=True)
class GainLine:
    """A measure before and after, in words.

    Attributes:
        task: What is asked.
        data: The data, and the subset.
        simulated: Whether the people of these data are simulated observers.
        measure: What is counted.
        before: The score before.
        after: The score after.
        difference: After minus before, with the interval that holds together with those of all rows.
        p: P-value, corrected for all rows.
        relative: The difference as a share of the score before.
        ceiling: What could be reached.
        of_gap: The difference as a share of what was missing to the ceiling.
        n: Number of judgments, pictures or triplets.
        sample: Whether teacher or student had seen the data.
        seen: Whether they have or may have, so that the row is no evidence.
    """

    task: str
    data: str
    simulated: bool
    measure: str
    before: Score
    after: Score
    difference: Score
    p: str
    relative: str
    ceiling: str
    of_gap: str
    n: str
    sample: str
    seen: bool


@dataclass(frozen=True)
class GainsPart:
    """A folder on the page.

    Attributes:
        title: The model, and what it is compared with.
        note: The folder.
        notes: What has to be known to read the table.
        rows: Its rows.
        picture: The figure as an address that holds it; empty without one.
    """

    title: str
    note: str
    notes: tuple[str, ...]
    rows: tuple[GainLine, ...]
    picture: str


def collect_gains(folders: Sequence[GainsFolder]) -> list[GainsPart]:
    """Make the section of models that were judged before and after, a table for each folder."""
    return [_part(folder) for folder in folders]


def _part(folder: GainsFolder) -> GainsPart:
    settings, encoded = folder.record["settings"], base64.b64encode(folder.figure).decode()
    return GainsPart(
        f"{settings['after']} against {settings['before']}",
        folder.name,
        tuple(folder.record.get("notes", ())),
        tuple(_line(row) for _, row in with_distances(folder.frame).iterrows()),
        f"data:image/png;base64,{encoded}" if encoded else "",
    )


def _line(row: pd.Series) -> GainLine:
    together = {"difference": row["difference"]}
    together |= {f"difference_{end}": row[f"corrected_{end}"] for end in ("low", "high")}
    subset = row["subset"] if row["subset"] != "all" else ""
    return GainLine(
        row["task"],
        f"{data_set_title(row['data'])} {subset}".rstrip(),
        is_simulated(row["data"]),
        said_measure(row["measure"]),
        read_score(row, "before"),
        read_score(row, "after"),
        read_score(pd.Series(together), "difference", "+"),
        spoken_p(row["p_corrected"]),
        _share(row["relative"]),
        number(row["ceiling"]),
        _share(row["share_of_gap"]),
        f"{int(row['n']):,}",
        marked(row["sample"]),
        OPTIMISTIC in marked(row["sample"]),
    )


def _share(value: float) -> str:
    return f"{100.0 * value:+.1f} %" if math.isfinite(value) else ""
