"""All models of a study in one table: a row a model, a column a data set, each number with its own interval.

Runs that were measured in different ways (other judgments, protocol, tokens, preparation, precision) have columns of
their own. No ranks are given: that one number is above another does not say that the models differ.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.errors import unknown
from alignbench.report.tables.board_columns import BoardColumn, board_columns, board_condition
from alignbench.report.tables.captions import CONDITIONS, SELECTED, told_of_data
from alignbench.report.tables.scores import score_table
from alignbench.report.tables.sheet import NOTHING, Sheet, number, with_interval
from alignbench.results.extent import data_set_title
from alignbench.study.study import TOKENS_APART, Study
from alignbench.study.study_run import StudyRun

PLACES: Final = ("projection", "best")
_TWIN: Final = "@random-"
_ENDS: Final = ("", " low", " high", " layer", " trained on")
_TEXTS: Final = _ENDS[3:]
OWN: Final = (
    "Intervals are of each score alone: whether two models differ is what `alignbench compare` answers, by pairs."
)


class Entry(NamedTuple):
    """A score with its interval, and what it was trained on; of several untrained twins mean, least and greatest."""

    value: float
    low: float
    high: float
    layer: str = ""
    trained_on: str = ""


@dataclass(frozen=True)
class BoardRow:
    """A model by one distance.

    Attributes:
        model: What it is called.
        kind: `model`, `aligned` (its aligned layer), `untrained` or `baseline`.
        distance: Name of the distance.
        entries: Its scores by the place of their column and the label of the run; only untrained twins have several.
    """

    model: str
    kind: str
    distance: str
    entries: dict[int, dict[str, Entry]] = field(default_factory=dict)

    @property
    def seeds(self) -> int:
        """Of how many untrained twins it is."""
        return max(map(len, self.entries.values())) if self.kind == "untrained" else 0

    def entry(self, column: int) -> Entry | None:
        """Its score in a column; none if it has none there."""
        found = list(self.entries.get(column, {}).values())
        if not found or self.seeds < 2:
            return found[0] if found else None
        values = [entry.value for entry in found]
        return Entry(math.fsum(values) / len(values), min(values), max(values))


@dataclass(frozen=True)
class Leaderboard:
    """The table.

    Attributes:
        columns: From the low level to the high one.
        rows: Sorted.
        at: `projection` or `best`.
        by: Name of the column by which rows are sorted.
        scores: The rows of `score_table` behind it.
    """

    columns: tuple[BoardColumn, ...]
    rows: tuple[BoardRow, ...]
    at: str
    by: str
    scores: pd.DataFrame


def lead(study: Study, distances: Sequence[str] | None, at: str = "projection", sort: str = "") -> Leaderboard:
    """Put all models of a study into one table.

    Args:
        study: Which.
        distances: Only these distances of towers; all if none is given.
        at: `projection`, or `best` for the best layer before it.
        sort: Name of the data set or column to sort by; the first column if none is given.

    Raises:
        UsageError: If there is no such place or column.
    """
    if at not in PLACES:
        raise unknown("place", at, PLACES)
    scores = score_table(study.runs, distances)
    runs = [run for run in study.runs if run.folder.name in set(scores["run"])]  # not those without such a distance
    columns = board_columns(runs, at)
    place = _sorting(columns, sort)
    rows: dict[tuple[str, str, str], BoardRow] = {}
    for run in runs:
        own = scores[scores["run"] == run.folder.name]
        for subset in run.judgments:
            condition = board_condition(run, subset, at)
            fitting = [
                index
                for index, column in enumerate(columns)
                if (column.dataset, column.subset) == (run.dataset, subset) and column.condition.fits(condition)
            ]
            for found in own[own["subset"] == subset].to_dict("records"):
                for row, entry in _entries(run, found, at):
                    kept = rows.setdefault((row.model, row.kind, row.distance), row)
                    for index in fitting:
                        label = run.label if row.kind == "untrained" else ""
                        kept.entries.setdefault(index, {}).setdefault(label, entry)  # of runs alike the first counts
    ordered = sorted(rows.values(), key=lambda row: _order(row, place))
    return Leaderboard(columns, tuple(ordered), at, columns[place].name, scores)


def _entries(run: StudyRun, found: dict[str, Any], at: str) -> Iterator[tuple[BoardRow, Entry]]:
    """Yield what a run scores at a place: its plain layers under the model's name, an aligned one under the run's."""
    where = "best" if run.is_baseline else at
    if not run.doubled:
        name = run.model.partition(_TWIN)[0] if found["kind"] == "untrained" else run.model
        layer = found["best_layer"] if where == "best" and not run.is_baseline else ""
        yield BoardRow(name, found["kind"], found["distance"]), _entry(found, where, layer)
    if isinstance(found["aligned_layer"], str):  # what is missing in a table is not a number
        yield BoardRow(run.label, "aligned", found["distance"]), _entry(found, "aligned", found["aligned_layer"])


def _entry(found: Mapping[str, Any], where: str, layer: object) -> Entry:
    numbers = (_float(found[where]), _float(found[f"{where}_low"]), _float(found[f"{where}_high"]))
    return Entry(*numbers, layer if isinstance(layer, str) else "", found["trained_on"])


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _order(row: BoardRow, column: int) -> tuple[object, ...]:
    entry = row.entry(column)
    value = math.nan if entry is None else entry.value
    return value != value, -value if value == value else 0.0, row.model, row.kind, row.distance


def _sorting(columns: Sequence[BoardColumn], sort: str) -> int:
    """The place of the column that rows are sorted by."""
    names = [{column.name, column.dataset, data_set_title(column.dataset)} for column in columns]
    found = 0 if not sort else next((place for place, called in enumerate(names) if sort in called), -1)
    if found < 0:
        raise unknown("data set to sort by", sort, {column.dataset for column in columns})
    return found


# -------------------------------------------------------------------------------------------------- as a table


def board_table(board: Leaderboard) -> pd.DataFrame:
    """The leaderboard in full precision.

    Returns:
        A row for each of its rows, then one for chance and one for each kind of noise ceiling. Columns: model, kind (as
        of `BoardRow`, or `chance` or `ceiling`), distance, seeds (how many untrained twins); and for each column its
        name with the score, `NAME low` and `NAME high` with the ends of the interval, of the range of several twins, or
        of the ceiling; `NAME layer`, where a layer was selected or aligned; and `NAME trained on`, where a model was
        trained on such data.
    """
    found: list[dict[str, Any]] = []
    for row in board.rows:
        entries = {column.name: row.entry(place) for place, column in enumerate(board.columns)}
        own = {"model": row.model, "kind": row.kind, "distance": row.distance, "seeds": row.seeds or None}
        found.append(own | _cells(entries))
    nothing = {"distance": "", "seeds": None}
    chances = {
        column.name: Entry(column.chance, math.nan, math.nan) for column in board.columns if column.chance is not None
    }
    if chances:
        found.append({"model": "chance", "kind": "chance", **nothing, **_cells(chances)})
    for name in dict.fromkeys(column.ceiling for column in board.columns if column.ceiling):
        ends = {column.name: column.ends for column in board.columns if column.ceiling == name}
        entries = {one: Entry(low if low == high else math.nan, low, high) for one, (low, high) in ends.items()}
        found.append({"model": name, "kind": "ceiling", **nothing, **_cells(entries)})
    names = [f"{column.name}{end}" for column in board.columns for end in _ENDS]
    table = pd.DataFrame(found).reindex(columns=["model", "kind", "distance", "seeds", *names])
    table["seeds"] = table["seeds"].astype("Int64")
    return table.drop(columns=[name for name in names if name.endswith(_TEXTS) and table[name].isna().all()])


def _cells(entries: Mapping[str, Entry | None]) -> dict[str, Any]:
    return {
        f"{name}{end}": value or None if end in _TEXTS else value
        for name, entry in entries.items()
        if entry is not None
        for end, value in zip(_ENDS, entry, strict=True)
    }


def board_sheet(board: Leaderboard, study: Study) -> Sheet:
    """The leaderboard as it is read.

    Args:
        board: The leaderboard.
        study: Where it comes from; its remarks go into the caption.
    """
    towers = [row for row in board.rows if row.kind != "baseline"]
    several = len({row.distance for row in towers}) > 1
    rows = []
    for row in board.rows:
        entries = [row.entry(place) for place in range(len(board.columns))]
        rows.append([_called(row), *([distance_name(row.distance)] if several else []), *map(_text, entries)])
    blank = [""] if several else []
    fewest = len(rows)
    if any(column.chance is not None for column in board.columns):
        rows.append(
            [
                "chance",
                *blank,
                *(number(math.nan if column.chance is None else column.chance) for column in board.columns),
            ]
        )
    for name in dict.fromkeys(column.ceiling for column in board.columns if column.ceiling):
        rows.append(
            [name, *blank, *(_ceiling(column) if column.ceiling == name else NOTHING for column in board.columns)]
        )
    header = ("model", *(["distance"] if several else []), *(column.name for column in board.columns))
    names = frozenset(column.name for column in board.columns)
    place = "at the best layer" if board.at == "best" else "at the projection"
    distance = "" if several or not towers else f", by the {distance_name(towers[0].distance)} distance"
    title = f"Alignment with what people judged {place}{distance}"
    cells = tuple(map(tuple, rows))
    return Sheet(title, tuple(_caption(board, study)), header, cells, names, len(rows) - fewest)


def _caption(board: Leaderboard, study: Study) -> Iterator[str]:
    yield f"Sorted by {board.by}."
    if board.at == "best":
        yield SELECTED
    if any(row.kind == "aligned" for row in board.rows):
        yield "The aligned layer is the one that a transform aligned, whichever it is."
    if any(row.seeds > 1 for row in board.rows):
        yield "Of several untrained twins: the mean, and in brackets the least and the greatest."
    yield OWN
    towers = board.scores[board.scores["kind"] != "baseline"]
    told = board.scores.assign(ceiling=None)
    yield from told_of_data(told, [name for name in CONDITIONS if towers[name].nunique() > 1])
    for remark in study.remarks:
        if board.at == "best" or TOKENS_APART not in remark:  # at the projection all token views are one
            yield f"{remark}."


def _called(row: BoardRow) -> str:
    """What a row is called, with what it is of if that is no model as it was trained."""
    twins = "untrained" if row.seeds == 1 else f"{row.seeds} untrained twins"
    mark = {"untrained": twins, "baseline": "baseline", "aligned": "aligned layer"}.get(row.kind, "")
    return ", ".join(filter(None, [row.model, mark]))


def _text(entry: Entry | None) -> str:
    if entry is None:
        return NOTHING
    return " ".join(filter(None, [with_interval(entry.value, entry.low, entry.high), entry.layer]))


def _ceiling(column: BoardColumn) -> str:
    low, high = column.ends
    return number(low) if low == high else f"{number(low)} to {number(high)}"
