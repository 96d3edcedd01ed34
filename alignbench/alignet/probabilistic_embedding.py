"""A probabilistic embedding of objects: how people choose among triplets, with what is not known of it.

VICE (Muttenthaler et al., "VICE: Variational Interpretable Concept Embeddings", NeurIPS 2022). Each object has a
Gaussian belief about each of its coordinates, q(x) = N(mean, deviation^2). A draw of all coordinates, negative ones set
to 0, gives similarities as dot products and choices as their softmax; the posterior predictive is the mean over draws.
The prior of a coordinate is a mixture of two Gaussians about 0: a narrow spike, by which most are nothing, and a slab.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError

if TYPE_CHECKING:
    from torch import Tensor

_FALSE_DISCOVERIES: Final = 0.05  # of a dimension: objects that seem to have it and do not
_LOG_ROOT: Final = 0.5 * math.log(2.0 * math.pi)


@dataclass(frozen=True)
class SpikeAndSlab:
    """The prior of each coordinate: share N(0, spike^2) + (1 - share) N(0, slab^2).

    Attributes:
        spike: Deviation of the spike.
        slab: Deviation of the slab.
        share: Weight of the spike.
    """

    spike: float = 0.25
    slab: float = 1.0
    share: float = 0.5

    def checked(self) -> SpikeAndSlab:
        """The prior, if it is one.

        Raises:
            UsageError: If a deviation is not above 0, the spike is no narrower than the slab, or the share is not
                between 0 and 1.
        """
        if not 0.0 < self.spike < self.slab < math.inf:
            raise UsageError(f"spike {self.spike} and slab {self.slab}: give 0 < spike < slab")
        if not 0.0 < self.share < 1.0:
            raise UsageError(f"share of the spike {self.share} is not between 0 and 1")
        return self

    def log_density(self, x: Tensor) -> Tensor:
        """Logarithm of the density at each coordinate, of the shape of `x`."""
        import torch

        spike = math.log(self.share) + log_normal(x / self.spike) - math.log(self.spike)
        slab = math.log1p(-self.share) + log_normal(x / self.slab) - math.log(self.slab)
        return torch.logaddexp(spike, slab)


def log_normal(x: Tensor) -> Tensor:
    """Logarithm of the standard normal density."""
    return -0.5 * x.square() - _LOG_ROOT


def negative_elbo(
    belief: tuple[Tensor, Tensor], noise: Tensor, triplets: Tensor, total: int, prior: SpikeAndSlab
) -> Tensor:
    """Minus the evidence lower bound a triplet, by one draw of the coordinates.

    It is the mean of -log q(choice) over some of the triplets, plus (log q(x) - log prior(x)) / total, summed over all
    coordinates, at x = mean + deviation * noise; its expectation over noise and triplets is the bound.

    Args:
        belief: Means and logarithms of the deviations, (objects, dimensions) each.
        noise: Standard normal numbers of that shape.
        triplets: Some of the triplets, (batch, 3), the odd one last.
        total: Number of all triplets.
        prior: The prior.

    Returns:
        A scalar, in nats.
    """
    from alignbench.transforms.learning.losses import triplet_loss

    means, logs = belief
    x = means + logs.exp() * noise
    divergence = (log_normal(noise) - logs - prior.log_density(x)).sum()
    return triplet_loss(x.relu()[triplets]) + divergence / total


@dataclass(frozen=True, eq=False)
class ProbabilisticEmbedding:
    """Beliefs about the coordinates of objects.

    Attributes:
        objects: Numbers of the objects, ascending, (n,).
        means: Means, (n, dimensions).
        deviations: Standard deviations, likewise.
    """

    objects: Indices
    means: Floats
    deviations: Floats

    @property
    def dimensions(self) -> int:
        """How many there are."""
        return int(self.means.shape[1])

    def pruned(self, fewest: int) -> ProbabilisticEmbedding:
        """Keep the dimensions that enough objects have.

        An object has one where its coordinate lies above 0, by the probability under the belief that it does not, and
        Benjamini and Hochberg's correction over the objects at 5 %.

        Args:
            fewest: How many objects must have a dimension.
        """
        from scipy import stats

        if not self.dimensions:
            return self
        below = stats.norm.sf(self.means / self.deviations)
        has = stats.false_discovery_control(below, axis=0) < _FALSE_DISCOVERIES
        kept = has.sum(axis=0) >= fewest
        return replace(self, means=self.means[:, kept], deviations=self.deviations[:, kept])

    def probabilities(self, triplets: Indices, draws: int, seed: int) -> Floats:
        """The posterior predictive: how likely people keep each pair.

        Args:
            triplets: Numbers of objects that are embedded, (t, 3).
            draws: How many draws of all coordinates it is the mean over.
            seed: Seed of these.

        Returns:
            Probabilities of the pairs (i, j), (i, k) and (j, k), (t, 3); each row sums to 1.

        Raises:
            UsageError: If an object is not embedded.
        """
        places = np.minimum(np.searchsorted(self.objects, triplets), len(self.objects) - 1)
        if (self.objects[places] != triplets).any():
            raise UsageError("a triplet names an object that is not embedded: its choices were not learned from")
        i, j, k = places.T
        rng, found = np.random.default_rng(seed), np.zeros((len(triplets), 3))
        for _ in range(draws):
            x = np.maximum(self.means + self.deviations * rng.normal(size=self.means.shape), 0.0)
            products = x @ x.T
            found += _softmax(np.stack([products[i, j], products[i, k], products[j, k]], axis=1))
        return found / draws


def _softmax(similarities: NDArray[np.float64]) -> Floats:
    powers = np.exp(similarities - similarities.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
