"""What simulated people say follows the documented formulas, at every level and of objects."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from alignbench.datasets import levels_people
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.datasets.levels_people import LEVELS, choice_probabilities, level_judgments, object_judgments
from alignbench.datasets.levels_world import BASICS, LevelsWorld

WORLD = LevelsWorld(0)
HELD_OUT = {BASICS[kind] for kind in WORLD.drawn.held_out}
Row = tuple[str, str, str]  # superordinate, basic and subordinate kind of a picture


@pytest.fixture(scope="module")
def levels() -> Judgments:
    return level_judgments(WORLD)


@pytest.fixture(scope="module")
def objects() -> Judgments:
    return object_judgments(WORLD, ("trainset", "testset"))


def shown(judgments: Judgments, rows: NDArray[np.int64]) -> list[tuple[str, str, str]]:
    """Names of the pictures of some judgments, the odd one last."""
    names = judgments.images.names
    found = []
    for kept, left, right in judgments.pairs[judgments.judged[rows]].tolist():
        (odd,) = set(left) & set(right)
        assert set(kept) == (set(left) | set(right)) - {odd}
        found.append((*sorted((names[kept[0]], names[kept[1]])), names[odd]))
    return found


def kinds(name: str) -> Row:
    superordinate, basic, file = name.split("/")
    return superordinate, basic, file.split("_")[0]


def subset(judgments: Judgments, name: str) -> Subset:
    (found,) = (each for each in judgments.subsets if each.name == name)
    return found


# --- Triplets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LEVELS)
def test_a_level_has_its_triplets_and_answers(levels: Judgments, name: str) -> None:
    own = subset(levels, name)
    triplets = [tuple(sorted(each)) for each in shown(levels, own.rows)]
    assert Counter(Counter(triplets).values()) == {5: 1000}
    assert len(set(zip(triplets, own.clusters[:, 0].tolist(), strict=True))) == 1000
    assert [len(set(triplets[row : row + 5])) for row in range(0, 5000, 5)] == [1] * 1000, "they stand together"
    assert all(len(set(each)) == 3 for each in triplets)
    assert own.objects is not None
    assert own.objects.shape == (5000, 3)
    other = {int(c) for each in levels.subsets if each.name != name for c in each.clusters[:, 0]}
    assert not other & set(own.clusters[:, 0].tolist())


def test_coarse_triplets_are_of_three_basic_kinds(levels: Judgments) -> None:
    rows = [[kinds(each) for each in trial] for trial in shown(levels, subset(levels, "coarse").rows[::5])]
    assert all(len({basic for _, basic, _ in row}) == 3 for row in rows)
    superordinates = Counter(len({superordinate for superordinate, _, _ in row}) for row in rows)
    assert set(superordinates) == {2, 3}
    assert stats.binomtest(superordinates[2], 1000, 0.8).pvalue > 1e-3


def test_fine_triplets_are_of_one_basic_kind_and_two_leaves(levels: Judgments) -> None:
    for trial in shown(levels, subset(levels, "fine").rows):
        row = [kinds(each) for each in trial]
        assert len({basic for _, basic, _ in row}) == 1
        assert len({leaf for _, _, leaf in row}) == 2


def test_boundary_triplets_are_of_two_leaves_of_two_basic_kinds(levels: Judgments) -> None:
    rows = [[kinds(each) for each in trial] for trial in shown(levels, subset(levels, "boundary").rows[::5])]
    assert all(len({basic for _, basic, _ in row}) == len({leaf for *_, leaf in row}) == 2 for row in rows)
    near = sum(len({superordinate for superordinate, _, _ in row}) == 1 for row in rows)
    assert stats.binomtest(near, 1000, 3 / 15).pvalue > 1e-3


@pytest.mark.parametrize("name", LEVELS)
def test_what_is_held_out_is_a_part_of_its_own(levels: Judgments, name: str) -> None:
    (part,) = (each for each in levels.parts if each.name == f"type_{name}_held_out")
    own = subset(levels, name)
    expected = [any(kinds(each)[1] in HELD_OUT for each in trial) for trial in shown(levels, own.rows)]
    assert part.rows.tolist() == own.rows[np.array(expected)].tolist()
    assert 0.2 < np.mean(expected) < 0.8


def test_objects_are_six_pictures_of_each_leaf_and_some_are_held_out(objects: Judgments) -> None:
    assert Counter(Counter(kinds(name) for name in objects.images.names).values()) == {6: 64}
    for name, distinct, answers in (("trainset", 24_000, 4), ("testset", 500, 8)):
        own = subset(objects, name)
        trials = shown(objects, own.rows)
        assert Counter(Counter(tuple(sorted(trial)) for trial in trials).values()) == {answers: distinct}
        held_out = [any(kinds(each)[1] in HELD_OUT for each in trial) for trial in trials]
        assert not any(held_out) if name == "trainset" else all(held_out)
    assert objects.responses is None
    everyone = {name for trial in shown(objects, subset(objects, "trainset").rows) for name in trial}
    assert len(everyone) == 288, "every object that is not held out is judged"


def test_of_the_triplets_to_learn_from_many_are_of_one_basic_kind(objects: Judgments) -> None:
    """4 in 10 draws are, of which some had been drawn before; of any three objects 1 in 160 are."""
    rows = subset(objects, "trainset").rows[::4]
    alike = [len({kinds(each)[1] for each in trial}) == 1 for trial in shown(objects, rows)]
    assert 0.3 < np.mean(alike) < 0.4


def test_a_level_does_not_depend_on_the_others(levels: Judgments, objects: Judgments) -> None:
    for found, make, name in ((levels, level_judgments, "fine"), (objects, object_judgments, "testset")):
        alone = make(WORLD, (name,))
        rows = subset(found, name).rows
        assert shown(alone, subset(alone, name).rows) == shown(found, rows)
        if found.responses is not None and alone.responses is not None:
            np.testing.assert_array_equal(alone.responses.seconds, found.responses.seconds[rows])
            np.testing.assert_array_equal(alone.responses.participants, found.responses.participants[rows])


def test_worlds_have_people_of_their_own(levels: Judgments) -> None:
    other = level_judgments(LevelsWorld(1))
    assert other.fingerprint(other.images.identities()) != levels.fingerprint(levels.images.identities())
    again = level_judgments(WORLD)
    assert again.fingerprint(again.images.identities()) == levels.fingerprint(levels.images.identities())


# --- People ---------------------------------------------------------------------------------------------------------


def true_shares(trials: list[tuple[str, str, str]]) -> NDArray[np.float64]:
    """By the docstring: softmax(1.8 s*) over the pairs that leave out the third, the second and the first picture."""
    places = [kinds(name) for name in WORLD.pictures("levels", 1).names]
    weights = WORLD.drawn.weights
    shares = np.empty((len(trials), 3))
    for row, trial in enumerate(trials):
        leaves = [places.index(kinds(name)) for name in trial]
        alike = [
            sum(weights[width][a // width] for width in (16, 4, 1) if a // width == b // width)
            for a, b in combinations(leaves, 2)
        ]
        shares[row] = np.exp(1.8 * np.array(alike)) / np.exp(1.8 * np.array(alike)).sum()
    return shares


def test_choice_probabilities_by_hand() -> None:
    tight, basic, leaf = (WORLD.drawn.weights[width] for width in (16, 4, 1))
    found = choice_probabilities(WORLD, np.array([[0, 0, 63], [0, 1, 63], [0, 4, 1]]))
    one, two = np.exp(1.8 * (tight[0] + basic[0] + leaf[0])), np.exp(1.8 * (tight[0] + basic[0]))
    weak = np.exp(1.8 * tight[0])
    expected = [[one / (one + 2), 1 / (one + 2)], [two / (two + 2), 1 / (two + 2)]]
    np.testing.assert_allclose(found[:2, :2], expected, rtol=1e-12)
    np.testing.assert_allclose(found[2], np.array([weak, two, weak]) / (two + 2 * weak), rtol=1e-12)


@pytest.mark.parametrize("name", [*LEVELS, "trainset", "testset"])
def test_people_choose_as_often_as_the_truth_says(levels: Judgments, objects: Judgments, name: str) -> None:
    """How often options are chosen in ten bins of their probability, and the log probability of the chosen ones."""
    judgments = levels if name in LEVELS else objects
    p = true_shares(shown(judgments, subset(judgments, name).rows))
    assert not judgments.human.any(), "the kept pair is the first"
    chosen = np.zeros_like(p, dtype=bool)
    chosen[:, 0] = True
    for some in np.array_split(np.argsort(p, axis=None, kind="stable"), 10):
        share = np.round(p.ravel()[some], 12)
        ties = np.isin(np.round(p.ravel(), 12), share[[0, -1]])  # a bin takes all of the options that are alike
        some = np.union1d(some, np.flatnonzero(ties))
        share = p.ravel()[some]
        error = np.sqrt((share * (1 - share)).sum()) / len(some)
        assert abs(chosen.ravel()[some].mean() - share.mean()) < 4 * error
    information, expected = np.log(p), -stats.entropy(p, axis=1)
    variance = (p * information**2).sum(axis=1) - expected**2
    assert abs((information[:, 0] - expected).sum()) < 4 * np.sqrt(variance.sum())


@pytest.mark.parametrize("name", LEVELS)
def test_times_rise_with_the_entropy_of_the_choice(levels: Judgments, name: str) -> None:
    responses, rows = levels.responses, subset(levels, name).rows
    assert responses is not None
    who, seconds = responses.participants[rows], responses.seconds[rows]
    assert all(len(set(five)) == 5 for five in who.reshape(-1, 5).tolist()), "nobody judges a triplet twice"
    assert set(who.tolist()) == set(range(50))
    entropy = stats.entropy(true_shares(shown(levels, rows)), axis=1)
    pace = np.random.default_rng((1, 0, 1000, *b"pace")).normal(0.0, 0.2, 50)  # as documented
    residuals = seconds - pace[who] - 1.0 - 1.5 * entropy
    assert seconds.min() >= 0.2
    free = residuals[seconds > 0.2]
    assert len(free) > 0.99 * len(seconds)
    assert abs(free.mean()) < 4 * 0.3 / np.sqrt(len(free)) + 1e-3
    assert free.std() == pytest.approx(0.3, rel=0.06)
    assert stats.spearmanr(residuals, entropy).pvalue > 1e-3


def test_observers_say_that_they_are_simulated(levels: Judgments, objects: Judgments) -> None:
    assert levels.observers == objects.observers == levels_people.OBSERVERS == "simulated observers"
