"""People's judgments put to a model before and after: choices, similarities, and how unsure people were.

Both models are measured as `alignbench run` does, into run folders of their own, and compared as `alignbench compare`
does, at one layer and all along their curves.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.alignet.evaluation.gain import NO_CEILING, AboutGain, UncorrectedGain, gain_of
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.models.layer_names import IMAGE
from alignbench.results.extent import data_set_title, extents
from alignbench.results.gains import CURVE_COLUMNS
from alignbench.scoring.scored_run import ScoredRun
from alignbench.statistics.choice_entropy import model_entropies
from alignbench.statistics.noise_ceiling import answers_of
from alignbench.statistics.paired import Place
from alignbench.statistics.uncertainty import entropies, response_times, uncertainty_together
from alignbench.study.compared_curves import CURVE, PROJECTION
from alignbench.study.comparison import ComparedDistance, Question, compared_distances
from alignbench.study.places import ScoredCurve

_CEILINGS: Final = {  # of a metric, the first that a run has
    "accuracy": ("ceiling_mean", "ceiling_published", "ceiling_attainable"),
    "spearman": ("ceiling_spearman_of_mean", "ceiling_spearman"),
    "entropy_spearman": ("ceiling_entropy_spearman",),
    "log_rt_spearman": ("ceiling_log_rt_spearman",),
}
_TASKS: Final = {"accuracy": "human choices", "spearman": "human similarity"}


@dataclass(frozen=True, eq=False)
class RunsOfBoth:
    """The runs of both models on one data set.

    Attributes:
        before: The run of the model before.
        after: That of the model after.
        at: `projection`, or a layer of both.
        head: Name of the layer of the model after that its head gives; empty without one.
        distances: By which they are compared.
        sample: Whether teacher or student have seen the judgments, see `Gain`.
        seed: Seed of the bootstrap.
    """

    before: ScoredRun
    after: ScoredRun
    at: str
    head: str
    distances: tuple[str, ...]
    sample: str
    seed: int = 0

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.after.settings.dataset

    @property
    def part(self) -> str:
        """How much of each subset is measured, where that is a part; empty where it is all."""
        told = {subset: text for subset, text in extents(self.after.curve).items() if text}
        said = "; ".join(f"{subset}: {text}" for subset, text in told.items())
        return f"{data_set_title(self.dataset)}, {said}." if said else ""


def human_gains(runs: RunsOfBoth) -> tuple[list[UncorrectedGain], pd.DataFrame]:
    """Rows of one data set, and both curves layer by layer.

    Args:
        runs: The runs of both.

    Returns:
        For each subset and distance the score of its metric, and where it is known who judged the rank correlations of
        the model's uncertainty with that of people and with their response times; and a table of `CURVE_COLUMNS`.

    Raises:
        DataError: If the runs share no judgments or saw different data.
        UsageError: If one lacks the layer or the distance.
    """
    if runs.before.folder.resolve() == runs.after.folder.resolve():
        raise UsageError(f"before and after are one model, {runs.after.label}: name two by --before and --after")
    found = compared_distances(
        runs.after.folder, runs.before.folder, Question(runs.distances, at=CURVE, seed=runs.seed)
    )
    rows: list[UncorrectedGain] = []
    for each in found:
        row = each.rows[0]
        about = AboutGain(
            _TASKS[row["metric"]],
            runs.dataset,
            row["metric"],
            int(row["n"]),
            str(row["interval"]),
            runs.sample,
            subset=str(row["subset"]),
            distance=str(row["distance"]),
        )
        rows += _of_distance(runs, each, about)
    return rows, _curves(runs.dataset, found)


def _of_distance(runs: RunsOfBoth, found: ComparedDistance, about: AboutGain) -> Iterator[UncorrectedGain]:
    """The rows of one subset and distance."""
    after = _place(found.first, runs.at, runs.head, runs.after.label)
    before = _place(found.second, runs.at, "", runs.before.label)
    about = replace(about, layers=(before.layer, after.layer), ceiling=_ceiling(runs.after, about))
    yield gain_of(about, found.first.scored, (before.weights, after.weights))
    if about.task == _TASKS["accuracy"]:
        yield from _of_uncertainty(runs, about)


def _place(curve: ScoredCurve, at: str, head: str, label: str) -> Place:
    """The layer at which a curve is looked at."""
    wanted = head or at
    if wanted == PROJECTION or tuple(curve.layers) == (IMAGE,):
        return curve.projection()
    if wanted not in curve.layers:
        raise UsageError(f"{label} has no layer {wanted}: use --at {PROJECTION} or one of {', '.join(curve.layers)}")
    return curve.layer(list(curve.layers).index(wanted))


def _ceiling(run: ScoredRun, about: AboutGain) -> float:
    """The ceiling of a metric, as the run has it."""
    frame = run.curve.frame
    for name in _CEILINGS[about.measure]:
        known = frame.loc[(frame["subset"] == about.subset) & (frame["metric"] == name), "value"].dropna()
        if len(known):
            return float(known.iloc[0])
    return NO_CEILING


def _curves(dataset: str, found: Sequence[ComparedDistance]) -> pd.DataFrame:
    """All layers or depths of both, with the band that holds everywhere at once."""
    rows: list[dict[str, Any]] = []
    for each in found:
        for row in each.rows:
            named = {"data": dataset, "before": row["second"], "after": row["first"]}
            layers = {"before_layer": row["second_layer"], "after_layer": row["first_layer"]}
            rows.append({**row, **named, **layers})
    return pd.DataFrame(rows, columns=list(CURVE_COLUMNS))


# ------------------------------------------------------------------------------------------ uncertainty


def _of_uncertainty(runs: RunsOfBoth, about: AboutGain) -> Iterator[UncorrectedGain]:
    """Whether a model is unsure where people are, if it is known who chose and how long that took."""
    said = [run.judgments([about.subset], by_id=True)[about.subset] for run in (runs.before, runs.after)]
    responses = said[0].responses
    if responses is None:
        return
    told = [answers_of(each.options, each.human.astype(np.int64)) for each in said]
    if not np.array_equal(told[0].triplet, told[1].triplet):
        raise DataError(
            f"{runs.before.folder} and {runs.after.folder} number their triplets apart: measure both again with "
            "--overwrite"
        )
    own = np.stack(
        [
            model_entropies(run.distances([name], [layer])[0][answers.options], answers.counts)
            for run, name, layer, answers in (
                (runs.before, about.distance.rpartition(" / ")[2], about.layers[0], told[0]),
                (runs.after, about.distance.partition(" / ")[0], about.layers[1], told[1]),
            )
        ]
    )
    who, answers = responses.participants, told[0]
    for measure in ("entropy_spearman", "log_rt_spearman"):
        try:
            of_entropy = measure == "entropy_spearman"
            people = entropies(answers, who) if of_entropy else response_times(answers, who, responses.seconds)
        except DataError as error:
            warnings.warn(f"no {measure} of {about.data} {about.subset}: {error}", AlignbenchWarning, stacklevel=2)
            continue
        scored = uncertainty_together(own, people, runs.seed)
        row = replace(about, task="human uncertainty", measure=measure, n=len(people.values), over=scored.kind)
        yield gain_of(replace(row, ceiling=_ceiling(runs.after, row)), scored)
