"""The paper's figure: a panel a data set, depth in percent, a line for each model or distance with its interval.

Untrained twins of a model make one band, published curves are dashed, the noise ceiling is grey, chance is dotted, and
a star is a layer that was aligned by a transform. Up to three series of a panel have bands; of more, bands would merge,
and each point has a whisker, a little aside of those of the others.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import ScaledTranslation

from alignbench.errors import UsageError
from alignbench.models.layer_names import IMAGE
from alignbench.report.figures.canvas import SCREEN, Canvas, canvas, save_figure
from alignbench.report.figures.text import legend_label, plain_text
from alignbench.report.panels import DEPTH, SIMULATED, Ceiling, Panel, aligned_by, is_baseline, lay_out_panels
from alignbench.report.references import Reference
from alignbench.report.series import Key, Look, Names, looks, model_looks

if TYPE_CHECKING:
    from alignbench.results.layer_curve import LayerCurve

CHANCE: Final = "chance"
_PUBLISHED: Final = (0, (4, 2))
_STAR: Final[dict[str, Any]] = {"marker": "*", "markersize": 11, "markeredgecolor": "white", "markeredgewidth": 0.6}
_FILLS: Final = ("full", "none", "left")  # of the markers of a model's distances
_ASIDE, _MOST_ASIDE = 1.5, 9.0  # percent of depth: from a star to its layer and to the next star, and of the last one
_BANDS: Final = 3  # so many series of a panel have bands
_MANY: Final = 8  # of more series lines are thinner
_PAPER: Final = 0.7  # thickness of lines on paper, beside that on a screen
_SPREAD: Final = 5.0  # points: from the first series to the last at one depth, where they stand aside
_MARGIN: Final = 1.6  # percent of depth that the whisker of a baseline takes, left of all layers
_Style = dict[str, Any]


def draw_curve(curve: LayerCurve, folder: Path) -> None:
    """Write `curve.png` and `curve.svg` of one curve into a folder."""
    figure = curves_figure([curve])
    for suffix in ("png", "svg"):
        save_figure(figure, folder / f"curve.{suffix}")


@plain_text()
def curves_figure(
    curves: Sequence[LayerCurve],
    distances: Sequence[str] | None = None,
    references: Sequence[str] = (),
    width: float | None = None,
) -> Figure:
    """Draw curves of any number of models and data sets.

    Args:
        curves: What to draw.
        distances: Only these distances of towers; all if none is given. Baselines, which have no layers, are always
            drawn, as horizontal lines.
        references: Published models whose curves stand beside in grey, see `find_published`.
        width: Width in inches, see `canvas`.
    """
    frame, panels = lay_out_panels(curves, distances, references)
    names = Names(frame)
    sheet = canvas(len(panels), width)
    for axis, panel in zip(sheet.axes, panels, strict=True):
        _draw_panel(sheet, axis, panel, frame)
    if names.title:
        sheet.set_heading(names.title)
    sheet.add_legend(_common_handles(sheet), _last(panels))
    return sheet.figure


@plain_text()
def draw_into(
    axis: Axes, curves: Sequence[LayerCurve], distances: Sequence[str] | None = None, references: Sequence[str] = ()
) -> Figure:
    """Draw curves of one data set and subset into axes of somebody's own figure, which is returned.

    Args:
        axis: The axes, which get a legend of their own.
        curves: What to draw.
        distances: As in `curves_figure`.
        references: As in `curves_figure`.

    Raises:
        UsageError: If the curves need more axes than one.
    """
    frame, panels = lay_out_panels(curves, distances, references)
    figure = axis.get_figure(root=True)
    if len(panels) != 1 or figure is None:
        titles = ", ".join(panel.title for panel in panels)
        raise UsageError(f"one pair of axes holds one data set and subset, and there are {len(panels)} ({titles})")
    sheet = Canvas(figure, [axis], SCREEN)
    _draw_panel(sheet, axis, panels[0], frame)
    lines = filter(None, [Names(frame).title, axis.get_title()])
    axis.set_title("\n".join(lines), fontsize=sheet.letters.title)
    handles, labels = sheet.handles(_common_handles(sheet), _last(panels))
    axis.legend(handles, labels, fontsize=sheet.letters.legend)
    return figure


def _draw_panel(sheet: Canvas, axis: Axes, panel: Panel, frame: pd.DataFrame) -> None:
    """Draw one of the panels of some rows."""
    names = Names(frame)
    of_models = names.models and names.distances
    look, fills = (model_looks(frame), _fills(frame)) if of_models else (looks(frame), {})
    drawing = _DrawnPanel(axis, panel, look, fills, 1.0 if sheet.letters == SCREEN else _PAPER)
    drawing.draw(names)
    _dress(sheet, axis, panel)
    drawing.draw_beside()


def _last(panels: Sequence[Panel]) -> list[str]:
    """What comes last in a legend: published curves that were asked for, noise ceilings and chance."""
    asked = [reference.name for panel in panels for reference in panel.references]
    ceilings = [panel.ceiling.name for panel in panels if panel.ceiling is not None]
    return [*asked, *ceilings, CHANCE]


def _fills(frame: pd.DataFrame) -> dict[str, str]:
    """How markers of each distance are filled, where models have colours and their distances have not."""
    return dict(zip(frame.loc[frame["layer"] != IMAGE, "distance"].unique(), _FILLS, strict=False))


@dataclass(frozen=True)
class _DrawnPanel:
    """One panel being drawn.

    Attributes:
        axis: Where.
        panel: What.
        looks: How lines look.
        fills: How markers are filled, by distance; full where nothing is said.
        scale: How thick lines are, beside those on a screen.
    """

    axis: Axes
    panel: Panel
    looks: Mapping[Key, Look]
    fills: Mapping[str, str]
    scale: float

    def draw(self, names: Names) -> None:
        """Draw everything, from the back to the front."""
        panel = self.panel
        if panel.chance is not None:
            self.axis.axhline(panel.chance, color="0.35", linestyle=":", linewidth=1.0, label=CHANCE, zorder=0)
        if panel.ceiling is not None:
            self._ceiling(panel.ceiling)
        for key, rows in panel.published.items():
            self._published(rows, self.looks[key])
        for reference in panel.references:
            self._reference(reference)
        for place, (key, rows) in enumerate(panel.lines.items()):
            label = legend_label(names.of(key, rows))
            if rows["band"].iloc[0]:
                self._twins(rows, self.looks[key], label, place)
            elif is_baseline(rows):
                self._baseline(key, rows, label)
            else:
                self._line(key, rows, label, place)

    @property
    def has_bands(self) -> bool:
        """Whether series are few enough for bands."""
        return len(self.panel.lines) <= _BANDS

    @property
    def _width(self) -> float:
        """Points: the width of lines, less on paper and of many."""
        return (1.0 if len(self.panel.lines) > _MANY else 1.5) * self.scale

    def _aside(self, place: int) -> Any:
        """Where the line of some place in the panel is drawn: data, moved by some points where lines have whiskers."""
        count = len(self.panel.lines)
        figure = self.axis.get_figure(root=True)
        if self.has_bands or figure is None:
            return self.axis.transData
        points = _SPREAD * (place / (count - 1) - 0.5)
        return self.axis.transData + ScaledTranslation(points / 72, 0.0, figure.dpi_scale_trans)

    def _whiskers(self, rows: pd.DataFrame, colour: str, where: Any, *, dotted: bool = False) -> None:
        style: _Style = {"color": colour, "linewidth": 0.7, "alpha": 0.8, "transform": where, "label": "_interval"}
        self.axis.vlines(rows["depth"], rows["ci_low"], rows["ci_high"], linestyles=":" if dotted else "-", **style)

    def _line(self, key: Key, rows: pd.DataFrame, label: str, place: int) -> None:
        """The line of a tower with its intervals."""
        look, where = self.looks[key], self._aside(place)
        style: _Style = {"color": look.colour, "linestyle": look.dashes, "marker": look.marker, "transform": where}
        style |= {"fillstyle": self.fills.get(key.distance, "full"), "linewidth": self._width}
        self.axis.plot(rows["depth"], rows["value"], **style, markersize=1.5 + 1.7 * self._width, label=label)
        if self.has_bands:
            band: _Style = {"color": look.colour, "alpha": 0.15, "linewidth": 0}
            self.axis.fill_between(rows["depth"], rows["ci_low"], rows["ci_high"], **band)
        else:
            self._whiskers(rows, look.colour, where)

    def _baseline(self, key: Key, rows: pd.DataFrame, label: str) -> None:
        """A horizontal line from edge to edge with its interval; its whisker stands left of all layers."""
        look = self.looks[key]
        value, low, high = rows[["value", "ci_low", "ci_high"]].iloc[0]
        self.axis.axhline(value, color=look.colour, linestyle=look.dashes, linewidth=1.2, label=label)
        if self.has_bands:
            self.axis.axhspan(low, high, color=look.colour, alpha=0.10, linewidth=0)
        else:
            depth = -_MARGIN * (1 + self._baselines.index(key))
            self._whiskers(rows.assign(depth=depth), look.colour, self.axis.transData)

    @property
    def _baselines(self) -> list[Key]:
        return [key for key, rows in self.panel.lines.items() if is_baseline(rows)]

    def _twins(self, rows: pd.DataFrame, look: Look, label: str, place: int) -> None:
        """From the least to the greatest of several random initialisations, with a thin line at their mean."""
        value = rows.groupby("depth")["value"]
        low, high, mean = value.min(), value.max(), value.mean()
        alone = sum(bool(some["band"].iloc[0]) for some in self.panel.lines.values()) == 1
        if not (self.has_bands or alone):
            ends = pd.DataFrame({"depth": low.index, "ci_low": low, "ci_high": high})
            where = self._aside(place)
            self._whiskers(ends, look.colour, where, dotted=True)
            style: _Style = {"color": look.colour, "linewidth": 0.8, "linestyle": ":", "transform": where}
            self.axis.plot(mean.index, mean, **style, label=label)
            return
        band: _Style = {"facecolor": look.colour, "alpha": 0.3, "hatch": "////", "edgecolor": "white", "linewidth": 0}
        self.axis.fill_between(low.index, low, high, **band, label=label)
        self.axis.plot(mean.index, mean, color=look.colour, linewidth=0.8)

    def _published(self, rows: pd.DataFrame, look: Look) -> None:
        style: _Style = {"color": look.colour, "linestyle": _PUBLISHED, "linewidth": 1.3, "label": "_published"}
        if is_baseline(rows):
            self.axis.axhline(rows["value"].iloc[0], **style)
        else:
            self.axis.plot(rows["depth"], rows["value"], **style)

    def _reference(self, reference: Reference) -> None:
        look, rows = reference.look, reference.rows
        style: _Style = {"color": look.colour, "linestyle": look.dashes, "linewidth": 1.1, "label": reference.name}
        if is_baseline(rows):
            self.axis.axhline(rows["value"].iloc[0], **style, zorder=1.5)
        else:
            self.axis.plot(rows["depth"], rows["value"], **style, zorder=1.5)

    def _ceiling(self, ceiling: Ceiling) -> None:
        low, high = ceiling.values[0], ceiling.values[-1]
        if len(ceiling.values) > 1:
            self.axis.axhspan(low, high, color="0.85", linewidth=0, label=ceiling.name, zorder=0)
        else:
            self.axis.axhline(low, color="0.75", linewidth=1.5, label=ceiling.name, zorder=0)

    def draw_beside(self) -> None:
        """Draw what stands right of its layer, and make room for that and for the whiskers of baselines.

        A star with its interval stands beside each layer that was aligned, so that none hides another.
        """
        if not self.has_bands:
            self.axis.set_xlim(left=min(-2.0, -_MARGIN * (1 + len(self._baselines))))
        step = min(_ASIDE, _MOST_ASIDE / max(1, len(self.panel.aligned)))
        for place, (key, rows) in enumerate(self.panel.aligned.items(), start=1):
            depth, colour = rows["depth"] + place * step, self.looks[key].colour
            self.axis.vlines(depth, rows["ci_low"], rows["ci_high"], color=colour, linewidth=1.2)
            style: _Style = {"color": colour, "linewidth": 0, "label": f"_{aligned_by(rows)}", "zorder": 3}
            self.axis.plot(depth, rows["value"], **_STAR, **style)
            self.axis.set_xlim(right=max(self.axis.get_xlim()[1], depth.max() + _ASIDE))


def _dress(sheet: Canvas, axis: Axes, panel: Panel) -> None:
    heading = [panel.title, panel.part, SIMULATED if panel.simulated else ""]
    lines = [sheet.wrapped(line, sheet.letters.title) for line in heading if line]
    axis.set_title("\n".join(lines), fontsize=sheet.letters.title)
    sheet.trim(axis, DEPTH, panel.score)
    axis.set_ylim(*panel.span)
    if not panel.has_depth:
        axis.set_xlabel("")
        axis.set_xticks([])
    if panel.notes:
        wrapped = [sheet.wrapped(text, sheet.letters.note) for text in panel.notes]
        axis.set_xlabel("\n".join(filter(None, [axis.get_xlabel(), *wrapped])))


def _common_handles(sheet: Canvas) -> dict[str, Line2D]:
    """What is drawn in the colours of many lines, for the legend: grey stands for all of them."""
    found: dict[str, Line2D] = {}
    for label in dict.fromkeys(str(line.get_label()) for axis in sheet.axes for line in axis.get_lines()):
        if label == "_published":
            found["published"] = Line2D([], [], color="0.3", linestyle=_PUBLISHED, linewidth=1.3)
        elif label.startswith("_aligned by "):
            found[label[1:]] = Line2D([], [], color="0.3", linewidth=0, **_STAR)
    return found
