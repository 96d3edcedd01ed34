"""What a panel shows: the lines of one data set and subset, what is published of them, the noise ceiling, and notes."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from alignbench.datasets.judgments import LEVELS
from alignbench.distances.names import DISTANCES
from alignbench.errors import UsageError
from alignbench.models.layer_names import IMAGE, is_aligned, is_plain, select_rows, split_label
from alignbench.report.references import Reference, references_at
from alignbench.report.series import Key, by_key, published_rows, rows_to_draw
from alignbench.results.extent import data_set_title, named_subset
from alignbench.results.layer_curve import LayerCurve, is_simulated
from alignbench.results.published import PAPER_JUDGMENTS, oddity

DEPTH = "depth (% of the network; 100 = projection)"
SIMULATED = "simulated observers, not human data"
_SCORES = {"spearman": "Spearman correlation", "accuracy": "agreement with the choices"}
_NO_REFERENCE = (
    "nothing that is published of {} stands beside these runs: it is of TID2013, NIGHTS and testset1 of THINGS by the "
    "paper protocol, mostly by normalized_euclidean; leave it out of --published, or add such runs"
)
_ROOM = 0.04  # of the vertical axis, above and below all that is drawn
_CEILINGS = {  # the first of these that a panel has are drawn
    "noise ceiling": ("ceiling_loo", "ceiling_max_share", "ceiling_spearman_of_mean"),
    "noise ceiling, published": ("ceiling_published",),
    "best attainable": ("ceiling_attainable",),
    "noise ceiling, upper bound": ("ceiling_spearman",),
}


def score_name(metric: str) -> str:
    """What a score is called where people read it, such as on an axis; a metric of another kind is called by itself."""
    return _SCORES.get(metric, metric)


@dataclass(frozen=True)
class Ceiling:
    """How far people agree with each other.

    Attributes:
        name: What it is called.
        values: One estimate or two.
    """

    name: str
    values: tuple[float, ...]


@dataclass(frozen=True)
class Panel:
    """One data set and subset.

    Attributes:
        dataset: Name of the data set.
        subset: Name of the subset.
        level: Level of abstraction.
        title: Its heading.
        part: How much of what was published all its lines are of, where that is a part; it goes with the heading.
        simulated: Whether its people are simulated observers.
        score: Name of the score, the vertical axis.
        chance: What random distances score; none where nobody knows.
        lines: Rows of each line, in the order of depth.
        aligned: The row of the aligned layer of a line, where it has one; it is no point of the line.
        published: What is published of these lines.
        references: Published curves that were asked for by name, whether or not a line is of their model.
        ceiling: The noise ceiling, if one is known.
        notes: What to mind about its lines and the published values in it.
    """

    dataset: str
    subset: str
    level: str
    title: str
    part: str
    simulated: bool
    score: str
    chance: float | None
    lines: dict[Key, pd.DataFrame]
    aligned: dict[Key, pd.DataFrame]
    published: dict[Key, pd.DataFrame]
    references: tuple[Reference, ...]
    ceiling: Ceiling | None
    notes: tuple[str, ...]

    def only(self, keys: Collection[Key]) -> Panel:
        """The same panel with some of its lines."""
        lines = {key: rows for key, rows in self.lines.items() if key in keys}
        aligned = {key: rows for key, rows in self.aligned.items() if key in keys}
        published = {key: rows for key, rows in self.published.items() if key in keys}
        notes = _all_notes(published, lines, self.references, self.dataset)
        return replace(self, lines=lines, aligned=aligned, published=published, notes=notes)

    @property
    def has_depth(self) -> bool:
        """Whether any line is of a tower, and not of a baseline, which has no layers."""
        drawn = (*self.lines.values(), *(reference.rows for reference in self.references))
        return any((rows["layer"] != IMAGE).any() for rows in drawn)

    @property
    def span(self) -> tuple[float, float]:
        """Ends of the vertical axis: all that is drawn lies between them, chance and the noise ceiling always."""
        found = [*([] if self.chance is None else [self.chance]), *(self.ceiling.values if self.ceiling else ())]
        for rows in (*self.lines.values(), *self.aligned.values()):
            found += (
                rows[["value"] if rows["band"].iloc[0] else ["value", "ci_low", "ci_high"]].to_numpy().ravel().tolist()
            )
        for rows in (*self.published.values(), *(reference.rows for reference in self.references)):
            found += rows["value"].tolist()
        return axis_ends(found)


def axis_ends(values: Iterable[float]) -> tuple[float, float]:
    """Ends of an axis that has room for some values; what is not a number takes none."""
    ends = [value for value in values if math.isfinite(value)] or [0.0, 1.0]
    room = _ROOM * (max(ends) - min(ends)) or _ROOM
    return min(ends) - room, max(ends) + room


def lay_out_panels(
    curves: Sequence[LayerCurve], distances: Sequence[str] | None, references: Sequence[str] = ()
) -> tuple[pd.DataFrame, list[Panel]]:
    """The panels of some curves, from the low level to the high one.

    Args:
        curves: What to show.
        distances: Only these distances of towers; all if none is given.
        references: Published models whose curves are to stand beside, see `find_published`.

    Returns:
        The rows of `rows_to_draw`, by which lines get their names and looks; and the panels.

    Raises:
        UsageError: If one of the references stands in no panel.
    """
    frame, published = rows_to_draw(curves, distances), published_rows(curves, distances)
    everything = pd.concat([curve.frame for curve in curves], ignore_index=True)
    places, chances = _places(frame), _chances(curves)
    towers = frame[frame["layer"] != IMAGE]
    shown = tuple(towers["distance"].unique()) or tuple(distances or ()) or DISTANCES[:1]
    panels = []
    for dataset, subset in places:
        rows = _of_place(frame, dataset, subset)
        lines, aligned = (by_key(select_rows(rows, which)) for which in (is_plain, is_aligned))
        theirs = by_key(_of_place(published, dataset, subset))
        by_paper = bool((rows["protocol"] == "paper").any())
        asked = references_at((dataset, subset), references, shown, named=len(shown) > 1) if by_paper else ()
        first = rows.iloc[0]
        alone = sum(name == dataset for name, _ in places) == 1
        named = "" if alone and not any(named_subset(subset, name) for name in rows["protocol"].unique()) else subset
        title = ", ".join(filter(None, [data_set_title(dataset), named]))
        panel = Panel(
            dataset,
            subset,
            str(first["level"]),
            f"{title} ({first['level']} level)",
            _common_part(rows),
            is_simulated(dataset),
            _SCORES[first["metric"]],
            chances[dataset],
            lines,
            aligned,
            theirs,
            asked,
            find_ceiling(_of_place(everything, dataset, subset)),
            _all_notes(theirs, lines, asked, dataset),
        )
        panels.append(panel)
    for model in references:
        if not any(model == reference.model for panel in panels for reference in panel.references):
            raise UsageError(_NO_REFERENCE.format(model))
    return frame, panels


def is_baseline(rows: pd.DataFrame) -> bool:
    """Whether a line is of something without layers, which is drawn from edge to edge."""
    return bool((rows["layer"] == IMAGE).all())


def aligned_by(rows: pd.DataFrame) -> str:
    """What an aligned layer is called: `aligned by NAME`, NAME being that of the transform."""
    return f"aligned by {split_label(str(rows['model'].iloc[0]), rows['layer'])[1]}"


def _common_part(rows: pd.DataFrame) -> str:
    """The part that all rows of a panel are of; empty if some are whole, or of other parts."""
    parts = rows["part"].unique()
    return str(parts[0]) if len(parts) == 1 else ""


def _places(frame: pd.DataFrame) -> list[tuple[str, str]]:
    order = {level: index for index, level in enumerate(LEVELS)}
    keys = frame[["dataset", "subset", "level"]].drop_duplicates()
    ranked = sorted(keys.itertuples(index=False), key=lambda key: order.get(key.level, len(order)))
    return [(key.dataset, key.subset) for key in ranked]


def _of_place(frame: pd.DataFrame, dataset: str, subset: str) -> pd.DataFrame:
    return frame[(frame["dataset"] == dataset) & (frame["subset"] == subset)]


def find_ceiling(rows: pd.DataFrame) -> Ceiling | None:
    """The noise ceiling of a data set and subset; none if no curve has one.

    It depends on the judgments alone, so the line with the most of them gives it.

    Args:
        rows: Rows of curves there, of all metrics.
    """
    for name, metrics in _CEILINGS.items():
        most = rows[rows["metric"].isin(metrics)].sort_values("n", ascending=False, kind="stable")
        values = most.drop_duplicates("metric")["value"].dropna()
        if len(values):
            return Ceiling(name, tuple(sorted(float(value) for value in values)))
    return None


def _chances(curves: Sequence[LayerCurve]) -> dict[str, float | None]:
    """The score of random distances by data set, which is that of any of its curves that knows it."""
    found: dict[str, float | None] = {}
    for curve in curves:
        if found.get(curve.dataset) is None:
            found[curve.dataset] = curve.chance
    return found


def _all_notes(
    published: Mapping[Key, pd.DataFrame],
    ours: Mapping[Key, pd.DataFrame],
    references: Sequence[Reference],
    dataset: str,
) -> tuple[str, ...]:
    """What to mind of our lines, of the published values of these, and of those that were asked for."""
    told = (f"{key.line}: {rows['trained_on'].iloc[0]}" for key, rows in ours.items() if rows["trained_on"].iloc[0])
    odd = []
    for reference in references:
        short = reference.model.rpartition("/")[2]
        for layer in reference.rows["layer"]:
            text = oddity(reference.model, dataset, layer)
            where = f"published {short}" if layer == IMAGE else f"published {short}, {layer}"
            odd += [f"{where}: {text}"] if text else []
    return tuple(dict.fromkeys([*told, *_notes(published, ours), *odd]))


def _notes(published: Mapping[Key, pd.DataFrame], ours: Mapping[Key, pd.DataFrame]) -> tuple[str, ...]:
    said: dict[str, None] = {}  # in this order, each once
    for key, rows in published.items():
        for model, dataset, layer in zip(rows["published"], rows["dataset"], rows["layer"], strict=True):
            text = oddity(model, dataset, layer)
            if text:
                which = model if layer == IMAGE else layer
                whose = f"{key.line}, " if layer != IMAGE and len(published) > 1 else ""
                said[f"{whose}published {which}: {text}"] = None
    counts: dict[str, list[str]] = {}  # what is to be said of the number of judgments, and of which lines
    for key, rows in published.items():
        count, theirs = int(ours[key]["n"].iloc[0]), PAPER_JUDGMENTS[rows["dataset"].iloc[0]]
        text = f"ours of {count:,} judgments, published of {theirs:,}" if count != theirs else ""
        counts.setdefault(text, []).append(key.line)
    alone = len(counts) == 1  # it is so of all that are dashed
    of_lines = [
        text if alone else f"{', '.join(dict.fromkeys(lines))}, {text}" for text, lines in counts.items() if text
    ]
    return (*said, *of_lines)
