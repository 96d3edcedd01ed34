"""Learning a probabilistic embedding from triplets, by stochastic gradients of the evidence lower bound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import torch

from alignbench.alignet.probabilistic_embedding import ProbabilisticEmbedding, SpikeAndSlab, negative_elbo
from alignbench.arrays import Indices
from alignbench.errors import AlignbenchError, DataError, UsageError, counted

_FIRST_MEANS: Final = 0.5  # their spread at the start: half-normal, since there is no gradient below 0
_FIRST_DEVIATION: Final = 0.1  # of the beliefs at the start
_MOST: Final = 10_000  # dimensions, draws


@dataclass(frozen=True)
class EmbeddingRecipe:
    """How an embedding is learned.

    Attributes:
        dimensions: Dimensions at the start; those that carry nothing are pruned at the end.
        prior: Prior of the coordinates.
        learning_rate: Learning rate of Adam at the start; it falls to 0 by a cosine.
        batch: Triplets a step.
        passes: How often each triplet is seen, where that takes more steps than `fewest_steps`.
        fewest_steps: Fewest steps.
        fewest_objects: How many objects must have a dimension for it to be kept.
        draws: Draws that the posterior predictive is the mean over.
        seed: Seed of the start, the batches and all draws.
    """

    dimensions: int = 50
    prior: SpikeAndSlab = field(default_factory=SpikeAndSlab)
    learning_rate: float = 0.05
    batch: int = 1024
    passes: int = 20
    fewest_steps: int = 3000
    fewest_objects: int = 5
    draws: int = 50
    seed: int = 0

    def checked(self) -> EmbeddingRecipe:
        """The recipe, if everything in it is possible.

        Raises:
            UsageError: If something in it is not.
        """
        counts = {"dimensions": self.dimensions, "draws": self.draws, "triplets a step": self.batch}
        counts |= {"passes": self.passes, "steps": self.fewest_steps, "objects of a dimension": self.fewest_objects}
        for name, value in counts.items():
            if value < 1:
                raise UsageError(f"{name} {value} of the embedding are below 1")
        for name in ("dimensions", "draws"):
            if counts[name] > _MOST:
                raise UsageError(f"{name} {counts[name]} of the embedding are out of range: give {_MOST:,} at most")
        if not 0.0 < self.learning_rate < 1.0:
            raise UsageError(f"learning rate {self.learning_rate} of the embedding is not between 0 and 1")
        self.prior.checked()
        return self

    def steps(self, triplets: int) -> int:
        """How many steps it takes on so many triplets."""
        return max(self.fewest_steps, math.ceil(self.passes * triplets / self.batch))


@dataclass(frozen=True, eq=False)
class LearnedEmbedding:
    """An embedding and how it came about.

    Attributes:
        embedding: The embedding without the dimensions that carry nothing.
        negative_elbo: Minus the evidence lower bound a triplet in nats, mean over the last tenth of the steps.
        steps: How many steps it took.
    """

    embedding: ProbabilisticEmbedding
    negative_elbo: float
    steps: int


def learn_embedding(triplets: Indices, recipe: EmbeddingRecipe) -> LearnedEmbedding:
    """Learn an embedding of the objects that triplets name, from these triplets alone.

    Args:
        triplets: Object numbers, (t, 3), the odd one last; repeats count as often as they are there.
        recipe: How it is learned.

    Raises:
        UsageError: If the recipe is impossible.
        DataError: If no dimension carries anything.
        AlignbenchError: If the bound stops being finite.
    """
    recipe = recipe.checked()
    objects, places = np.unique(triplets, return_inverse=True)
    numbered, steps = torch.from_numpy(places.reshape(triplets.shape)), recipe.steps(len(triplets))
    generator = torch.Generator().manual_seed(recipe.seed)
    shape = len(objects), recipe.dimensions
    means = _FIRST_MEANS * torch.randn(shape, generator=generator).abs()
    logs = torch.full(shape, math.log(_FIRST_DEVIATION))
    optimiser = torch.optim.Adam([means.requires_grad_(), logs.requires_grad_()], lr=recipe.learning_rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    last: list[torch.Tensor] = []
    for step in range(steps):
        rows = torch.randint(len(numbered), (min(recipe.batch, len(numbered)),), generator=generator)
        noise = torch.randn(shape, generator=generator)
        loss = negative_elbo((means, logs), noise, numbered[rows], len(numbered), recipe.prior)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        if step >= steps - max(1, steps // 10):
            last.append(loss.detach())
    bound = float(torch.stack(last).mean())
    beliefs = [of.detach().double().numpy() for of in (means, logs.exp())]
    if not (math.isfinite(bound) and np.isfinite(beliefs).all()):
        raise AlignbenchError("the embedding of the targets has numbers that are not finite: use --targets hard")
    found = ProbabilisticEmbedding(objects, *beliefs).pruned(recipe.fewest_objects)
    if not found.dimensions:
        raise DataError(
            f"{counted(len(triplets), 'triplet')} of {counted(len(objects), 'object')} cannot carry a single dimension "
            f"that {counted(recipe.fewest_objects, 'object')} have: use more triplets, or --targets hard"
        )
    return LearnedEmbedding(found, bound, steps)
