"""What is drawn in a figure: which rows of which runs make one line or band, how it looks and what it is called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from alignbench.distances.names import DISTANCES, common_distance, distance_name
from alignbench.errors import unknown
from alignbench.models.layer_names import IMAGE
from alignbench.results.extent import data_set_title, extents
from alignbench.results.layer_curve import PRIMARY_METRICS, LayerCurve
from alignbench.results.published import published_for

COLOURS = (  # Okabe and Ito's hues first, the light ones darker; then colours far from those before them
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#d28200", "#0a96ff", "#7d3cff", "#d205a0"),
    *("#28785a", "#ff5082", "#fa3cd7", "#a55a78", "#a08250", "#af0fdc", "#d72300", "#a050c8"),
    *("#a573c3", "#8c6432", "#d70f5a", "#7d5f96", "#7d69f5", "#23a0a5", "#c36efa", "#6e87e1"),
)
"""Colours of series, none grey: all stand out (3:1) from white and from a dark page, and differ to the colour-blind."""
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
_LINES = ("-", "-.", ":", (0, (4, 1, 1, 1, 1, 1)))  # plain dashes are those of the published curves
TWINS = "@random"
_TWIN = r"^(.+)@random-\d+$"
_PANEL = ["dataset", "subset"]
_KEY = ["line", "distance", "protocol", "tokens", "copy"]


class Key(NamedTuple):
    """What tells the lines of a figure apart.

    Attributes:
        line: The model's label; `NAME@random` for all untrained twins of NAME that make one band.
        distance: Name of the distance.
        protocol: How it was measured.
        tokens: Token view of its run.
        copy: 0, or more for further runs that the rest does not tell apart, such as one of fewer judgments.
    """

    line: str
    distance: str
    protocol: str
    tokens: str
    copy: int


class Look(NamedTuple):
    """Colour, marker and dashes of a line, as matplotlib calls them."""

    colour: str
    marker: str
    dashes: Any


# ------------------------------------------------------------------------------------------------------ rows


def rows_to_draw(curves: Sequence[LayerCurve], distances: Sequence[str] | None) -> pd.DataFrame:
    """The rows of the metric that counts, each with the columns of its `Key`, and `band`: whether twins share it.

    A run that is given twice is taken once. Of towers only the distances named, if any, are taken. Twins of different
    numbers of judgments share no band. A column `part` says how much of what was published a row is of, if not all,
    and `trained_on` is that of its curve.
    """
    once: list[LayerCurve] = []
    for curve in curves:
        if not any(curve.frame.equals(other.frame) for other in once):
            once.append(curve)
    parts = [_own_rows(curve).assign(run=run) for run, curve in enumerate(once)]
    frame = pd.concat(parts, ignore_index=True)
    if distances is not None:
        frame = frame[(frame["layer"] == IMAGE) | frame["distance"].isin(distances)]
    twin = frame["model"].str.extract(_TWIN, expand=False)
    frame = frame.assign(twin=twin).assign(copy=_copies(frame.assign(family=twin.fillna(frame["model"]))))
    group = [*_PANEL, "twin", "distance", "protocol", "tokens", "copy"]
    band = frame.groupby(group)["model"].transform("nunique").ge(2)
    frame = frame.drop(columns="twin")
    return frame.assign(band=band, line=frame["model"].mask(band, twin + TWINS))


def main_distances(curves: Sequence[LayerCurve]) -> tuple[str, ...] | None:
    """The distances that a figure or a table has by default; none for all of them.

    Of one model all are shown. Of several, on each data set one is: the first of `DISTANCES` that all models have
    there, in whichever of their runs. If there is none on a data set, all of them are.
    """
    measured: dict[str, dict[str, set[str]]] = {}  # distances by data set and model
    for curve in _towers(curves):
        measured.setdefault(curve.dataset, {}).setdefault(curve.label, set()).update(curve.frame["distance"])
    if len({label for models in measured.values() for label in models}) < 2:
        return None
    common = {common_distance(models) for models in measured.values()}
    return None if "" in common else tuple(name for name in DISTANCES if name in common)


def chosen_distances(names: Sequence[str], curves: Sequence[LayerCurve]) -> tuple[str, ...] | None:
    """The distances that are asked for by name; none for `all` of them.

    Args:
        names: Their names, or `all` alone.
        curves: Those among whose distances they are looked for.

    Raises:
        UsageError: If no curve has one of them.
    """
    if tuple(names) == ("all",):
        return None
    known = {name for curve in curves for name in curve.frame["distance"]}
    for name in names:
        if name not in known:
            raise unknown("distance of these runs", name, known)
    return tuple(names)


def without_distances(curves: Sequence[LayerCurve], distances: Sequence[str] | None) -> str:
    """Say which towers' curves have none of the distances that are shown; empty if all have one.

    Args:
        curves: All curves.
        distances: The distances that are shown; none for all.
    """
    if distances is None:
        return ""
    lacking = [curve for curve in _towers(curves) if not set(distances) & set(curve.frame["distance"])]
    if not lacking:
        return ""
    views = [_view(curve) for curve in lacking]
    whose = (
        f"{curve.label} on {data_set_title(curve.dataset)}{'' if view in ('', 'all') else f' ({view} tokens)'}"
        for curve, view in zip(lacking, views, strict=True)
    )
    names = " or ".join(map(distance_name, distances))
    return f"left out, since they lack {names}: {', '.join(dict.fromkeys(whose))}; --distance all shows them"


def _towers(curves: Sequence[LayerCurve]) -> list[LayerCurve]:
    return [curve for curve in curves if (curve.frame["layer"] != IMAGE).any()]


def _own_rows(curve: LayerCurve) -> pd.DataFrame:
    rows = curve.primary()
    return rows.assign(tokens=_view(curve), part=rows["subset"].map(extents(curve)), trained_on=curve.trained_on)


def _copies(frame: pd.DataFrame) -> pd.Series:
    """The `copy` of each row: runs of a model, or of a family of twins, that nothing else tells apart, are counted.

    Those of the most judgments come first; twins of as many judgments go together.
    """
    same = [*_PANEL, "family", "distance", "protocol", "tokens"]
    counts = frame.groupby([*same, "model", "run"], as_index=False)["n"].max()
    counts["again"] = counts.groupby([*same, "model", "n"]).cumcount()
    kinds = counts[[*same, "n", "again"]].drop_duplicates().sort_values(["n", "again"], ascending=[False, True])
    kinds["copy"] = kinds.groupby(same).cumcount()
    found = counts.merge(kinds, on=[*same, "n", "again"])
    rows = frame.merge(found[[*same, "model", "run", "copy"]], on=[*same, "model", "run"], how="left")
    return rows["copy"].set_axis(frame.index)


def published_rows(curves: Sequence[LayerCurve], distances: Sequence[str] | None) -> pd.DataFrame:
    """The published values of the curves, with the columns of our lines' `Key`, and `published`: their own model."""
    parts = []
    for curve in curves:
        theirs = published_for(curve)
        if distances is not None:
            theirs = theirs[(theirs["layer"] == IMAGE) | theirs["distance"].isin(distances)]
        ours = {"line": curve.label, "protocol": "paper", "tokens": "all", "copy": 0}
        parts.append(theirs[theirs["metric"].isin(PRIMARY_METRICS)].assign(published=theirs["model"], **ours))
    return pd.concat(parts, ignore_index=True).drop_duplicates(ignore_index=True)


def by_key(rows: pd.DataFrame) -> dict[Key, pd.DataFrame]:
    """The rows of each line in the order of depth; lines in the order in which they first occur."""
    return {Key(*key): part.sort_values("depth", kind="stable") for key, part in rows.groupby(_KEY, sort=False)}


def _view(curve: LayerCurve) -> str:
    """The token view of a run; rows without tokens (projection, baselines) are the same in all of them."""
    return next((str(view) for view in curve.frame["tokens"] if view), "all")


# ------------------------------------------------------------------------------------------------- appearance


def looks(frame: pd.DataFrame) -> dict[Key, Look]:
    """How each line looks; a band of twins has the colour of its trained model if that is drawn.

    As many lines as there are `COLOURS` differ in colour; markers change from line to line, dashes after each eight.
    """
    keys = list(by_key(frame))
    trained = {key: key._replace(line=key.line.removesuffix(TWINS), copy=0) for key in keys if key.line.endswith(TWINS)}
    own = [key for key in keys if trained.get(key) not in keys]
    found = {key: _look(index) for index, key in enumerate(own)}
    return {key: found[key] if key in found else found[trained[key]] for key in keys}


def _look(index: int) -> Look:
    turn, place = divmod(index, len(_MARKERS))
    return Look(COLOURS[index % len(COLOURS)], _MARKERS[(place + turn) % len(_MARKERS)], _LINES[turn % len(_LINES)])


def model_looks(frame: pd.DataFrame) -> dict[Key, Look]:
    """How each line looks where a model is known by its colour and marker; its distances differ in dashes alone."""
    towers = frame[frame["layer"] != IMAGE]
    order = {distance: index for index, distance in enumerate(towers["distance"].unique())}
    lines = set(towers["line"]) if len(order) > 1 else set()
    first = frame.groupby(["line", "protocol", "tokens", "copy"])["distance"].transform("first")
    found = looks(frame[frame["distance"] == first])
    of_model = {key._replace(distance=""): look for key, look in found.items()}
    shown = {}
    for key in by_key(frame):
        look = of_model[key._replace(distance="")]
        dashes = _LINES[order[key.distance] % len(_LINES)] if key.line in lines else look.dashes
        shown[key] = look._replace(dashes=dashes)
    return shown


class Names:
    """Names of lines: the model, the distance, or both, and the protocol and tokens, whichever tells them apart."""

    def __init__(self, frame: pd.DataFrame) -> None:
        towers = frame[frame["layer"] != IMAGE]
        self.distances = towers["distance"].nunique() > 1
        self.models = towers["line"].nunique() > 1
        self.conditions = len(frame[["protocol", "tokens"]].drop_duplicates()) > 1
        self.judgments = frame.groupby(_PANEL)["n"].max().to_dict()
        self.parts = frame.groupby(_PANEL)["part"].nunique().to_dict()
        labels = frame["model"].unique()
        common = [*(labels if len(labels) == 1 else []), *([] if self.conditions else _condition(frame))]
        self.title = ", ".join(common)

    def of(self, key: Key, rows: pd.DataFrame) -> str:
        """What a line is called.

        Args:
            key: Which line.
            rows: Its rows in one panel.
        """
        first = rows.iloc[0]
        spoken = distance_name(key.distance)
        name = key.line.removesuffix(TWINS)
        parts = [name]
        if first["layer"] != IMAGE and self.distances:
            parts = [name, spoken] if self.models else [spoken]
        if self.conditions:
            parts += _condition(rows)
        place = tuple(first[_PANEL])
        if first["part"] and self.parts[place] > 1:  # else the panel's heading says it of all
            parts.append(first["part"])
        elif key.copy:
            fewer = first["n"] < self.judgments[place]
            parts.append(f"{first['n']:,} judgments" if fewer else f"run {key.copy + 1}")
        if first["band"]:
            parts.append(f"{rows['model'].nunique()} untrained twins")
        return ", ".join(parts)


def _condition(rows: pd.DataFrame) -> list[str]:
    """What is not the paper's way in how some rows were measured; the first speaks for all."""
    first = rows.iloc[0]
    parts = [] if first["protocol"] == "paper" else [str(first["protocol"])]
    return parts + ([] if first["tokens"] == "all" else [f"{first['tokens']} tokens"])
