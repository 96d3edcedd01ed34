"""Few-shot classification and anomaly detection against loops, grid search, and hand-worked cases."""

import math
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, StratifiedKFold

from alignbench.errors import DataError, UsageError
from alignbench.transforms.evaluation import similarity
from alignbench.transforms.evaluation.downstream import PENALTIES, anomaly, few_shot

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]


def clusters(spread: float, classes: int = 4, count: int = 20, width: int = 12) -> tuple[Floats, Indices]:
    """Pictures about the corners of a simplex, in shuffled order; labels have gaps."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(classes), count))
    return np.eye(classes, width)[labels] + spread * rng.normal(size=(len(labels), width)), 3 * labels + 1


def turned(x: Floats) -> Floats:
    return x @ np.linalg.qr(np.random.default_rng(1).normal(size=(x.shape[1],) * 2))[0]


# ---------------------------------------------------------------------------------------------- few shots


def test_separate_classes_are_learned_from_a_few_pictures() -> None:
    found = few_shot(*clusters(0.01))
    assert found.accuracies == (1.0,) * 5
    assert (found.mean, found.deviation) == (1.0, 0.0)
    assert (found.seeds, found.shots, found.classes) == ((0, 1, 2, 3, 4), 5, 4)
    assert set(found.inverse_penalties) <= set(PENALTIES)


def test_few_shots_of_shuffled_labels_are_chance() -> None:
    features, labels = clusters(0.01, count=50)
    shuffled = np.random.default_rng(2).permutation(labels)
    found = few_shot(features, shuffled, seeds=range(8))
    assert found.mean == pytest.approx(0.25, abs=4 * math.sqrt(0.25 * 0.75 / 180))  # 180 tested at a time


@pytest.mark.parametrize("shots", [2, 5])
def test_few_shots_are_those_of_a_grid_search(shots: int) -> None:
    features, labels = clusters(0.45)
    found = few_shot(features, labels, shots=shots, seeds=(3, 8))
    expected = []
    for seed in (3, 8):
        rng = np.random.default_rng(seed)
        drawn: list[int] = []
        for label in sorted(set(labels.tolist())):
            drawn += rng.choice([i for i in range(len(labels)) if labels[i] == label], shots, replace=False).tolist()
        tested = [i for i in range(len(labels)) if i not in drawn]
        search = GridSearchCV(
            LogisticRegression(max_iter=500), {"C": [10.0**p for p in range(-4, 7)]}, cv=StratifiedKFold(shots)
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            search.fit(features[drawn], labels[drawn])
        expected.append(float(np.mean(search.predict(features[tested]) == labels[tested])))
    assert max(expected) < 1.0
    np.testing.assert_allclose(found.accuracies, expected, rtol=0, atol=0.03)


def test_few_shots_hardly_see_a_rotation() -> None:
    features, labels = clusters(0.3)
    before, after = few_shot(features, labels), few_shot(turned(features), labels)
    assert before.mean < 1.0
    np.testing.assert_allclose(after.accuracies, before.accuracies, rtol=0, atol=0.02)


def test_few_shots_weigh_pictures_and_not_classes() -> None:
    # a large class that is never mistaken, and two small ones that nothing tells apart
    rng = np.random.default_rng(4)
    labels = np.repeat([0, 1, 2], [205, 15, 15])
    features = np.where(labels[:, None] == 0, [5.0, 0.0], [-5.0, 0.0]) + np.stack(
        [np.zeros(235), 0.1 * rng.normal(size=235)], axis=1
    )
    assert few_shot(features, labels, seeds=(0,)).mean >= 200 / 220


def test_few_shots_are_reproducible_and_say_nothing() -> None:
    features, labels = clusters(0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert few_shot(features, labels, seeds=(7,)) == few_shot(features, labels, seeds=(7,))
    assert math.isnan(few_shot(features, labels, seeds=(7,)).deviation)


def test_few_shots_that_cannot_be_had_are_refused() -> None:
    features, labels = clusters(0.1, count=5)
    with pytest.raises(DataError, match="class 1 has 5 pictures, where 6 are needed, 5 to learn from and 1 to test"):
        few_shot(features, labels)
    with pytest.raises(UsageError, match="1 shots and 5 seeds: 2 shots"):
        few_shot(features, labels, shots=1)
    with pytest.raises(UsageError, match="2 shots and 0 seeds"):
        few_shot(features, labels, shots=2, seeds=())
    with pytest.raises(DataError, match="not finite"):
        few_shot(np.where(features == features[0, 0], np.nan, features), labels, shots=2)


# ---------------------------------------------------------------------------------------------- anomalies


def test_separate_classes_are_told_apart() -> None:
    found = anomaly(*clusters(0.01))
    assert found.aurocs == (1.0,) * 4
    assert found.mean == 1.0
    assert (found.classes, found.neighbours, found.seed) == ((1, 4, 7, 10), 5, 0)


def test_anomalies_of_shuffled_labels_are_chance() -> None:
    features, labels = clusters(0.3, count=50)
    found = anomaly(features, np.random.default_rng(2).permutation(labels))
    assert found.mean == pytest.approx(0.5, abs=0.06)  # four standard errors of a rank sum of 25 among 175, over 4


def test_area_of_a_hand_worked_case() -> None:
    # class 0 points one way, so any half of it is the same; of class 1 two do too (ties), and two do not
    features = np.array([[1.0, 0.0]] * 4 + [[2.0, 0.0]] * 2 + [[0.0, 1.0]] * 2)
    found = anomaly(features, np.repeat([0, 1], 4), neighbours=1)
    assert found.aurocs[0] == (2 * 2 * 1.0 + 2 * 2 * 0.5) / 8
    # whichever two of class 1 are known: one of each kind or two of the other, class 0 looks no less normal
    assert found.aurocs[1] in (0.0, 0.5)


@pytest.mark.parametrize(("neighbours", "held_out"), [(1, 0.5), (5, 0.5), (3, 0.25)])
def test_areas_are_those_of_loops(neighbours: int, held_out: float) -> None:
    features, labels = clusters(0.5)
    rows = [row / math.sqrt(sum(row**2)) for row in features]
    rng = np.random.default_rng(9)
    expected = []
    for label in sorted(set(labels.tolist())):
        members = rng.permutation([i for i in range(len(labels)) if labels[i] == label]).tolist()
        known = members[: len(members) - int(held_out * len(members))]
        scores: dict[bool, list[float]] = {True: [], False: []}
        for i in range(len(labels)):
            if i not in known:
                near = sorted((float(rows[i] @ rows[j]) for j in known), reverse=True)[:neighbours]
                scores[bool(labels[i] == label)].append(-sum(near) / neighbours)
        wins = [(odd > own) + 0.5 * (odd == own) for odd in scores[False] for own in scores[True]]
        expected.append(sum(wins) / len(wins))
    found = anomaly(features, labels, neighbours=neighbours, seed=9, held_out=held_out)
    np.testing.assert_allclose(found.aurocs, expected, rtol=0, atol=1e-12)
    assert 0.5 < found.mean < 1.0


def test_areas_do_not_see_rotation_scale_and_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    features, labels = clusters(0.5)
    doubled, twice = np.concatenate([features, features]), np.concatenate([labels, labels])  # ties
    before = anomaly(doubled, twice)
    assert anomaly(3.0 * turned(doubled), twice) == before
    monkeypatch.setattr(similarity, "_BLOCK", 100)
    assert anomaly(doubled, twice) == before


def test_anomalies_that_cannot_be_had_are_refused() -> None:
    features, labels = clusters(0.1, count=10)
    with pytest.raises(DataError, match="class 1 has 10 pictures, 5 known and 5 to test, where 6 and 1 are needed"):
        anomaly(features, labels)
    with pytest.raises(DataError, match="class 1 has 10 pictures, 10 known and 0 to test"):
        anomaly(features, labels, held_out=0.05)
    with pytest.raises(UsageError, match="5 neighbours and a share of 1: "):
        anomaly(features, labels, held_out=1.0)
    with pytest.raises(DataError, match=r"row 0 .* is zero"):
        anomaly(features * (np.arange(40) > 0)[:, None], labels)


@pytest.mark.parametrize("task", [few_shot, anomaly])
def test_labels_that_do_not_fit_are_refused(task: Callable[[Floats, Indices], object]) -> None:
    features, labels = clusters(0.1)
    with pytest.raises(UsageError, match=r"features \(80, 12\) and labels \(79,\) do not fit"):
        task(features, labels[1:])
    with pytest.raises(UsageError, match="labels are float64: number the classes"):
        task(features, labels / 2)
    with pytest.raises(DataError, match="of one class only"):
        task(features, np.zeros(80, dtype=np.int64))
