"""What the page's script draws: every curve once, and for each chart which of them it shows and what hides them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import cycle
from typing import Any

import numpy as np
import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.layer_names import IMAGE
from alignbench.report.page.chart_labels import chart_label
from alignbench.report.page.swatches import GREY, Toggle, draw_swatch
from alignbench.report.panels import DEPTH, Panel, aligned_by, is_baseline, lay_out_panels
from alignbench.report.references import Reference
from alignbench.report.series import COLOURS, TWINS, Key, Look, Names, model_looks
from alignbench.results.layer_curve import LayerCurve

_DIGITS = 5
MAIN_DISTANCE = "normalized_euclidean"


@dataclass(frozen=True)
class Chart:
    """A panel of the page.

    Attributes:
        slug: Where the script finds its data.
        panel: What it shows.
        label: The same in words.
    """

    slug: str
    panel: Panel
    label: str


@dataclass(frozen=True)
class Section:
    """Charts that share a legend.

    Attributes:
        charts: From the low level to the high one.
        models: A box for each line of `Models`, twins included, of `Baselines`, and of `Published` curves asked for.
        distances: A box for each distance; none where there is only one.
        kinds: What there is to see: of `tower`, `baseline`, `twins`, `published`, `aligned`, `reference`, `ceiling`
            and `chance`.
        apart: Whether the boxes of models and distances are for this section alone.
    """

    charts: tuple[Chart, ...]
    models: dict[str, list[Toggle]]
    distances: tuple[Toggle, ...]
    kinds: frozenset[str]
    apart: bool


class Charts:
    """All charts of a page.

    Args:
        curves: Those of the runs, in the order in which they are to be listed.
        published: Published models whose curves are to stand beside, see `lay_out_panels`.
    """

    def __init__(self, curves: Sequence[LayerCurve], published: Sequence[str] = ()) -> None:
        frame, self.panels = lay_out_panels(curves, None, published)
        towers = frame[frame["layer"] != IMAGE]
        self.distances = tuple(dict.fromkeys(towers["distance"]))
        self.at_first = _fewest(towers)
        self._looks = model_looks(frame)
        self._kinds = {key: _kind(rows) for panel in self.panels for key, rows in panel.lines.items()}
        names = Names(frame.assign(distance=""))  # of models: distances have boxes of their own
        self._names = {
            (panel.dataset, panel.subset, key): names.of(key, rows)
            for panel in self.panels
            for key, rows in panel.lines.items()
        }
        self._curves: list[dict[str, Any]] = []
        self._places: dict[tuple[str, Key | str, str], int] = {}
        self._charts: dict[str, dict[str, Any]] = {}

    def data(self) -> dict[str, Any]:
        """What the script reads: `curves`, each once, and `charts`, which name them by their place in that list."""
        return {"depth": DEPTH, "curves": self._curves, "charts": self._charts}

    def name(self, panel: Panel, key: Key) -> str:
        """What the model of a line is called, and what else tells it apart but the distance."""
        return self._names[panel.dataset, panel.subset, key]

    def keys(self, panel: Panel, key: Key, group: str = "") -> list[str]:
        """What hides a line: its model's box, and of a tower its distance's; `group` comes before towers' keys."""
        model = f"model:{self.name(panel, key)}"
        return [f"{group}{model}", f"{group}distance:{key.distance}"] if self.is_tower(key) else [model]

    def is_tower(self, key: Key) -> bool:
        """Whether a line has layers, be it of a model or of its untrained twins."""
        return self._kinds[key] != "baseline"

    def section(self, slug: str, labels: Collection[str] | None = None, *, by_distance: bool = False) -> Section:
        """Make the charts of some models, their untrained twins, and all baselines.

        Args:
            slug: A name that no other section has.
            labels: Labels of the models; all if none are given.
            by_distance: Whether distances are what is compared: they differ in colour, and the section has boxes of its
                own, by which at first all distances of its first model are shown.
        """
        wanted = None if labels is None else {_untwinned(label) for label in labels}
        chosen = {
            key for key in self._kinds if wanted is None or not self.is_tower(key) or _untwinned(key.line) in wanted
        }
        panels = [panel.only(chosen) for panel in self.panels]
        panels = [panel for panel in panels if wanted is None or any(map(self.is_tower, panel.lines))]
        look = self._by_distance() if by_distance else self._looks
        group = f"{slug} " if by_distance else ""
        first = self.distances if by_distance else self.at_first
        charts = tuple(
            Chart(f"{slug}-{index}", panel, chart_label(panel, partial(self._full_name, panel), first))
            for index, panel in enumerate(panels)
        )
        self._charts |= {chart.slug: self._chart(chart.panel, look, group) for chart in charts}
        return Section(
            charts,
            self._model_toggles(panels, look, group),
            self._distance_toggles(panels, look, group),
            frozenset(self._kinds_in(panels)),
            bool(group),
        )

    def _by_distance(self) -> dict[Key, Look]:
        """Looks by which distances are known by colour and dashes, and models by their markers."""
        colours = dict(zip(self.distances, cycle(COLOURS), strict=False))
        own = {key: look for key, look in self._looks.items() if self.is_tower(key)}
        return self._looks | {key: look._replace(colour=colours[key.distance]) for key, look in own.items()}

    # -------------------------------------------------------------------------------------------- for the script

    def _chart(self, panel: Panel, look: Mapping[Key, Look], group: str) -> dict[str, Any]:
        lines = []
        for key in panel.lines:
            common = {"keys": self.keys(panel, key, group), "name": self._full_name(panel, key)}
            drawn = [("published", panel.published), (self._kinds[key], panel.lines), ("aligned", panel.aligned)]
            for kind, rows in drawn:
                if key in rows:
                    name = f"{common['name']}, {aligned_by(rows[key])}" if kind == "aligned" else common["name"]
                    swatch = draw_swatch(look[key], kind)
                    place = self._place(panel, (key, kind), rows[key])
                    lines.append(common | {"name": name, "curve": place, "look": asdict(swatch)})
        for reference in panel.references:
            place = self._place(panel, (reference.name, "reference"), reference.rows)
            shown = {"keys": _reference_keys(reference, group), "name": reference.name, "curve": place}
            lines.append(shown | {"look": asdict(draw_swatch(reference.look, "reference"))})
        return {
            "score": panel.score,
            "has_depth": panel.has_depth,
            "ceiling": asdict(panel.ceiling) if panel.ceiling else None,
            "chance": panel.chance,
            "span": _numbers(panel.span),
            "lines": lines,
        }

    def _full_name(self, panel: Panel, key: Key) -> str:
        name = self.name(panel, key)
        several = self.is_tower(key) and len(self.distances) > 1
        return f"{name}, {distance_name(key.distance)}" if several else name

    def _place(self, panel: Panel, line: tuple[Key | str, str], rows: pd.DataFrame) -> int:
        """Where in the list of curves a line, known by its key and kind, is; it is put there if it was not."""
        where = (f"{panel.dataset}/{panel.subset}", *line)
        if where not in self._places:
            self._places[where] = len(self._curves)
            self._curves.append(points(rows))
        return self._places[where]

    # -------------------------------------------------------------------------------------------- for the legend

    def _model_toggles(self, panels: Sequence[Panel], look: Mapping[Key, Look], group: str) -> dict[str, list[Toggle]]:
        """Boxes of models, baselines and published curves; where distances are compared, of the first model alone."""
        groups: dict[str, dict[str, Toggle]] = {"Models": {}, "Baselines": {}, "Published": {}}
        for panel in panels:
            for key in panel.lines:
                found = groups["Models" if self.is_tower(key) else "Baselines"]
                swatch = draw_swatch(look[key], self._kinds[key])
                apart = bool(group) and self.is_tower(key)
                toggle = Toggle(
                    self.keys(panel, key, group)[0],
                    self.name(panel, key),
                    not (apart and found),
                    replace(swatch, colour=GREY) if apart else swatch,
                )
                found.setdefault(toggle.name, toggle)
            for reference in panel.references:
                own, swatch = _reference_keys(reference, group)[0], draw_swatch(reference.look, "reference")
                groups["Published"].setdefault(own, Toggle(own, reference.name, True, swatch))
        return {title: list(found.values()) for title, found in groups.items() if found}

    def _distance_toggles(self, panels: Sequence[Panel], look: Mapping[Key, Look], group: str) -> tuple[Toggle, ...]:
        """Boxes of distances, grey unless each has a colour; none if there is only one."""
        toggles: dict[str, Toggle] = {}
        for panel in panels:
            for key in panel.lines:
                if not self.is_tower(key) or key.distance in toggles:
                    continue
                swatch = replace(draw_swatch(look[key], "tower"), symbol="")
                on = bool(group) or key.distance in self.at_first
                toggles[key.distance] = Toggle(
                    self.keys(panel, key, group)[1],
                    distance_name(key.distance),
                    on,
                    swatch if group else replace(swatch, colour=GREY),
                )
        return tuple(toggles.values()) if len(toggles) > 1 else ()

    def _kinds_in(self, panels: Sequence[Panel]) -> Iterator[str]:
        for panel in panels:
            yield from (self._kinds[key] for key in panel.lines)
            there = {
                "published": bool(panel.published),
                "aligned": bool(panel.aligned),
                "reference": bool(panel.references),
                "ceiling": panel.ceiling is not None,
                "chance": panel.chance is not None,
            }
            yield from (kind for kind, is_there in there.items() if is_there)


def _fewest(towers: pd.DataFrame) -> tuple[str, ...]:
    """As few distances as leave no line empty: the main one, or else that of most lines, then what others need."""
    lines = {name: set(rows["line"]) for name, rows in towers.groupby("distance", sort=False)}
    missing, found = set(towers["line"]), [MAIN_DISTANCE] if MAIN_DISTANCE in lines else []
    while missing.difference(*(lines[name] for name in found)):
        missing = missing.difference(*(lines[name] for name in found))
        found.append(max(lines, key=lambda name: len(lines[name] & missing)))
    return tuple(found)


def _reference_keys(reference: Reference, group: str) -> list[str]:
    """What hides a published curve that was asked for: its box, and where it has one its distance's."""
    own = [f"reference:{reference.name}"]
    return own + ([f"{group}distance:{reference.distance}"] if reference.distance else [])


def _untwinned(label: str) -> str:
    """The trained model of an untrained twin."""
    return label.partition(TWINS)[0]


def _kind(rows: pd.DataFrame) -> str:
    return "baseline" if is_baseline(rows) else "twins" if rows["band"].iloc[0] else "tower"


def points(rows: pd.DataFrame) -> dict[str, Any]:
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
