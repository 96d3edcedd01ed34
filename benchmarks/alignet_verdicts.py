"""What `alignet.py` expects of worlds and arms, and whether that is so: paired t intervals over worlds.

The expectations were written before any student of these worlds was judged; see there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from soft_teachers import paired

Measures = Mapping[str, Sequence[float]]
"""By measure: before, after, and the ends of the interval of their difference in that world, which may be NaN."""
Results = Mapping[str, Mapping[int, Measures]]
"""By arm and world."""
LEVELS = ("coarse", "fine", "boundary")
MAIN = "main"


@dataclass(frozen=True)
class Expectation:
    """That a number lies between two ends, in the mean over worlds.

    Attributes:
        arm: The arm.
        measure: The measure, e.g. `coarse`.
        low: Its lower end; minus infinity where there is none.
        high: Its upper end.
        of: `gain` (after minus before), `after`, `before`, or the arm whose value after is subtracted.
        claim: What is expected, in words.
    """

    arm: str
    measure: str
    low: float
    high: float
    of: str
    claim: str

    def values(self, results: Results) -> list[float]:
        """The number of each world in which it is known."""
        own = results.get(self.arm, {})
        other = results.get(self.of, {})
        found = []
        for world, measures in sorted(own.items()):
            before, after = measures.get(self.measure, (np.nan,) * 4)[:2]
            if self.of in ("gain", "after", "before"):
                found.append({"gain": after - before, "after": after, "before": before}[self.of])
            elif world in other:
                found.append(after - other[world].get(self.measure, (np.nan,) * 4)[1])
        return [value for value in found if np.isfinite(value)]

    def inner(self, results: Results) -> tuple[float, float]:
        """The lowest and the highest end of a gain's intervals in the worlds, which are over their triplets."""
        rows = [each[self.measure][2:] for each in results.get(self.arm, {}).values() if self.measure in each]
        known = [row for row in rows if np.isfinite(row).all()]
        if self.of != "gain" or not known:
            return (np.nan, np.nan)
        return min(row[0] for row in known), max(row[1] for row in known)


def _at_least(arm: str, measure: str, low: float, claim: str, of: str = "gain") -> Expectation:
    return Expectation(arm, measure, low, np.inf, of, claim)


def _at_most(arm: str, measure: str, high: float, claim: str, of: str = "gain") -> Expectation:
    return Expectation(arm, measure, -np.inf, high, of, claim)


EXPECTED = (
    _at_least(MAIN, "coarse", 0.10, "coarse accuracy rises by 10 points or more"),
    _at_least(MAIN, "fine", -0.02, "fine accuracy falls by 2 points at most"),
    _at_least(MAIN, "boundary of ceiling", 0.90, "boundary accuracy is near its ceiling before: 90 % of it", "before"),
    _at_least(MAIN, "boundary of ceiling", 0.90, "and after", "after"),
    _at_least(MAIN, "RSA", 0.0, "similarity of leaves comes closer to the truth"),
    _at_least(MAIN, "uncertainty", 0.0, "the model is unsure where people are (mean of the levels)"),
    _at_least(MAIN, "response times", 0.0, "and where they are slow"),
    _at_least(MAIN, "few-shot", -0.02, "few-shot classification falls by 2 points at most"),
    _at_least(MAIN, "shift", -0.02, "accuracy on shifted pictures falls by 2 points at most"),
    _at_most("untransformed", "coarse", 0.02, "the student's own base as the teacher: no coarse gain"),
    _at_most("shuffled", "coarse", 0.02, "shuffled labels: no coarse gain"),
    _at_most("shuffled", "mean of levels", 0.02, "nor in the mean of the levels"),
    _at_most("followed", "coarse", 0.02, "people who follow the base: no coarse gain"),
    _at_most("followed", "mean of levels", 0.02, "nor in the mean of the levels"),
    Expectation("random start", "coarse", 0.28, 0.39, "after", "shuffled labels, random start, lambda 0: chance"),
    Expectation("random start", "fine", 0.28, 0.39, "after", "in fine choices, too"),
    _at_least("lambda 0", "distance", 0.0, "lambda x sum(lr) 0 ends farther from the start than 0.5", "lambda / 10"),
    _at_least("lambda / 10", "distance", 0.0, "and 0.5 farther than 5", MAIN),
    _at_least(MAIN, "fine", 0.0, "cluster-border triplets give more fine accuracy than random ones", "random"),
    _at_least("random", "coarse", -0.02, "random ones give as much coarse accuracy, to 2 points", MAIN),
    _at_least(MAIN, "mean of levels", 0.0, "K 48 (the leaves that are seen) beats K 2 in the mean of levels", "K 2"),
    _at_least(MAIN, "mean of levels", -0.02, "and is not 2 points below K 64", "K 64"),
    _at_most("soft teacher", "embedding: log loss", 0.0, "a teacher of an embedding has less log loss than of choices"),
    _at_most("soft teacher", "frequencies: log loss", 0.0, "and one of frequencies, too"),
)


def report(results: Results) -> Iterator[str]:
    """Lines that say of each expectation whether it is so, as far as there are worlds."""
    yield f"{'expected, of the mean over worlds':84s} worlds  mean (95 % by t){'':16s} over triplets   so"
    for each in EXPECTED:
        values = each.values(results)
        if not values:
            yield f"{_named(each):84s} {0:6d}  not run"
            continue
        mean, low, high = paired(values) if len(values) > 1 else (values[0], np.nan, np.nan)
        ends = each.inner(results)
        inner = "" if np.isnan(ends[0]) else f"{ends[0]:+.3f} .. {ends[1]:+.3f}"
        over = f"{mean:+.4f} ({low:+.4f} .. {high:+.4f})"
        yield f"{_named(each):84s} {len(values):6d}  {over}  {inner:>18s}   {_so(each, low, high)}"


def _named(each: Expectation) -> str:
    limits = [f">= {each.low:g}"] * bool(np.isfinite(each.low)) + [f"<= {each.high:g}"] * bool(np.isfinite(each.high))
    return f"{each.claim} ({', '.join(limits)})"


def _so(each: Expectation, low: float, high: float) -> str:
    """Whether the interval is inside, outside, or neither."""
    if low >= each.low and high <= each.high:
        return "yes"
    return "NO" if high < each.low or low > each.high else "not shown"


def table(results: Results, measures: Sequence[str]) -> Iterator[str]:
    """A line an arm and measure: means over worlds before and after."""
    yield f"{'arm':16s} {'measure':38s} {'worlds':>6s}  before   after    gain (95 % by t)"
    for arm, worlds in results.items():
        for measure in measures:
            rows = [each[measure] for each in worlds.values() if measure in each]
            gains = [row[1] - row[0] for row in rows]
            if not rows:
                continue
            before, after = np.mean([row[:2] for row in rows], axis=0)
            ends = paired(gains)[1:] if len(gains) > 1 else (np.nan, np.nan)
            yield (
                f"{arm:16s} {measure:38s} {len(rows):6d}  {before:.3f}   {after:.3f}   {np.mean(gains):+.3f} "
                f"({ends[0]:+.3f} .. {ends[1]:+.3f})"
            )


def measures_of(rows: Sequence[Mapping[str, Any]]) -> dict[str, list[float]]:
    """The measures of a student from the rows of `evaluation.csv`."""
    found: dict[str, list[float]] = {}
    kinds = {
        ("few-shot", None): "few-shot",
        ("distribution shift", "other kind"): "shift",
        ("distribution shift", "same kind"): "same kind",
        ("agreement with the teacher", None): "agreement",
    }
    measured = {"accuracy": "", "entropy_spearman": "entropy ", "log_rt_spearman": "log RT "}
    for row in rows:
        numbers = [float(row[name]) for name in ("before", "after", "difference_low", "difference_high")]
        if row["task"] == "human uncertainty":  # a model at chance has no entropies: they tell nothing
            numbers[:2] = np.nan_to_num(numbers[:2]).tolist()
        task, subset, measure = row["task"], row["subset"], row["measure"]
        if subset in LEVELS:
            found[f"{measured[measure]}{subset}"] = numbers
            if subset == "boundary" and measure == "accuracy" and row["ceiling"] > 0.0:
                found["boundary of ceiling"] = [value / row["ceiling"] for value in numbers]
        elif task == "relative distance":
            found[measure] = numbers
        else:
            name = kinds.get((task, subset)) or kinds.get((task, None))
            if name:
                found[name] = numbers
    for mean, prefix in (("mean of levels", ""), ("uncertainty", "entropy "), ("response times", "log RT ")):
        parts = [found[f"{prefix}{level}"][:2] for level in LEVELS if f"{prefix}{level}" in found]
        if len(parts) == len(LEVELS):
            found[mean] = [*np.mean(parts, axis=0).tolist(), np.nan, np.nan]
    return found
