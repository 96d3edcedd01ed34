"""Copied trials against those that people give by themselves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.arrays import Indices
from alignbench.datasets.trial_copies import PeoplesTrials, refuse_copied_trials
from alignbench.errors import DataError

PATH = Path("people.pkl")


def peoples(count: int = 3, each: int = 40, seed: int = 0, timed: bool = True, kinds: int = 1_000) -> PeoplesTrials:
    """Trials of some people, a few times of whole milliseconds alike."""
    rng = np.random.default_rng(seed)
    pictures = rng.permuted(np.tile(np.arange(9), (kinds, 1)), axis=1)[:, :3]
    answers = pictures[rng.integers(0, kinds, count * each)]
    seconds = rng.integers(500, 5_000, count * each) / 1000.0 if timed else np.full(count * each, np.nan)
    return PeoplesTrials([f"p{who}" for who in range(count)], np.repeat(np.arange(count), each), answers, seconds)


def with_more(trials: PeoplesTrials, rows: Indices, who: int | None = None) -> PeoplesTrials:
    """The same with copies of some rows at the end, by the same people or by a new one."""
    names = [*trials.names, "copied"] if who == len(trials.names) else trials.names
    people = trials.participant[rows] if who is None else np.full(len(rows), who)
    return PeoplesTrials(
        names,
        np.r_[trials.participant, people],
        np.concatenate([trials.answers, trials.answers[rows]]),
        np.r_[trials.seconds, trials.seconds[rows]],
    )


def test_trials_that_people_gave_are_taken() -> None:
    for seed in range(20):
        refuse_copied_trials(PATH, peoples(seed=seed))
        refuse_copied_trials(PATH, peoples(seed=seed, kinds=4))  # the same triplets again and again
        refuse_copied_trials(PATH, peoples(seed=seed, timed=False))


def test_a_list_that_is_given_twice_with_its_own_times_is_taken() -> None:
    once = peoples(2)
    again = PeoplesTrials(
        once.names,
        np.r_[once.participant, once.participant],
        np.tile(once.answers, (2, 1)),
        np.r_[once.seconds, once.seconds + 0.0005],
    )
    refuse_copied_trials(PATH, again)


@pytest.mark.parametrize("order", ["same", "reverse", "shuffled", "a part"])
def test_trials_of_a_participant_that_are_there_twice_are_refused(order: str) -> None:
    rows = np.arange(40, 80)
    rows = {"same": rows, "reverse": rows[::-1], "a part": rows[7:15]}.get(
        order, np.random.default_rng(1).permutation(rows)
    )
    with pytest.raises(DataError, match=rf"^people\.pkl: participant p1 has {len(rows)} trials more than once, resp"):
        refuse_copied_trials(PATH, with_more(peoples(), rows))


@pytest.mark.parametrize("rows", [np.arange(40, 80), np.arange(79, 39, -1), np.arange(45, 60)])
def test_trials_under_another_name_are_refused(rows: Indices) -> None:
    said = rf"^people\.pkl: participants p1 and copied have {len(rows)} trials in common, response times included"
    with pytest.raises(DataError, match=said):
        refuse_copied_trials(PATH, with_more(peoples(), rows, 3))


def test_a_whole_table_under_other_names_is_refused() -> None:
    one = peoples(seed=3)
    both = PeoplesTrials(
        [*one.names, "q0", "q1", "q2"],
        np.r_[one.participant, one.participant + 3],
        np.tile(one.answers, (2, 1)),
        np.tile(one.seconds, 2),
    )
    with pytest.raises(DataError, match="participants p0 and q0 have 40 trials in common"):
        refuse_copied_trials(PATH, both)


def test_four_trials_and_less_than_a_tenth_can_be_alike() -> None:
    refuse_copied_trials(PATH, with_more(peoples(each=10), np.arange(4)))
    refuse_copied_trials(PATH, with_more(peoples(each=100), np.arange(10)))
    with pytest.raises(DataError, match="p0 has 12 trials"):
        refuse_copied_trials(PATH, with_more(peoples(each=100), np.arange(12)))


def test_without_times_a_copy_is_told_by_its_order() -> None:
    untimed = peoples(timed=False)
    with pytest.raises(DataError, match="trials of participant p1 follow once more"):
        refuse_copied_trials(PATH, with_more(untimed, np.arange(40, 80)))
    in_a_row = PeoplesTrials(
        untimed.names,
        np.repeat(untimed.participant, 2),
        np.repeat(untimed.answers, 2, axis=0),
        np.repeat(untimed.seconds, 2),
    )
    with pytest.raises(DataError, match="trials of participant p0 follow once more"):
        refuse_copied_trials(PATH, in_a_row)
    refuse_copied_trials(PATH, with_more(untimed, np.random.default_rng(2).permutation(np.arange(40, 80))))
