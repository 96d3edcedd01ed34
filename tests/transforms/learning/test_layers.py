"""A layer's transforms are judged on the objects that each has not seen, and the best of them is handed on."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax, softmax
from scipy.stats import entropy

from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation.odd_one_out import OddOneOut
from alignbench.transforms.learning.folds import Fold, SoftTriplets
from alignbench.transforms.learning.layers import Judging, LayerFeatures, LearnedLayer, learn_layer
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.train import Epoch, Learned
from learned_worlds import OBJECTS, Array, world


def once_judged(fold: Fold) -> Fold:
    """The fold with each of its judging triplets once, so that nothing but a published ceiling is known."""
    _, first = np.unique(np.sort(fold.judge, axis=1), axis=0, return_index=True)
    return replace(fold, judge=fold.judge[first])


def dots(x: Array, triplets: np.ndarray) -> Array:
    i, j, k = (x[column] for column in triplets.T)
    return np.stack([(i * j).sum(axis=1), (i * k).sum(axis=1), (j * k).sum(axis=1)], axis=1)


def test_each_triplet_is_judged_by_the_transform_that_never_saw_its_objects() -> None:
    features, first, _ = world()
    others = np.setdiff1d(np.arange(OBJECTS), first.held_out)[:12]
    everything = np.concatenate([first.train, first.validate, first.judge])
    out = np.isin(everything, others).sum(axis=1)
    held = everything[out == 3]
    second = Fold(others, everything[out == 0], held[::2], held[1::2])
    folds = [once_judged(first), once_judged(second)]
    recipe = Recipe("global", epochs=2, fewest_epochs=2, learning_rate=1e-2, triplets=64)
    learned = learn_layer(LayerFeatures("layer_3", 22.5, features), folds, recipe, Judging("dot", 0.67))
    right: dict[str, list[bool]] = {"before": [], "after": []}
    surprise: list[float] = []
    for fold, found in zip(folds, learned.folds, strict=True):
        transform = found.transform
        assert transform.bias is not None
        after = (features - transform.mean) / transform.std @ transform.weights.astype(float) + transform.bias
        for name, x in (("before", features), ("after", after)):
            products = dots(x, fold.judge)
            right[name] += (products[:, 0] > products[:, 1:].max(axis=1)).tolist()
        surprise += entropy(softmax(dots(after, fold.judge), axis=1), axis=1).tolist()
    assert learned.judged.n == len(surprise) == sum(len(fold.judge) for fold in folds)
    assert learned.judged.before[0] == pytest.approx(np.mean(right["before"]))
    assert learned.judged.after[0] == pytest.approx(np.mean(right["after"]))
    assert learned.judged.before[0] != learned.judged.after[0]
    assert learned.entropy == pytest.approx(np.mean(surprise), rel=1e-5)
    assert learned.judged.ceiling == 0.67
    assert (learned.layer, learned.depth, learned.recipe) == ("layer_3", 22.5, recipe)


def test_soft_targets_are_judged_by_raw_choices_of_held_out_objects() -> None:
    """Before, one scale fits the choices of the objects that train; after, the softmax is taken as it was learned."""
    features, fold, _ = world()
    targets = np.random.default_rng(0).dirichlet([5.0, 1.0, 1.0], size=len(fold.train))
    fold = replace(fold, soft=SoftTriplets(fold.train, targets))
    recipe = Recipe("soft", epochs=3, fewest_epochs=3, learning_rate=1e-2, triplets=64)
    learned = learn_layer(LayerFeatures("projection", 100.0, features), [fold], recipe)
    assert learned.probabilities is not None
    transform = learned.folds[0].transform
    standard = (features - features.mean()) / features.std()

    def loss(scale: float, triplets: np.ndarray) -> float:
        return float(-log_softmax(scale * dots(standard, triplets), axis=1)[:, 0].mean())

    fitted = minimize_scalar(loss, args=(fold.train,), bounds=(0.0, 10.0), method="bounded").x
    scores = {score.measure: score for score in learned.probabilities.scores}
    assert learned.probabilities.scales[0] == pytest.approx(fitted, rel=1e-3)
    assert scores["log_loss"].before[0] == pytest.approx(loss(fitted, fold.judge), rel=1e-5)
    after = log_softmax(dots(np.asarray(transform.apply(features)), fold.judge), axis=1)
    np.testing.assert_allclose(learned.probabilities.logs, after, rtol=1e-6, atol=1e-9)
    assert scores["log_loss"].after[0] == pytest.approx(-after[:, 0].mean(), rel=1e-6)
    assert scores["accuracy"].after[0] == np.mean(after[:, 0] > after[:, 1:].max(axis=1))
    np.testing.assert_array_equal(learned.probabilities.triplets, fold.judge)
    hard = learn_layer(LayerFeatures("projection", 100.0, features), [fold], replace(recipe, objective="global"))
    assert hard.probabilities is None


def fold_of(*losses: float, best: int = 0) -> Learned:
    """A fold's transform, known by its mean, with the losses of its epochs on held-out triplets."""
    epochs = tuple(Epoch(number, 9.0, 9.0, loss) for number, loss in enumerate(losses))
    return Learned(AffineTransform(np.eye(2), losses[best], 1.0), epochs, best)


def layer_of(*folds: Learned) -> LearnedLayer:
    judged = OddOneOut(1, 3, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), 1.0, 1.0)
    return LearnedLayer("projection", 100.0, Recipe(), folds, judged, 1.0)


def test_the_first_fold_stands_for_a_layer_whatever_the_losses_are() -> None:
    layer = layer_of(fold_of(0.5, 0.1, best=0), fold_of(0.7, 0.3, best=1), fold_of(0.4))
    assert layer.transform.mean == 0.5
    assert layer.loss == pytest.approx((0.5 + 0.3 + 0.4) / 3)
