"""How the models of a study stand on each data set: which scores highest at the projection, and what that is above.

Which model is the highest, and which baseline, is read off the judgments that score them. All differences that could
have been read off, of any two models and of each from each baseline and its untrained twins, are therefore bounded
together, over all data sets (see `simultaneous_bounds`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.distances.names import common_distance
from alignbench.models.layer_names import is_block, select_rows
from alignbench.results.published import PAPER_SUBSETS
from alignbench.statistics.simultaneous import simultaneous_bounds
from alignbench.study.groups import Group
from alignbench.study.levels import NORMALISED
from alignbench.study.peaks import Curve, Peaks
from alignbench.study.study import Study

Twins = Mapping[str, Sequence[str]]
"""Labels of the untrained twins of each model."""
_Series = tuple[str, str]  # label and distance


@dataclass(frozen=True)
class OwnScore:
    """A score with its own 95 % interval, as in `curve.csv`; its ends are not numbers where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Gap:
    """How far one score lies above another at the projection.

    Attributes:
        first: Label of the one.
        second: Label of the other, or of its twins' model.
        value: The difference.
        low: Lower bound; those of all gaps hold together with 95 %. Minus infinity where nothing is known.
        high: Upper bound, likewise.
        twins: Of how many untrained twins the other score is the mean; 0 if it is of none.
    """

    first: str
    second: str
    value: float
    low: float
    high: float
    twins: int = 0

    @property
    def separable(self) -> bool:
        """Whether the bounds exclude 0."""
        return self.low > 0.0 or self.high < 0.0

    def turned(self) -> Gap:
        """The other score minus the one."""
        return Gap(self.second, self.first, -self.value, -self.high, -self.low, self.twins)


@dataclass(frozen=True)
class Peak:
    """The highest layer before the projection.

    Attributes:
        layer: Its name.
        depth: Its depth in percent.
        score: Its score.
        ends: First and last depth of the layers that cannot be told from it; none where that is not known.
    """

    layer: str
    depth: float
    score: OwnScore
    ends: tuple[float, float] | None


@dataclass(frozen=True)
class Standing:
    """How models stand on one data set.

    Attributes:
        dataset: Name of the data set.
        subset: Name of the subset.
        level: Level of abstraction.
        protocol: Protocol by which it was measured.
        way: What is not usual in how it was measured, see `unusual`.
        part: How much of what was published it is, where that is a part.
        simulated: Whether its people are simulated observers.
        distance: The distance of the models; that of the highest where baselines are compared.
        label: The model that scores highest.
        score: Its score.
        others: The highest minus each other model, from the second downward.
        lacking: Models that have no score by this distance.
        baseline: The highest minus the highest baseline; none without a baseline.
        peak: Where the curve of the highest is highest; none for a baseline.
        training: Each model minus its untrained twins.
    """

    dataset: str
    subset: str
    level: str
    protocol: str
    way: str
    part: str
    simulated: bool
    distance: str
    label: str
    score: OwnScore
    others: tuple[Gap, ...]
    lacking: tuple[str, ...]
    baseline: Gap | None
    peak: Peak | None
    training: tuple[Gap, ...]

    @property
    def alike(self) -> tuple[str, ...]:
        """The models that cannot be told from the highest."""
        return tuple(gap.second for gap in self.others if not gap.separable)


def stand(study: Study, twins: Twins, peaks: Peaks) -> tuple[Standing, ...]:
    """How the trained models of a study stand, on each data set in one way of measuring: that of the most models.

    Without a trained model anywhere, its baselines are compared.

    Args:
        study: The study.
        twins: Labels of the untrained twins of each model.
        peaks: The depths at which each curve may peak.
    """
    contests = [contest for group in study.groups if (contest := _Contest(group, twins, False)).series]
    if not contests:
        contests = [contest for group in study.groups if (contest := _Contest(group, twins, True)).series]
    if not contests:
        return ()
    fullest: dict[str, _Contest] = {}
    for contest in sorted(contests, key=lambda contest: contest.rank, reverse=True):
        fullest.setdefault(contest.group.dataset, contest)
    chosen = [contest for contest in contests if contest is fullest[contest.group.dataset]]
    bounds = simultaneous_bounds([(contest.contrasts, contest.group.interval) for contest in chosen])
    return tuple(contest.standing(each.low, each.high, peaks) for contest, each in zip(chosen, bounds, strict=True))


def unusual(group: Group) -> str:
    """What is not the paper's way in how a group was measured, in words; empty if nothing is."""
    condition = group.condition
    said = {
        f"{condition.protocol} protocol": condition.protocol != "paper",
        f"{condition.tokens} tokens": condition.tokens not in ("", "all"),
        f"{condition.resize} resize": condition.resize not in ("", "checkpoint"),
        condition.precision: condition.precision not in ("", "fp32"),
    }
    return ", ".join(words for words, is_so in said.items() if is_so)


class _Contest:
    """What is compared in a group.

    Args:
        group: Runs that may be put side by side.
        twins: Labels of the untrained twins of each model.
        of_baselines: Whether baselines are compared, and not trained models.
    """

    def __init__(self, group: Group, twins: Twins, of_baselines: bool) -> None:
        self.group = group
        trained = {label for (label, _), run in group.series.items() if run.trained}
        baselines = [key for key, run in group.series.items() if run.is_baseline and self._scores(key)]
        own = [key for key in group.series if key[0] in trained and self._scores(key)]
        self.distance = _usual(own)
        self.series = baselines if of_baselines else [key for key in own if key[1] == self.distance]
        self.baselines = [] if of_baselines else baselines
        known = {label for label, _ in self.series}
        self.lacking = () if of_baselines else tuple(label for label in group.labels() if label in trained - known)
        self.twins = {
            label: found
            for label, _ in self.series
            if (found := [key for twin in twins.get(label, ()) if self._scores(key := (twin, self.distance))])
        }

    @property
    def rank(self) -> tuple[int, bool, bool, bool, int]:
        """What goes first: many models, the paper's subset and way of measuring, whole data, many judgments."""
        group = self.group
        usual = group.subset == PAPER_SUBSETS.get(group.dataset), not unusual(group)
        return len(self.series), *usual, not group.part, len(group.judgments.human)

    def _scores(self, key: _Series) -> bool:
        """Whether there is such a score."""
        return key in self.group.series and bool(np.isfinite(self._value(key)))

    def _value(self, key: _Series) -> float:
        curve = self.group.curve(*key)
        return float(curve.scored.value[self._row(key)])

    def _row(self, key: _Series) -> int:
        """Which of the scores that were made together is that of the projection."""
        return int(np.flatnonzero(self.group.curve(*key).projection().weights)[0])

    @cached_property
    def _ranked(self) -> list[_Series]:
        return sorted(self.series, key=lambda key: -self._value(key))

    @cached_property
    def _gaps(self) -> list[tuple[_Series, list[_Series]]]:
        """A series, and those whose mean is subtracted from it."""
        pairs = [(one, [other]) for one, other in combinations(self._ranked, 2)]
        pairs += [(one, [other]) for one in self._ranked for other in self.baselines]
        return pairs + [(key, self.twins[key[0]]) for key in self._ranked if key[0] in self.twins]

    @cached_property
    def contrasts(self) -> Floats:
        """All gaps, (gaps, 1 + resamples), those of all judgments first."""
        twins = [key for each in self.twins.values() for key in each]
        keys = [*self._ranked, *self.baselines, *twins]
        scored = self.group.curve(*keys[0]).scored
        scores = dict(zip(keys, scored.replicates(np.array([self._row(key) for key in keys])), strict=True))
        gaps = [scores[one] - np.mean([scores[other] for other in others], axis=0) for one, others in self._gaps]
        return np.array(gaps).reshape(len(gaps), len(scores[keys[0]]))

    def standing(self, low: Floats, high: Floats, peaks: Peaks) -> Standing:
        """The standing, given the bounds of the gaps."""
        values = self.contrasts[:, 0]
        found = [
            (one, others, Gap(one[0], others[0][0], float(value), float(lowest), float(highest)))
            for (one, others), value, lowest, highest in zip(self._gaps, values, low, high, strict=True)
        ]
        top, group = self._ranked[0], self.group
        run = group.series[top]
        beside = [gap for one, others, gap in found if one == top and others[0] in self.baselines]
        return Standing(
            dataset=group.dataset,
            subset=group.subset,
            level=group.level,
            protocol=group.condition.protocol,
            way=unusual(group),
            part=group.part,
            simulated=run.curve.is_simulated,
            distance=top[1],
            label=top[0],
            score=self._score(top, group.curve(*top).projection().layer),
            others=tuple(gap for one, others, gap in found if one == top and others[0] in self.series),
            lacking=self.lacking,
            baseline=min(beside, key=lambda gap: gap.value) if beside else None,
            peak=None if run.is_baseline else self._peak(top, peaks),
            training=tuple(
                Gap(gap.first, gap.first, gap.value, gap.low, gap.high, len(others))
                for one, others, gap in found
                if others is self.twins.get(one[0])
            ),
        )

    def _main(self, key: _Series) -> pd.DataFrame:
        frame = self.group.series[key].curve.primary()
        return frame[(frame["subset"] == self.group.subset) & (frame["distance"] == key[1])]

    def _score(self, key: _Series, layer: str) -> OwnScore:
        row = self._main(key).set_index("layer").loc[layer]
        return OwnScore(float(row["value"]), float(row["ci_low"]), float(row["ci_high"]))

    def _peak(self, key: _Series, peaks: Peaks) -> Peak | None:
        blocks = select_rows(self._main(key), is_block).dropna(subset="value")
        if blocks.empty:
            return None
        best = blocks.loc[blocks["value"].idxmax()]
        group, run = self.group, self.group.series[key]
        place = Curve(group.dataset, group.subset, group.condition.protocol, run.settings.tokens or "", *key)
        return Peak(str(best["layer"]), float(best["depth"]), self._score(key, str(best["layer"])), peaks.get(place))


def _usual(series: Sequence[_Series]) -> str:
    """The distance that figures and tables show of these models, see `common_distance`.

    Where none is common: the normalised one if any has it, else the one that most have. Empty without models.
    """
    names = [distance for _, distance in series]
    measured = {label: [distance for known, distance in series if known == label] for label, _ in series}
    most = NORMALISED if NORMALISED in names else max(names, key=names.count, default="")
    return common_distance(measured) or most
