"""Teachers that learn soft targets against one that learns raw choices, where the truth is known.

    python benchmarks/soft_teachers.py [--worlds 5] [--objects 90] [--triplets 20000] [--repeats 1] [--lambdas 0.1]

Each world has objects of six non-negative factors, features that are noisy sums of them, and people who choose by the
softmax of beta x their dot products; with --repeats each triplet is judged several times. All teachers are learned on
the same folds of objects with the default recipe, and judged on the same raw choices. Stated beforehand: the
embedding's teacher has the lower log loss, by a paired t interval over worlds that excludes 0, where choices are many
for each coordinate of an object (about 50 here, as THINGS has); with few the embedding is too unsure to help. Of
several lambdas each teacher takes the one of the lowest loss on the choices that stop it, which are not those that
judge it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from alignbench.alignet.soft_targets import KINDS, TeacherTargets
from alignbench.transforms.learning.folds import object_folds, split_triplets
from alignbench.transforms.learning.layers import LayerFeatures, learn_layer
from alignbench.transforms.learning.recipe import Recipe
from workload import machine

FACTORS, WIDTH = 6, 128


@dataclass(frozen=True)
class ChoosingWorld:
    """A world whose people's probabilities are known.

    Attributes:
        features: Features of the objects, (n, d).
        triplets: Judgments, (t, 3), the odd one last.
        entropy: Mean entropy of the probabilities by which they were made: the least log loss that there is.
    """

    features: NDArray[np.float64]
    triplets: NDArray[np.int64]
    entropy: float


def choosing_world(seed: int, objects: int, triplets: int, repeats: int, beta: float) -> ChoosingWorld:
    """Draw a world; `triplets` are each judged `repeats` times."""
    rng = np.random.default_rng(seed)
    factors = np.where(rng.uniform(size=(objects, FACTORS)) < 0.5, rng.gamma(2.0, 0.5, size=(objects, FACTORS)), 0.0)
    features = factors @ rng.normal(size=(FACTORS, WIDTH)) + 0.5 * rng.normal(size=(objects, WIDTH))
    shown = np.repeat(np.array([rng.choice(objects, 3, replace=False) for _ in range(triplets)]), repeats, axis=0)
    i, j, k = shown.T
    products = beta * factors @ factors.T
    logits = np.stack([products[i, j], products[i, k], products[j, k]], axis=1)
    p = np.exp(logits - logits.max(axis=1, keepdims=True))
    p /= p.sum(axis=1, keepdims=True)
    kept = (logits + rng.gumbel(size=logits.shape)).argmax(axis=1)  # Gumbel noise makes it a softmax
    judged = np.take_along_axis(shown, np.array([[0, 1, 2], [0, 2, 1], [1, 2, 0]])[kept], axis=1)
    return ChoosingWorld(features, judged, float(-(p * np.log(p)).sum(axis=1).mean()))


def judged_teachers(
    world: ChoosingWorld, recipes: Sequence[Recipe], kinds: Sequence[str] = ("hard", "embedding")
) -> Mapping[str, Mapping[str, float]]:
    """Log loss, calibration error and accuracy on held-out choices, by kind of targets; and of `before` any of them."""
    objects, seed = len(world.features), recipes[0].seed
    folds = [split_triplets(world.triplets, objects, held, seed) for held in object_folds(objects, 3, seed)]
    found: dict[str, dict[str, float]] = {}
    for kind in kinds:
        targets = TeacherTargets(kind)
        soft = [replace(fold, soft=targets.of(fold.train)[0]) for fold in folds]
        features = LayerFeatures("projection", 100.0, world.features)
        learned = min((learn_layer(features, soft, recipe) for recipe in recipes), key=lambda found: found.loss)
        assert learned.probabilities is not None
        found[kind] = {score.measure: score.after[0] for score in learned.probabilities.scores}
        found["before"] = {score.measure: score.before[0] for score in learned.probabilities.scores}
    return found


def paired(differences: list[float]) -> tuple[float, float, float]:
    """Mean and 95 % t interval over worlds."""
    mean, error = float(np.mean(differences)), float(stats.sem(differences))
    reach = float(stats.t.ppf(0.975, len(differences) - 1)) * error
    return mean, mean - reach, mean + reach


_DEFAULTS = {"worlds": 5, "first": 10, "objects": 90, "triplets": 20_000, "repeats": 1, "epochs": 100}


def main() -> None:
    """Print each world, and the paired differences."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in _DEFAULTS.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--beta", type=float, default=2.0)
    parser.add_argument("--lambdas", type=lambda text: [float(each) for each in text.split(",")], default=[0.1])
    given = parser.parse_args()
    print(machine(), flush=True)
    losses: list[Mapping[str, Mapping[str, float]]] = []
    kinds = KINDS if given.repeats > 1 else ("hard", "embedding")
    for seed in range(given.first, given.first + given.worlds):
        world = choosing_world(seed, given.objects, given.triplets, given.repeats, given.beta)
        recipes = [Recipe("soft", seed=seed, epochs=given.epochs, lam=lam) for lam in given.lambdas]
        losses.append(judged_teachers(world, recipes, kinds))
        told = ", ".join(
            f"{name} {of['log_loss']:.4f} (calibration {of['calibration_error']:.3f}, accuracy {of['accuracy']:.3f})"
            for name, of in losses[-1].items()
        )
        print(f"world {seed}: entropy of the truth {world.entropy:.4f}; log loss {told}", flush=True)
    for kind in (kind for kind in kinds if kind != "hard"):
        for measure in ("log_loss", "calibration_error", "accuracy"):
            mean, low, high = paired([each[kind][measure] - each["hard"][measure] for each in losses])
            print(f"{kind} - hard, {measure.replace('_', ' ')}: {mean:+.4f} ({low:+.4f} to {high:+.4f})")


if __name__ == "__main__":
    main()
