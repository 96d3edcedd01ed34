"""What models do without some of their parts, on the page: each arm of an ablation beside the whole model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from alignbench.errors import counted
from alignbench.report.page.head_reading import AblationsFolder
from alignbench.report.page.tables import Score, read_score, value_score
from alignbench.results.head_ablations import ACCURACY, WORST, ablated_model, arm_name, arms, rows_to_show

_SHOWN: Final = 10  # single heads of a table
_NO_SCORE: Final = Score("")


@dataclass(frozen=True)
class ArmRow:
    """An arm in words.

    Attributes:
        name: What is ablated.
        way: What takes its place.
        accuracy: That of all pictures.
        change: How far it lies above the whole model.
        worst: Accuracy of the worst group; empty where there are no groups.
        group: Which group that is.
        worst_change: How far it lies above the whole model's worst group.
    """

    name: str
    way: str
    accuracy: Score
    change: Score
    worst: Score
    group: str
    worst_change: Score


@dataclass(frozen=True)
class AblationsPart:
    """A folder of ablations on the page.

    Attributes:
        title: The model.
        note: The folder.
        sentences: What was classified, and what was put in the place of what is ablated.
        has_groups: Whether there is an accuracy of the worst group.
        rows: The whole model, then all arms that are shown.
        left_out: How many ablations of single heads are shown, of how many; empty for all.
    """

    title: str
    note: str
    sentences: tuple[str, ...]
    has_groups: bool
    rows: tuple[ArmRow, ...]
    left_out: str


def collect_ablations(folders: Sequence[AblationsFolder]) -> list[AblationsPart]:
    """Make the section of ablations: a part for each folder, those of a model together."""
    parts = list(map(_part, folders))
    models = list(dict.fromkeys(part.title for part in parts))
    return sorted(parts, key=lambda part: models.index(part.title))


def _part(folder: AblationsFolder) -> AblationsPart:
    shown, left_out = rows_to_show(folder.table, _SHOWN)
    return AblationsPart(
        ablated_model(dict(folder.record)),
        folder.name,
        _told(folder),
        bool((shown["measure"] == WORST).any()),
        tuple(map(_row, arms(shown))),
        left_out,
    )


def _told(folder: AblationsFolder) -> tuple[str, ...]:
    """What was classified, and where replacements are from."""
    record = folder.record
    pictures = int(folder.table["n"].iloc[0])
    store, reference = str(record["store"]), str(record["reference"])
    own = reference == store
    return (
        f"{counted(pictures, 'picture')}, told apart among {counted(len(record['classes']), 'class')} "
        "by zero-shot classification.",
        f"Means and resampled parts are of {'the same pictures' if own else f'the pictures of {reference}'}.",
    )


def _row(arm: pd.DataFrame) -> ArmRow:
    first = next(arm.itertuples(index=False))
    by_measure = {row["measure"]: row for _, row in arm.iterrows()}
    is_whole = first.kind == "all"
    worst = by_measure.get(WORST)
    return ArmRow(
        arm_name(first),
        str(first.way),
        value_score(by_measure[ACCURACY]),
        _NO_SCORE if is_whole else _change(by_measure[ACCURACY]),
        _NO_SCORE if worst is None else value_score(worst),
        "" if worst is None else f"{worst['group']} ({counted(int(worst['n']), 'picture')})",
        _NO_SCORE if worst is None or is_whole else _change(worst),
    )


def _change(row: pd.Series) -> Score:
    return read_score(row, "difference", "+")
