"""The factors of a study, varied one at a time: paired differences between options, and what else differs.

The paper varies one factor of CLIP base-16 at a time (its Table 1). A model is an option of a factor if its card agrees
with that of CLIP base-16 in what the factor holds fixed. Two further factors are varied within one model: the distance
between its features, and whether it is trained at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import numpy as np
import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.cards import cards
from alignbench.results.extent import place_name
from alignbench.statistics.bootstrap import holm
from alignbench.study.confounds import differing, spoken
from alignbench.study.groups import PLACES, SIGNIFICANCE, Group, read_condition
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

REFERENCE = "openai/clip-vit-base-patch16"
COLUMNS = (
    *("dataset", "level", "protocol", "subset", "distance", "place", "first", "second", "first_layer", "second_layer"),
    *("value_first", "value_second", "difference", "ci_low", "ci_high", "p", "p_holm", "separable", "n", "n_clusters"),
    *("interval", "part", "smallest", "floored"),
)
_MAIN_DISTANCE = "normalized_euclidean"
_TWIN = re.compile(r"(.+)@random-\d+")


@dataclass(frozen=True)
class FactorOption:
    """One option of a factor.

    Attributes:
        label: Label of its run, or name of its distance.
        shown: What it is called beside the other options, e.g. `base-32`.
    """

    label: str
    shown: str


@dataclass(frozen=True)
class Factor:
    """One factor.

    Attributes:
        name: `architecture`, `activation`, `language`, `data`, `distance`, `training` or `alignment`.
        question: What its options are compared for.
        options: At least two.
        differs: What else differs between the options, read from the cards: the column `factor`, and one named after
            each option (`shown`).
        differences: Paired differences, with the columns dataset, level, protocol, subset, distance, place, first,
            second, first_layer, second_layer, value_first, value_second, difference, ci_low, ci_high, p, p_holm,
            separable, n, n_clusters, interval, part. `p_holm` is corrected over the table, `part` is that of the
            `Group`. With the distances of several models, first and second name both.
        notes: What the intervals are over, and which options are not compared and why.
    """

    name: str
    question: str
    options: tuple[FactorOption, ...]
    differs: pd.DataFrame
    differences: pd.DataFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Rule:
    """A factor of the cards: the key that is varied, and those in which options agree with the reference."""

    name: str
    key: str
    held: tuple[str, ...]
    question: str


_RULES = (
    _Rule(
        *("architecture", "architecture", ("loss", "language", "training_data")),
        "Does alignment change with the size of the tower and of its patches?",
    ),
    _Rule(
        *("activation", "loss", ("architecture", "language")),
        "Does alignment change with the activation of the contrastive loss?",
    ),
    _Rule(
        *("language", "language", ("architecture", "loss")),
        "Does alignment change with the language of the captions?",
    ),
    _Rule(
        *("data", "training_data", ("architecture", "loss", "language")),
        "Does alignment change with what the model was trained on?",
    ),
)


def compare_factors(study: Study) -> tuple[Factor, ...]:
    """The factors of which a study holds at least two options."""
    found = [*(_of_cards(rule, study) for rule in _RULES), _of_distances(study), _of_training(study)]
    return tuple(factor for factor in found if factor is not None)


# ------------------------------------------------------------------------------------------------- options


def _of_cards(rule: _Rule, study: Study) -> Factor | None:
    reference = cards()[REFERENCE].factors
    known: dict[str, StudyRun] = {}
    for run in study.runs:
        factors = run.factors if run.trained else {}
        if rule.key in factors and all(factors.get(name) == reference[name] for name in rule.held):
            known.setdefault(run.label, run)
    usual = [label for label, run in known.items() if run.factors[rule.key] == reference[rule.key]]
    one = [label for label in usual if REFERENCE in (label, known[label].published)] or usual
    runs = [run for label, run in known.items() if label not in usual or label == one[0]]
    if len(runs) < 2:
        return None
    names = [spoken(run, rule.key) for run in runs]
    often = Counter(names)
    options = tuple(
        FactorOption(run.label, name if often[name] == 1 else f"{name}, {run.label}")
        for run, name in zip(runs, names, strict=True)
    )
    notes = ["There is one checkpoint for each option: a difference is one between these checkpoints."]
    pairs = list(combinations([option.label for option in options], 2))
    apart = differing(runs, [option.shown for option in options], rule.key)
    return Factor(rule.name, rule.question, options, apart, *_compared_models(study, pairs, notes))


def _of_distances(study: Study) -> Factor | None:
    measured: dict[str, dict[str, None]] = {}  # distances by model
    for run in study.runs:
        if run.trained:
            measured.setdefault(run.label, {}).update(dict.fromkeys(run.distances))
    models = {label: list(names) for label, names in measured.items() if len(names) > 1}
    if not models:
        return None
    options = tuple(FactorOption(name, distance_name(name)) for name in dict.fromkeys(chain(*models.values())))
    several = len(models) > 1
    rows = [
        _row(group, (label, pair[0]), (label, pair[1]), place, [f"{label}, {n}" if several else n for n in pair])
        for group in study.groups
        for label, names in models.items()
        for pair in combinations([name for name in names if (label, name) in group.series], 2)
        for place in PLACES
    ]
    table = corrected_table(rows)
    notes = ["There is one checkpoint of each model, and all its distances are between the same features."]
    for label, names in models.items():
        for dataset in dict.fromkeys(run.dataset for run in study.runs if run.label == label):
            runs = [run for run in study.runs if (run.dataset, run.label) == (dataset, label)]
            missing = set(names) - {name for run in runs for name in run.distances}
            if missing:
                notes.append(f"{dataset}: no run of {label} with {' or '.join(sorted(missing))}.")
    question = "Does alignment change with the distance between features?"
    return Factor("distance", question, options, nothing_differs(options), table, _notes(study, table, notes))


def _of_training(study: Study) -> Factor | None:
    labels = list(dict.fromkeys(run.label for run in study.runs))
    pairs = [(match.group(1), twin) for twin in labels if (match := _TWIN.fullmatch(twin)) and match.group(1) in labels]
    if not pairs:
        return None
    options = []
    for model in dict.fromkeys(model for model, _ in pairs):
        name = model if len({model for model, _ in pairs}) > 1 else ""
        options.append(FactorOption(model, f"{name} trained".strip()))
        options += [
            FactorOption(twin, f"{name} untrained, seed {twin.rpartition('-')[2]}".strip())
            for trained, twin in pairs
            if trained == model
        ]
    notes = ["There is one trained checkpoint of each model; its untrained twins are the same network, random weights."]
    question = "What does training add to alignment?"
    return Factor(
        "training", question, tuple(options), nothing_differs(options), *_compared_models(study, pairs, notes)
    )


def nothing_differs(options: Sequence[FactorOption]) -> pd.DataFrame:
    """No rows of what else differs."""
    return pd.DataFrame(columns=["factor", *(option.shown for option in options)])


# ------------------------------------------------------------------------------------------------- differences


def _compared_models(
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
                rows += [_row(group, (one, name), (other, name), place, (one, other)) for place in PLACES]
    table = corrected_table(rows)
    return table, _notes(study, table, [*notes, *_not_compared(study, pairs)])


def _common(group: Group, labels: Iterable[str]) -> list[str]:
    """Distances that all labels have, the paper's main one first."""
    each = [group.distances(label) for label in labels]
    common = [name for name in each[0] if all(name in names for names in each)] if each else []
    return sorted(common, key=lambda name: name != _MAIN_DISTANCE)


def _row(
    group: Group, first: tuple[str, str], second: tuple[str, str], place: str, names: Sequence[str]
) -> dict[str, object]:
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


def _notes(study: Study, table: pd.DataFrame, notes: Sequence[str]) -> tuple[str, ...]:
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
