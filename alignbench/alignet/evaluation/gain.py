"""Rows of one table: a score before and after, how they differ, and what holds for all rows together.

Whatever is measured, both scores are known together (`ScoredTogether`), so that what makes a judgment, a picture or a
draw hard for both drops out of their difference. All rows are one family, corrected as the questions of `compare` are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.results.gains import Ends, Gain
from alignbench.statistics.choice_scores import Resampled
from alignbench.statistics.influences import mean_influences
from alignbench.statistics.scored_together import SHARES, Contrast, ObjectScores, ResampledScores, ScoredTogether
from alignbench.statistics.shared_objects import SharedObjects
from alignbench.study.corrected_rows import possible, together

NO_CEILING: Final = float("nan")
LEAST_CORRELATION: Final = 0.1
"""Of a smaller rank correlation (Cohen, 1988, calls this one small) no gain is told as a share of it."""
BOTH: Final = (np.array([1.0, 0.0]), np.array([0.0, 1.0]))
"""Weights of two scores, before and after."""


@dataclass(frozen=True)
class AboutGain:
    """What a row is about; see `Gain` for all but these.

    Attributes:
        ceiling: What could be reached.
        layers: The layer before, and the layer after.
    """

    task: str
    data: str
    measure: str
    n: int
    over: str
    sample: str
    subset: str = ""
    better: str = "higher"
    distance: str = ""
    ceiling: float = NO_CEILING
    layers: tuple[str, str] = ("", "")


@dataclass(frozen=True)
class UncorrectedGain:
    """A row before it is known how many others there are.

    Attributes:
        about: What it is about.
        before: Score before.
        after: Score after.
        difference: After minus before.
        limits: The least and the most that the difference can be.
        is_signed: Whether a score may be below 0, as a correlation may.
    """

    about: AboutGain
    before: Contrast
    after: Contrast
    difference: Contrast
    limits: tuple[float, float]
    is_signed: bool


def gain_of(about: AboutGain, scored: ScoredTogether, weights: tuple[Floats, Floats] = BOTH) -> UncorrectedGain:
    """The row of two scores that are known together.

    Args:
        about: What it is about.
        scored: The scores, (curves,).
        weights: Weights of the scores that give the one before, and the one after, (curves,) each.
    """
    before, after = weights
    gained = after - before
    first, second, third = (scored.contrast(each) for each in (before, after, gained))
    return UncorrectedGain(about, first, second, third, scored.possible(gained), scored.limits[0] < 0.0)


def corrected_gains(found: Sequence[UncorrectedGain]) -> tuple[Gain, ...]:
    """All rows, with intervals and p-values that hold for all of them together; those without a test have none."""
    questions = sum(bool(np.isfinite(row.difference.p)) for row in found)
    return tuple(_corrected(row, max(1, questions)) for row in found)


def _corrected(row: UncorrectedGain, questions: int) -> Gain:
    about, gained = row.about, row.difference
    known = {"ci_low": gained.low, "ci_high": gained.high, "p": gained.p, "smallest": gained.smallest}
    numbers = possible(together({**known, "degrees": gained.degrees}, questions), row.limits)
    relative, of_gap = _as_shares(row)
    return Gain(
        task=about.task,
        data=about.data,
        subset=about.subset,
        measure=about.measure,
        better=about.better,
        distance=about.distance,
        before_layer=about.layers[0],
        after_layer=about.layers[1],
        before=_ends(row.before),
        after=_ends(row.after),
        difference=_ends(gained),
        corrected_low=numbers["corrected_low"],
        corrected_high=numbers["corrected_high"],
        p=numbers["p"],
        p_corrected=numbers["p_corrected"],
        relative=relative,
        ceiling=about.ceiling,
        share_of_gap=of_gap,
        n=about.n,
        over=about.over,
        sample=about.sample,
    )


def _as_shares(row: UncorrectedGain) -> tuple[float, float]:
    """The difference as a share of the score before, and of the gap from there to the ceiling.

    Either is not a number unless what it is a share of is clearly above 0: a share of noise may be any number.
    """
    before, ceiling = row.before, row.about.ceiling
    least = LEAST_CORRELATION if row.is_signed else 0.0
    has_score, has_gap = before.low > 0.0 and before.value >= least, before.high < ceiling
    gained = row.difference.value
    none = float("nan")
    return gained / before.value if has_score else none, gained / (ceiling - before.value) if has_gap else none


def _ends(found: Contrast) -> Ends:
    return found.value, found.low, found.high


# ------------------------------------------------------------------------------------------------ means


def mean_over_pictures(values: Floats) -> ScoredTogether:
    """Means of the same pictures, as shares of right answers, whose intervals are over pictures.

    Args:
        values: (scores, pictures), from 0 to 1.
    """
    pictures = SharedObjects(np.arange(values.shape[1])[:, None])
    sums = pictures.sums(mean_influences(row) for row in values)
    return ObjectScores(sums, values.mean(axis=1), values.shape[1], 0, SHARES)


def mean_over_draws(values: Floats, seed: int = 0) -> ScoredTogether:
    """Means of the same draws, whose intervals are Student's where there are fewer than a hundred.

    Args:
        values: (scores, draws), from 0 to 1.
        seed: Seed of the bootstrap of many draws.
    """
    resampled = Resampled(np.arange(values.shape[1])[:, None], seed)
    replicates = resampled.replicates(resampled.mean(values))
    return ResampledScores(replicates, resampled.kind, resampled.count, limits=SHARES)
