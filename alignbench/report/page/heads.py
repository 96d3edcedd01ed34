"""Heads that were scored against people, on the page: for each model a map of each level, and the best heads."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.errors import DataError
from alignbench.report.figures.canvas import figure_content
from alignbench.report.figures.heads import heads_figure
from alignbench.report.page.plain_tables import number, spoken_p
from alignbench.report.page.tables import Score, value_score
from alignbench.report.panels import score_name
from alignbench.results.extent import data_set_title
from alignbench.results.head_alignment import (
    NULLS,
    PLACE,
    SEPARABLE,
    by_place,
    component_name,
    find_head_alignments,
    own_scores,
    read_head_alignment,
    sums_of_heads,
)
from alignbench.results.layer_curve import is_simulated

_SHOWN: Final = 8  # heads of a table
_BEYOND: Final = {
    "p_choices": "chance",
    "p_subspace": "random subspaces of their layer",
    "p_twin": "a twin of random weights",
}


@dataclass(frozen=True)
class HeadsFolder:
    """A folder of scored components.

    Attributes:
        name: Its own.
        alignment: `alignment.csv`.
        cumulative: `cumulative.csv`.
        record: `align.json`.
    """

    name: str
    alignment: pd.DataFrame
    cumulative: pd.DataFrame
    record: Mapping[str, Any]

    @property
    def model(self) -> str:
        """Name of the model."""
        return str(self.record["settings"]["model"])

    @property
    def places(self) -> set[tuple[str, ...]]:
        """What is scored in it."""
        return set(own_scores(self.alignment)[list(PLACE)].itertuples(index=False, name=None))


def read_head_folders(places: Sequence[Path]) -> tuple[tuple[HeadsFolder, ...], tuple[str, ...]]:
    """Read the folders among or directly below some places.

    Args:
        places: Such folders, or folders of them.

    Returns:
        The folders, and a line for each that cannot be read and was left out.
    """
    found, refused = [], []
    for folder in dict.fromkeys(folder.resolve() for folder in find_head_alignments(places)):
        try:
            found.append(HeadsFolder(folder.name, *read_head_alignment(folder)))
        except DataError as error:
            refused.append(str(error))
    return tuple(found), tuple(refused)


@dataclass(frozen=True)
class HeadRow:
    """A component in words.

    Attributes:
        name: e.g. `head 3 of layer 12`.
        alone: Its score.
        left_out: The score of the whole without it.
        p: p-values against the three nulls; empty where there is none.
    """

    name: str
    alone: Score
    left_out: Score
    p: tuple[str, ...]


@dataclass(frozen=True)
class HeadTable:
    """What is scored in one place, in words.

    Attributes:
        title: Level, data set and part.
        score: Name of the score.
        simulated: Whether its people are simulated observers.
        sentences: How many heads are told from the nulls, and how far sums of heads get.
        rows: The whole, then the heads that score highest.
    """

    title: str
    score: str
    simulated: bool
    sentences: tuple[str, ...]
    rows: tuple[HeadRow, ...]


@dataclass(frozen=True)
class HeadsPart:
    """A model on the page.

    Attributes:
        title: The model.
        note: The folders.
        notes: What has to be known to read the tables.
        tables: One for each place.
        picture: The figure as an address that holds it.
    """

    title: str
    note: str
    notes: tuple[str, ...]
    tables: tuple[HeadTable, ...]
    picture: str


def collect_heads(folders: Sequence[HeadsFolder]) -> list[HeadsPart]:
    """Make the section of scored components: a part for each model, of all its folders that are of different places."""
    groups: list[list[HeadsFolder]] = []
    for folder in folders:
        for group in groups:
            same = group[0].model == folder.model
            if same and not any(folder.places & other.places for other in group):
                group.append(folder)
                break
        else:
            groups.append([folder])
    return [_part(group) for group in groups]


def _part(folders: Sequence[HeadsFolder]) -> HeadsPart:
    alignment = pd.concat([folder.alignment for folder in folders], ignore_index=True)
    cumulative = pd.concat([folder.cumulative for folder in folders], ignore_index=True)
    picture = base64.b64encode(figure_content(heads_figure(alignment, cumulative), ".png")).decode()
    sums = {tuple(place.values()): rows for place, rows in by_place(own_scores(cumulative))}
    tables = [_table(place, rows, sums.get(tuple(place.values()))) for place, rows in by_place(own_scores(alignment))]
    return HeadsPart(
        folders[0].model,
        ", ".join(folder.name for folder in folders),
        tuple(dict.fromkeys(note for folder in folders for note in folder.record.get("notes", ()))),
        tuple(tables),
        f"data:image/png;base64,{picture}",
    )


def _table(place: Mapping[str, str], rows: pd.DataFrame, sums: pd.DataFrame | None) -> HeadTable:
    alone = rows[rows["way"] == "alone"]
    heads = alone[alone["kind"] == "head"].sort_values("value", ascending=False, kind="stable")
    shown = pd.concat([alone[alone["kind"] == "all"], heads.head(_SHOWN)])
    without = rows[rows["way"] == "left_out"].set_index(["kind", "layer", "head"])
    found = []
    for row in shown.to_dict("records"):
        key = (row["kind"], row["layer"], row["head"])
        left = value_score(without.loc[key]) if key in without.index else Score("")
        p = tuple("" if math.isnan(row[null]) else spoken_p(row[null]) for null in NULLS)
        found.append(HeadRow(component_name(*key), value_score(row), left, p))
    sentences = (_told_apart(heads), *([_of_sums(sums)] if sums is not None and len(sums) else []))
    return HeadTable(
        f"{place['level']} level: {data_set_title(place['dataset'])} {place['part']}, {place['protocol']} protocol",
        f"{score_name(place['measure'])} ({distance_name(place['distance'])})",
        is_simulated(place["dataset"]),
        tuple(filter(None, sentences)),
        tuple(found),
    )


def _told_apart(heads: pd.DataFrame) -> str:
    """How many heads are told from each null."""
    known = [(null, said) for null, said in _BEYOND.items() if heads[null].notna().any()]
    if not known:
        return ""
    counts = [f"{int((heads[null] <= SEPARABLE).sum())} beat {said}" for null, said in known]
    return f"Of {len(heads)} heads {', '.join(counts)}."


def _of_sums(rows: pd.DataFrame) -> str:
    """How far sums of heads get, of the most that were added up."""
    found = sums_of_heads(rows)
    last = found[found["heads"] == found["heads"].max()].set_index("kind")
    chosen, by_chance = last.loc["chosen"], last.loc["random"]
    return (
        f"The first {int(chosen['heads'])} heads of an order that is chosen on one half of the judgments score "
        f"{number(chosen['mean'])} on the other half, as many in random order {number(by_chance['mean'])}."
    )
