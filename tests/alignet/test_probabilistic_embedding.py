"""The probabilistic embedding's densities, bound, pruning and predictive, held against SciPy and float64 NumPy."""

import numpy as np
import pytest
import torch
from scipy import stats
from scipy.integrate import quad
from scipy.special import logsumexp, softmax

from alignbench.alignet.probabilistic_embedding import (
    ProbabilisticEmbedding,
    SpikeAndSlab,
    log_normal,
    negative_elbo,
)
from alignbench.errors import UsageError


def reference_prior(x: np.ndarray, prior: SpikeAndSlab) -> np.ndarray:
    parts = [
        np.log(prior.share) + stats.norm.logpdf(x, scale=prior.spike),
        np.log(1 - prior.share) + stats.norm.logpdf(x, scale=prior.slab),
    ]
    return logsumexp(parts, axis=0)


def test_the_prior_is_a_density_and_equals_scipys() -> None:
    prior, x = SpikeAndSlab(0.2, 1.5, 0.3), np.linspace(-40.0, 40.0, 201)
    found = prior.log_density(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, reference_prior(x, prior), rtol=1e-12)
    total, _ = quad(
        lambda at: float(prior.log_density(torch.tensor(at, dtype=torch.float64)).exp()), -20, 20, limit=200
    )
    assert total == pytest.approx(1.0, abs=1e-7)
    np.testing.assert_allclose(log_normal(torch.from_numpy(x)).numpy(), stats.norm.logpdf(x), rtol=1e-12)


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (SpikeAndSlab(spike=0.0), "give 0 < spike < slab"),
        (SpikeAndSlab(spike=2.0), "give 0 < spike < slab"),
        (SpikeAndSlab(slab=float("nan")), "give 0 < spike < slab"),
        (SpikeAndSlab(share=1.0), "share of the spike 1.0 is not between 0 and 1"),
    ],
)
def test_what_is_no_prior_is_refused(prior: SpikeAndSlab, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        prior.checked()


def test_the_bound_equals_a_loop_in_numpy() -> None:
    rng = np.random.default_rng(0)
    means, logs, noise = rng.normal(size=(5, 3)), rng.normal(-1.0, 0.3, size=(5, 3)), rng.normal(size=(5, 3))
    triplets, prior = np.array([[0, 1, 2], [3, 1, 4], [2, 4, 0]]), SpikeAndSlab()
    x = means + np.exp(logs) * noise
    divergence = (stats.norm.logpdf(x, means, np.exp(logs)) - reference_prior(x, prior)).sum()
    rectified, likelihood = np.maximum(x, 0.0), 0.0
    for i, j, k in triplets:
        products = np.array([rectified[i] @ rectified[j], rectified[i] @ rectified[k], rectified[j] @ rectified[k]])
        likelihood += (logsumexp(products) - products[0]) / 3
    belief = torch.from_numpy(means), torch.from_numpy(logs)
    found = negative_elbo(belief, torch.from_numpy(noise), torch.from_numpy(triplets), 70, prior)
    assert float(found) == pytest.approx(likelihood + divergence / 70, rel=1e-12)


def test_the_divergence_is_that_of_two_gaussians_where_the_prior_is_nearly_one() -> None:
    """With a share of nothing the prior is N(0, slab^2), whose divergence has a closed form."""
    prior, mean, deviation = SpikeAndSlab(spike=1e-3, slab=0.8, share=1e-12), 0.4, 0.3
    closed = np.log(0.8 / deviation) + (deviation**2 + mean**2) / (2 * 0.8**2) - 0.5
    shape = (3, 200_000)  # dimensions are draws here; choices come with the same products, and their loss is known
    noise = torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    belief = torch.full(shape, mean, dtype=torch.float64), torch.full(shape, np.log(deviation), dtype=torch.float64)
    total = 3 * 200_000
    found = float(negative_elbo(belief, noise, torch.tensor([[0, 1, 2]]), total, prior))
    x = np.maximum(mean + deviation * noise.numpy(), 0.0)
    products = np.array([x[0] @ x[1], x[0] @ x[2], x[1] @ x[2]])
    assert found - (logsumexp(products) - products[0]) == pytest.approx(closed, abs=0.005)


def test_dimensions_that_too_few_objects_have_are_pruned() -> None:
    means, deviations = np.zeros((8, 4)), np.full((8, 4), 0.1)
    means[:5, 0] = 1.0  # five objects have it
    means[:4, 1] = 1.0  # four
    means[:, 2] = 0.1  # all, by one deviation: not beyond doubt
    means[:, 3] = -1.0  # below 0, which is nothing
    embedding = ProbabilisticEmbedding(np.arange(8), means, deviations)
    assert embedding.pruned(5).means.T.tolist() == [means[:, 0].tolist()]
    assert embedding.pruned(4).dimensions == 2
    assert embedding.pruned(6).dimensions == 0
    assert embedding.pruned(6).pruned(1).dimensions == 0


def test_the_correction_is_over_the_objects_of_a_dimension() -> None:
    """Eight p-values of 0.03 are all below 5 %, whatever other dimensions hold; one beside seven nulls is not."""
    at = stats.norm.isf(0.03) * 0.1
    means = np.column_stack([np.full(8, at), np.where(np.arange(8) == 0, at, 0.0)])
    embedding = ProbabilisticEmbedding(np.arange(8), means, np.full((8, 2), 0.1))
    for fewest in (1, 8):
        np.testing.assert_array_equal(embedding.pruned(fewest).means, means[:, :1])


def test_the_predictive_is_the_mean_of_softmaxes_over_draws() -> None:
    rng = np.random.default_rng(1)
    objects = np.array([2, 3, 5, 8])
    embedding = ProbabilisticEmbedding(objects, rng.uniform(0, 2, size=(4, 3)), rng.uniform(0.1, 0.5, size=(4, 3)))
    triplets = np.array([[2, 5, 8], [8, 3, 2], [5, 2, 8]])
    found = embedding.probabilities(triplets, 4000, 0)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(found[2], found[0][[0, 2, 1]], rtol=1e-12, err_msg="pairs keep their probability")
    for row, triplet in enumerate(triplets):
        at = np.searchsorted(objects, triplet)
        x = np.maximum(
            embedding.means[at] + embedding.deviations[at] * np.random.default_rng(9).normal(size=(20_000, 3, 3)), 0.0
        )
        logits = np.stack([(x[:, a] * x[:, b]).sum(axis=1) for a, b in ((0, 1), (0, 2), (1, 2))], axis=1)
        np.testing.assert_allclose(found[row], softmax(logits, axis=1).mean(axis=0), atol=0.02)


def test_without_doubt_the_predictive_is_one_softmax_and_uncertainty_flattens_it() -> None:
    x = np.array([[2.0, 0.0], [2.0, 0.5], [0.0, -3.0]])
    triplet = np.array([[0, 1, 2]])
    sure = ProbabilisticEmbedding(np.arange(3), x, np.full((3, 2), 1e-9)).probabilities(triplet, 3, 0)
    np.testing.assert_allclose(sure[0], softmax([4.0, 0.0, 0.0]), rtol=1e-6)
    unsure = ProbabilisticEmbedding(np.arange(3), x, np.full((3, 2), 1.5)).probabilities(triplet, 500, 0)
    assert unsure[0, 0] < sure[0, 0]


def test_an_object_that_is_not_embedded_is_refused() -> None:
    embedding = ProbabilisticEmbedding(np.array([1, 2, 4]), np.ones((3, 1)), np.ones((3, 1)))
    for absent in (0, 3, 9):
        with pytest.raises(UsageError, match="names an object that is not embedded"):
            embedding.probabilities(np.array([[1, 2, absent]]), 1, 0)
