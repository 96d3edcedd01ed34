"""The factors of a study, varied one at a time: paired differences between options, and what else differs.

The paper varies one factor of CLIP base-16 at a time (its Table 1). A model is an option of a factor if its card agrees
with that of CLIP base-16 in what the factor holds fixed. Two further factors are varied within one model: the distance
between its features, and whether it is trained at all.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, combinations

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.models.cards import cards
from alignbench.results.extent import data_set_title
from alignbench.study.compared_models import compared_models, corrected_table, difference_notes, difference_row
from alignbench.study.confounds import differing, spoken
from alignbench.study.groups import PLACES
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

REFERENCE = "openai/clip-vit-base-patch16"
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
        name: `architecture`, `activation`, `language`, `data`, `distance`, `training` or `alignment`; `own-models`, or
            `by-KEY` of a factor that was given.
        question: What its options are compared for.
        options: At least two.
        differs: What else differs between the options, read from the cards: the column `factor`, and one named after
            each option (`shown`).
        differences: Paired differences, with the columns dataset, level, protocol, subset, distance, place, first,
            second, first_layer, second_layer, value_first, value_second, difference, ci_low, ci_high, p, corrected_low,
            corrected_high, p_corrected, corrected_smallest, separable, n, n_clusters, interval, part, way (see
            `unusual`), smallest, floored. What is corrected is so over the table, see `corrected_rows`; `part`
            is that of the `Group`. With the distances of several models, first and second name both.
        notes: What the intervals are over, and which options are not compared and why.
    """

    name: str
    question: str
    options: tuple[FactorOption, ...]
    differs: pd.DataFrame
    differences: pd.DataFrame
    notes: tuple[str, ...]

    @property
    def title(self) -> str:
        """Its name as a heading."""
        text = "your models" if self.name == "own-models" else self.name.replace("by-", "by ", 1)
        return text[:1].upper() + text[1:]

    @property
    def is_own(self) -> bool:
        """Whether it is about the user's own models, or a factor that was given."""
        return self.name == "own-models" or self.name.startswith("by-")


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
    return Factor(rule.name, rule.question, options, apart, *compared_models(study, pairs, notes))


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
        difference_row(
            group, (label, pair[0]), (label, pair[1]), place, [f"{label}, {n}" if several else n for n in pair]
        )
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
                notes.append(f"{data_set_title(dataset)}: no run of {label} with {' or '.join(sorted(missing))}.")
    question = "Does alignment change with the distance between features?"
    return Factor("distance", question, options, nothing_differs(options), table, difference_notes(study, table, notes))


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
    return Factor("training", question, tuple(options), nothing_differs(options), *compared_models(study, pairs, notes))


def nothing_differs(options: Sequence[FactorOption]) -> pd.DataFrame:
    """No rows of what else differs."""
    return pd.DataFrame(columns=["factor", *(option.shown for option in options)])
