"""The distances as functions of tensors against float64 NumPy and by hand, to the digits that they keep."""

import numpy as np
import pytest
import torch
from hypothesis import given
from torch import Tensor

from alignbench.distances.functional import channel_differences, cosine, euclidean, normalized_euclidean, norms
from features import features
from streamed_distances import reference, shapes, streamed


@given(shapes)
def test_channel_differences_equal_numpy(shape: tuple[int, int, int, int]) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    expected = ((first.numpy().astype(np.float64) - second.numpy().astype(np.float64)) ** 2).mean(axis=1)
    np.testing.assert_allclose(channel_differences(first, second).numpy(), expected, rtol=1e-6)


@given(shapes)
def test_channel_differences_leave_their_arguments_alone(shape: tuple[int, int, int, int]) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    copies = first.clone(), second.clone()
    channel_differences(first, second)
    assert torch.equal(first, copies[0])
    assert torch.equal(second, copies[1])


@given(shapes)
def test_functions_equal_numpy(shape: tuple[int, int, int, int]) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    differences = channel_differences(first.double(), second.double())
    found = {
        "normalized_euclidean": normalized_euclidean(
            differences, differences.mean(dim=0, keepdim=True), torch.zeros(shape[0], dtype=torch.long)
        ),
        "euclidean": euclidean(differences),
        "cosine": cosine(first.double(), second.double(), norms(first), norms(second)),
    }
    for name, expected in reference(first, second).items():
        np.testing.assert_allclose(found[name].numpy(), expected, rtol=1e-6, atol=1e-12, err_msg=name)


def test_normalized_euclidean_by_hand_with_a_channel_that_never_differs() -> None:
    differences = torch.tensor([[1.0, 0.0, 4.0], [3.0, 0.0, 12.0]])
    means = torch.tensor([[2.0, 0.0, 8.0]], dtype=torch.float64)
    found = normalized_euclidean(differences, means, torch.tensor([0, 0]))
    np.testing.assert_allclose(found.numpy(), np.sqrt([(1 / 2 + 4 / 8) / 2, (3 / 2 + 12 / 8) / 2]), rtol=1e-12)


def test_normalized_euclidean_is_0_where_no_channel_differs() -> None:
    found = normalized_euclidean(
        torch.zeros(3, 5), torch.zeros(1, 5, dtype=torch.float64), torch.zeros(3, dtype=torch.long)
    )
    np.testing.assert_array_equal(found.numpy(), np.zeros(3))


def test_euclidean_by_hand() -> None:
    first = torch.zeros(1, 2, 2)
    second = torch.tensor([[[3.0, 0.0], [0.0, 4.0]]])
    assert float(euclidean(channel_differences(first, second))) == pytest.approx(np.sqrt((9 + 16) / 4), rel=1e-12)


def test_cosine_by_hand() -> None:
    first = torch.tensor([[[1.0, 0.0]], [[1.0, 0.0]], [[2.0, 0.0]], [[1.0, 1.0]]])
    second = torch.tensor([[[0.0, 2.0]], [[-3.0, 0.0]], [[7.0, 0.0]], [[1.0, 0.0]]])
    found = cosine(first, second, norms(first), norms(second))
    np.testing.assert_allclose(found.numpy(), [1.0, 2.0, 0.0, 1.0 - np.sqrt(0.5)], rtol=1e-6, atol=1e-12)


def nearly_parallel(apart: float, longer: float, tokens: int = 50) -> tuple[Tensor, Tensor]:
    """Features of five images, and the same turned a little and made longer."""
    first = features(5, tokens, 64, seed=3)
    turned = first.double() * (1.0 + apart * torch.from_numpy(np.random.default_rng(4).normal(size=first.shape)))
    return first, (turned * longer).float()


@pytest.mark.parametrize("apart", [1e-1, 1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("longer", [1.0, 1.001, 1.01, 1.1, 1.5, 3.0, 0.3, 100.0])
@pytest.mark.parametrize("tokens", [1, 50])
def test_cosine_of_nearly_parallel_features_keeps_its_digits(apart: float, longer: float, tokens: int) -> None:
    first, second = nearly_parallel(apart, longer, tokens)
    expected = reference(first, second)["cosine"]
    found = streamed(first, second)["cosine"]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_cosine_survives_channels_that_tower_over_the_others() -> None:
    rng = np.random.default_rng(0)
    shared = rng.normal(size=(50, 256))

    def towering() -> Tensor:
        values = shared + rng.normal(size=(6, 50, 256)) / 2
        values[:, 0, 3] = 100 * rng.normal(1, 0.1, 6)
        values[:, :, 7] = 10 * rng.normal(1, 0.1, (6, 1))
        return torch.from_numpy(values.astype(np.float32))

    first, second = towering(), towering()
    np.testing.assert_allclose(streamed(first, second)["cosine"], reference(first, second)["cosine"], rtol=1e-6)


def test_one_minus_the_cosine_in_float32_would_not_do() -> None:
    first, second = nearly_parallel(1e-3, 1.0)
    expected = reference(first, second)["cosine"]
    naive = 1.0 - torch.nn.functional.cosine_similarity(first.flatten(1), second.flatten(1))
    assert np.abs(naive.numpy() / expected - 1.0).max() > 1e-3
