"""Paired differences of the models of a study, a row each, and what has to be known to read them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from alignbench.results.extent import place_name
from alignbench.statistics.bootstrap import holm
from alignbench.study.groups import PLACES, SIGNIFICANCE, Group, read_condition
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

COLUMNS = (
    *("dataset", "level", "protocol", "subset", "distance", "place", "first", "second", "first_layer", "second_layer"),
    *("value_first", "value_second", "difference", "ci_low", "ci_high", "p", "p_holm", "separable", "n", "n_clusters"),
    *("interval", "part", "smallest", "floored"),
)
_MAIN_DISTANCE = "normalized_euclidean"


# ------------------------------------------------------------------------------------------------- differences


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
) -> dict[str, object]:
    """A row of the table, before correction.

    Args:
        group: Runs that are scored together.
        first: Label and distance.
        second: Those of what is subtracted.
        place: One of `PLACES`.
        names: What the two are called.
    """
    found = group.difference(first, second, place)
    same = first[1] == second[1]
    return found.to_row() | {
        **{"dataset": group.dataset, "level": group.level, "protocol": group.condition.protocol, "part": group.part},
        **{"subset": group.subset, "distance": first[1] if same else f"{first[1]} / {second[1]}"},
        **{"first": names[0], "second": names[1], "value_first": found.first, "value_second": found.second},
        **{"n": len(group.judgments.human), "n_clusters": group.clusters, "interval": group.interval},
    }


def corrected_table(rows: Sequence[dict[str, object]]) -> pd.DataFrame:
    """The table of differences, with Holm's correction over it."""
    if not rows:
        return pd.DataFrame(columns=list(COLUMNS))
    table = pd.DataFrame(rows)
    p_holm = holm(table["p"].to_numpy(dtype=np.float64))
    off_zero = (table["ci_low"] > 0.0) | (table["ci_high"] < 0.0)
    return table.assign(p_holm=p_holm, separable=(p_holm < SIGNIFICANCE) & off_zero)[list(COLUMNS)]


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
        f"best layers whichever they are. Separable: p below {SIGNIFICANCE} after Holm's correction for the "
        f"{len(table)} rows of this table, and an interval without 0.",
    ]
    simulated = list(dict.fromkeys(run.dataset for run in study.runs if run.observers != "people"))
    if simulated:
        general.append(f"The judgments of {', '.join(simulated)} are those of simulated observers, not of people.")
    return (*general, *notes)


def _not_compared(study: Study, pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Which pairs of labels may not be put side by side on which data set, and why."""
    found: dict[tuple[str, str], list[str]] = {}
    labels = list(dict.fromkeys(label for pair in pairs for label in pair))
    for dataset in dict.fromkeys(run.dataset for run in study.runs):
        runs = {label: [run for run in study.runs if (run.dataset, run.label) == (dataset, label)] for label in labels}
        missing = [label for label in labels if not runs[label]]
        if 0 < len(missing) < len(labels):
            found[f"{dataset}: no run of", ""] = missing
        groups = [group for group in study.groups if group.dataset == dataset]
        for one, other in pairs:
            if runs[one] and runs[other] and not any(_common(group, _both(group, one, other)) for group in groups):
                found.setdefault((f"{dataset}: not compared:", _why(runs[one], runs[other])), []).append(
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
