"""What a rule comes to: the comparisons that it rests on, with intervals, and whether they are as it says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.statistics.bootstrap import holm, interval, p_value
from alignbench.statistics.max_t import highest
from alignbench.study.groups import SIGNIFICANCE
from alignbench.study.levels import LevelPanel


@dataclass(frozen=True)
class Outcome:
    """What a rule comes to.

    Attributes:
        holds: Whether its orderings hold in value; none if it cannot be judged.
        separable: Whether every comparison that it rests on is separable.
        why: What the numbers say, or what is missing.
        evidence: The numbers.
    """

    holds: bool | None
    separable: bool
    why: str
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False)
class Comparison:
    """A difference that a rule expects on one side of a bound.

    Attributes:
        row: What is compared, and the values.
        panel: The panel of the level at which it is compared.
        difference: The difference, and that in each resample, (1 + resamples,).
        below: Whether it is expected below the bound, not above.
        bound: The bound.
        among: Where the difference is the highest of several, all of these, (k, 1 + resamples); where there are several
            such sets, it is the least of their highest.
    """

    row: dict[str, Any]
    panel: LevelPanel
    difference: Floats
    below: bool = False
    bound: float = 0.0
    among: tuple[Floats, ...] = ()

    def tested(self) -> tuple[float, float, float]:
        """Ends of the interval of the difference, and the p-value of its being on the expected side of the bound."""
        kind = self.panel.interval
        if self.among:
            sides = [highest(side - self.bound, kind) for side in self.among]
            ends = (min(side.low for side in sides) + self.bound, min(side.high for side in sides) + self.bound)
            return *ends, max(side.p for side in sides)
        excess = (self.bound - self.difference) if self.below else (self.difference - self.bound)
        low, high = interval(self.difference[:1], self.difference[None, 1:], kind)
        return float(low[0]), float(high[0]), p_value(float(excess[0]), excess[1:], kind)


def compared(comparisons: Sequence[Comparison]) -> pd.DataFrame:
    """The table of comparisons, with intervals of the differences and Holm's correction over the table."""
    rows = []
    for one in comparisons:
        value, (low, high, p) = float(one.difference[0]), one.tested()
        beyond = (high < one.bound, low > one.bound)
        rows.append(
            one.row
            | {"difference": value, "ci_low": low, "ci_high": high}
            | {"expected": f"{'below' if one.below else 'above'} {one.bound:g}"}
            | {"holds": value < one.bound if one.below else value > one.bound, "p_holm": p}
            | {"separable": beyond[not one.below], "contradicted": beyond[one.below]}
        )
    table = pd.DataFrame(rows)
    table["p_holm"] = holm(table["p_holm"].to_numpy(dtype=np.float64))
    table["separable"] &= table["p_holm"] < SIGNIFICANCE
    return table


def outcome(comparisons: Sequence[Comparison], names: Sequence[str]) -> Outcome:
    """What a rule comes to that holds if every comparison does; `names` are the columns that name a comparison."""
    table = compared(comparisons)
    unknown = table[table["difference"].isna()]
    if len(unknown):
        return Outcome(None, False, f"Needs scores of {_named(unknown, names)}: there distances are constant.", table)
    count, clear = int(table["holds"].sum()), int((table["holds"] & table["separable"]).sum())
    why = f"{count} of {len(table)} comparisons are as stated, {clear} of them separably"
    against = table[~table["holds"]]
    if len(against):
        clearly = int(against["contradicted"].sum())
        why += f"; not {_named(against, names)} ({clearly} of these with an interval on the other side)"
    return Outcome(bool(table["holds"].all()), bool(table["separable"].all()), why + ".", table)


def _named(rows: pd.DataFrame, names: Sequence[str]) -> str:
    return ", ".join(" ".join(map(str, row)) for row in rows[list(names)].itertuples(index=False))
