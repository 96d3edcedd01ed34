"""What analyses have found as tables: those of their folders, and of every file that is made of a result."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.interpret.head_names import heads_named
from alignbench.interpret.searching.analysis import MAPS, HeatMap
from alignbench.interpret.searching.differences import Compared
from alignbench.interpret.searching.neighbours import Neighbours
from alignbench.interpret.searching.people import AlikePairs
from alignbench.interpret.searching.why import Why
from alignbench.interpret.store import HeadStore

NEIGHBOURS: Final = ("heads", "place", "picture", "value")
MAP: Final = ("row", "column", "value")
WHY: Final = ("heads", "pick", "text", "value")
DIFFERENCE: Final = ("heads", "others", "when", *NEIGHBOURS[1:], "shared", "correlation")
PEOPLE: Final = ("heads", "place", "first", "second", "people", "judgments", "value", "rank")
TEXTS: Final = ("heads", "others", "when", "picture", "text", "first", "second")  # columns of these
_COLUMNS: Final[Mapping[type, tuple[str, ...]]] = {Neighbours: NEIGHBOURS, Compared: DIFFERENCE, AlikePairs: PEOPLE}
GAPS: Final = ("correlation",)  # columns of numbers in which one may be missing


def columns_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the columns that a table has, by the record of its analysis."""
    if "why" in record:
        return WHY
    columns = {"difference": DIFFERENCE, "people": PEOPLE, **dict.fromkeys(MAPS, MAP)}
    return columns.get(str(record.get("analysis")), NEIGHBOURS)


def table_of(
    store: HeadStore, result: list[Neighbours] | HeatMap | Why | list[Compared] | list[AlikePairs]
) -> pd.DataFrame:
    """Make a table of what an analysis has found, as `search.csv` has it.

    Args:
        store: The contributions.
        result: What was found.

    Returns:
        A row for each neighbour (`NEIGHBOURS`), for each patch of a map (`MAP`), for each text that explains a
        neighbour (`WHY`; the last, of pick 0, is what no text explains), for each neighbour before and after
        (`DIFFERENCE`), or for each pair (`PEOPLE`).
    """
    rows: list[tuple[Any, ...]]
    if isinstance(result, HeatMap):
        down, across = np.indices(result.grid.shape)
        return pd.DataFrame(dict(zip(MAP, (down.ravel(), across.ravel(), result.grid.ravel()), strict=True)))
    if isinstance(result, Why):
        rows = [(heads_named([each.head]), each.pick, each.text, each.value) for each in result.shares]
        return pd.DataFrame([*rows, (heads_named(result.heads), 0, "", result.rest)], columns=list(WHY))
    columns = next((_COLUMNS[type(each)] for each in result), NEIGHBOURS)
    rows = [row for each in result for row in _rows(store, each)]
    return pd.DataFrame(rows, columns=list(columns))


def _rows(store: HeadStore, found: Neighbours | Compared | AlikePairs) -> list[tuple[Any, ...]]:
    """A row for each neighbour, or pair."""
    if isinstance(found, AlikePairs):
        heads, told = heads_named(found.heads), (found.people, found.counts, found.values, found.ranks)
        pairs = zip(found.first, found.second, *told, strict=True)
        return [
            (heads, place, store.names[first], store.names[second], *values)
            for place, (first, second, *values) in enumerate(pairs, 1)
        ]
    if isinstance(found, Compared):
        about = (heads_named(found.heads), heads_named(found.others))
        return [
            (*about, when, *row, found.shared, found.correlation)
            for when, side in (("before", found.before), ("after", found.after))
            for _, *row in _rows(store, side)
        ]
    places = zip(found.pictures, found.values, strict=True)
    return [
        (heads_named(found.heads), place, store.names[number], value) for place, (number, value) in enumerate(places, 1)
    ]
