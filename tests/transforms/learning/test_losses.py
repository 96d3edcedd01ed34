"""Losses of transforms: golden values, a float64 NumPy reference, finite differences."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import Tensor

from alignbench.transforms.learning.losses import (
    frobenius,
    gram_triplet_loss,
    local_divergence,
    local_loss,
    scaled_identity,
    soft_triplet_loss,
    triplet_loss,
)
from losses import reference_divergence, reference_local, reference_triplets

Array = NDArray[np.float64]


def golden() -> tuple[Tensor, Tensor, Tensor]:
    rng = np.random.default_rng(7)
    features = rng.normal(size=(6, 4))
    weights = 0.5 * np.eye(4) + 0.1 * rng.normal(size=(4, 4))
    return torch.from_numpy(features), torch.from_numpy(weights), torch.from_numpy(features @ weights + 0.01)


@pytest.mark.parametrize(("tau", "loss", "kl"), [(1.0, 1.4946436787, 0.0045291344), (0.1, 0.4447826287, 0.1171362534)])
def test_golden_local_terms(tau: float, loss: float, kl: float) -> None:
    before, _, after = golden()
    assert float(local_loss(before, after, tau)) == pytest.approx(loss, abs=1e-10)
    assert float(local_divergence(before, after, tau)) == pytest.approx(kl, abs=1e-10)


def test_golden_triplets_and_penalties() -> None:
    _, weights, after = golden()
    assert float(triplet_loss(after[None, :3])) == pytest.approx(1.5069799392, abs=1e-10)
    assert float(scaled_identity(weights)) == pytest.approx(0.1342249702, abs=1e-10)
    assert float(frobenius(weights)) == pytest.approx(1.1224380216, abs=1e-10)


@settings(max_examples=20)
@given(seed=st.integers(0, 10_000), count=st.integers(3, 9), width=st.integers(1, 6), tau=st.sampled_from([0.1, 1.0]))
def test_they_equal_the_reference(seed: int, count: int, width: int, tau: float) -> None:
    rng = np.random.default_rng(seed)
    before, after = rng.normal(size=(count, width)), rng.normal(size=(count, width + 1))
    triplets = np.array([rng.choice(count, 3, replace=False) for _ in range(7)])
    x = torch.from_numpy(before)
    expected = reference_triplets(before, triplets)
    assert float(triplet_loss(x[torch.from_numpy(triplets)])) == pytest.approx(expected, rel=1e-10)
    assert float(gram_triplet_loss(x, torch.from_numpy(triplets))) == pytest.approx(expected, rel=1e-10)
    targets = rng.dirichlet([0.5, 1.0, 2.0], size=7)
    targets[0] = [0.0, 0.25, 0.75]
    soft = float(soft_triplet_loss(x[torch.from_numpy(triplets)], torch.from_numpy(targets)))
    assert soft == pytest.approx(reference_divergence(before, triplets, targets), rel=1e-10)
    found = float(local_loss(x, torch.from_numpy(after), tau))
    assert found == pytest.approx(reference_local(before, after, tau), rel=1e-9)
    divergence = found - reference_local(before, before, tau)
    assert float(local_divergence(x, torch.from_numpy(after), tau)) == pytest.approx(divergence, abs=1e-9)


def test_large_products_do_not_overflow() -> None:
    embeddings = torch.tensor([[[1000.0], [1.0], [-1.0]]])
    assert float(triplet_loss(embeddings)) == pytest.approx(0.0, abs=1e-6)
    assert float(triplet_loss(embeddings[:, [0, 2, 1]])) == pytest.approx(2000.0)
    rows = torch.tensor([[0, 1, 2], [0, 2, 1]])
    assert float(gram_triplet_loss(embeddings[0], rows)) == pytest.approx(1000.0)


def test_one_hot_targets_are_the_hard_loss_and_its_gradient() -> None:
    _, _, after = golden()
    triplets = torch.tensor([[0, 1, 2], [3, 5, 4], [1, 0, 5]])
    gradients = []
    for targets in (None, torch.tensor([1.0, 0.0, 0.0], dtype=torch.float64).expand(3, 3)):
        x = after.clone().requires_grad_(True)
        loss = triplet_loss(x[triplets]) if targets is None else soft_triplet_loss(x[triplets], targets)
        loss.backward()
        gradients.append((float(loss.detach()), x.grad))
    assert gradients[1][0] == pytest.approx(gradients[0][0], rel=1e-14)
    assert gradients[0][1] is not None
    assert gradients[1][1] is not None
    torch.testing.assert_close(gradients[1][1], gradients[0][1], rtol=1e-12, atol=1e-14)


def test_the_gradient_in_the_similarities_is_q_minus_p_also_where_q_is_saturated() -> None:
    """With i = (1, a), j = (1, 0) and k = (c, b) it is read off the products' own derivatives."""
    p = torch.tensor([[0.7, 0.3, 0.0]], dtype=torch.float64)
    for scale in (1.0, 1e3):
        x = (scale * torch.tensor([[[1.0], [0.5], [-0.2]]], dtype=torch.float64)).requires_grad_(True)
        loss = soft_triplet_loss(x, p)
        loss.backward()
        i, j, k = x.detach()[0, :, 0].numpy()
        s = np.array([i * j, i * k, j * k])
        q = np.exp(s - s.max()) / np.exp(s - s.max()).sum()
        assert x.grad is not None
        assert bool(torch.isfinite(loss))
        excess = q - p.numpy()[0]
        expected = [excess[0] * j + excess[1] * k, excess[0] * i + excess[2] * k, excess[1] * i + excess[2] * j]
        np.testing.assert_allclose(x.grad[0, :, 0].numpy(), expected, rtol=1e-10, atol=1e-12)


def test_targets_in_the_order_of_the_pairs_and_nothing_else_matters() -> None:
    _, _, after = golden()
    i, j, k = 0, 3, 5
    p = torch.tensor([[0.6, 0.3, 0.1]], dtype=torch.float64)
    first = soft_triplet_loss(after[None, [i, j, k]], p)
    other = soft_triplet_loss(after[None, [k, i, j]], p[:, [1, 2, 0]])  # (k, i), (k, j), (i, j)
    assert float(first) == pytest.approx(float(other), rel=1e-14)


CASES: dict[str, Callable[[Tensor], Tensor]] = {
    "triplets": lambda w: triplet_loss((golden()[0] @ w)[torch.tensor([[0, 1, 2], [3, 4, 5]])]),
    "soft": lambda w: soft_triplet_loss(
        (golden()[0] @ w)[torch.tensor([[0, 1, 2], [3, 4, 5]])],
        torch.tensor([[0.2, 0.5, 0.3], [0.0, 0.1, 0.9]], dtype=torch.float64),
    ),
    "gram": lambda w: gram_triplet_loss(golden()[0] @ w, torch.tensor([[0, 1, 2], [3, 4, 5]])),
    "local": lambda w: local_loss(golden()[0], golden()[0] @ w + 0.01, 0.5),
    "divergence": lambda w: local_divergence(golden()[0], golden()[0] @ w + 0.01, 0.1),
    "frobenius": frobenius,
    "scaled identity": scaled_identity,
}


@pytest.mark.parametrize("name", CASES)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    loss, weights = CASES[name], golden()[1].requires_grad_(True)
    loss(weights).backward()
    assert weights.grad is not None
    step = 1e-6
    for row in range(4):
        for column in range(4):
            moved = torch.zeros(4, 4, dtype=torch.float64)
            moved[row, column] = step
            with torch.no_grad():
                slope = float(loss(weights + moved) - loss(weights - moved)) / (2 * step)
            assert float(weights.grad[row, column]) == pytest.approx(slope, rel=1e-6, abs=1e-8)


def test_a_scaled_rotation_diverges_from_nothing() -> None:
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(5, 5)))
    features = torch.from_numpy(rng.normal(size=(8, 5)))
    assert float(local_divergence(features, features @ torch.from_numpy(3.0 * rotation), 0.1)) == pytest.approx(
        0.0, abs=1e-12
    )
