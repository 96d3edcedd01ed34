"""The factors of a study, varied one at a time: paired differences between options, and what else differs."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from alignbench.study.runs import Study


@dataclass(frozen=True)
class Option:
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
        name: `architecture`, `activation`, `language`, `data`, `distance` or `training`.
        question: What its options are compared for.
        options: At least two.
        differs: What else differs between the options, read from the cards: the column `factor`, and one named after
            each option (`shown`).
        differences: Paired differences, with the columns dataset, level, protocol, subset, distance, place, first,
            second, first_layer, second_layer, value_first, value_second, difference, ci_low, ci_high, p, p_holm,
            separable, n, n_clusters, interval.
        notes: What the intervals are over, and which options are not compared and why.
    """

    name: str
    question: str
    options: tuple[Option, ...]
    differs: pd.DataFrame
    differences: pd.DataFrame
    notes: tuple[str, ...]


def factors_of(study: Study) -> tuple[Factor, ...]:
    """The factors of which a study holds at least two options."""
    raise NotImplementedError
