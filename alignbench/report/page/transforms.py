"""Transforms on the page: the folders of learned and of judged ones, and what the latter gained and cost."""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import pandas as pd

from alignbench.errors import DataError
from alignbench.models.layer_names import PROJECTION
from alignbench.report.page.gains import GainsFolder, read_gain_folders
from alignbench.report.page.tables import Score, read_score
from alignbench.results.extent import data_set_title
from alignbench.results.gains import find_gains
from alignbench.results.layer_curve import is_simulated
from alignbench.transforms.evaluation.folder import FIGURE, find_evaluated, read_evaluation
from alignbench.transforms.learning.folder import find_learned, read_ceiling, read_record
from alignbench.transforms.published import caution_told

_SEEN: Final = ("in-sample", "may be in-sample")
_CHOICES: Final = "odd-one-out"
_Read = TypeVar("_Read")


@dataclass(frozen=True)
class LearnedFolder:
    """A folder of learned transforms.

    Attributes:
        name: Its own.
        frame: `ceiling.csv`.
        record: `learned.json`.
    """

    name: str
    frame: pd.DataFrame
    record: Mapping[str, Any]


@dataclass(frozen=True)
class JudgedFolder:
    """A folder of a judged transform.

    Attributes:
        name: Its own.
        frame: `evaluation.csv`.
        record: `evaluated.json`.
        figure: The picture of similarities, a PNG; empty if it is not there.
    """

    name: str
    frame: pd.DataFrame
    record: Mapping[str, Any]
    figure: bytes


@dataclass(frozen=True)
class Transforms:
    """What is to be shown of transforms, and of models that were taught by one."""

    learned: tuple[LearnedFolder, ...] = ()
    judged: tuple[JudgedFolder, ...] = ()
    taught: tuple[GainsFolder, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything."""
        return bool(self.learned or self.judged or self.taught)

    @property
    def simulated(self) -> list[str]:
        """Data sets among theirs whose people are simulated observers."""
        learned = [str(folder.frame["dataset"].iloc[0]) for folder in self.learned]
        tables = [folder.frame for folder in self.judged]
        judged = [name for frame in tables for name in frame.loc[frame["task"] == _CHOICES, "data"]]
        taught = [name for folder in self.taught for name in folder.simulated]
        return [name for name in dict.fromkeys([*learned, *judged, *taught]) if is_simulated(name)]


NO_TRANSFORMS: Final = Transforms()


def read_transforms(places: Sequence[Path]) -> tuple[Transforms, tuple[str, ...]]:
    """Read folders of learned and of judged transforms, and of models that were judged before and after.

    Args:
        places: Such folders, or folders of them.

    Returns:
        What they hold, and a line for each that cannot be read and was left out.
    """
    refused: list[str] = []
    learned = _each(find_learned(places), _learned, refused)
    judged = _each(find_evaluated(places), _judged, refused)
    return Transforms(learned, judged, read_gain_folders(places, refused)), tuple(refused)


def holds_transforms(place: Path) -> bool:
    """Whether a place is a folder of learned or judged transforms, or of a judged model, or holds one."""
    return bool(find_learned([place]) or find_evaluated([place]) or find_gains([place]))


def _each(folders: Sequence[Path], read: Callable[[Path], _Read], refused: list[str]) -> tuple[_Read, ...]:
    found = []
    for folder in dict.fromkeys(folder.resolve() for folder in folders):
        try:
            found.append(read(folder))
        except DataError as error:
            refused.append(str(error))
    return tuple(found)


def _learned(folder: Path) -> LearnedFolder:
    return LearnedFolder(folder.name, read_ceiling(folder), read_record(folder))


def _judged(folder: Path) -> JudgedFolder:
    frame, record = read_evaluation(folder)
    picture = folder / FIGURE
    return JudgedFolder(folder.name, frame, record, picture.read_bytes() if picture.is_file() else b"")


# ------------------------------------------------------------------------------------ what it gained and cost


@dataclass(frozen=True)
class CostRow:
    """A measure before and after.

    Attributes:
        task: What is asked.
        data: Name of the data on which it is measured.
        simulated: Whether the people of these data are simulated observers.
        measure: What is counted.
        better: `higher` or `lower`, whichever is better; empty where neither is.
        before: The value before the transform.
        after: The value after it.
        difference: After minus before.
        reference: What the values can be held against, such as chance.
        n: Number of judgments, pairs or pictures.
        sample: Whether the transform had seen the data.
        seen: Whether it has or may have, so that the row is no evidence.
    """

    task: str
    data: str
    simulated: bool
    measure: str
    better: str
    before: Score
    after: Score
    difference: Score
    reference: str
    n: str
    sample: str
    seen: bool


@dataclass(frozen=True)
class Cost:
    """A judged transform.

    Attributes:
        title: Model and transform.
        note: Where the transform is from, and the folder.
        rows: Rows of the table.
        of: Whose similarities the picture shows.
        picture: The picture as an address that holds it; empty without one.
    """

    title: str
    note: str
    rows: tuple[CostRow, ...]
    of: str
    picture: str


def collect_costs(folders: Sequence[JudgedFolder]) -> list[Cost]:
    """Make the section of judged transforms, a table for each folder."""
    return [_cost(folder) for folder in folders]


def _cost(folder: JudgedFolder) -> Cost:
    settings, told = folder.record["settings"], folder.record.get("provenance", {})
    learned = f"{told['objective']}, " if "objective" in told else ""
    on = (
        f"learned on {data_set_title(told['dataset'])}"
        if "dataset" in told
        else "published"
        if "sha256" in told
        else "of unknown origin"
    )
    caution = caution_told(folder.record)
    note = f"{learned}{on}; layer {settings.get('layer', PROJECTION)}; {folder.name}{f'. {caution}' if caution else ''}"
    encoded = base64.b64encode(folder.figure).decode()
    return Cost(
        f"{settings['model']}, transform {settings['transform']['name']}",
        note,
        tuple(_cost_row(row) for _, row in folder.frame.iterrows()),
        str(folder.record["title"]),
        f"data:image/png;base64,{encoded}" if encoded else "",
    )


def _cost_row(row: pd.Series) -> CostRow:
    return CostRow(
        row["task"],
        row["data"],
        row["task"] == _CHOICES and is_simulated(row["data"]),
        row["measure"],
        row["better"],
        read_score(row, "before"),
        read_score(row, "after"),
        read_score(row, "difference", "+"),
        row["reference"],
        f"{int(row['n']):,}",
        row["sample"],
        row["sample"] in _SEEN,
    )
