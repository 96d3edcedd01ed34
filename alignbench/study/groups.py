"""All runs of a data set that may be put side by side, scored in the same resamples at once.

Runs are alike if people saw and said the same (ids, images, answers), and if they were measured by one protocol and, as
far as they are towers, on the same tokens, with the same preparation, precision and calibration.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.results.judgment_table import SubsetJudgments
from alignbench.statistics.bootstrap import IntervalKind
from alignbench.statistics.paired import PairedDifference, paired_difference
from alignbench.statistics.rated_pairs import varying
from alignbench.statistics.scored_together import Judged, ScoredTogether, score_together
from alignbench.study.places import BEST, ScoredCurve, best_difference
from alignbench.study.study_run import StudyRun

PLACES = (BEST, "projection")
CONDITIONS = ("protocol", "judgments", "tokens", "preparation of pictures", "precision", "calibration")
SIGNIFICANCE = 0.05  # after correction for the number of comparisons
SEED = 0  # seed of the bootstrap, the same as that of `alignbench compare`


class Condition(NamedTuple):
    """How a run was measured; runs that differ in any of it are not put together.

    Attributes:
        protocol: `paper` or `corrected`.
        judgments: How many, and of which version of the data.
        tokens: Token view; empty for baselines, and so below.
        resize: How pictures are brought to the tower's size.
        precision: Precision of the tower.
        calibration: What channel means are fitted on, where that is held out.
    """

    protocol: str
    judgments: str
    tokens: str = ""
    resize: str = ""
    precision: str = ""
    calibration: str = ""

    def fits(self, other: Condition) -> bool:
        """Whether runs of both may be put side by side: what is empty, as of baselines, fits everything."""
        return all(one == two or not (one and two) for one, two in zip(self, other, strict=True))

    def unlike(self, other: Condition) -> list[str]:
        """In what two conditions differ, in words."""
        return [
            f"{name} ({'; '.join(sorted((one, two)))})"
            for name, one, two in zip(CONDITIONS, self, other, strict=True)
            if one and two and one != two
        ]


def read_condition(run: StudyRun, subset: str) -> Condition:
    """How a run was measured on one of its subsets."""
    settings, judgments = run.settings, run.judgments[subset]
    data = hashlib.sha256(f"{judgments.digest} {settings.data_fingerprint}".encode()).hexdigest()
    version = f"{len(judgments.human):,} of data {data[:12]}"
    if run.is_baseline:
        return Condition(run.protocol, version)
    return Condition(
        run.protocol,
        version,
        tokens=settings.tokens or "",
        resize=str(settings.resize or ""),
        precision=settings.precision,
        calibration=(settings.calibration_fingerprint or "")[:12],
    )


@dataclass(frozen=True, eq=False)
class Group:
    """Runs that may be put side by side on one subset.

    Attributes:
        subset: Name of the subset.
        condition: How they were measured.
        runs: The runs, at least one; of several with the same label and distance the first stands for it.
    """

    subset: str
    condition: Condition
    runs: tuple[StudyRun, ...]

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.runs[0].dataset

    @property
    def level(self) -> str:
        """Level of abstraction."""
        return self.runs[0].level

    @property
    def judgments(self) -> SubsetJudgments:
        """What people said."""
        return self.runs[0].judgments[self.subset]

    @property
    def part(self) -> str:
        """How much of what was published they are of, where that is a part; empty if it is all, or nobody knows."""
        return next(filter(None, (run.parts[self.subset] for run in self.runs)), "")

    @cached_property
    def series(self) -> dict[tuple[str, str], StudyRun]:
        """The run of each label and distance."""
        found: dict[tuple[str, str], StudyRun] = {}
        for run in self.runs:
            for distance in run.distances:
                found.setdefault((run.label, distance), run)
        return found

    def labels(self) -> list[str]:
        """The labels of its runs, each once."""
        return list(dict.fromkeys(run.label for run in self.runs))

    def distances(self, label: str) -> list[str]:
        """The distances of a label."""
        return [distance for known, distance in self.series if known == label]

    @cached_property
    def interval(self) -> IntervalKind:
        """How judgments are resampled."""
        return self._scored.kind

    @cached_property
    def clusters(self) -> int:
        """Number of clusters."""
        return len(np.unique(self.judgments.clusters))

    def scores(self, series: Sequence[tuple[str, str]]) -> list[Floats]:
        """Scores of all layers of some of its series, each (layers, 1 + resamples): the score itself first.

        Args:
            series: Labels and distances. What their scores might have been, they were together: series whose
                difference is wanted are asked for at once.
        """
        rows = [self._rows[key] for key in series]
        scores = self._scored.replicates(np.concatenate(rows))
        return np.split(scores, np.cumsum([len(each) for each in rows])[:-1])

    def curve(self, label: str, distance: str) -> ScoredCurve:
        """The curve of one of its series, among all that are scored together."""
        run = self.series[label, distance]
        return ScoredCurve(self._scored, self._rows[label, distance], run.layers, run.depths)

    def layers(self, label: str, distance: str) -> tuple[str, ...]:
        """Names of the layers of a label."""
        return self.series[label, distance].layers

    def difference(self, first: tuple[str, str], second: tuple[str, str], place: str) -> PairedDifference:
        """The paired difference of two of its series at a place.

        Args:
            first: Label and distance.
            second: Label and distance of what is subtracted.
            place: One of `PLACES`; a baseline's one score stands at both.
        """
        one, other = (self.curve(*key) for key in (first, second))
        if place == BEST:
            return best_difference(one, other)
        return paired_difference(place, 100.0, one.projection(), other.projection(), self._scored)

    @cached_property
    def _scored(self) -> ScoredTogether:
        judged = (self._judged(run, names) for run, names in self._wanted.items())
        among = varying(self.judgments.clusters, self.judgments.subject_ratings)
        return score_together(judged, self.judgments.human, among, SEED)

    @cached_property
    def _wanted(self) -> dict[StudyRun, list[str]]:
        """The distances of each run that are scored, in the order of the scores."""
        wanted: dict[StudyRun, list[str]] = {}
        for (_, distance), run in self.series.items():
            wanted.setdefault(run, []).append(distance)
        return wanted

    @cached_property
    def _rows(self) -> dict[tuple[str, str], Indices]:
        """Which of the scores are those of each series."""
        found: dict[tuple[str, str], Indices] = {}
        start = 0
        for run, names in self._wanted.items():
            for name in names:
                found[run.label, name] = np.arange(start, start + len(run.layers))
                start += len(run.layers)
        return found

    def _judged(self, run: StudyRun, names: Sequence[str]) -> Judged:
        options = run.judgments[self.subset].options
        return Judged(run.load_distances(names), options, run.record.kind, run.protocol == "corrected")


def group_runs(runs: Iterable[StudyRun]) -> tuple[Group, ...]:
    """The groups of some runs, in their order; a baseline is in each group that it fits."""
    places: dict[tuple[str, str], list[tuple[Condition, StudyRun]]] = {}
    for run in runs:
        for subset in run.judgments:
            places.setdefault((run.dataset, subset), []).append((read_condition(run, subset), run))
    return tuple(
        Group(subset, condition, tuple(run for own, run in some if own.fits(condition)))
        for (_, subset), some in places.items()
        for condition in _fullest(condition for condition, _ in some)
    )


def _fullest(conditions: Iterable[Condition]) -> list[Condition]:
    """The conditions, each once, without those that fit another which says more, as a baseline's fits a tower's."""
    distinct = list(dict.fromkeys(conditions))
    return [one for one in distinct if not any(one.fits(two) and two.count("") < one.count("") for two in distinct)]
