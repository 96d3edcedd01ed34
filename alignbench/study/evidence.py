"""What a rule comes to: the comparisons that it rests on, with bounds that hold for all of them at once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.statistics.simultaneous import simultaneous_bounds
from alignbench.study.levels import LevelPanel

BORNE_OUT: Final = "borne out"
"""Every comparison lies on the claimed side, by its interval."""
BY_VALUE: Final = "by value only"
"""Every comparison lies there by its value, and not every one by its interval."""
CONTRADICTED: Final = "contradicted"
"""A comparison lies on the other side, by its interval."""
UNDECIDED: Final = "undecided"
"""A comparison lies on the other side by its value, and none by its interval."""
UNTESTABLE: Final = "untestable"
"""Something is missing."""


@dataclass(frozen=True)
class Outcome:
    """What a rule comes to.

    Attributes:
        verdict: One of the five above.
        why: What the numbers say, or what is missing.
        evidence: The numbers.
    """

    verdict: str
    why: str
    evidence: pd.DataFrame = field(default_factory=pd.DataFrame)


@dataclass(frozen=True, eq=False)
class Term:
    """Contrasts of one level that a comparison is made of.

    Attributes:
        panel: The panel of the level.
        contrasts: Differences of scores, or other numbers made of scores, (..., 1 + resamples).
    """

    panel: LevelPanel
    contrasts: Floats


Ends = Callable[[Sequence[Floats], Sequence[Floats]], tuple[float, float]]


@dataclass(frozen=True, eq=False)
class Expectation:
    """A quantity that a rule expects on one side of a bound.

    Attributes:
        row: What is compared, and the values.
        terms: What it is made of.
        ends: Bounds of the quantity from lower and upper bounds of the terms, each (...); where both are the values of
            the terms, twice the value of the quantity.
        below: Whether it is expected below the bound, not above.
        bound: The bound.
    """

    row: dict[str, Any]
    terms: tuple[Term, ...]
    ends: Ends
    below: bool = False
    bound: float = 0.0

    @property
    def value(self) -> float:
        """The quantity."""
        values = [term.contrasts[..., 0] for term in self.terms]
        return self.ends(values, values)[0]

    @property
    def expected(self) -> str:
        """Where the rule expects it, in words."""
        return f"{'below' if self.below else 'above'} {self.bound:g}"


def judge(comparisons: Sequence[Expectation], names: Sequence[str], beside: Sequence[Expectation] = ()) -> Outcome:
    """What a rule comes to that holds if every comparison does.

    Args:
        comparisons: The comparisons, at least one.
        names: The columns that name a comparison.
        beside: Comparisons that are shown, and not judged.
    """
    rows = [_row(one, *ends) for one, ends in zip(comparisons, _bounded(comparisons), strict=True)]
    rows += [{**_row(one, np.nan, np.nan), "judged": False} for one in beside]
    table = pd.DataFrame(rows)
    judged = table[table["judged"]]
    unknown = judged[judged["value"].isna()]
    if len(unknown):
        return Outcome(UNTESTABLE, f"Needs scores of {_named(unknown, names)}: there distances are constant.", table)
    against, clear = judged[~judged["holds"]], int(judged["separable"].sum())
    why = f"{len(judged) - len(against)} of {len(judged)} comparisons are as stated, {clear} of them by interval"
    if len(against):
        clearly = int(against["contradicted"].sum())
        why += f"; not {_named(against, names)} ({clearly} of these with an interval on the other side)"
    return Outcome(_verdict(judged), why + ".", table)


def _verdict(judged: pd.DataFrame) -> str:
    if judged["contradicted"].any():
        return CONTRADICTED
    if not judged["holds"].all():
        return UNDECIDED
    return BORNE_OUT if judged["separable"].all() else BY_VALUE


def _bounded(comparisons: Sequence[Expectation]) -> list[tuple[float, float]]:
    """Bounds of all comparisons, which hold together; levels have judgments of their own and are independent."""
    terms = list({id(term): term for one in comparisons for term in one.terms}.values())
    panels = list({id(term.panel): term.panel for term in terms}.values())
    own = [[term for term in terms if term.panel is panel] for panel in panels]
    samples = [np.concatenate([_flat(term) for term in some]) for some in own]
    found: dict[int, tuple[Floats, Floats]] = {}
    bounds = simultaneous_bounds([(each, panel.interval) for each, panel in zip(samples, panels, strict=True)])
    for some, ends in zip(own, bounds, strict=True):
        at = np.cumsum([len(_flat(term)) for term in some])[:-1]
        for term, low, high in zip(some, np.split(ends.low, at), np.split(ends.high, at), strict=True):
            shape = term.contrasts.shape[:-1]
            found[id(term)] = low.reshape(shape), high.reshape(shape)
    return [
        one.ends([found[id(term)][0] for term in one.terms], [found[id(term)][1] for term in one.terms])
        for one in comparisons
    ]


def _flat(term: Term) -> Floats:
    return term.contrasts.reshape(-1, term.contrasts.shape[-1])


def _row(one: Expectation, low: float, high: float) -> dict[str, Any]:
    """A row of the table; bounds that are infinite are none."""
    value, (beyond, within) = one.value, (low > one.bound, high < one.bound)
    return one.row | {
        "value": value,
        "ci_low": low if np.isfinite(low) else np.nan,
        "ci_high": high if np.isfinite(high) else np.nan,
        "expected": one.expected,
        "holds": bool(value < one.bound if one.below else value > one.bound),
        "separable": bool(within if one.below else beyond),
        "contradicted": bool(beyond if one.below else within),
        "judged": True,
    }


def _named(rows: pd.DataFrame, names: Sequence[str]) -> str:
    return ", ".join(" ".join(map(str, row)) for row in rows[list(names)].itertuples(index=False))
