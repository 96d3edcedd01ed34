"""What heads say, on the page: the texts of each head, its label, how many texts agree, and the scores of labels."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd

from alignbench.errors import counted
from alignbench.report.page.head_reading import LabelsFolder, ShownHeads, TextsFolder
from alignbench.report.page.plain_tables import NONE, number, spoken_p
from alignbench.report.page.tables import Score, read_score, value_score
from alignbench.results.head_alignment import component_name
from alignbench.results.head_labels import EXAMPLE
from alignbench.results.published_heads import HEAD_CAVEATS, HEADS_SOURCE, heads_obstacle

_TEXTS: Final = 4  # of a head: two that it is labelled by, and two that are judged
_MORE, _LESS, _NEITHER = "more is better", "less is better", ""
MEASURES: Final[Mapping[str, tuple[str, str]]] = {
    "association_all": ("heads of whose judged texts all agree", _MORE),
    "association_some": ("heads of whose judged texts at least 0.6 agree", _MORE),
    "association_mean": ("judged texts that agree, averaged over heads", _MORE),
    "entangled": ("labelled heads whose label also names another", _LESS),
    "unique": ("labelled heads whose label names no other", _MORE),
    "distinct": ("labels, for each labelled head", _MORE),
    "entropy": ("entropy of the labels, in bits", _MORE),
    "simpson": ("probability that two labelled heads have one label", _LESS),
    "redundancy": ("consistent heads that could go, with every label still there", _LESS),
    "ccs_high": ("concept consistency: heads of whose five texts 5 agree", _MORE),
    "ccs_moderate": ("heads of whose five texts 3 agree", _NEITHER),
    "ccs_low": ("heads of whose five texts at most 1 agrees", _LESS),
    "labelled": ("heads that have a label", _MORE),
}
"""What each score of labels is, and which end of it is better."""


@dataclass(frozen=True)
class ScoreRow:
    """A score of labels in words.

    Attributes:
        name: e.g. `association_mean`.
        said: What it is, and which end of it is better.
        score: Its value.
        baseline: The mean of permutations, and the middle 95 % of them.
        p: Share of permutations that are as good or better.
        published: What is published of it; empty for nothing.
    """

    name: str
    said: str
    score: Score
    baseline: Score
    p: str
    published: str


@dataclass(frozen=True)
class SaidRow:
    """A head in words.

    Attributes:
        name: e.g. `head 3 of layer 12`.
        texts: The first of its texts.
        label: Its label.
        share: Share of its judged texts that agree with the label.
        agreeing: How many that are.
    """

    name: str
    texts: str
    label: str
    share: str
    agreeing: str


@dataclass(frozen=True)
class SaidPart:
    """A model by one labeller and judge.

    Attributes:
        title: The model.
        makers: Who labelled and judged.
        note: The folder.
        notes: What has to be known to read the tables.
        scores: The scores of the labels; none where nobody has judged them.
        has_published: Whether something published stands beside.
        sentence: How many heads have a label.
        heads: All heads.
        is_labelled: Whether heads are labelled.
    """

    title: str
    makers: str
    note: str
    notes: tuple[str, ...]
    scores: tuple[ScoreRow, ...]
    has_published: bool
    sentence: str
    heads: tuple[SaidRow, ...]
    is_labelled: bool = True


def collect_said(heads: ShownHeads) -> list[SaidPart]:
    """Make the section of what heads say: a part for each folder, those of a model together."""
    parts = [*map(_judged_part, heads.labels), *map(_unjudged_part, heads.texts)]
    models = list(dict.fromkeys(part.title for part in parts))
    return sorted(parts, key=lambda part: models.index(part.title))


def _judged_part(folder: LabelsFolder) -> SaidPart:
    labeller, judge = folder.makers
    published = dict(zip(folder.published["metric"], folder.published["published"], strict=True))
    of_published = (f"Published: {HEADS_SOURCE}.", *HEAD_CAVEATS) if published else (heads_obstacle(folder.record),)
    return SaidPart(
        str(folder.record["model"]),
        f"labelled by {labeller}, judged by {judge}",
        folder.name,
        (*folder.record["notes"], *filter(None, of_published)),
        tuple(_score_row(row, published) for row in folder.scores.to_dict("records")),
        bool(published),
        _counted(folder.heads),
        _rows(folder.heads),
    )


def _unjudged_part(folder: TextsFolder) -> SaidPart:
    labelled = bool(folder.labeller)
    makers = f"labelled by {folder.labeller}, not judged" if labelled else "texts alone, not labelled"
    said = _counted(folder.heads) if labelled else ""
    return SaidPart(folder.model, makers, folder.name, folder.notes, (), False, said, _rows(folder.heads), labelled)


def _score_row(row: Mapping[str, Any], published: Mapping[str, float]) -> ScoreRow:
    name = str(row["measure"])
    said, better = MEASURES.get(name, ("", ""))
    return ScoreRow(
        name,
        "; ".join(filter(None, [said, better])),
        value_score(row),
        read_score(pd.Series(dict(row)), "baseline"),
        NONE if math.isnan(row["p"]) else spoken_p(row["p"]),
        number(published[name]) if name in published else "",
    )


def _counted(heads: pd.DataFrame) -> str:
    """How many heads have a label, and how many labels there are."""
    labels = heads.loc[(heads["label"] != "") & (heads["source"] != EXAMPLE), "label"]
    examples = int((heads["source"] == EXAMPLE).sum())
    said = f"{len(labels)} of {counted(len(heads) - examples, 'head')} have a label, of {labels.nunique()} in all"
    return f"{said}; {counted(examples, 'head')} had theirs as examples." if examples else f"{said}."


def _rows(heads: pd.DataFrame) -> tuple[SaidRow, ...]:
    return tuple(map(_row, heads.sort_values(["layer", "head"], kind="stable").to_dict("records")))


def _row(row: Mapping[str, Any]) -> SaidRow:
    texts = str(row["texts"]).split("; ")
    judged, agreeing, share = (row.get(name, math.nan) for name in ("judged", "agreeing", "share"))
    label = str(row.get("label", "")) or NONE
    return SaidRow(
        component_name("head", int(row["layer"]), int(row["head"])),
        "; ".join(texts[:_TEXTS]) or NONE,
        f"{label} (an example)" if row.get("source") == EXAMPLE else label,
        number(share),
        f"{int(agreeing)} of {int(judged)}" if math.isfinite(judged) and math.isfinite(agreeing) else "",
    )
