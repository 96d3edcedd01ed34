"""How close the heads of a store are to people, place by place: level, data set, subset, distance and protocol."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from alignbench.datasets.judgments import LEVELS
from alignbench.datasets.shapes import OBSERVERS
from alignbench.interpret.browser.head_folders import HeadFolder, heads_in
from alignbench.interpret.head_names import Head
from alignbench.report.panels import score_name
from alignbench.results.extent import place_name
from alignbench.results.head_alignment import SEPARABLE, by_place
from alignbench.results.layer_curve import is_simulated
from alignbench.results.run_folder import run_hash


@dataclass(frozen=True)
class HeadScore:
    """How close a head is to people in one place.

    Attributes:
        value: Its score, alone.
        low: Lower end of the interval.
        high: Upper end.
        left_out: How much lower the whole scores without it; not a number where that is not known.
        p_choices: Corrected p-value against people's answers at random; not a number where there is none, as below.
        p_subspace: Against random subspaces of its layer.
        p_twin: Against a twin of random weights.
    """

    value: float
    low: float
    high: float
    left_out: float
    p_choices: float
    p_subspace: float
    p_twin: float

    @property
    def p_separable(self) -> float:
        """The p-value by which it is told from a null: that of subspaces, or of choices where there are none."""
        return self.p_choices if np.isnan(self.p_subspace) else self.p_subspace

    @property
    def is_separable(self) -> bool | None:
        """Whether it is told from the null; none where no null was computed, or it has no score."""
        if np.isnan(self.p_separable) or np.isnan(self.value):
            return None
        return bool(self.p_separable <= SEPARABLE)


@dataclass(frozen=True, eq=False)
class AlignedPlace:
    """The scores of all heads in one place: a level, data set, subset, measure and protocol.

    Attributes:
        id: Name of the place in addresses.
        title: What people read.
        unit: What scores are in.
        scores: The score of each head that is scored.
    """

    id: str
    title: str
    unit: str
    scores: Mapping[Head, HeadScore]


def aligned_places(folders: Iterable[HeadFolder]) -> list[AlignedPlace]:
    """Read the scores of heads, by level, and folder by folder; titles that two would share name their folders.

    Args:
        folders: Folders of alignments.
    """
    found = [(place, folder, rows) for folder in folders for place, rows in by_place(folder.table)]
    found.sort(key=lambda each: (*LEVELS, each[0]["level"]).index(each[0]["level"]))
    titles = [_place_title(place, folder) for place, folder, _ in found]
    return [
        AlignedPlace(
            address_name(*place.values(), run_hash(folder.settings)),
            title if titles.count(title) == 1 else f"{title} [{folder.name}]",
            score_name(place["measure"]),
            _scores(rows),
        )
        for title, (place, folder, rows) in zip(titles, found, strict=True)
    ]


def _place_title(place: Mapping[str, str], folder: HeadFolder) -> str:
    distance, transform = place["distance"].replace("_", " "), transform_of(folder.settings)
    people = f" ({OBSERVERS})" if is_simulated(place["dataset"]) else ""
    where = f"{place['level']} level, {place_name(place['dataset'], place['part'], place['protocol'])}{people}"
    return f"{where}, {place['protocol']} protocol, {distance}{transform and f', through {transform}'}"


def transform_of(settings: Mapping[str, Any]) -> str:
    """The name of the transform that heads went through before they were scored; empty if they went through none.

    Args:
        settings: Those of an alignment.
    """
    transform = settings.get("transform")
    return str(transform.get("name", "a transform")) if isinstance(transform, dict) else ""


def _scores(rows: pd.DataFrame) -> dict[Head, HeadScore]:
    """The score of each head, and what the whole loses without it."""
    whole = rows.loc[rows["kind"] == "all", "value"]
    heads = rows[rows["kind"] == "head"]
    without = {head: row.value for head, row in heads_in(heads[heads["way"] == "left_out"])}
    all_of_it = float(whole.iloc[0]) if len(whole) else np.nan
    return {
        head: HeadScore(
            *(float(value) for value in (row.value, row.low, row.high, all_of_it - without.get(head, np.nan))),
            *(float(value) for value in (row.p_choices, row.p_subspace, row.p_twin)),
        )
        for head, row in heads_in(heads[heads["way"] == "alone"])
    }


def address_name(*parts: str) -> str:
    """Join what a grid is of to a name that an address may hold.

    Args:
        parts: What it is of; what is neither a letter nor a digit becomes a dash.
    """
    return ".".join(
        "".join(letter if letter.isascii() and letter.isalnum() else "-" for letter in part) for part in parts
    )
