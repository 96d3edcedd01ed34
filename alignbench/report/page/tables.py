"""The tables of the page: best layers, and paired differences with their little charts."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.layer_names import PROJECTION, is_block, plain_name, select_rows
from alignbench.report.page.plain_tables import NONE, number, spoken_p
from alignbench.report.panels import Panel
from alignbench.report.series import Key
from alignbench.results.extent import data_set_title, named_subset
from alignbench.study.answer_texts import ALIKE, size
from alignbench.study.peaks import Curve, Peaks

if TYPE_CHECKING:
    from alignbench.report.page.charts import Charts, Section
    from alignbench.study.factors import Factor

_FOREST = 150.0  # width of a row's chart, in the units of its drawing


@dataclass(frozen=True)
class Score:
    """A number with its interval, in words."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Aligned:
    """The score of a layer before it was aligned, and after."""

    before: str
    after: Score


@dataclass(frozen=True)
class BestLayer:
    """A row of the table of best layers.

    Attributes:
        keys: What hides it.
        name: The model.
        distance: The distance.
        layer: The best layer before the projection; empty for a baseline.
        depth: Its depth in percent.
        peak: The first and last depth of the layers that cannot be told from it; empty where that is not known.
        best: Its score, or a baseline's only one.
        projection: The score of the projection, if there is one.
        aligned: Those of the layer that was aligned, if one was.
        published: Best published score before the projection, and the published projection.
        judgments: How many were scored.
    """

    keys: list[str]
    name: str
    distance: str
    layer: str
    depth: str
    peak: str
    best: Score
    projection: Score | None
    aligned: Aligned | None
    published: tuple[str, str]
    judgments: str


@dataclass(frozen=True)
class Difference:
    """A row of a table of paired differences; `low`, `at` and `high` are places in its little chart.

    `seen` tells of the smallest difference that would probably be seen, beside one that is not separable.
    """

    keys: list[str]
    pair: tuple[str, str]
    place: str
    of: str
    values: tuple[str, str]
    difference: str
    interval: str
    p: str
    separable: bool
    seen: str
    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Differences:
    """The paired differences of a factor on the same judgments, from runs that were measured alike.

    Attributes:
        title: The data set, and what is not usual in how it was measured.
        of: What all options of a row have in common: `distance`; where distances are compared, `model`, or nothing.
        interval: How judgments were resampled.
        judgments: How many there are.
        rows: The differences.
    """

    title: str
    of: str
    interval: str
    judgments: str
    rows: tuple[Difference, ...]


# ---------------------------------------------------------------------------------------------- best layers


def best_rows(charts: Charts, panel: Panel, peaks: Peaks) -> list[BestLayer]:
    """Best layer, its depth and the projection of each line of a panel.

    Args:
        charts: The charts of the page.
        panel: The panel.
        peaks: The interval of the depth of each curve's peak.
    """
    return [_best(charts, panel, key, peaks) for key in panel.lines]


def _best(charts: Charts, panel: Panel, key: Key, peaks: Peaks) -> BestLayer:
    """Of several twins, each has its best layer."""
    rows, tower = panel.lines[key], charts.is_tower(key)
    last, blocks = rows[rows["layer"] == PROJECTION], select_rows(rows, is_block).dropna(subset="value")
    several = bool(rows["band"].iloc[0])
    tops = (
        blocks.loc[blocks.groupby("model")["value"].idxmax()]
        if several
        else blocks.sort_values("value", kind="stable", ascending=False)[:1]
    )
    return BestLayer(
        charts.keys(panel, key),
        charts.name(panel, key),
        distance_name(key.distance) if tower else key.distance,
        (", ".join(dict.fromkeys(tops["layer"])) or NONE) if tower else "",
        (", ".join(f"{depth:.1f}" for depth in dict.fromkeys(tops["depth"])) or NONE) if tower else "",
        _peak(peaks.get(Curve(panel.dataset, panel.subset, key.protocol, key.tokens, key.line, key.distance)), key),
        _score(tops, several),
        _score(last, several) if len(last) else None,
        _aligned(rows, panel.aligned[key]) if key in panel.aligned else None,
        _published(panel.published.get(key)),
        f"{int(rows['n'].max()):,}",
    )


def _peak(ends: tuple[float, float] | None, key: Key) -> str:
    """The interval of the depth of a peak; of a further run of the same name it is not known."""
    if ends is None or key.copy:
        return ""
    return f"{ends[0]:.1f} .. {ends[1]:.1f}" if ends[0] < ends[1] else f"{ends[0]:.1f}"


def _score(rows: pd.DataFrame, several: bool) -> Score:
    """Of several twins the mean, and the least and greatest."""
    values = rows["value"].dropna()
    if values.empty:
        return Score(NONE)
    if several:
        return Score(f"{values.mean():.3f}", f"{values.min():.3f} .. {values.max():.3f}")
    first = rows.iloc[0]
    return Score(f"{first['value']:.3f}", _interval(first["ci_low"], first["ci_high"]))


def _aligned(rows: pd.DataFrame, after: pd.DataFrame) -> Aligned:
    """The last of the rows of a line that was aligned, and that which came of it."""
    before = rows[rows["layer"] == plain_name(str(after["layer"].iloc[0]))]
    return Aligned(_score(before, False).value, _score(after, False))


def _published(rows: pd.DataFrame | None) -> tuple[str, str]:
    if rows is None:
        return "", ""
    last = rows.loc[rows["layer"] == PROJECTION, "value"]
    return f"{select_rows(rows, is_block)['value'].max():.3f}", f"{last.iloc[0]:.3f}" if len(last) else ""


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} .. {high:.3f}" if math.isfinite(low) and math.isfinite(high) else ""


# ---------------------------------------------------------------------------------------------- differences


def difference_tables(factor: Factor, section: Section, slug: str) -> list[Differences]:
    """Paired differences of the options of a factor: a table for each data set, subset, part and way of measuring.

    Args:
        factor: Which.
        section: Its charts, whose own boxes hide the rows of models whose distances are compared.
        slug: The name of the section.
    """
    tables, boxes = [], {toggle.key for toggles in section.models.values() for toggle in toggles}
    apart = ["dataset", "subset", "protocol", "way", "part", "n", "n_clusters"]
    for (dataset, subset, protocol, way, part, n, clusters), rows in factor.differences.groupby(apart, sort=False):
        title = ", ".join(filter(None, [data_set_title(dataset), named_subset(subset, protocol), way]))
        judgments = f"{part or f'{n:,} judgments'} in {clusters:,} clusters"
        found = tuple(_differences(rows, factor, slug, boxes))
        of = "distance" if factor.name != "distance" else "model" if any(row.of for row in found) else ""
        kinds = ", ".join(dict.fromkeys(rows["interval"]))
        kinds += "; floored ones may be too narrow" if rows["floored"].any() else ""
        tables.append(Differences(f"{title} ({rows['level'].iloc[0]} level)", of, kinds, judgments, found))
    return tables


def _differences(rows: pd.DataFrame, factor: Factor, slug: str, boxes: Collection[str]) -> Iterable[Difference]:
    ends = rows[["difference", "corrected_low", "corrected_high"]].to_numpy(dtype=np.float64)
    reach = float(np.nanmax(np.abs(ends), initial=0.0)) or 1.0
    shown = {option.label: option.shown for option in factor.options}

    def at(value: float) -> float:
        return round(_FOREST / 2 * (1 + 0.95 * value / reach), 1) if math.isfinite(value) else _FOREST / 2

    for row in rows.itertuples():
        pair, of = (shown.get(row.first, row.first), shown.get(row.second, row.second)), distance_name(row.distance)
        keys = [f"distance:{row.distance}"]
        if factor.name == "distance":
            one, _, other = row.distance.partition(" / ")
            of = row.first.removesuffix(one).removesuffix(", ")
            pair = shown.get(one, one), shown.get(other, other)
            keys = [key for key in (f"{slug} model:{of}, {row.protocol}", f"{slug} model:{of}") if key in boxes][:1]
        yield Difference(
            keys,
            pair,
            _place(str(row.place), (row.first_layer, row.second_layer)),
            of,
            (number(row.value_first), number(row.value_second)),
            number(row.difference, "+"),
            _ends(row.corrected_low, row.corrected_high) + (" (floored)" if row.floored else ""),
            spoken_p(row.p_corrected),
            bool(row.separable),
            "" if row.separable else _seen(row.corrected_smallest),
            at(row.corrected_low),
            at(row.difference),
            at(row.corrected_high),
        )


def _seen(smallest: float) -> str:
    if not math.isfinite(smallest):
        return ""
    return f"could be seen: {size(smallest)}" if smallest else ALIKE


def _ends(low: float, high: float) -> str:
    return f"{low:+.3f} .. {high:+.3f}" if math.isfinite(low) else NONE


def _place(place: str, layers: Sequence[object]) -> str:
    """Where two runs are compared; a tower without a projection stands with its last layer."""
    names = list(dict.fromkeys(plain_name(layer) for layer in layers if isinstance(layer, str)))
    return place if names in ([PROJECTION], [place]) else f"{place} ({', '.join(names)})"


def value_score(row: Mapping[str, Any] | pd.Series) -> Score:
    """A number and its interval, from the columns value, low and high of a row."""
    return read_score(pd.Series({"it": row["value"], "it_low": row["low"], "it_high": row["high"]}), "it")


def read_score(row: pd.Series, name: str, sign: str = "") -> Score:
    """A number and its interval, from the columns NAME, NAME_low and NAME_high of a row."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    ends = f"{low:{sign}.3f} .. {high:{sign}.3f}" if math.isfinite(low) and math.isfinite(high) else ""
    tiny = 0.0 < abs(value) < 0.0005  # of which three decimals would leave nothing
    said = "infinite" if math.isinf(value) else f"{value:{sign}.1e}" if tiny else number(value, sign)
    return Score(said, ends)
