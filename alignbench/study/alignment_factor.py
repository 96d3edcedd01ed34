"""What aligning a layer changes, as a factor of a study: the layer as the model has it, and after the transform.

Both are in one run, on the same judgments and pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pandas as pd

from alignbench.models.layer_names import is_aligned, plain_name
from alignbench.statistics.paired import PairedDifference, Place, paired_difference
from alignbench.statistics.rated_pairs import varying
from alignbench.statistics.scored_together import Judged, score_together
from alignbench.study.compared_models import Uncorrected, corrected_table, correction_note
from alignbench.study.factors import Factor, FactorOption, nothing_differs
from alignbench.study.groups import SEED, Group, read_condition
from alignbench.study.standings import unusual
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

_QUESTION = "What does aligning a layer by an affine transform change?"
_IN_SAMPLE = (
    "A transform that was learned from judgments of the same objects, as the published ones were from THINGS, is not "
    "put to the test by them."
)


def compare_alignment(study: Study) -> Factor | None:
    """Compare each aligned layer with the layer as the model has it; none if no run has an aligned layer."""
    runs = [run for run in study.runs if run.curve.transform]
    if not runs:
        return None
    labels = dict.fromkeys(label for run in runs for label in (run.label, run.model))
    options = tuple(FactorOption(label, label) for label in labels)
    table = corrected_table([row for run in runs for subset in run.judgments for row in _rows(run, subset)])
    return Factor("alignment", _QUESTION, options, nothing_differs(options), table, tuple(_notes(runs, table)))


def _rows(run: StudyRun, subset: str) -> Iterator[Uncorrected]:
    """The aligned layer minus the plain one, by distance."""
    aligned = next(layer for layer in run.curve.frame["layer"] if is_aligned(layer))
    plain = plain_name(aligned)
    judgments = run.judgments[subset]
    judged = Judged(
        run.load_distances(run.distances, (plain, aligned)),
        judgments.options,
        run.record.kind,
        run.protocol == "corrected",
    )
    among = varying(judgments.clusters, judgments.subject_ratings)
    scored = score_together([judged], judgments.human, among, SEED)
    group = Group(subset, read_condition(run, subset), (run,))
    ones = np.eye(len(scored.value))
    depth = float(run.depths[run.layers.index(plain)])
    for index, distance in enumerate(run.distances):
        before, after = ones[2 * index : 2 * index + 2]
        found = paired_difference(plain, depth, Place(after, aligned), Place(before, plain), scored)
        about = {
            **{"dataset": run.dataset, "level": run.level, "protocol": run.protocol, "subset": subset},
            **{"distance": distance, "first": run.label, "second": run.model},
            **{"n": len(judgments.human), "n_clusters": scored.clusters, "interval": scored.kind},
            **{"part": run.parts[subset], "way": unusual(group)},
        }
        yield Uncorrected(about, scored.possible(after - before), _known(found))


def _known(found: PairedDifference) -> Callable[[float], list[PairedDifference]]:
    return lambda _: [found]


def _notes(runs: list[StudyRun], table: pd.DataFrame) -> Iterator[str]:
    yield (
        "Intervals are over stimuli: judgments are resampled, for the layer before and after at once. "
        f"{correction_note(len(table))}"
    )
    yield _IN_SAMPLE
    simulated = dict.fromkeys(run.dataset for run in runs if run.observers != "people")
    if simulated:
        yield f"The judgments of {', '.join(simulated)} are those of simulated observers, not of people."
