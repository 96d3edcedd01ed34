"""The work is dealt out whole: every image and every pair once, evenly, with what is needed where it is needed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.extraction.sharding import Assignment, assign, assign_images, is_dense
from pair_graphs import pair_graphs, shuffled

Indices = NDArray[np.int64]


def tid2013() -> tuple[Indices, int]:
    return shuffled([(121 * r, 121 * r + d) for r in range(25) for d in range(1, 121)])


def nights(triplets: int = 300) -> tuple[Indices, int]:
    return shuffled([(3 * t, 3 * t + side) for t in range(triplets) for side in (1, 2)])


def one_component(images: int = 50) -> tuple[Indices, int]:
    return shuffled([(a, b) for a in range(images) for b in range(a)])


def check_deal(assignment: Assignment, pairs: Indices, images: int, ranks: int) -> None:
    """Follows what every rank holds, sends and receives, up to the end."""
    assert len(assignment.shards) == ranks
    owner = {int(image): rank for rank, shard in enumerate(assignment.shards) for image in shard.schedule.order}
    assert sorted(image for shard in assignment.shards for image in shard.schedule.order.tolist()) == list(
        range(images)
    )
    assert sorted(pair for shard in assignment.shards for pair in shard.pairs.tolist()) == list(range(len(pairs)))
    for rank, shard in enumerate(assignment.shards):
        on_the_way = [pair for step in shard.schedule.steps for pair in step.pairs.tolist()]
        arriving = [pair for block in shard.receives.values() for pair in block.pairs.tolist()]
        assert shard.pairs.tolist() == [*on_the_way, *shard.own_at_end.tolist(), *arriving]
        assert all(owner[image] == rank for pair in on_the_way for image in pairs[pair].tolist())
        for sender, block in shard.receives.items():
            assert (block.sender, block.receiver) == (sender, rank)
            there = assignment.shards[sender].sends[rank]
            np.testing.assert_array_equal(there.images, block.images)
            assert {owner[int(image)] for image in block.images} == {sender}
            assert (np.diff(block.images) > 0).all()
            travelling = []
            for pair in block.pairs:
                ends = {owner[int(image)]: int(image) for image in pairs[pair]}
                assert shard.schedule.places[ends[rank]] >= 0
                assert ends[sender] in block.images
                travelling.append(ends[sender])
            assert travelling == sorted(travelling)
            here = {int(image) for image in pairs[block.pairs].ravel() if owner[int(image)] == rank}
            assert block.partners.tolist() == sorted(here)
        places = shard.schedule.places
        assert all(places[int(image)] >= 0 for block in shard.sends.values() for image in block.images)
        assert all(places[int(image)] >= 0 for image in pairs[shard.own_at_end].ravel())
        lower = places[pairs[shard.own_at_end]].min(axis=1)
        assert (np.diff(lower) >= 0).all()
        check_places(assignment, rank)


def check_places(assignment: Assignment, rank: int) -> None:
    """Who stays has its slot to the end."""
    shard = assignment.shards[rank]
    held: dict[int, int] = {}
    for step in shard.schedule.steps:
        held |= dict(zip(step.slots.tolist(), step.images.tolist(), strict=True))
    for image in np.flatnonzero(shard.schedule.places >= 0).tolist():
        assert held[int(shard.schedule.places[image])] == image


@given(pair_graphs(), st.integers(1, 5), st.integers(1, 6), st.booleans())
def test_every_image_and_every_pair_is_dealt_once(
    graph: tuple[Indices, int], ranks: int, batch_size: int, dense: bool
) -> None:
    pairs, images = graph
    check_deal(assign(pairs, images, batch_size, ranks, dense), pairs, images, ranks)


@given(pair_graphs(), st.integers(1, 30))
def test_every_rank_has_an_image_while_there_are_enough(graph: tuple[Indices, int], ranks: int) -> None:
    pairs, images = graph
    counts = [len(own) for own in assign_images(pairs, images, ranks)]
    assert sum(counts) == images
    assert sum(count > 0 for count in counts) == min(ranks, images)


@pytest.mark.parametrize("ranks", [2, 3, 7, 8, 24, 64])
@pytest.mark.parametrize("make", [tid2013, nights, one_component])
def test_no_rank_has_much_more_than_its_share(make, ranks: int) -> None:  # noqa: ANN001
    pairs, images = make()
    counts = [len(own) for own in assign_images(pairs, images, ranks)]
    assert max(counts) <= max(np.ceil(images / ranks), 1.02 * images / ranks)


def test_components_stay_whole_where_they_can() -> None:
    pairs, images = nights()
    assignment = assign(pairs, images, 16, 8)
    assert not any(shard.sends or shard.receives for shard in assignment.shards)
    assert assignment.slots <= 18


def test_little_travels_where_a_star_is_split() -> None:
    pairs, images = tid2013()
    assignment = assign(pairs, images, 16, 2)
    assert sum(len(block.images) for shard in assignment.shards for block in shard.sends.values()) == 1


def test_the_work_between_ranks_is_shared_on_the_dense_path() -> None:
    pairs, images = one_component(60)
    assignment = assign(pairs, images, 16, 4, dense=True)
    counts = [len(shard.pairs) for shard in assignment.shards]
    assert max(counts) <= 1.1 * np.mean(counts)


def test_matrix_products_are_for_a_quarter_of_all_pairs_and_more_than_a_few() -> None:
    assert is_dense(1_717_731, 1_854)
    assert is_dense(1_854**2 // 8 + 1, 1_854)
    assert not is_dense(1_854**2 // 8 - 1, 1_854)
    assert not is_dense(3_000, 3_025)
    assert not is_dense(28_680, 240)
