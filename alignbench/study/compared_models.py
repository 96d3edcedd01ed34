"""Paired differences of the models of a study, a row each, and what has to be known to read them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from alignbench.results.extent import data_set_title, place_name
from alignbench.statistics.bootstrap import CONFIDENCE
from alignbench.statistics.corrected import family_level
from alignbench.statistics.paired import PairedDifference
from alignbench.study.corrected_rows import CORRECTED, possible, together
from alignbench.study.groups import PLACES, Group, read_condition
from alignbench.study.places import BEST, best_differences
from alignbench.study.standings import unusual
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

COLUMNS = (
    *("dataset", "level", "protocol", "subset", "distance", "place", "first", "second", "first_layer", "second_layer"),
    *("value_first", "value_second", "difference", "ci_low", "ci_high", "p", *CORRECTED, "separable"),
    *("n", "n_clusters", "interval", "part", "way", "smallest", "floored"),
)
_MAIN_DISTANCE = "normalized_euclidean"


# ------------------------------------------------------------------------------------------------- differences


class Uncorrected(NamedTuple):
    """A row of a table, before correction.

    Attributes:
        about: What it is about, by column.
        limits: The least and the most that its difference can be.
        found: The difference; of best layers also with the interval at a level, which is taken from the same draws.
    """

    about: Mapping[str, object]
    limits: tuple[float, float]
    found: Callable[[float], Sequence[PairedDifference]]


def compared_models(
    study: Study, pairs: Sequence[tuple[str, str]], notes: Sequence[str]
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Differences of pairs of labels wherever both may be put side by side, and the notes with what may not."""
    rows = []
    labels = list(dict.fromkeys(label for pair in pairs for label in pair))
    for group in study.groups:
        here = [label for label in labels if label in group.labels()]
        distances = _common(group, here)
        for one, other in pairs:
            if {one, other} <= set(here) and (name := next(iter(distances or _common(group, (one, other))), "")):
                rows += [difference_row(group, (one, name), (other, name), place, (one, other)) for place in PLACES]
    table = corrected_table(rows)
    return table, difference_notes(study, table, [*notes, *_not_compared(study, pairs)])


def _common(group: Group, labels: Iterable[str]) -> list[str]:
    """Distances that all labels have, the paper's main one first."""
    each = [group.distances(label) for label in labels]
    common = [name for name in each[0] if all(name in names for names in each)] if each else []
    return sorted(common, key=lambda name: name != _MAIN_DISTANCE)


def difference_row(
    group: Group, first: tuple[str, str], second: tuple[str, str], place: str, names: Sequence[str]
) -> Uncorrected:
    """A row of the table, before correction.

    Args:
        group: Runs that are scored together.
        first: Label and distance.
        second: Those of what is subtracted.
        place: One of `PLACES`.
        names: What the two are called.
    """
    one, other = (group.curve(*key) for key in (first, second))
    same = first[1] == second[1]
    about = {
        **{"dataset": group.dataset, "level": group.level, "protocol": group.condition.protocol},
        **{"part": group.part, "way": unusual(group)},
        **{"subset": group.subset, "distance": first[1] if same else f"{first[1]} / {second[1]}"},
        **{"first": names[0], "second": names[1]},
        **{"n": len(group.judgments.human), "n_clusters": group.clusters, "interval": group.interval},
    }
    limits = one.scored.possible(np.array([1.0, -1.0]))
    if place == BEST:
        return Uncorrected(about, limits, lambda level: best_differences(one, other, (CONFIDENCE, level)))
    return Uncorrected(about, limits, lambda level: [group.difference(first, second, place)])


def corrected_table(asked: Sequence[Uncorrected]) -> pd.DataFrame:
    """The table of differences, whose rows are corrected for their number as the questions of `compare` are."""
    if not asked:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.DataFrame([_corrected(each, len(asked)) for each in asked])
    separable = (table["corrected_low"] > 0.0) | (table["corrected_high"] < 0.0)
    return table.assign(separable=separable)[list(COLUMNS)]


def _corrected(asked: Uncorrected, questions: int) -> dict[str, object]:
    plain, *best = asked.found(family_level(questions))
    row = plain.to_row()
    numbers = possible(together(row, questions, best[0] if best else None), asked.limits)
    values = {"value_first": plain.first, "value_second": plain.second}
    return {**row, **asked.about, **values, **numbers}


def correction_note(rows: int) -> str:
    """How a table of so many rows is corrected, and what separable means."""
    return (
        f"Intervals and p are corrected for the {rows} rows of this table, so that all intervals hold together in 95 % "
        "of samples. Separable: the interval excludes 0."
    )


# ------------------------------------------------------------------------------------------------- notes


def difference_notes(study: Study, table: pd.DataFrame, notes: Sequence[str]) -> tuple[str, ...]:
    """What has to be known to read a table, before some notes of its own: what intervals are over, and the correction.

    Args:
        study: The study.
        table: The table, see `corrected_table`.
        notes: What else is said.
    """
    kinds = table.drop_duplicates(["dataset", "subset", "n"]) if len(table) else table
    over = "; ".join(
        f"{place_name(row.dataset, row.subset, row.protocol)}: {row.interval}, {row.n_clusters:,} clusters"
        for row in kinds.itertuples()
    )
    general = [
        "Intervals are over stimuli, not over trained models: judgments are resampled, for both options at once"
        + (f" ({over})." if over else "."),
        "The best layer is selected on these judgments, and its scores are too high; its interval and p hold for the "
        "best layers whichever they are.",
        correction_note(len(table)),
    ]
    simulated = list(dict.fromkeys(run.dataset for run in study.runs if run.observers != "people"))
    if simulated:
        whose = ", ".join(map(data_set_title, simulated))
        general.append(f"The judgments of {whose} are those of simulated observers, not of people.")
    return (*general, *notes)


def _not_compared(study: Study, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Which pairs of labels may not be put side by side on which data set, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    labels = list(dict.fromkeys(label for pair in pairs for label in pair))
    for dataset in dict.fromkeys(run.dataset for run in study.runs):
        title = data_set_title(dataset)
        runs = {label: [run for run in study.runs if (run.dataset, run.label) == (dataset, label)] for label in labels}
        missing = [label for label in labels if not runs[label]]
        if 0 < len(missing) < len(labels):
            found[f"{title}: no run of", ""] = missing
        groups = [group for group in study.groups if group.dataset == dataset]
        for one, other in pairs:
            if runs[one] and runs[other] and not any(_common(group, _both(group, one, other)) for group in groups):
                found.setdefault((f"{title}: not compared:", _why(runs[one], runs[other])), []).append(
                    f"{one} with {other}"
                )
    return [f"{head} {', '.join(who)}{f' ({why})' if why else ''}." for (head, why), who in found.items()]


def _both(group: Group, one: str, other: str) -> tuple[str, ...]:
    """Two labels if both are in a group."""
    return (one, other) if {one, other} <= set(group.labels()) else ()


def _why(first: Sequence[StudyRun], second: Sequence[StudyRun]) -> str:
    """In what the two most similar runs differ."""
    reasons = [
        read_condition(one, subset).unlike(read_condition(other, subset))
        for one in first
        for other in second
        for subset in one.judgments
        if subset in other.judgments
    ]
    if not reasons:
        return "they have no subset in common"
    fewest = min(reasons, key=lambda names: len(names))
    return f"they differ in {', '.join(fewest)}" if fewest else "they have no distance in common"
