"""The tables of the page: best layers, paired differences with their little charts, and where every number is from."""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from alignbench.report.panels import Panel
from alignbench.report.series import Key, distance_name

if TYPE_CHECKING:
    from alignbench.report.charts import Charts, Section
    from alignbench.study.factors import Factor
    from alignbench.study.runs import StudyRun

NONE = "-"
_FOREST = 150.0  # width of a row's chart, in the units of its drawing
_FINGERPRINT = 12
_FEW = 4


@dataclass(frozen=True)
class Score:
    """A number with its interval, in words."""

    value: str
    interval: str = ""


@dataclass(frozen=True)
class Best:
    """A row of the table of best layers.

    Attributes:
        keys: What hides it.
        name: The model.
        distance: The distance.
        layer: The best layer before the projection; empty for a baseline.
        depth: Its depth in percent.
        best: Its score, or a baseline's only one.
        projection: The score of the projection, if there is one.
        published: Best published score before the projection, and the published projection.
        judgments: How many were scored.
    """

    keys: list[str]
    name: str
    distance: str
    layer: str
    depth: str
    best: Score
    projection: Score | None
    published: tuple[str, str]
    judgments: str


@dataclass(frozen=True)
class Difference:
    """A row of a table of paired differences; `low`, `at` and `high` are places in its little chart."""

    keys: list[str]
    pair: tuple[str, str]
    place: str
    of: str
    values: tuple[str, str]
    difference: str
    interval: str
    p: str
    separable: bool
    low: float
    at: float
    high: float


@dataclass(frozen=True)
class Differences:
    """The paired differences of a factor in one data set and subset.

    Attributes:
        title: The data set.
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


def best_rows(charts: Charts, panel: Panel) -> list[Best]:
    """Best layer, its depth and the projection of each line of a panel."""
    return [_best(charts, panel, key) for key in panel.lines]


def _best(charts: Charts, panel: Panel, key: Key) -> Best:
    """Of several twins, each has its best layer."""
    rows, tower = panel.lines[key], charts.is_tower(key)
    last, blocks = rows[rows["layer"] == "projection"], rows[rows["layer"] != "projection"].dropna(subset="value")
    several = bool(rows["band"].iloc[0])
    tops = (
        blocks.loc[blocks.groupby("model")["value"].idxmax()]
        if several
        else blocks.sort_values("value", kind="stable", ascending=False)[:1]
    )
    return Best(
        charts.keys(panel, key),
        charts.name(panel, key),
        distance_name(key.distance) if tower else key.distance,
        (", ".join(dict.fromkeys(tops["layer"])) or NONE) if tower else "",
        (", ".join(f"{depth:.1f}" for depth in dict.fromkeys(tops["depth"])) or NONE) if tower else "",
        _score(tops, several),
        _score(last, several) if len(last) else None,
        _published(panel.published.get(key)),
        f"{int(rows['n'].max()):,}",
    )


def _score(rows: pd.DataFrame, several: bool) -> Score:
    """Of several twins the mean, and the least and greatest."""
    values = rows["value"].dropna()
    if values.empty:
        return Score(NONE)
    if several:
        return Score(f"{values.mean():.3f}", f"{values.min():.3f} .. {values.max():.3f}")
    first = rows.iloc[0]
    return Score(f"{first['value']:.3f}", _interval(first["ci_low"], first["ci_high"]))


def _published(rows: pd.DataFrame | None) -> tuple[str, str]:
    if rows is None:
        return "", ""
    last = rows.loc[rows["layer"] == "projection", "value"]
    blocks = rows.loc[rows["layer"] != "projection", "value"]
    return f"{blocks.max():.3f}", f"{last.iloc[0]:.3f}" if len(last) else ""


def _interval(low: float, high: float) -> str:
    return f"{low:.3f} .. {high:.3f}" if math.isfinite(low) and math.isfinite(high) else ""


# ---------------------------------------------------------------------------------------------- differences


def difference_tables(factor: Factor, section: Section, slug: str) -> list[Differences]:
    """Paired differences of the options of a factor, a table a data set and subset.

    Args:
        factor: Which.
        section: Its charts, whose own boxes hide the rows of models whose distances are compared.
        slug: The name of the section.
    """
    tables, boxes = [], {toggle.key for toggles in section.models.values() for toggle in toggles}
    for (dataset, subset, protocol), rows in factor.differences.groupby(["dataset", "subset", "protocol"], sort=False):
        parts = [dataset, *([subset] if subset not in ("all", "test", "testset1") else [])]
        title = ", ".join([*parts, *([protocol] if protocol != "paper" else [])])
        counts = rows[["n", "n_clusters"]].drop_duplicates().itertuples(index=False)
        judgments = "; ".join(f"{n:,} judgments in {clusters:,} clusters" for n, clusters in counts)
        found = tuple(_differences(rows, factor, slug, boxes))
        of = "distance" if factor.name != "distance" else "model" if any(row.of for row in found) else ""
        kinds = ", ".join(dict.fromkeys(rows["interval"]))
        tables.append(Differences(f"{title} ({rows['level'].iloc[0]} level)", of, kinds, judgments, found))
    return tables


def _differences(rows: pd.DataFrame, factor: Factor, slug: str, boxes: Collection[str]) -> Iterable[Difference]:
    ends = rows[["difference", "ci_low", "ci_high"]].to_numpy(dtype=np.float64)
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
            f"{row.ci_low:+.3f} .. {row.ci_high:+.3f}" if math.isfinite(row.ci_low) else NONE,
            _p(row.p_holm),
            bool(row.separable),
            at(row.ci_low),
            at(row.difference),
            at(row.ci_high),
        )


def _place(place: str, layers: Sequence[object]) -> str:
    """Where two runs are compared; a tower without a projection stands with its last layer."""
    names = [layer for layer in dict.fromkeys(layers) if isinstance(layer, str)]
    return place if names == ["projection"] else f"{place} ({', '.join(names)})"


def number(value: float, sign: str = "") -> str:
    """A score with three decimals."""
    return f"{value:{sign}.3f}" if math.isfinite(value) else NONE


def _p(value: float) -> str:
    return "<0.001" if value < 0.0005 else number(value)


# ------------------------------------------------------------------------------------------------ any table


@dataclass(frozen=True)
class Plain:
    """A table in words: its columns, which of them hold numbers, and its rows."""

    columns: tuple[str, ...]
    numeric: tuple[bool, ...]
    rows: tuple[tuple[str, ...], ...]


def plain(frame: pd.DataFrame) -> Plain:
    """A frame in words."""
    numeric = tuple(
        pd.api.types.is_numeric_dtype(frame[name]) and not pd.api.types.is_bool_dtype(frame[name]) for name in frame
    )
    columns = tuple(str(name).replace("_", " ") for name in frame)
    said = [frame[name].map(_p if name in ("p", "p_holm") else _word, na_action=None) for name in frame]
    return Plain(columns, numeric, tuple(zip(*said, strict=True)))


def _word(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)) or value is pd.NA:
        return NONE
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3f}"
    return f"{value:,}" if isinstance(value, int | np.integer) else str(value)


# ----------------------------------------------------------------------------------------------- provenance


def provenance(runs: Sequence[StudyRun]) -> tuple[dict[str, str], Plain]:
    """How the runs were made: what is the same in all of them, and a table of what is not."""
    facts = pd.DataFrame([_facts(run) for run in runs]).fillna("")
    same = [name for name in facts if name != "run" and len(runs) > 1 and facts[name].nunique() == 1]
    common = {name: facts[name].iloc[0] for name in same}
    return {name: value for name, value in common.items() if value not in ("", NONE)}, plain(facts.drop(columns=same))


def _facts(run: StudyRun) -> dict[str, str]:
    """Of a run: its folder's name, judgments, settings and versions, but no places on the machine it ran on."""
    record, settings = run.record, dict(run.record["settings"])
    counts = run.curve.primary().groupby("subset", sort=False)["n"].max()
    facts = {"run": run.folder.name, "model": str(settings.pop("model", run.label))}
    settings.pop("subset", None)
    facts["judgments"] = ", ".join(f"{name} {n:,}" for name, n in counts.items())
    facts |= {name.replace("_", " "): _setting(name, value) for name, value in settings.items()}
    kinds = record.get("interval", {})
    facts |= {"observers": str(record.get("observers", "")), "interval": ", ".join(dict.fromkeys(kinds.values()))}
    facts["device"] = str(record.get("execution", {}).get("device", ""))
    return facts | {name: str(version) for name, version in record.get("versions", {}).items()}


def _setting(name: str, value: Any) -> str:
    if value is None:
        return NONE
    if "fingerprint" in name:
        return str(value)[:_FINGERPRINT]
    if isinstance(value, list):
        shown = [str(one) for one in value]
        return ", ".join(shown) if len(shown) <= _FEW else f"{len(shown)}: {shown[0]} .. {shown[-1]}"
    return json.dumps(value) if isinstance(value, dict | bool) else str(value)
