"""What a linear readout reaches on the page: choices of held-out objects over depth, zero-shot and aligned."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import pandas as pd

from alignbench.models.layer_names import PROJECTION
from alignbench.report.page.charts import Section, points
from alignbench.report.page.plain_tables import NONE, number
from alignbench.report.page.swatches import Swatch, Toggle
from alignbench.report.page.tables import Score, read_score
from alignbench.report.page.transforms import LearnedFolder
from alignbench.report.panels import axis_ends
from alignbench.results.extent import data_set_title
from alignbench.results.layer_curve import is_simulated

_CHANCE: Final = 1.0 / 3.0
_LINES: Final = {  # columns of `ceiling.csv`
    "before": Toggle("readout:before", "zero-shot", True, Swatch("#0072b2", "circle", "solid", "tower")),
    "after": Toggle("readout:after", "aligned", True, Swatch("#d55e00", "star", "solid", "tower")),
}


@dataclass(frozen=True)
class ReadoutRow:
    """A row of the table: the layer of highest aligned accuracy, and the projection.

    Attributes:
        model: Its label.
        dataset: Data set and subset.
        simulated: Whether its people are simulated observers.
        objective: Objective of learning.
        layer: Where the aligned accuracy is highest.
        depth: Depth of that layer in percent.
        zero_shot: Zero-shot accuracy at that layer.
        aligned: Aligned accuracy at that layer.
        gain: Aligned minus zero-shot accuracy at that layer.
        projection: Zero-shot and aligned at the projection; nothing where that was not learned.
        ceiling: Noise ceiling of the data set.
        triplets: Number of judged triplets.
    """

    model: str
    dataset: str
    simulated: bool
    objective: str
    layer: str
    depth: str
    zero_shot: str
    aligned: str
    gain: Score
    projection: tuple[Score, Score]
    ceiling: str
    triplets: str


@dataclass(frozen=True)
class ReadoutPanel:
    """A chart of one folder.

    Attributes:
        slug: Where the script finds its data.
        title: Its heading.
        simulated: Whether its people are simulated observers.
        score: The vertical axis.
        note: How it was learned.
    """

    slug: str
    title: str
    simulated: bool
    score: str
    note: str


@dataclass(frozen=True)
class Readouts:
    """The section of what a linear readout reaches.

    Attributes:
        panels: A chart a folder.
        rows: Rows of the table, in the same order.
        boxes: What hides lines.
        curves: Curves for the script, after those that the page has already.
        charts: Charts for the script, by slug.
    """

    panels: tuple[ReadoutPanel, ...]
    rows: tuple[ReadoutRow, ...]
    boxes: Section
    curves: list[dict[str, Any]]
    charts: dict[str, dict[str, Any]]


def collect_readouts(folders: Sequence[LearnedFolder], first: int = 0) -> Readouts:
    """Make the section of some folders.

    Args:
        folders: Folders of learned transforms.
        first: How many curves the page has already.
    """
    titles = [_title(folder) for folder in folders]
    counts = Counter(titles)
    curves: list[dict[str, Any]] = []
    charts, panels = {}, []
    for index, (folder, title) in enumerate(zip(folders, titles, strict=True)):
        named = title if counts[title] == 1 else f"{title} ({folder.name.rpartition('__')[2]})"
        panel = _panel(f"readout-{index}", named, folder)
        panels.append(panel)
        charts[panel.slug] = _chart(folder.frame, panel.score, curves, first)
    kinds = {"chance", *(["ceiling"] if any(chart["ceiling"] for chart in charts.values()) else [])}
    boxes = Section((), {"Choices of held-out objects": list(_LINES.values())}, (), frozenset(kinds), False)
    return Readouts(tuple(panels), tuple(map(_row, folders)), boxes, curves, charts)


def _title(folder: LearnedFolder) -> str:
    first = folder.frame.iloc[0]
    return f"{first['model']} on {data_set_title(first['dataset'])}, {first['subset']}: {first['objective']}"


def _panel(slug: str, title: str, folder: LearnedFolder) -> ReadoutPanel:
    first, settings = folder.frame.iloc[0], folder.record["settings"]
    score = f"odd-one-out accuracy ({first['similarity']})"
    parts = (
        f"{settings.get('folds', '?')} folds of {int(folder.frame['objects'].max()):,} objects, ",
        f"{int(folder.frame['n'].max()):,} judged triplets, {first['tokens']} tokens",
        f"{_of_targets(settings)}; {folder.name}",
    )
    return ReadoutPanel(slug, title, is_simulated(first["dataset"]), score, "".join(parts))


def _of_targets(settings: Mapping[str, Any]) -> str:
    """What a teacher's probabilities are of, and whether they are of choices that models are tested on."""
    told = settings.get("targets")
    if not isinstance(told, dict):
        return ""
    warned = ", of triplets that models are tested on" if told.get("saw_test") else ""
    return f", targets {told.get('kind', '?')}{warned}"


def _chart(frame: pd.DataFrame, score: str, curves: list[dict[str, Any]], first: int) -> dict[str, Any]:
    """What the script draws; its curves are put at the end of the list."""
    frame = frame.sort_values("depth", kind="stable")
    lines = []
    for column, toggle in _LINES.items():
        lines.append(
            {"keys": [toggle.key], "name": toggle.name, "curve": first + len(curves), "look": asdict(toggle.swatch)}
        )
        ends = {column: "value", f"{column}_low": "ci_low", f"{column}_high": "ci_high"}
        columns = ["layer", "depth", "n", *ends]
        curves.append(points(frame[columns].rename(columns=ends).assign(band=False)))
    ceiling = frame["noise_ceiling"].max()
    known = {"name": "noise ceiling", "values": [round(float(ceiling), 4)]} if math.isfinite(ceiling) else None
    drawn = frame[[f"{column}{end}" for column in _LINES for end in ("", "_low", "_high")]].to_numpy().ravel()
    span = axis_ends([_CHANCE, ceiling, *drawn])
    return {
        "score": score,
        "has_depth": True,
        "ceiling": known,
        "chance": _CHANCE,
        "span": [round(float(end), 4) for end in span],
        "lines": lines,
    }


def _row(folder: LearnedFolder) -> ReadoutRow:
    frame = folder.frame
    first, best = frame.iloc[0], frame.loc[frame["after"].idxmax()]
    last = frame[frame["layer"] == PROJECTION]
    nothing = Score(NONE)
    return ReadoutRow(
        str(first["model"]),
        f"{data_set_title(first['dataset'])}, {first['subset']}",
        is_simulated(first["dataset"]),
        str(first["objective"]),
        str(best["layer"]),
        f"{best['depth']:.1f}",
        number(best["before"]),
        number(best["after"]),
        read_score(best, "difference", "+"),
        (read_score(last.iloc[0], "before"), read_score(last.iloc[0], "after")) if len(last) else (nothing, nothing),
        number(frame["noise_ceiling"].max()),
        f"{int(frame['n'].max()):,}",
    )
