"""Which labels' heads carry which level, on the page: labels of heads beside how close each head is to people."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pandas as pd

from alignbench.errors import DataError, counted
from alignbench.report.page.heads import HeadsFolder, read_head_folders
from alignbench.report.page.plain_tables import Plain, plain
from alignbench.results.folders import find_folders
from alignbench.results.head_alignment import PLACE, find_head_alignments, own_scores
from alignbench.results.head_scores import RECORD, read_head_rows, read_scores
from alignbench.results.layer_curve import is_simulated
from alignbench.study.carried_levels import levels_of_consistency, levels_of_labels

_SHOWN: Final = 15  # rows of a table


@dataclass(frozen=True)
class LabelsFolder:
    """A folder of scores of labelled heads.

    Attributes:
        record: `scores.json`.
        heads: `heads.csv`.
    """

    record: Mapping[str, Any]
    heads: pd.DataFrame

    @property
    def fingerprint(self) -> str:
        """That of the weights of the model; empty where it is not known."""
        return str(self.record["settings"]["labels"]["span"]["heads"].get("model_fingerprint", ""))

    @property
    def makers(self) -> tuple[str, str]:
        """Who labelled, and who judged."""
        settings = self.record["settings"]
        return str(settings["labels"]["labeller"]["name"]), str(settings["judge"]["name"])


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


@dataclass(frozen=True)
class ScoredHeads:
    """What is to be shown of heads.

    Attributes:
        folders: Folders of components that were scored against people.
        labels: Folders of labelled heads.
    """

    folders: tuple[HeadsFolder, ...] = ()
    labels: tuple[LabelsFolder, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is anything to be shown: labels alone say nothing of people."""
        return bool(self.folders)

    @property
    def simulated(self) -> list[str]:
        """Data sets among theirs whose people are simulated observers."""
        names = (name for folder in self.folders for name in folder.alignment["dataset"])
        return [name for name in dict.fromkeys(names) if is_simulated(name)]


NO_HEADS: Final = ScoredHeads()


def holds_heads(place: Path) -> bool:
    """Whether a place is a folder of scored components or of labelled heads, or holds one."""
    return bool(find_head_alignments([place]) or find_folders(RECORD, [place]))


def read_heads(places: Sequence[Path]) -> tuple[ScoredHeads, tuple[str, ...]]:
    """Read the folders of scored components and of labelled heads among or directly below some places.

    Args:
        places: Such folders, or folders of them.

    Returns:
        What they hold, and a line for each that cannot be read and was left out.
    """
    folders, refused = read_head_folders(places)
    labels, damaged = _read_labels(places)
    alone = ("there are labels of heads alone: add heads that are scored (`alignbench interpret align`)",)
    return ScoredHeads(folders, labels), (
        *refused,
        *damaged,
        *(alone if labels and not folders and not refused else ()),
    )


def _read_labels(places: Sequence[Path]) -> tuple[tuple[LabelsFolder, ...], tuple[str, ...]]:
    found, refused = [], []
    for folder in dict.fromkeys(folder.resolve() for folder in find_folders(RECORD, places)):
        try:
            found.append(LabelsFolder(read_scores(folder)[0], read_head_rows(folder)))
        except DataError as error:
            refused.append(str(error))
    return tuple(found), tuple(refused)


def collect_levels(heads: ScoredHeads) -> list[LevelsPart]:
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
