"""Learning a probabilistic embedding: a planted one comes back, superfluous dimensions go, and nothing leaks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from alignbench.alignet.embedding_training import EmbeddingRecipe, learn_embedding
from alignbench.alignet.probabilistic_embedding import SpikeAndSlab
from alignbench.alignet.soft_targets import choice_frequencies
from alignbench.errors import DataError, UsageError
from choosing import choose, truth

QUICK = EmbeddingRecipe(dimensions=12, fewest_steps=350)


def planted(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Objects of three non-negative dimensions, and triplets that people chose from by them, the odd one last."""
    rng = np.random.default_rng(seed)
    x = np.where(rng.uniform(size=(30, 3)) < 0.5, rng.gamma(2.0, 0.7, size=(30, 3)), 0.0)
    triplets = np.array([rng.choice(30, 3, replace=False) for _ in range(count)])
    return x, choose(x, triplets, rng)


def test_a_planted_embedding_is_recovered_and_superfluous_dimensions_are_pruned() -> None:
    x, triplets = planted(0, 2000)
    embedding = learn_embedding(triplets, QUICK).embedding
    assert 2 <= embedding.dimensions <= 5
    new = np.array([np.random.default_rng(5).choice(30, 3, replace=False) for _ in range(3000)])
    p = truth(x, new)
    entropy = -(p * np.log(p)).sum(axis=1).mean()
    q = embedding.probabilities(new, 50, 0)
    loss = -(p * np.log(q)).sum(axis=1).mean()
    assert entropy < loss < entropy + 0.07
    shares, _ = choice_frequencies(triplets, 0.5)  # nearly all triplets have one judgment
    of_train = truth(x, triplets)
    learned = embedding.probabilities(triplets, 50, 0)
    divergences = [(of_train * np.log(of_train / found)).sum(axis=1).mean() for found in (shares, learned)]
    assert divergences[1] < 0.25 * divergences[0], "what others chose says more than one judgment"


def test_objects_that_no_triplet_names_are_not_there_and_the_seed_settles_it() -> None:
    _, triplets = planted(1, 800)
    few = replace(QUICK, fewest_steps=80, fewest_objects=1)
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    moved, same, other = (
        learn_embedding(found, recipe) for found, recipe in ((2 * triplets + 7, few), (triplets, few), (triplets, few))
    )
    assert torch.equal(torch.rand(1), expected), "torch's own numbers are left alone"
    assert moved.embedding.objects.tolist() == (2 * np.unique(triplets) + 7).tolist()
    np.testing.assert_array_equal(moved.embedding.means, same.embedding.means)
    np.testing.assert_array_equal(other.embedding.deviations, same.embedding.deviations)
    assert other.negative_elbo == same.negative_elbo
    elsewhere = learn_embedding(triplets, replace(few, seed=1))
    assert elsewhere.negative_elbo != same.negative_elbo


def test_choices_at_random_carry_no_dimension() -> None:
    rng = np.random.default_rng(2)
    triplets = np.array([rng.choice(30, 3, replace=False) for _ in range(1000)])
    with pytest.raises(DataError, match=r"1,000 triplets of 30 objects cannot carry a single dimension that 5 objects"):
        learn_embedding(triplets, QUICK)


def test_many_triplets_take_more_steps() -> None:
    recipe = EmbeddingRecipe(batch=100, passes=20, fewest_steps=50)
    assert recipe.steps(100) == 50
    assert recipe.steps(1001) == 201


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        (EmbeddingRecipe(dimensions=0), "dimensions 0 of the embedding are below 1"),
        (EmbeddingRecipe(draws=0), "draws 0 of the embedding are below 1"),
        (EmbeddingRecipe(dimensions=10**9), "out of range: give 10,000 at most"),
        (EmbeddingRecipe(learning_rate=0.0), "learning rate 0.0 of the embedding is not between 0 and 1"),
        (EmbeddingRecipe(prior=SpikeAndSlab(share=0.0)), "share of the spike"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(recipe: EmbeddingRecipe, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        learn_embedding(np.array([[0, 1, 2]]), recipe)
