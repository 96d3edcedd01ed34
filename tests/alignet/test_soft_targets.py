"""The probabilities that a teacher learns: counted by hand, and none of them from triplets that are held out."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from alignbench.alignet.embedding_training import EmbeddingRecipe
from alignbench.alignet.soft_targets import TeacherTargets, choice_frequencies, mean_entropy
from alignbench.errors import DataError, UsageError
from alignbench.transforms.learning.folds import object_folds, split_triplets
from choosing import choose

FEW = EmbeddingRecipe(dimensions=6, fewest_steps=150, fewest_objects=1, draws=3)


def test_frequencies_are_counted_over_all_orders_of_a_triplet() -> None:
    triplets = np.array([[4, 7, 9], [7, 4, 9], [9, 4, 7], [4, 9, 7], [9, 7, 4], [1, 2, 3]])
    # of 4, 7 and 9 the odd one was 9 twice, 7 twice and 4 once
    shares, judgments = choice_frequencies(triplets, 0.5)
    odd = {9: Fraction(5, 13), 7: Fraction(5, 13), 4: Fraction(3, 13)}
    for row, (i, j, k) in enumerate(triplets[:5].tolist()):
        np.testing.assert_allclose(shares[row], [float(odd[k]), float(odd[j]), float(odd[i])], rtol=1e-14)
    np.testing.assert_allclose(shares[5], [0.6, 0.2, 0.2], rtol=1e-14)
    assert judgments.tolist() == [5, 5, 5, 5, 5, 1]
    plain, _ = choice_frequencies(triplets, 0.0)
    np.testing.assert_allclose(plain[:2], [[0.4, 0.4, 0.2], [0.4, 0.2, 0.4]], rtol=1e-14)


def test_many_judgments_come_to_the_truth_and_unsmoothed_shares_are_the_hard_loss_on_the_whole() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2))
    judged = choose(x, np.repeat([[0, 1, 2], [3, 4, 5]], 4000, axis=0), rng)
    shares, _ = choice_frequencies(judged, 0.5)
    for ijk in ((0, 1, 2), (3, 4, 5)):
        rows = np.flatnonzero((np.sort(judged, axis=1) == ijk).all(axis=1))
        products = np.array([x[ijk[0]] @ x[ijk[1]], x[ijk[0]] @ x[ijk[2]], x[ijk[1]] @ x[ijk[2]]])
        expected = dict(zip((ijk[2], ijk[1], ijk[0]), np.exp(products) / np.exp(products).sum(), strict=True))
        i, j, k = judged[rows[0]].tolist()
        np.testing.assert_allclose(shares[rows[0]], [expected[k], expected[j], expected[i]], atol=0.03)
    plain, _ = choice_frequencies(judged, 0.0)
    logs = np.log(np.random.default_rng(1).dirichlet([1.0] * 3, size=2))
    number = (judged.min(axis=1) > 2).astype(int)
    order = judged.argsort(axis=1).argsort(axis=1)[:, ::-1]
    q = np.take_along_axis(logs[number], order, axis=1)  # one q for each triplet, in the order of each row
    assert -(plain * q).sum(axis=1).mean() == pytest.approx(-q[:, 0].mean(), rel=1e-12)


def test_triplets_that_were_judged_too_seldom_are_left_out_or_refused() -> None:
    twice = np.array([[0, 1, 2], [2, 1, 0], [3, 4, 5]])
    soft, about = TeacherTargets("frequencies").of(twice)
    assert soft.triplets.tolist() == [[0, 1, 2], [2, 1, 0]]
    assert (about["triplets"], about["left_out"]) == (2, 1)
    all_of_them, _ = TeacherTargets("frequencies", fewest_judgments=1).of(twice)
    assert len(all_of_them.triplets) == 3
    with pytest.raises(DataError, match=r"judged 3 times \(the most is 2\): use --targets embedding"):
        TeacherTargets("frequencies", fewest_judgments=3).of(twice)


def test_hard_targets_are_one_hot() -> None:
    soft, about = TeacherTargets("hard").of(np.array([[0, 1, 2], [5, 4, 3]]))
    assert soft.targets.tolist() == [[1.0, 0.0, 0.0]] * 2
    assert about["entropy"] == 0.0
    assert mean_entropy(np.full((4, 3), 1 / 3)) == pytest.approx(np.log(3))
    assert str(mean_entropy(np.eye(3))) == "0.0"


@pytest.mark.parametrize("kind", ["embedding", "frequencies"])
def test_targets_depend_on_the_triplets_that_train_alone(kind: str) -> None:
    """What people said of held-out objects, and of mixed triplets, changes not one bit of a fold's targets."""
    rng = np.random.default_rng(3)
    x = 2.0 * rng.gamma(1.0, size=(24, 3))
    drawn = np.array([rng.choice(24, 3, replace=False) for _ in range(600)])
    triplets = choose(x, np.repeat(drawn, 2, axis=0), rng)
    held_out = object_folds(24, 2, 0)[0]
    out = np.isin(triplets, held_out).any(axis=1)
    others = triplets.copy()
    others[out] = rng.permuted(others[out], axis=1)  # said otherwise
    assert not np.array_equal(others, triplets)
    targets = TeacherTargets(kind, embedding=FEW) if kind == "embedding" else TeacherTargets(kind)
    found = [targets.of(split_triplets(said, 24, held_out).train)[0] for said in (triplets, others)]
    np.testing.assert_array_equal(found[0].triplets, found[1].triplets)
    np.testing.assert_array_equal(found[0].targets, found[1].targets)
    assert not np.isin(found[0].triplets, held_out).any()
    np.testing.assert_allclose(found[0].targets.sum(axis=1), 1.0, rtol=1e-12)
    assert 0.05 < mean_entropy(found[0].targets) < np.log(3)


def test_settings_hold_what_can_change_a_number_and_nothing_else() -> None:
    assert dict(TeacherTargets("hard").settings()) == {"kind": "hard", "saw_test": False}
    assert TeacherTargets("frequencies", 1.0, 3).settings()["pseudo_count"] == 1.0
    assert TeacherTargets(embedding=FEW).settings()["embedding"]["prior"] == {"spike": 0.25, "slab": 1.0, "share": 0.5}


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (TeacherTargets("softt"), "unknown kind of targets 'softt'"),
        (TeacherTargets("frequencies", pseudo_count=-1.0), "pseudo-count -1.0 is not between"),
        (TeacherTargets("frequencies", pseudo_count=float("nan")), "pseudo-count nan is not between"),
        (TeacherTargets("frequencies", fewest_judgments=0), "fewest judgments 0 are below 1"),
        (TeacherTargets("hard", pseudo_count=1.0), "go with --targets frequencies, not with hard"),
        (TeacherTargets("frequencies", embedding=FEW), "go with --targets embedding, not with frequencies"),
        (TeacherTargets(embedding=replace(FEW, draws=0)), "draws 0 of the embedding"),
    ],
)
def test_targets_that_cannot_be_are_refused(targets: TeacherTargets, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        targets.checked()
