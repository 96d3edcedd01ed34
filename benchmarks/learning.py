"""Learning a transform: an epoch of ours against a bare PyTorch loop of the same steps, in one run.

    python benchmarks/learning.py [--objects 1854] [--width 512] [--steps 100] [--epochs 3] [--threads 2] [--rounds 3]

Features and triplets of THINGS' shape are drawn at random (a fold of three: 29.6 % of the triplets train, 3.7 % are
held out). The bare loop has the same batches, losses, penalty, clipping and optimiser, and validates nothing; an epoch
of ours also validates on all held-out triplets and keeps the best weights. Both are run in turn; the ratio is that of
the medians.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
import torch

from alignbench.transforms.learning.folds import Fold
from alignbench.transforms.learning.losses import local_loss, scaled_identity, triplet_loss
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.train import TransformLearning, TripletBatches, learn
from workload import machine, median_ratio, verdict

OBJECTIVES = ("global", "glocal")


def made_fold(objects: int, triplets: int, rng: np.random.Generator) -> Fold:
    """A third of the objects held out; an eighth as many triplets validate as train."""
    order = rng.permutation(objects)
    held_out, others = np.sort(order[: objects // 3]), order[objects // 3 :]
    train, held = (
        pool[rng.integers(0, len(pool) - 2, (count, 1)) + np.arange(3)]
        for pool, count in ((others, triplets), (held_out, triplets // 8))
    )
    return Fold(held_out, train, held, held)


def bare_epoch(module: TransformLearning, recipe: Recipe) -> float:
    """Seconds of an epoch of a loop with nothing around it."""
    weights, bias = module.weights.detach().clone(), torch.full((module.weights.shape[1],), 1e-3)
    weights.requires_grad_(True)
    bias.requires_grad_(True)
    optimiser = torch.optim.Adam([weights, bias], lr=recipe.learning_rate)
    features, images = module.features, module.train_images
    start = time.perf_counter()
    for triplets, drawn in TripletBatches(module.train_triplets, images, recipe):
        embedded = torch.addmm(bias, features[triplets.flatten()], weights).view(len(triplets), 3, -1)
        loss = triplet_loss(embedded)
        if recipe.objective == "glocal":
            local = images[drawn]
            near = local_loss(local, torch.addmm(bias, local, weights), recipe.tau)
            loss = (1.0 - recipe.alpha) * loss + recipe.alpha * near
        loss = loss + recipe.lam * scaled_identity(weights)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_([weights, bias], recipe.clip)
        optimiser.step()
    return time.perf_counter() - start


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=1854)
    parser.add_argument("--width", type=int, default=512)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args(given)
    torch.set_num_threads(arguments.threads)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(arguments.objects, arguments.width)).astype(np.float32)
    images = rng.normal(size=(5_000, arguments.width)).astype(np.float32)
    print(machine())
    for objective in OBJECTIVES:
        recipe = Recipe(objective, epochs=arguments.epochs, fewest_epochs=arguments.epochs).checked()
        fold = made_fold(arguments.objects, arguments.steps * recipe.triplets, rng)
        local = torch.from_numpy(images) if objective == "glocal" else None
        module = TransformLearning(torch.from_numpy(features), fold, recipe, local)
        learn(features, made_fold(arguments.objects, recipe.triplets, rng), recipe, images)  # Lightning is loaded here
        bare: list[float] = []
        ours: list[float] = []
        for _ in range(arguments.rounds):
            bare.append(sum(bare_epoch(module, recipe) for _ in range(arguments.epochs)) / arguments.epochs)
            start = time.perf_counter()
            learn(features, fold, recipe, images)
            ours.append((time.perf_counter() - start) / arguments.epochs)
        step = 1e3 * np.median(bare) / arguments.steps
        print(f"{objective}: {arguments.steps} steps an epoch, {step:.1f} ms a bare step, {arguments.threads} threads")
        print(verdict(f"{objective}: epoch / bare loop", median_ratio(ours, bare), at_most=1.3), flush=True)


if __name__ == "__main__":
    main()
