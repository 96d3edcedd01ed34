"""Learning a transform, against NumPy and a plain PyTorch loop, and what must hold of any transform."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alignbench.errors import AlignbenchError, UsageError
from alignbench.transforms.evaluation.odd_one_out import triplet_distances
from alignbench.transforms.learning.folds import Fold, SoftTriplets
from alignbench.transforms.learning.losses import (
    frobenius,
    local_loss,
    scaled_identity,
    soft_triplet_loss,
    triplet_loss,
)
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.train import Learned, TransformLearning, TripletBatches, learn
from learned_worlds import OBJECTS, WIDTH, Array, world
from losses import reference_local, reference_triplets

pytestmark = pytest.mark.slow

QUICK = {"epochs": 6, "fewest_epochs": 6, "triplets": 64, "images": 16, "learning_rate": 1e-2}


def embedded(learned: Learned, features: Array) -> Array:
    return np.asarray(learned.transform.apply(features))


@pytest.mark.parametrize("objective", ["naive", "global", "glocal"])
def test_the_weights_of_the_best_epoch_are_kept(objective: str) -> None:
    features, fold, images = world()
    local = {"alpha": 0.3} if objective == "glocal" else {}
    recipe = Recipe(objective, **local, **QUICK).checked()
    learned = learn(features, fold, recipe, images)
    losses = [epoch.held_out_loss for epoch in learned.epochs]
    assert learned.best == int(np.argmin(losses))
    assert learned.transform.mean == pytest.approx(features.mean())
    assert learned.transform.std == pytest.approx(features.std(ddof=0))
    expected = reference_triplets(embedded(learned, features), fold.validate)
    assert learned.loss == pytest.approx(expected, rel=1e-5)
    if objective == "glocal":
        order = torch.randperm(len(images), generator=torch.Generator().manual_seed(recipe.seed)).numpy()
        judging = images[order[: round(0.1 * len(images))]]
        standard = (judging - features.mean()) / features.std()
        local = reference_local(standard, embedded(learned, judging), recipe.tau)
        expected = 0.7 * expected + 0.3 * local
    assert min(losses) == pytest.approx(expected, rel=1e-5)


def test_overfitting_stops_and_does_not_keep_the_last() -> None:
    features, fold, _ = world()
    rng = np.random.default_rng(1)
    shuffled = Fold(fold.held_out, rng.permuted(fold.train, axis=1), rng.permuted(fold.validate, axis=1), fold.judge)
    learned = learn(
        features, shuffled, Recipe("global", lam=0.0, learning_rate=0.05, triplets=64, patience=3, fewest_epochs=1)
    )
    assert len(learned.epochs) == learned.best + 1 + 3  # the patience
    longer = Recipe("global", lam=0.0, learning_rate=0.05, triplets=64, patience=1, fewest_epochs=12)
    more = learn(features, shuffled, longer)
    assert len(more.epochs) == 12
    assert more.best == int(np.argmin([epoch.held_out_loss for epoch in more.epochs]))
    expected = reference_triplets(embedded(learned, features), shuffled.validate)
    assert learned.epochs[learned.best].held_out_loss == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("naive", lam=0.3, bias=False),
        Recipe("naive", penalty="identity", optimiser="sgd", learning_rate=0.1),
        Recipe("global"),
        Recipe("glocal", alpha=0.4, tau=0.2, penalty="frobenius", learning_rate=0.01),
        Recipe("glocal", alpha=0.4, tau=0.2, raw_local=True, optimiser="sgd", learning_rate=0.1, clip=0.1),
    ],
    ids=["naive", "naive, other penalty, sgd", "global", "glocal, other penalty", "glocal, raw, sgd, clipped"],
)
def test_two_epochs_equal_a_plain_loop(recipe: Recipe) -> None:
    features, fold, images = world()
    recipe = replace(recipe, epochs=2, fewest_epochs=2, triplets=64, images=16).checked()
    learned = learn(features, fold, recipe, images)
    x = torch.from_numpy(((features - features.mean()) / features.std()).astype(np.float32))
    module = TransformLearning(x, fold, recipe, None)  # where it starts
    weights = module.weights.detach().clone().requires_grad_(True)
    bias = torch.zeros(WIDTH) if module.bias is None else module.bias.detach().clone().requires_grad_(True)
    given = [weights, bias] if recipe.bias else [weights]
    sgd = torch.optim.SGD(given, lr=recipe.learning_rate, momentum=0.9)
    optimiser = sgd if recipe.optimiser == "sgd" else torch.optim.Adam(given, lr=recipe.learning_rate)
    local = images if recipe.raw_local else (images - features.mean()) / features.std()
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(recipe.seed))
    z = torch.from_numpy(local.astype(np.float32))[order[round(0.1 * len(images)) :]]  # a tenth judges
    is_local = recipe.objective == "glocal"
    batches = TripletBatches(torch.from_numpy(fold.train), z if is_local else z[:0], recipe)
    found = []
    for _ in range(2):
        for triplets, drawn in batches:
            optimiser.zero_grad()
            loss = triplet_loss(x[triplets] @ weights + bias)
            if is_local:
                assert len(set(drawn.tolist())) == 16
                loss = 0.6 * loss + 0.4 * local_loss(z[drawn], z[drawn] @ weights + bias, 0.2)
            penalty = scaled_identity if recipe.penalty == "identity" else frobenius
            (loss + recipe.lam * penalty(weights)).backward()
            torch.nn.utils.clip_grad_norm_(given, recipe.clip)
            optimiser.step()
        found.append((weights.detach().clone(), bias.detach().clone()))
    np.testing.assert_allclose(learned.transform.weights, found[learned.best][0], atol=2e-6)
    if recipe.bias:
        assert learned.transform.bias is not None
        np.testing.assert_allclose(learned.transform.bias, found[learned.best][1], atol=2e-6)
    else:
        assert learned.transform.bias is None


@pytest.mark.parametrize("objective", ["naive", "global", "glocal"])
def test_it_starts_where_the_authors_do(objective: str) -> None:
    module = TransformLearning(torch.zeros(OBJECTS, 40), world()[1], Recipe(objective).checked(), None)
    assert module.bias is not None
    weights, bias = module.weights.detach().numpy(), module.bias.detach().numpy()
    if objective == "naive":
        assert weights.std() == pytest.approx(1e-3, rel=0.1)
        assert abs(weights.mean()) < 1e-4
    else:
        np.testing.assert_array_equal(weights, 1e-3 * np.eye(40, dtype=np.float32))
        np.testing.assert_array_equal(bias, np.full(40, 1e-3, dtype=np.float32))


def softened(fold: Fold) -> Fold:
    """The fold with fewer triplets, each there once, and targets of its own."""
    triplets = np.unique(fold.train, axis=0)[::2]
    targets = np.random.default_rng(4).dirichlet([2.0, 1.0, 1.0], size=len(triplets))
    return replace(fold, soft=SoftTriplets(triplets, targets))


def test_two_epochs_of_soft_targets_equal_a_plain_loop() -> None:
    features, fold, _ = world()
    fold = softened(fold)
    assert fold.soft is not None
    recipe = Recipe("soft", epochs=2, fewest_epochs=2, triplets=64, learning_rate=1e-2).checked()
    learned = learn(features, fold, recipe)
    x = torch.from_numpy(((features - features.mean()) / features.std()).astype(np.float32))
    weights = (1e-3 * torch.eye(WIDTH)).requires_grad_(True)
    bias = torch.full((WIDTH,), 1e-3).requires_grad_(True)
    optimiser = torch.optim.Adam([weights, bias], lr=1e-2)
    places = {tuple(row): place for place, row in enumerate(fold.soft.triplets.tolist())}
    batches = TripletBatches(torch.from_numpy(fold.soft.triplets), x[:0], recipe)
    found = []
    for _ in range(2):
        for triplets, _ in batches:
            rows = [places[tuple(row)] for row in triplets.tolist()]
            optimiser.zero_grad()
            loss = soft_triplet_loss(x[triplets] @ weights + bias, torch.from_numpy(fold.soft.targets[rows]).float())
            (loss + 0.1 * scaled_identity(weights)).backward()
            torch.nn.utils.clip_grad_norm_([weights, bias], recipe.clip)
            optimiser.step()
        found.append(weights.detach().clone())
    np.testing.assert_allclose(learned.transform.weights, found[learned.best], atol=2e-6)
    expected = reference_triplets(embedded(learned, features), fold.validate)
    assert learned.loss == pytest.approx(expected, rel=1e-5), "it stops by the raw choices, not by its targets"


def test_one_hot_targets_learn_what_the_hard_objective_does() -> None:
    features, fold, _ = world()
    one_hot = replace(fold, soft=SoftTriplets(fold.train, np.tile([1.0, 0.0, 0.0], (len(fold.train), 1))))
    hard, soft = (learn(features, one_hot, Recipe(objective, **QUICK)) for objective in ("global", "soft"))
    np.testing.assert_allclose(soft.transform.weights, hard.transform.weights, atol=1e-6)
    assert soft.best == hard.best
    with pytest.raises(UsageError, match="probabilities of choices: use `alignbench alignet teacher`"):
        learn(features, fold, Recipe("soft"))


def test_of_equal_epochs_the_first_is_kept() -> None:
    features, fold, _ = world()
    slow = Recipe("global", learning_rate=1e-14, triplets=64)  # moves zeros, but nothing that shows in a loss
    one, more = (learn(features, fold, replace(slow, epochs=epochs)) for epochs in (1, 3))
    assert len({epoch.held_out_loss for epoch in more.epochs}) == 1
    assert more.best == 0
    assert more.transform.weights.tobytes() == one.transform.weights.tobytes()


def test_the_same_seed_gives_the_same_bits_and_leaves_torchs_own() -> None:
    features, fold, images = world()
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    one, other = (learn(features, fold, Recipe("glocal", **QUICK), images).transform.weights for _ in range(2))
    assert torch.equal(torch.rand(1), expected)
    assert one.tobytes() == other.tobytes()
    assert learn(features, fold, Recipe("glocal", seed=1, **QUICK), images).transform.weights.tobytes() != one.tobytes()
    raw = learn(features, fold, Recipe("glocal", raw_local=True, **QUICK), images)
    assert not np.allclose(raw.transform.weights, one)


def test_a_strong_identity_penalty_leaves_choices_alone() -> None:
    features, fold, _ = world()
    options = {"bias": False, "optimiser": "sgd", "learning_rate": 1e-3, "epochs": 30, "fewest_epochs": 30}
    found, free = (learn(features, fold, Recipe("global", lam=lam, triplets=64, **options)) for lam in (100.0, 0.0))
    weights = found.transform.weights.astype(np.float64)
    scale = weights.diagonal().mean()
    assert scale > 3e-3  # it learned: it begins at 1e-3
    assert np.abs(weights - scale * np.eye(WIDTH)).max() < 0.01 * scale
    assert np.abs(free.transform.weights - free.transform.weights.diagonal().mean() * np.eye(WIDTH)).max() > 0.1
    standard = (features - features.mean()) / features.std()
    exact = standard * scale
    for kind in ("cosine", "dot", "euclidean"):
        after = triplet_distances(exact, fold.judge, kind).argmin(axis=1)
        assert (after == triplet_distances(standard, fold.judge, kind).argmin(axis=1)).all()
        learned = triplet_distances(standard @ weights, fold.judge, kind).argmin(axis=1)
        assert np.mean(learned == after) > 0.97
    raw = triplet_distances(features, fold.judge, "euclidean").argmin(axis=1)
    assert (raw == triplet_distances(exact, fold.judge, "euclidean").argmin(axis=1)).all()


def test_a_strong_frobenius_penalty_shrinks_the_weights() -> None:
    features, fold, _ = world()
    strong, weak = (
        learn(features, fold, Recipe("naive", lam=lam, bias=False, epochs=20, fewest_epochs=20, triplets=64))
        for lam in (100.0, 0.0)
    )
    module = TransformLearning(torch.zeros(OBJECTS, WIDTH), fold, Recipe("naive", lam=100.0).checked(), None)
    start = float(module.weights.detach().norm())
    assert start == pytest.approx(1e-3 * WIDTH, rel=0.5)  # N(0, 1e-3)
    assert np.linalg.norm(strong.transform.weights) < 2 * start < np.linalg.norm(weak.transform.weights)


def test_the_order_of_objects_changes_nothing() -> None:
    features, fold, _ = world()
    order = np.random.default_rng(5).permutation(OBJECTS)
    place = np.argsort(order)
    moved = Fold(np.sort(place[fold.held_out]), place[fold.train], place[fold.validate], place[fold.judge])
    recipe = Recipe("global", **QUICK)
    one, other = learn(features, fold, recipe), learn(features[order], moved, recipe)
    np.testing.assert_allclose(one.transform.weights, other.transform.weights, atol=1e-5)
    assert one.loss == pytest.approx(other.loss, rel=1e-5)


def test_another_optimiser_learns_and_what_cannot_be_learned_from_is_refused() -> None:
    features, fold, images = world()
    learned = learn(features, fold, Recipe("global", optimiser="sgd", **QUICK))
    assert learned.epochs[-1].held_out_loss < learned.epochs[0].held_out_loss
    with pytest.raises(AlignbenchError, match="lower learning rate"):
        learn(features, fold, Recipe("global", optimiser="sgd", lam=1e30, learning_rate=1e20, triplets=64))
    with pytest.raises(AlignbenchError, match="all features are alike"):
        learn(np.ones_like(features), fold, Recipe("global"))
    with pytest.raises(UsageError, match="local structure"):
        learn(features, fold, Recipe("glocal"))
    with pytest.raises(UsageError, match="features of"):
        learn(features, fold, Recipe("glocal"), images[:, :3])
