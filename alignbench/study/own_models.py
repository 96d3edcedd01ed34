"""A user's own models against each other, and what they are grouped by: factors that were given and are on no card."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import combinations, pairwise
from typing import Final

from alignbench.models.cards import FACTORS
from alignbench.study.compared_models import compared_models
from alignbench.study.confounds import differing
from alignbench.study.factors import Factor, FactorOption
from alignbench.study.study import Study
from alignbench.study.study_run import StudyRun

OWN: Final = "own-models"
_MOST_PAIRS: Final = 66  # those of twelve models: a table of more is read by nobody, and corrected for all of them
_CHECKPOINTS: Final = "Each label is one checkpoint: a difference is one between these checkpoints."


def compare_own_models(study: Study) -> tuple[Factor, ...]:
    """The models of a study that have no card: all pairs, and each factor that they were given."""
    known = {run.label: run for run in study.runs if run.trained}
    own = {label: run for label, run in known.items() if run.card is None}
    pairs = _of_all(study, known, own)
    return (*([pairs] if pairs else []), *_by_factors(study, known))


def _of_all(study: Study, known: dict[str, StudyRun], own: dict[str, StudyRun]) -> Factor | None:
    """Each of the own models against all others; against each other alone where that is too much."""
    wanted = [pair for pair in combinations(known, 2) if own.keys() & set(pair)]
    notes = [_CHECKPOINTS]
    if len(wanted) > _MOST_PAIRS and len(own) > 1:
        wanted = list(combinations(own, 2))
        notes.append("They are compared with each other alone: there are too many models for all pairs in one table.")
    if len(wanted) > _MOST_PAIRS:
        wanted = list(pairwise(own))
        notes.append(
            f"{len(own)} models make {math.comb(len(own), 2):,} pairs: each is compared with the next one in the order "
            "of the list; `alignbench compare` takes any two."
        )
    if not wanted:
        return None
    runs = [known[label] for label in dict.fromkeys(label for pair in wanted for label in pair)]
    options = tuple(FactorOption(run.label, run.label) for run in runs)
    question = "Which of your models is closer to people?"
    apart = differing(runs, [option.shown for option in options], "")
    return Factor(OWN, question, options, apart, *compared_models(study, wanted, notes))


def _by_factors(study: Study, known: dict[str, StudyRun]) -> Iterator[Factor]:
    """Each factor that is on no card and has several values."""
    keys = dict.fromkeys(key for run in known.values() for key in run.factors if key not in FACTORS)
    for key in keys:
        runs = sorted((run for run in known.values() if key in run.factors), key=lambda run: _order(run.factors[key]))
        values = [run.factors[key] for run in runs]
        pairs = _unlike(runs, key)
        if not pairs:
            continue
        often = Counter(values)
        shown = [
            f"{key} {value}" if often[value] == 1 else f"{key} {value}, {run.label}"
            for run, value in zip(runs, values, strict=True)
        ]
        options = tuple(FactorOption(run.label, name) for run, name in zip(runs, shown, strict=True))
        pairs, note = _fewer(pairs, known, key)
        notes = [_CHECKPOINTS, *note]
        apart = differing(runs, shown, key)
        question = f"Does alignment change with {key}?"
        yield Factor(f"by-{key}", question, options, apart, *compared_models(study, pairs, notes))


def _unlike(runs: Sequence[StudyRun], key: str) -> list[tuple[str, str]]:
    """Pairs of labels with different values of a factor, the later value first: what is told is the change to it."""
    return [(two.label, one.label) for one, two in combinations(runs, 2) if one.factors[key] != two.factors[key]]


def _fewer(
    pairs: list[tuple[str, str]], known: dict[str, StudyRun], key: str
) -> tuple[list[tuple[str, str]], tuple[str, ...]]:
    """So many pairs as one table can hold, and what is said of them."""
    if len(pairs) <= _MOST_PAIRS:
        return pairs, ()
    alike = [pair for pair in pairs if _others(known[pair[0]], key) == _others(known[pair[1]], key)]
    if 0 < len(alike) <= _MOST_PAIRS:
        return alike, (f"Of {len(pairs):,} pairs, those are compared that agree in every other factor.",)
    firsts: dict[object, str] = {}
    for label in sorted({label for pair in pairs for label in pair}, key=list(known).index):
        firsts.setdefault(known[label].factors[key], label)
    ordered = [firsts[value] for value in sorted(firsts, key=_order)]
    chosen = [(two, one) for one, two in pairwise(ordered)]
    return chosen, (
        f"There are {len(pairs):,} pairs, too many for one table: of each value its first model is compared with the "
        "first of the next.",
    )


def _others(run: StudyRun, key: str) -> dict[str, object]:
    """Factors of a run but one."""
    return {name: value for name, value in run.factors.items() if name != key}


def _order(value: object) -> tuple[int, float, str]:
    """Numbers by size, then texts by letter."""
    return (0, float(value), "") if isinstance(value, int | float) else (1, 0.0, str(value))
