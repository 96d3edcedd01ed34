"""Trials of people that are there a second time: no further judgments, and they make people look reliable.

People see a triplet more than once and answer alike, but never with the same response time throughout: by that a copy
is told in whatever order it stands, of one participant's own trials or of another's. Where no times are known, it is
told by its order, as in `row_copies`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.numbering import numbered_rows
from alignbench.datasets.row_copies import find_copy, times_in_a_row
from alignbench.errors import DataError

_FEWEST: Final = 5  # distinct trials: fewer can be alike by chance
_MUCH: Final = 0.1  # share of a participant's trials: with times of whole milliseconds a few are alike by chance


@dataclass(frozen=True, eq=False)
class PeoplesTrials:
    """Who answered what, and how fast.

    Attributes:
        names: Name of each participant.
        participant: Number of the participant of each trial, (n,).
        answers: Numbers of the pictures of each, the odd one last, (n, 3).
        seconds: Response times, (n,); not a number where it is not known.
    """

    names: Sequence[str]
    participant: Indices
    answers: Indices
    seconds: Floats


def refuse_copied_trials(path: Path, trials: PeoplesTrials) -> None:
    """Refuse trials of which many are there twice.

    Args:
        path: The file, for messages.
        trials: The trials, those of a participant in their order.

    Raises:
        DataError: If a participant has at least five trials, and a tenth of all, a second time or in common with
            another, pictures, answer and response time alike; or a list without times that was appended to itself, or
            has every trial several times in a row. Names the participants.
    """
    _, times = np.unique(np.nan_to_num(trials.seconds, nan=-1.0), return_inverse=True)
    kinds = numbered_rows(np.column_stack([trials.answers, times]))
    timed = np.flatnonzero(~np.isnan(trials.seconds))
    _refuse_alike(path, trials.names, trials.participant[timed], kinds[timed])
    for who, name in enumerate(trials.names):
        own = kinds[trials.participant == who][:, None]
        if len(own) and (find_copy(own) is not None or times_in_a_row(own) > 1):
            raise DataError(f"{path}: trials of participant {name} follow once more: leave the copy out")


def _refuse_alike(path: Path, names: Sequence[str], participant: Indices, kinds: Indices) -> None:
    """Refuse trials that are alike; `kinds` has one number for all that are."""
    _, first, kind = np.unique(kinds, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[kind] != np.arange(len(kinds)))
    alike = np.unique(np.column_stack([participant[again], participant[first[kind[again]]], kind[again]]), axis=0)
    pairs, shared = np.unique(alike[:, :2], axis=0, return_counts=True)
    total = np.bincount(participant, minlength=len(names))
    for (who, other), count in zip(pairs.tolist(), shared.tolist(), strict=True):
        if count < max(_FEWEST, _MUCH * min(total[who], total[other])):
            continue
        if who == other:
            raise DataError(
                f"{path}: participant {names[who]} has {count:,} trials more than once, response times included: leave "
                "the copy out"
            )
        raise DataError(
            f"{path}: participants {names[other]} and {names[who]} have {count:,} trials in common, response times "
            "included, which are a copy under another name: leave it out"
        )
