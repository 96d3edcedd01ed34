"""What the page's script draws: every curve once, and for each chart which of them it shows and what hides them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from alignbench.report.panels import DEPTH, Panel, is_baseline, panels_of
from alignbench.report.series import TWINS, Key, Look, Names, distance_name, looks, model_looks
from alignbench.results import LayerCurve

_SYMBOLS = {  # matplotlib's name, Plotly's
    "o": "circle",
    "s": "square",
    "^": "triangle-up",
    "D": "diamond",
    "v": "triangle-down",
    "P": "cross",
    "X": "x",
    "*": "star",
}
_DASHES = {"-": "solid", "-.": "8px,3px,2px,3px", ":": "2px,3px"}
_OTHER_DASHES = "8px,2px,2px,2px,2px,2px"
_PUBLISHED = "5px,3px"
_GREY = "#555555"
_DIGITS = 5
MAIN_DISTANCE = "normalized_euclidean"


@dataclass(frozen=True)
class Swatch:
    """How a line looks, for the legend and the script.

    Attributes:
        colour: In hexadecimal.
        symbol: Plotly's name of the marker; empty for lines without.
        dash: Lengths of dashes and gaps, or `solid`.
        kind: `tower`, `baseline`, `twins` or `published`.
    """

    colour: str
    symbol: str
    dash: str
    kind: str


@dataclass(frozen=True)
class Toggle:
    """A box that hides lines.

    Attributes:
        key: What it hides: everything that has this key.
        name: What it is called.
        on: Whether it is ticked at first.
        swatch: How its lines look.
    """

    key: str
    name: str
    on: bool
    swatch: Swatch


@dataclass(frozen=True)
class Chart:
    """A panel of the page.

    Attributes:
        slug: Where the script finds its data.
        panel: What it shows.
    """

    slug: str
    panel: Panel


@dataclass(frozen=True)
class Section:
    """Charts that share a legend.

    Attributes:
        charts: From the low level to the high one.
        models: A box for each line of `Models`, twins included, and of `Baselines`.
        distances: A box for each distance; none where there is only one.
        kinds: What there is to see: of `tower`, `baseline`, `twins`, `published` and `ceiling`.
    """

    charts: tuple[Chart, ...]
    models: dict[str, list[Toggle]]
    distances: tuple[Toggle, ...]
    kinds: frozenset[str]


class Charts:
    """All charts of a page.

    Args:
        curves: Those of the runs, in the order in which they are to be listed.
        distances: Only these distances of towers; all if none is given.
    """

    def __init__(self, curves: Sequence[LayerCurve], distances: Sequence[str] | None) -> None:
        self.frame, self.panels = panels_of(curves, distances)
        towers = self.frame[self.frame["layer"] != "image"]
        self.distances = tuple(dict.fromkeys(towers["distance"]))
        has_main = towers["distance"].eq(MAIN_DISTANCE).groupby(towers["line"]).any().all()
        self.at_first = (MAIN_DISTANCE,) if len(towers) and has_main else self.distances
        self._looks = model_looks(self.frame)
        self._names = Names(self.frame.assign(distance=""))  # of models: distances have boxes of their own
        self._curves: list[dict[str, Any]] = []
        self._places: dict[tuple[str, Key, bool], int] = {}
        self._charts: dict[str, dict[str, Any]] = {}

    def data(self) -> dict[str, Any]:
        """What the script reads: `curves`, each once, and `charts`, which name them by their place in that list."""
        return {"depth": DEPTH, "curves": self._curves, "charts": self._charts}

    def name(self, panel: Panel, key: Key) -> str:
        """What the model of a line is called, and what else tells it apart but the distance."""
        return self._names.of(key, panel.lines[key])

    def keys(self, panel: Panel, key: Key, group: str = "distance") -> list[str]:
        """What hides a line: its model's box, and of a tower its distance's."""
        model = f"model:{self.name(panel, key)}"
        return [model] if is_baseline(panel.lines[key]) else [model, f"{group}:{key.distance}"]

    def section(self, slug: str, labels: Collection[str] | None = None, *, by_distance: bool = False) -> Section:
        """Make the charts of some models, their untrained twins, and all baselines.

        Args:
            slug: A name that no other section has.
            labels: Of the models; all if none are given.
            by_distance: Whether distances are what is compared: all are shown at first, boxes of this section alone
                hide them, and those of a single model differ in colour.
        """
        wanted = None if labels is None else {_untwinned(label) for label in labels}
        panels = [panel.only(_chosen(panel, wanted)) for panel in self.panels]
        panels = [panel for panel in panels if labels is None or panel.has_depth]
        towers = {key for panel in panels for key, rows in panel.lines.items() if not is_baseline(rows)}
        look = self._looks
        if by_distance and len({key._replace(distance="") for key in towers}) == 1:
            of_towers = pd.concat([rows for panel in panels for key, rows in panel.lines.items() if key in towers])
            look = look | looks(of_towers)
        group = "compared" if by_distance else "distance"
        charts = []
        for index, panel in enumerate(panels):
            charts.append(Chart(f"{slug}-{index}", panel))
            self._charts[charts[-1].slug] = self._chart(panel, look, group)
        distances = [name for name in self.distances if any(key.distance == name for key in towers)]
        return Section(
            tuple(charts),
            self._model_toggles(panels, look),
            self._distance_toggles(distances, group, look, towers) if len(distances) > 1 else (),
            _kinds(panels),
        )

    # -------------------------------------------------------------------------------------------- for the script

    def _chart(self, panel: Panel, look: Mapping[Key, Look], group: str) -> dict[str, Any]:
        lines = []
        for key in panel.lines:
            common = {"keys": self.keys(panel, key, group), "name": self._full_name(panel, key)}
            if key in panel.published:
                swatch = swatch_of(look[key], "published")
                place = self._place(panel, key, published=True)
                lines.append(common | {"curve": place, "look": asdict(swatch)})
            swatch = swatch_of(look[key], _kind(panel.lines[key]))
            lines.append(common | {"curve": self._place(panel, key, published=False), "look": asdict(swatch)})
        ceiling = asdict(panel.ceiling) if panel.ceiling else None
        return {"score": panel.score, "has_depth": panel.has_depth, "ceiling": ceiling, "lines": lines}

    def _full_name(self, panel: Panel, key: Key) -> str:
        name = self.name(panel, key)
        alone = is_baseline(panel.lines[key]) or len(self.distances) == 1
        return name if alone else f"{name}, {distance_name(key.distance)}"

    def _place(self, panel: Panel, key: Key, *, published: bool) -> int:
        """Where in the list of curves a line is, which is put there if it was not."""
        where = (f"{panel.dataset}/{panel.subset}", key, published)
        if where not in self._places:
            self._places[where] = len(self._curves)
            self._curves.append(_points(panel.published[key] if published else panel.lines[key]))
        return self._places[where]

    # -------------------------------------------------------------------------------------------- for the legend

    def _model_toggles(self, panels: Sequence[Panel], look: Mapping[Key, Look]) -> dict[str, list[Toggle]]:
        found: dict[str, Toggle] = {}
        for panel in panels:
            for key, rows in panel.lines.items():
                name = self.name(panel, key)
                found.setdefault(name, Toggle(f"model:{name}", name, True, swatch_of(look[key], _kind(rows))))
        groups: dict[str, list[Toggle]] = {}
        for toggle in found.values():
            groups.setdefault("Baselines" if toggle.swatch.kind == "baseline" else "Models", []).append(toggle)
        return groups

    def _distance_toggles(
        self, distances: Sequence[str], group: str, look: Mapping[Key, Look], towers: Collection[Key]
    ) -> tuple[Toggle, ...]:
        """Distances have a colour and a marker of their own where there is a single model."""
        toggles = []
        for distance in distances:
            of_it = [look[key] for key in look if key in towers and key.distance == distance]
            swatch = swatch_of(of_it[0], "tower")
            if len({key._replace(distance="") for key in towers}) > 1:
                swatch = replace(swatch, colour=_GREY, symbol="")
            on = group != "distance" or distance in self.at_first
            toggles.append(Toggle(f"{group}:{distance}", distance_name(distance), on, swatch))
        return tuple(toggles)


def swatch_of(look: Look, kind: str) -> Swatch:
    """A line's look in the terms of the page; plain dashes are those of published curves."""
    dash = _PUBLISHED if kind == "published" else _DASHES.get(str(look.dashes), _OTHER_DASHES)
    return Swatch(look.colour, _SYMBOLS[look.marker] if kind == "tower" else "", dash, kind)


def _chosen(panel: Panel, wanted: Collection[str] | None) -> set[Key]:
    return {
        key
        for key, rows in panel.lines.items()
        if wanted is None or is_baseline(rows) or _untwinned(key.line) in wanted
    }


def _untwinned(label: str) -> str:
    """The trained model of an untrained twin."""
    return label.partition(TWINS)[0]


def _kind(rows: pd.DataFrame) -> str:
    return "baseline" if is_baseline(rows) else "twins" if rows["band"].iloc[0] else "tower"


def _kinds(panels: Sequence[Panel]) -> frozenset[str]:
    found = {_kind(rows) for panel in panels for rows in panel.lines.values()}
    found |= {"published" for panel in panels if panel.published} | {"ceiling" for panel in panels if panel.ceiling}
    return frozenset(found)


def _points(rows: pd.DataFrame) -> dict[str, Any]:
    """The numbers of a line; those of several twins are their mean, least and greatest at each depth."""
    if "band" not in rows:
        return {"layers": list(rows["layer"]), "x": _numbers(rows["depth"]), "y": _numbers(rows["value"])}
    if rows["band"].iloc[0]:
        at = rows.groupby("depth")
        rows = (
            at["layer"]
            .first()
            .to_frame()
            .assign(value=at["value"].mean(), ci_low=at["value"].min(), ci_high=at["value"].max(), n=at["n"].max())
            .reset_index()
        )
    return {
        "layers": list(rows["layer"]),
        "x": _numbers(rows["depth"]),
        "y": _numbers(rows["value"]),
        "low": _numbers(rows["ci_low"]),
        "high": _numbers(rows["ci_high"]),
        "n": int(rows["n"].max()),
    }


def _numbers(values: Iterable[float]) -> list[float | None]:
    """Rounded, so that the page stays small; what is missing is none, since JSON has no other word for it."""
    return [float(f"{value:.{_DIGITS}g}") if np.isfinite(value) else None for value in values]
