"""The plan embeds every image once and has both ends of every pair in their slots when it reduces the pair."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from alignbench.errors import UsageError
from alignbench.extraction.schedule import Schedule, image_order, layer_passes, schedule_flow
from pair_graphs import pair_graphs, shuffled

Indices = NDArray[np.int64]


def make_schedule(pairs: Indices, images: int, batch_size: int) -> Schedule:
    """All pairs on one rank, none of whose images stay."""
    order, due = image_order(pairs, images), np.arange(len(pairs))
    return schedule_flow(pairs, order, due, batch_size, np.zeros(images, dtype=bool))


def check_flow(plan: Schedule, pairs: Indices, images: int, batch_size: int) -> None:
    """Follows the contents of the slots step by step."""
    assert sorted(plan.order.tolist()) == list(range(images))
    assert sorted(np.concatenate([step.pairs for step in plan.steps]).tolist()) == list(range(len(pairs)))
    assert all(len(step.images) == batch_size for step in plan.steps[:-1])
    assert 1 <= len(plan.steps[-1].images) <= batch_size
    held: dict[int, int] = {}
    for step in plan.steps:
        assert len(set(step.slots.tolist())) == len(step.slots)
        held |= dict(zip(step.slots.tolist(), step.images.tolist(), strict=True))
        for pair, first, second in zip(step.pairs, step.first, step.second, strict=True):
            assert (held.get(int(first)), held.get(int(second))) == tuple(pairs[pair])
    assert set(held) == set(range(plan.slots))


@given(pair_graphs(), st.integers(1, 9))
def test_both_ends_of_every_pair_are_in_their_slots_when_it_is_due(graph: tuple[Indices, int], batch_size: int) -> None:
    pairs, images = graph
    check_flow(make_schedule(pairs, images, batch_size), pairs, images, batch_size)


@given(pair_graphs(), st.integers(1, 9))
def test_no_more_slots_than_images_that_are_needed_at_once(graph: tuple[Indices, int], batch_size: int) -> None:
    pairs, images = graph
    plan = make_schedule(pairs, images, batch_size)
    step_of = {int(image): number for number, step in enumerate(plan.steps) for image in step.images}
    last = {image: max(step_of[int(end)] for pair in pairs if image in pair for end in pair) for image in step_of}
    at_once = [
        sum(step_of[image] <= number <= last[image] for image in range(images)) for number in range(len(plan.steps))
    ]
    assert plan.slots == max(at_once)


@given(pair_graphs())
def test_components_are_not_mixed(graph: tuple[Indices, int]) -> None:
    pairs, images = graph
    root = list(range(images))
    for _ in range(images):
        for a, b in pairs.tolist():
            root[a] = root[b] = min(root[a], root[b])
    in_order = [root[image] for image in image_order(pairs, images).tolist()]
    changes = sum(a != b for a, b in pairwise(in_order))
    assert changes == len(set(root)) - 1


def cuthill_mckee(pairs: Indices, images: int) -> list[int]:
    """The order by the book: from the image with the fewest pairs; of neighbours those with fewer first; by number."""
    near: list[set[int]] = [set() for _ in range(images)]
    for a, b in pairs.tolist():
        near[a].add(b)
        near[b].add(a)
    by_degree = sorted(range(images), key=lambda image: (len(near[image]), image))
    order: list[int] = []
    for start in by_degree:
        queue = [] if start in order else [start]
        order += queue
        while queue:
            found = [image for image in by_degree if image in near[queue[0]] and image not in order]
            order += found
            queue = [*queue[1:], *found]
    return order


@given(pair_graphs())
def test_the_order_is_that_of_cuthill_and_mckee_with_ties_by_number(graph: tuple[Indices, int]) -> None:
    assert image_order(*graph).tolist() == cuthill_mckee(*graph)


@pytest.mark.parametrize("seed", [0, 1])
def test_the_order_of_a_large_graph_of_equal_degrees_has_ties_by_number(seed: int) -> None:
    pairs, images = shuffled([(7 * k, 7 * k + side) for k in range(60) for side in (1, 2, 3, 4, 5, 6)], seed)
    assert image_order(pairs, images).tolist() == cuthill_mckee(pairs, images)


@pytest.mark.parametrize("batch_size", [1, 2, 16, 64])
@pytest.mark.parametrize("references", [1, 5])
def test_a_reference_stays_for_its_120_distortions_beside_the_batch(batch_size: int, references: int) -> None:
    pairs, images = shuffled([(121 * r, 121 * r + d) for r in range(references) for d in range(1, 121)])
    plan = make_schedule(pairs, images, batch_size)
    check_flow(plan, pairs, images, batch_size)
    assert plan.slots <= batch_size + 1


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4, 16])
def test_a_triplet_needs_at_most_two_images_beside_the_batch(batch_size: int) -> None:
    pairs, images = shuffled([(3 * t, 3 * t + side) for t in range(40) for side in (1, 2)])
    plan = make_schedule(pairs, images, batch_size)
    check_flow(plan, pairs, images, batch_size)
    assert plan.slots <= batch_size + 2


def test_everything_stays_where_every_image_meets_every_other() -> None:
    pairs, images = shuffled([(a, b) for a in range(12) for b in range(a)])
    plan = make_schedule(pairs, images, 5)
    check_flow(plan, pairs, images, 5)
    assert plan.slots == 12


def test_an_image_paired_with_itself_is_embedded_once() -> None:
    pairs = np.array([[0, 0]])
    plan = make_schedule(pairs, 1, 4)
    check_flow(plan, pairs, 1, 4)
    assert plan.slots == 1


@given(st.data(), st.lists(st.integers(1, 50), min_size=1, max_size=20), st.integers(1, 30))
def test_passes_take_the_layers_in_order_and_each_fits(data: st.DataObject, sizes: list[int], slots: int) -> None:
    budget = data.draw(st.integers(max(sizes) * slots, 2 * sum(sizes) * slots))
    passes = layer_passes(sizes, slots, budget)
    assert [layer for group in passes for layer in group] == list(range(len(sizes)))
    need = [slots * sum(sizes[layer] for layer in group) for group in passes]
    assert max(need) <= budget
    first = [slots * sizes[group[0]] for group in passes]
    assert all(before + after > budget for before, after in zip(need, first[1:], strict=False)), "a pass too many"


@given(pair_graphs(), st.integers(1, 9), st.data())
def test_who_stays_keeps_its_slot_to_the_end(graph: tuple[Indices, int], batch_size: int, data: st.DataObject) -> None:
    pairs, images = graph
    staying = np.array(data.draw(st.lists(st.booleans(), min_size=images, max_size=images)))
    plan = schedule_flow(pairs, image_order(pairs, images), np.arange(len(pairs)), batch_size, staying)
    held: dict[int, int] = {}
    for step in plan.steps:
        held |= dict(zip(step.slots.tolist(), step.images.tolist(), strict=True))
    assert ((plan.places >= 0) == staying).all()
    assert all(held[int(plan.places[image])] == image for image in np.flatnonzero(staying))


def test_everything_in_one_pass_where_there_is_room() -> None:
    assert layer_passes([3, 4, 5], slots=2, budget=24) == [[0, 1, 2]]
    assert layer_passes([3, 4, 5], slots=2, budget=23) == [[0, 1], [2]]
    assert layer_passes([3, 4, 5], slots=2, budget=10) == [[0], [1], [2]]


def test_a_layer_that_does_not_fit_alone_is_refused() -> None:
    with pytest.raises(UsageError, match="--feature-memory"):
        layer_passes([3, 4, 5], slots=2, budget=9)
