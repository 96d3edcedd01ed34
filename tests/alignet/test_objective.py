"""The loss of triplets against NumPy in float64, and where exponentials saturate."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alignbench.alignet.objective import OBJECTIVES, choice_entropy, last_is_odd, pair_similarities, triplet_loss
from alignbench.errors import UsageError

Array = NDArray[np.float64]
_RNG = np.random.default_rng(0)
_EMBEDDINGS = _RNG.normal(size=(7, 3, 5)) * 2
_TEACHER = _RNG.normal(size=(7, 3)) * 3


def _softmax(scores: Array) -> Array:
    weights = np.exp(scores - scores.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)


def _similarities(embeddings: Array, normalize: bool = False) -> Array:
    if normalize:
        embeddings = embeddings / np.sqrt((embeddings**2).sum(axis=2, keepdims=True))
    products = np.einsum("bic,bjc->bij", embeddings, embeddings)
    return np.stack([products[:, 0, 1], products[:, 0, 2], products[:, 1, 2]], axis=1)


def _reference(similarities: Array, teacher: Array, objective: str, temperature: float) -> Array:
    p, q = _softmax(teacher), _softmax(similarities / temperature)
    if objective == "contrastive":
        return np.log(np.exp(similarities / temperature).sum(axis=1)) - similarities[:, 0] / temperature
    if objective == "kl":
        return (p * np.log(p / q)).sum(axis=1)
    middle = (p + q) / 2
    return ((p * np.log(p / middle)).sum(axis=1) + (q * np.log(q / middle)).sum(axis=1)) / 2


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize(("temperature", "normalize"), [(1.0, False), (4.0, False), (0.3, True)])
def test_loss_is_that_of_numpy(objective: str, temperature: float, normalize: bool) -> None:
    found = triplet_loss(torch.tensor(_EMBEDDINGS), torch.tensor(_TEACHER), objective, temperature, normalize)
    wanted = _reference(_similarities(_EMBEDDINGS, normalize), _TEACHER, objective, temperature)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10, atol=1e-12)


def test_divergence_of_frequencies_worked_out_by_hand() -> None:
    embeddings = torch.zeros(1, 3, 4, dtype=torch.float64)  # q is flat
    teacher = torch.tensor([[0.5, 0.25, 0.25]], dtype=torch.float64).log()
    kl = 0.5 * math.log(1.5) + 0.5 * math.log(0.75)
    assert triplet_loss(embeddings, teacher).item() == pytest.approx(kl, abs=1e-14)
    assert triplet_loss(embeddings, teacher, "contrastive").item() == pytest.approx(math.log(3), abs=1e-14)


@pytest.mark.parametrize("temperature", [1.0, 2.5])
def test_gradient_in_the_similarities_is_q_less_p(temperature: float) -> None:
    # scalars a, b and 0 have s01 = a b and s02 = s12 = 0, so that d loss / d a = b (q - p) / temperature of pair 01
    a, b = 1.3, -0.7
    embeddings = torch.tensor([[[a], [b], [0.0]]], dtype=torch.float64, requires_grad=True)
    teacher = torch.tensor([[0.2, 1.0, -0.4]], dtype=torch.float64)
    triplet_loss(embeddings, teacher, temperature=temperature).sum().backward()
    scores = np.array([[a * b, 0.0, 0.0]])
    slope = ((_softmax(scores / temperature) - _softmax(teacher.numpy())) / temperature)[0]
    assert embeddings.grad is not None
    np.testing.assert_allclose(
        embeddings.grad[0, :, 0].numpy(), [b * slope[0], a * slope[0], a * slope[1] + b * slope[2]], atol=1e-12
    )


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("normalize", [False, True])
def test_gradients_are_those_of_finite_differences(objective: str, normalize: bool) -> None:
    embeddings = torch.tensor(_EMBEDDINGS / 2, requires_grad=True)
    teacher = torch.tensor(_TEACHER)
    assert torch.autograd.gradcheck(lambda z: triplet_loss(z, teacher, objective, 1.7, normalize), embeddings)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("agrees", [True, False])
def test_saturated_similarities_are_finite(objective: str, dtype: torch.dtype, agrees: bool) -> None:
    # products of +-1e4: both distributions are one-hot exactly, of the same pair or of different ones
    embeddings = torch.tensor([[[100.0, 0.0], [100.0, 0.0], [-100.0, 0.0]]], dtype=dtype, requires_grad=True)
    teacher = torch.tensor([[1e4, -1e4, -1e4] if agrees else [-1e4, 1e4, -1e4]])
    loss = triplet_loss(embeddings, teacher, objective)
    loss.sum().backward()
    assert embeddings.grad is not None
    assert torch.isfinite(loss).all()
    assert torch.isfinite(embeddings.grad).all()
    wrong = {"kl": 2e4, "jsd": math.log(2), "contrastive": 0.0}[objective]
    assert loss.item() == pytest.approx(0.0 if agrees else wrong, rel=1e-5, abs=1e-6)


def test_half_precision_is_computed_in_float32() -> None:
    embeddings = torch.tensor(_EMBEDDINGS, dtype=torch.bfloat16)
    found = triplet_loss(embeddings, torch.tensor(_TEACHER, dtype=torch.float32))
    assert found.dtype == torch.float32
    wanted = _reference(_similarities(embeddings.double().numpy()), _TEACHER, "kl", 1.0)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-4, atol=1e-5)
    with torch.autocast("cpu", torch.bfloat16):
        again = triplet_loss(embeddings.float(), torch.tensor(_TEACHER, dtype=torch.float32))
    torch.testing.assert_close(again, found)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_a_permuted_triplet_changes_no_other(objective: str) -> None:
    embeddings, teacher = torch.tensor(_EMBEDDINGS), torch.tensor(_TEACHER)
    before = triplet_loss(embeddings, teacher, objective)
    turned, seen = embeddings.clone(), teacher.clone()
    turned[3] = embeddings[3, [0, 2, 1]]  # pairs 01 and 02 change places, and 12 stays
    seen[3] = teacher[3, [1, 0, 2]]
    after = triplet_loss(turned, seen, objective)
    others = [0, 1, 2, 4, 5, 6]
    assert torch.equal(before[others], after[others])
    if objective != "contrastive":  # which looks at the first pair alone
        torch.testing.assert_close(before[3], after[3])


def test_the_last_is_odd_only_if_the_first_two_are_nearest() -> None:
    x, y = [1.0, 0.0], [0.0, 1.0]
    embeddings = torch.tensor([[x, x, y], [x, y, x], [y, x, x], [x, x, x], [x, y, [0.5, 0.5]]])
    assert last_is_odd(embeddings).tolist() == [True, False, False, False, False]
    assert not last_is_odd(torch.full((1, 3, 2), math.nan)).item()
    with pytest.raises(UsageError, match=r"embeddings of \(2, 4, 5\): triplets are \(B, 3, d\)"):
        last_is_odd(torch.zeros(2, 4, 5))


def test_a_tie_of_equal_pictures_is_a_tie() -> None:
    same = torch.from_numpy(_RNG.normal(size=(50, 64)).astype(np.float32))
    other = torch.from_numpy(_RNG.normal(size=(50, 64)).astype(np.float32))
    assert not last_is_odd(torch.stack([same, other, other], dim=1)).any()  # s01 = s02


def test_entropy_of_choices() -> None:
    found = choice_entropy(torch.tensor([[0.0, 0.0, 0.0], [1e4, 0.0, -1e4], [math.log(2), 0.0, 0.0]]))
    half = 0.5 * math.log(2) + 0.5 * math.log(4)
    np.testing.assert_allclose(found.numpy(), [math.log(3), 0.0, half], atol=1e-6)
    assert pair_similarities(torch.ones(1, 3, 2)).tolist() == [[2.0, 2.0, 2.0]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((torch.zeros(2, 3, 4), torch.zeros(2, 3), "kd"), "unknown objective 'kd'"),
        ((torch.zeros(2, 3, 4), torch.zeros(2, 3), "kl", 0.0), "a temperature of 0"),
        ((torch.zeros(2, 3, 4), torch.zeros(3, 3)), r"\(3, 3\)"),
        ((torch.zeros(2, 4, 4), torch.zeros(2, 3)), r"\(2, 4, 4\)"),
    ],
)
def test_other_input_is_refused(arguments: tuple[object, ...], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        triplet_loss(*arguments)  # type: ignore[arg-type]
