"""Distances in a stream of batches against float64 NumPy, on one rank and on two."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.distributed import destroy_process_group, init_process_group

from alignbench.distances.functional import ChannelFit
from alignbench.distances.names import DISTANCES
from alignbench.distances.streaming import LayerDistances
from features import features
from rank_processes import on_ranks
from streamed_distances import ends_of, fitted_on, reference, shapes, streamed


@given(shapes, st.data())
def test_streamed_distances_equal_numpy_with_multiplicity(
    shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    weights = data.draw(st.lists(st.integers(1, 9), min_size=shape[0], max_size=shape[0]))
    expected = reference(first, second, weights)
    found = streamed(first, second, [float(weight) for weight in weights])
    assert found.keys() == expected.keys()
    for name in ("normalized_euclidean", "euclidean"):
        np.testing.assert_allclose(found[name], expected[name], rtol=1e-6, err_msg=name)


@given(shapes)
def test_streamed_cosines_equal_numpy(shape: tuple[int, int, int, int]) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    found, expected = streamed(first, second), reference(first, second)
    np.testing.assert_allclose(found["cosine"], expected["cosine"], rtol=1e-6, atol=1e-12)


@given(shapes, st.integers(2, 4), st.data())
def test_means_of_other_folds_equal_numpy(shape: tuple[int, int, int, int], folds: int, data: st.DataObject) -> None:
    pairs, tokens, channels, seed = shape[0] + 4, *shape[1:]
    first, second = features(pairs, tokens, channels, seed), features(pairs, tokens, channels, seed + 1)
    fold = torch.tensor(data.draw(st.permutations([i % folds for i in range(pairs)])))
    times = torch.tensor(data.draw(st.lists(st.integers(1, 5), min_size=pairs, max_size=pairs)), dtype=torch.float64)
    silent = data.draw(st.integers(0, channels))  # a channel that differs in one fold only, if there is such a channel
    if silent < channels:
        second[fold > 0, :, silent] = first[fold > 0, :, silent]
    weights = times * (fold != torch.arange(folds)[:, None])
    metric = LayerDistances(ChannelFit(weights, fold, held_out=True), tokens, channels, ("normalized_euclidean",))
    for some in torch.randperm(pairs).split(3):
        metric.update(some, first[some], second[some], torch.ones(len(some), 2))
    squared = ((first.numpy().astype(np.float64) - second.numpy().astype(np.float64)) ** 2).mean(axis=1)
    means = [
        np.average(squared[(fold != left_out).numpy()], axis=0, weights=times[fold != left_out].numpy())
        for left_out in range(folds)
    ]
    used = [channel for channel in range(channels) if channel != silent]
    expected = [np.sqrt(np.mean(squared[i, used] / means[int(fold[i])][used])) if used else 0.0 for i in range(pairs)]
    np.testing.assert_allclose(metric.by_name()["normalized_euclidean"].numpy(), expected, rtol=1e-6)


def test_a_single_pair_keeps_its_dimension() -> None:
    found = streamed(features(1, 4, 5, seed=0), features(1, 4, 5, seed=1))
    assert {name: values.shape for name, values in found.items()} == dict.fromkeys(DISTANCES, (1,))


@given(shapes, st.data())
def test_order_and_batches_of_updates_do_not_matter(shape: tuple[int, int, int, int], data: st.DataObject) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    weights = [1.0 + pair % 3 for pair in range(shape[0])]
    order = torch.tensor(data.draw(st.permutations(range(shape[0]))))
    batches = order.split(data.draw(st.integers(1, shape[0])))
    once, piecemeal = streamed(first, second, weights), streamed(first, second, weights, batches)
    for name in DISTANCES:
        np.testing.assert_allclose(piecemeal[name], once[name], rtol=1e-12, err_msg=name)


def test_a_channel_that_never_differs_is_dropped() -> None:
    first, second = features(4, 6, 5, seed=0), features(4, 6, 5, seed=1)
    second[:, :, 2] = first[:, :, 2]
    kept = [0, 1, 3, 4]
    found, expected = streamed(first, second), reference(first[:, :, kept], second[:, :, kept])
    np.testing.assert_allclose(found["normalized_euclidean"], expected["normalized_euclidean"], rtol=1e-6)


@given(shapes, st.floats(1e-3, 1e3))
def test_normalized_euclidean_ignores_the_scale_of_a_channel(shape: tuple[int, int, int, int], factor: float) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    scale = torch.ones(shape[2])
    scale[0] = factor
    before, after = streamed(first, second), streamed(first * scale, second * scale)
    np.testing.assert_allclose(after["normalized_euclidean"], before["normalized_euclidean"], rtol=1e-5)


@given(shapes, st.sampled_from([0.125, 0.5, 4.0, 64.0]))
def test_the_scale_of_a_layer_matters_to_the_euclidean_distance_alone(
    shape: tuple[int, int, int, int], factor: float
) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    before, after = streamed(first, second), streamed(first * factor, second * factor)
    np.testing.assert_allclose(after["normalized_euclidean"], before["normalized_euclidean"], rtol=1e-12)
    np.testing.assert_allclose(after["cosine"], before["cosine"], rtol=1e-12)
    np.testing.assert_allclose(after["euclidean"], factor * before["euclidean"], rtol=1e-12)


@given(shapes, st.data())
def test_squared_normalized_distances_have_a_weighted_mean_of_1(
    shape: tuple[int, int, int, int], data: st.DataObject
) -> None:
    first, second = features(*shape), features(*shape[:3], shape[3] + 1)
    weights = data.draw(st.lists(st.integers(1, 9), min_size=shape[0], max_size=shape[0]))
    found = streamed(first, second, [float(weight) for weight in weights])["normalized_euclidean"]
    assert np.average(found.reshape(-1) ** 2, weights=weights) == pytest.approx(1.0, rel=1e-6)


def test_only_the_distances_that_are_asked_for() -> None:
    first, second = features(3, 4, 5, seed=0), features(3, 4, 5, seed=1)
    metric = LayerDistances(fitted_on(torch.ones(3)), 4, 5, ("euclidean",))
    metric.update(torch.arange(3), first, second, ends_of(first, second))
    found = metric.compute()
    assert list(found) == ["euclidean"]
    np.testing.assert_allclose(found["euclidean"].numpy(), reference(first, second)["euclidean"], rtol=1e-6)


def reduce_share(rank: int, ranks: int, folder: Path, first: Tensor, second: Tensor, weights: Tensor) -> None:
    """One rank's work: takes in every `ranks`-th pair, saves the sums that all ranks agree on and its own distances."""
    torch.set_num_threads(1)
    init_process_group("gloo", init_method=f"file://{folder / 'meeting'}", rank=rank, world_size=ranks)
    own = torch.arange(rank, len(first), ranks)
    metric = LayerDistances(fitted_on(weights[own]), first.shape[1], first.shape[2], DISTANCES)
    for some in torch.arange(len(own)).split(2):
        pairs = own[some]
        metric.update(some, first[pairs], second[pairs], ends_of(first[pairs], second[pairs]))
    distances = metric.compute()
    metric.sync()
    agreed = {"channel_sum": metric.channel_sum, "count": metric.count}
    torch.save({"own": own, **agreed, **distances}, folder / f"rank_{rank}.pt")
    destroy_process_group()


def test_two_ranks_agree_on_the_sums_and_together_have_all_distances(tmp_path: Path) -> None:
    first, second = features(9, 6, 5, seed=0), features(9, 6, 5, seed=1)
    weights = [1, 2, 3, 4, 5, 6, 7, 8, 9]
    on_ranks(2, reduce_share, 2, tmp_path, first, second, torch.tensor(weights, dtype=torch.float64))
    squared = (first.numpy().astype(np.float64) - second.numpy().astype(np.float64)) ** 2
    channel_sum = (squared.mean(axis=1) * np.array(weights)[:, None]).sum(axis=0)
    expected = reference(first, second, weights)
    seen: list[int] = []
    for rank in range(2):
        found = torch.load(tmp_path / f"rank_{rank}.pt")
        own = found["own"].numpy()
        seen += own.tolist()
        np.testing.assert_allclose(found["channel_sum"].numpy(), [channel_sum], rtol=1e-6)
        assert float(found["count"]) == sum(weights)
        for name in ("normalized_euclidean", "euclidean"):
            np.testing.assert_allclose(found[name].numpy(), expected[name][own], rtol=1e-6, err_msg=name)
    assert sorted(seen) == list(range(9))
