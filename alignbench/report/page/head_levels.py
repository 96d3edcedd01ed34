"""Which labels' heads carry which level, on the page: labels of heads beside how close each head is to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from alignbench.errors import DataError, counted
from alignbench.report.page.head_reading import LabelsFolder, ShownHeads
from alignbench.report.page.heads import HeadsFolder
from alignbench.report.page.plain_tables import Plain, plain
from alignbench.results.head_alignment import PLACE, own_scores
from alignbench.study.carried_levels import levels_of_consistency, levels_of_labels

_SHOWN: Final = 15  # rows of a table


@dataclass(frozen=True)
class LevelsPart:
    """Labels by one labeller, judged by one judge.

    Attributes:
        title: Who labelled and judged.
        note: Of which models, and how many rows there are beyond those that are shown.
        labels: The table of labels; none where they cannot be compared.
        consistency: The table of consistency; likewise.
        reasons: Why a table is not there.
    """

    title: str
    note: str
    labels: Plain | None
    consistency: Plain | None
    reasons: tuple[str, ...]


def collect_levels(heads: ShownHeads) -> list[LevelsPart]:
    """Make a part for each labeller and judge; models are those that are labelled and held against people."""
    scores = _scores(heads.folders)
    groups: dict[tuple[str, str, int], dict[str, LabelsFolder]] = {}
    for folder in heads.labels:
        if folder.fingerprint not in scores:
            continue
        number = sum(key[:2] == folder.makers and folder.fingerprint in group for key, group in groups.items())
        groups.setdefault((*folder.makers, number), {})[folder.fingerprint] = folder
    return [_part(makers, group, {name: scores[name] for name in group}) for (*makers, _), group in groups.items()]


def _scores(aligned: Sequence[HeadsFolder]) -> dict[str, tuple[str, pd.DataFrame]]:
    """Name of each model by the fingerprint of its weights, and the scores of its heads alone, once for each place."""
    found: dict[str, tuple[str, pd.DataFrame]] = {}
    for folder in aligned:
        settings = folder.record["settings"].get("heads")
        weights = str(settings.get("model_fingerprint", "")) if isinstance(settings, dict) else ""
        if not weights or "transform" in folder.record["settings"]:  # labels are of the model as it is
            continue
        rows = own_scores(folder.alignment).query("way == 'alone' and kind == 'head'").assign(model=weights)
        name, known = found.get(weights, (folder.model, rows.iloc[:0]))
        found[weights] = name, pd.concat([known, rows]).drop_duplicates(["layer", "head", *PLACE])
    return found


def _part(
    makers: Sequence[str], group: Mapping[str, LabelsFolder], scores: Mapping[str, tuple[str, pd.DataFrame]]
) -> LevelsPart:
    tables = [rows.set_index(list(PLACE)) for _, rows in scores.values()]
    common = tables[0].index
    for table in tables[1:]:
        common = common.intersection(table.index)
    of_heads = pd.concat([table[table.index.isin(common)] for table in tables]).reset_index()
    labels = pd.concat([folder.heads.assign(model=weights) for weights, folder in group.items()])
    judged = labels[labels["first_agreeing"].notna()].rename(columns={"first_agreeing": "consistent"})
    of_labels, why_not, beyond = _compared(levels_of_labels, labels, of_heads)
    of_consistency, nor_why, _ = _compared(levels_of_consistency, judged, of_heads)
    names = ", ".join(name for name, _ in scores.values())
    note = f"{counted(len(group), 'model')}: {names}"
    note += f"; {counted(beyond, 'row')} of larger p are left out" if beyond else ""
    reasons = tuple(filter(None, dict.fromkeys([why_not, nor_why])))
    labeller, judge = makers
    return LevelsPart(f"labelled by {labeller}, judged by {judge}", note, of_labels, of_consistency, reasons)


def _compared(
    compare: Callable[[pd.DataFrame, pd.DataFrame], pd.DataFrame], labels: pd.DataFrame, scores: pd.DataFrame
) -> tuple[Plain | None, str, int]:
    """The rows of the smallest p-values in words, or why there are none; and how many are left out."""
    try:
        found = compare(labels, scores)
    except DataError as error:
        return None, str(error), 0
    first = found.sort_values("p_corrected", kind="stable").head(_SHOWN)
    ends = first["low"].map("{:+.3f}".format) + " .. " + first["high"].map("{:+.3f}".format)
    shown = first.assign(
        interval=ends.where(first["low"].notna(), "-"), difference=first["difference"].map("{:+.3f}".format)
    )
    names = ["mark", "level", "dataset", "part", "protocol", "difference", "interval", "models", "heads", "p_corrected"]
    return plain(shown[names].rename(columns={"mark": "heads_with"})), "", len(found) - len(first)
