"""Which heads score best: the rows that are shown of a folder of scores."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from alignbench.results.head_alignment import NULLS
from alignbench.results.layer_curve import PRIMARY_METRICS

PLACES = ["protocol", "part", "measure"]


@dataclass(frozen=True)
class ShownPart:
    """A part of a model's output as it is shown.

    Attributes:
        protocol: Name of the protocol.
        part: Name of the subset.
        measure: Name of the metric.
        what: The part, e.g. `head 12.3` for the head 3 of layer 12.
        alone: Its score alone.
        low: Lower end of the interval of that.
        high: Upper end.
        without: Score of the model without it; none for the whole.
        p: Its p-values, by the columns of `alignment.csv`; not a number where there is none.
    """

    protocol: str
    part: str
    measure: str
    what: str
    alone: float
    low: float
    high: float
    without: float | None
    p: dict[str, float]


def best_heads(alignment: pd.DataFrame, count: int) -> list[ShownPart]:
    """The whole and the heads that score best alone, for each protocol and subset, by the level's own metric.

    Args:
        alignment: Rows as of `alignment.csv`.
        count: How many heads; of equal ones the first.
    """
    rows = alignment[alignment["measure"].isin(PRIMARY_METRICS)]
    scored = rows.loc[rows["kind"] == "head", "distance"].unique()
    rows = rows[rows["distance"].isin(scored)]  # the whole has others, too
    found: list[ShownPart] = []
    for (protocol, part, measure), group in rows.groupby(PLACES, sort=False):
        alone = group[group["way"] == "alone"]
        without = group[group["way"] == "left_out"].set_index(["kind", "layer", "head"])["value"]
        heads = alone[alone["kind"] == "head"].sort_values("value", ascending=False, kind="stable").head(count)
        for _, row in pd.concat([alone[alone["kind"] == "all"], heads]).iterrows():
            key = (row["kind"], row["layer"], row["head"])
            what = "all of it" if row["kind"] == "all" else f"head {row['layer']}.{row['head']}"
            left = float(without[key]) if key in without.index else None
            ends = float(row["value"]), float(row["low"]), float(row["high"])
            p = {name: float(row[name]) for name in NULLS}
            found.append(ShownPart(str(protocol), str(part), str(measure), what, *ends, left, p))
    return found


def largest_differences(table: pd.DataFrame, count: int) -> pd.DataFrame:
    """The heads alone whose scores differ most between two models, for each protocol and subset.

    Args:
        table: Rows as of `differences.csv`.
        count: How many heads; of equal ones the first.
    """
    heads = table[(table["kind"] == "head") & (table["way"] == "alone")]
    order = heads["difference"].abs().sort_values(ascending=False, kind="stable").index
    return heads.loc[order].groupby(PLACES, sort=False).head(count).sort_values(PLACES, kind="stable")
