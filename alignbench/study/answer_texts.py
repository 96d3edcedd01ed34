"""What a comparison comes to in words: a sentence for each question, and the cells of its table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.layer_names import IMAGE
from alignbench.statistics.bands import Band
from alignbench.study.compared_curves import BEST, CURVE, PROJECTION

PLACED: Final = ("place", "distance", "data")
"""Columns of the cells that say what a row is about."""
ALIKE: Final = "no judgment tells them apart"
"""What is said where scores are the same in every resample, so that nothing is known of what could be seen."""
_NOTHING_LEFT: Final = 0.0005
_SMALL: Final = 0.001  # p-values below are not written out
_OF_QUESTION: Final = ("data", "part", "distance", "question")


def sentences(table: pd.DataFrame, names: tuple[str, str]) -> Iterator[str]:
    """Yield a sentence for each question of a table, in its order.

    Args:
        table: The rows of `corrected_rows`, with columns that say what people judged: `data`, and in `part` how much
            of it and by whom, where that has to be said.
        names: What the two runs are called.
    """
    for (data, part, distance, question), rows in table[table["question"] != ""].groupby(
        list(_OF_QUESTION), sort=False
    ):
        judged = f"{data} ({part})" if part else data
        where = f"{_place(str(question), rows.iloc[0])}, {_distances(str(distance))}, {judged}"
        yield f"{where}: {_curve_answer(rows, names) if question == CURVE else _answer(rows.iloc[0], names)}"


def cells(table: pd.DataFrame) -> Iterator[dict[str, str]]:
    """Yield the cells of each row as they are shown, by the names of the columns.

    Args:
        table: As for `sentences`.
    """
    together = bool((table["questions"] > 1).any()) or CURVE in set(table["question"])
    for _, row in table.iterrows():
        tested = row["question"] != ""
        low, high = (row[f"{'corrected' if tested else 'ci'}_{end}"] for end in ("low", "high"))
        yield {
            "data": str(row["data"]),
            "distance": _distances(str(row["distance"])),
            "place": _place_of_row(row),
            "first": number(row["first"]),
            "second": number(row["second"]),
            "difference": number(row["difference"], "+"),
            "95 % interval": f"{number(low)} to {number(high)}" if low == low else "-",
            "p": p_text(row["p"]),
            **({"corrected p": p_text(row["p_corrected"])} if together else {}),
        }


def number(value: float, sign: str = "") -> str:
    """Write a number with three decimals, or a dash where there is none (NaN)."""
    return f"{value:{sign}.3f}" if value == value else "-"


def size(value: float) -> str:
    """Write how large a difference is; of one so small that three decimals would leave nothing, that it is."""
    return "less than 0.001" if 0.0 < value < _NOTHING_LEFT else number(value)


def is_level(value: float, separable: bool) -> bool:
    """Whether a difference is told as none: three decimals leave nothing of it, and it is not separable from 0."""
    return abs(value) < _NOTHING_LEFT and not separable


def p_text(p: float) -> str:
    """Write a p-value, or a dash where there is none (NaN)."""
    return number(p) if not p < _SMALL else f"<{_SMALL}"


def _distances(distance: str) -> str:
    """What people read for a distance, or for those of a model and a baseline."""
    return " / ".join(distance_name(name) for name in distance.split(" / "))


# ------------------------------------------------------------------------------------------------- sentences


def _place(question: str, row: pd.Series[Any]) -> str:
    named = {CURVE: "whole curve", IMAGE: "whole images", PROJECTION: "projection"}
    if question == BEST:
        layers = [layer for layer in (row["first_layer"], row["second_layer"]) if layer != IMAGE]
        return f"best layer ({' and '.join(layers)}, selected)" if all(layers) else "best layer"
    if question == PROJECTION and not {row["first_layer"], row["second_layer"]} <= {PROJECTION, IMAGE}:
        return f"last layer ({row['first_layer']} and {row['second_layer']})"  # of a run that has no projection
    return named.get(question, question)


def _answer(row: pd.Series[Any], names: tuple[str, str]) -> str:
    first, second = names
    value, low, high = row["difference"], row["corrected_low"], row["corrected_high"]
    if value != value:
        unscored = [name for name, column in ((first, "first"), (second, "second")) if row[column] != row[column]]
        return f"no score of {' or '.join(unscored or names)} (all distances equal?), so that nothing can be compared"
    if value < 0.0:
        low, high = -high, -low
    side = "above" if value > 0.0 else "below"
    level = is_level(value, bool(row["separable"]))
    lies = f"{first} level with {second}" if level else f"{first} {side} {second} by {size(abs(value))}"
    if low != low:
        return f"{lies}: no interval, so that it is not known whether they are separable"
    p = f"p {p_text(row['p']).replace('<', '< ')}" + (" uncorrected" if row["questions"] > 1 else "")
    told = f"{lies} ({number(low)} to {number(high)})"
    if row["separable"]:
        return f"{told}: separable ({p})"
    return f"{told}: not separable ({p}){_seen(row['corrected_smallest'], row['corrected_smallest'])}"


def _curve_answer(rows: pd.DataFrame, names: tuple[str, str]) -> str:
    edges = [rows[name].to_numpy(np.float64) for name in ("depth", "difference", "corrected_low", "corrected_high")]
    if not np.isfinite(edges[2]).any():
        return "no interval at any depth, so that it is not known whether the curves are separable"
    apart = list(Band(*edges).stretches())
    if apart:
        stretches = [f"{'above' if sign > 0 else 'below'} {names[1]} {_depths(*ends)}" for *ends, sign in apart]
        return f"{names[0]} {_enumerated(stretches)}: separable there, and nowhere else"
    smallest = rows["corrected_smallest"].dropna()
    varying = smallest[smallest > 0.0]
    seen = _seen(*((varying if len(varying) else smallest).agg(["min", "max"]))) if len(smallest) else ""
    return f"{names[0]} and {names[1]} lie apart at no depth: not separable{seen}"


def _depths(start: float, end: float) -> str:
    ends = [f"{depth:.1f}".removesuffix(".0") for depth in (start, end)]
    return f"at {ends[0]} % depth" if ends[0] == ends[1] else f"between {ends[0]} and {ends[1]} % depth"


def _seen(least: float, most: float) -> str:
    if least != least:
        return ""
    if most == 0.0:
        return f"; {ALIKE}"
    sizes = dict.fromkeys((size(least), size(most)))
    return f"; a difference of {' to '.join(sizes)} could be seen"


def _enumerated(parts: list[str]) -> str:
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


# ----------------------------------------------------------------------------------------------------- cells


def _place_of_row(row: pd.Series[Any]) -> str:
    if row["question"] == CURVE:
        # a baseline, whose one score stands beside every layer of a tower, does not tell the layers apart
        layer = row["second_layer"] if row["first_layer"] == IMAGE else row["first_layer"]
        return str(layer) if row["place"] == "layer" else f"depth {row['depth']:.1f} %"
    return _place(str(row["question"]), row) if row["question"] else str(row["place"])
