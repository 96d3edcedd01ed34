"""The order in which images flow, worked out from the pair graph before any model is loaded.

An image is embedded once and kept in a slot while one of its pairs is still open; its slot is reused after its last
pair. Around a reference with 120 distortions that is one image beside the batch, in a triplet three; in THINGS, where
everything is connected, nearly all of them.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, csr_matrix
from scipy.sparse.csgraph import breadth_first_order, connected_components

from alignbench.arrays import Indices
from alignbench.errors import UsageError


@dataclass(frozen=True)
class Step:
    """One batch: what to embed, and which pairs it completes.

    Attributes:
        images: Images to embed, (b,).
        slots: Where their features go, (b,).
        pairs: Pairs of which both images are now there, (n,).
        first: Slots of the pairs' first images, (n,).
        second: Slots of the pairs' second images, (n,).
    """

    images: Indices
    slots: Indices
    pairs: Indices
    first: Indices
    second: Indices


@dataclass(frozen=True)
class Schedule:
    """All batches, and the number of slots that they need.

    Attributes:
        steps: The batches; none where there is nothing to embed.
        slots: How many images are kept at the same time.
        places: The slot of each image that stays to the end, -1 for all others, (images,).
    """

    steps: tuple[Step, ...]
    slots: int
    places: Indices

    @property
    def order(self) -> Indices:
        """The images in the order of their embedding."""
        return np.concatenate([np.empty(0, dtype=np.int64), *(step.images for step in self.steps)])

    @property
    def batch_size(self) -> int:
        """Images of every step but perhaps the last."""
        return len(self.steps[0].images) if self.steps else 1


def pair_graph(pairs: Indices, images: int) -> csr_matrix:
    """The symmetric adjacency matrix of pairs (P, 2) of so many images."""
    ends = np.concatenate([pairs, pairs[:, ::-1]])
    return csr_matrix(coo_array((np.ones(len(ends), dtype=np.int8), (ends[:, 0], ends[:, 1])), shape=(images, images)))


def image_order(pairs: Indices, images: int) -> Indices:
    """An order of the images in which the two of a pair stand close together.

    Cuthill and McKee (1969): breadth first within each component of the pair graph, from an image with the fewest
    pairs, and among the neighbours of an image those with fewer pairs first. Ties go by number, so that the order is
    the same on every processor.

    Args:
        pairs: Image indices, (P, 2).
        images: Number of images.

    Returns:
        Permutation of the images, (images,).
    """
    graph = pair_graph(pairs, images)
    by_degree = np.argsort(np.diff(graph.indptr), kind="stable")
    graph = graph[by_degree][:, by_degree]  # neighbours are visited by number, which now is by degree
    graph.sort_indices()
    _, component = connected_components(graph, directed=False)
    _, starts, component = np.unique(component, return_index=True, return_inverse=True)
    # from one more node that leads to the first image of each component, a single search reaches them all
    ends = np.concatenate([graph.indices, starts])
    bounds = np.append(graph.indptr, len(ends))
    rooted = csr_matrix((np.ones(len(ends), dtype=np.int8), ends, bounds), shape=(images + 1, images + 1))
    reached = breadth_first_order(rooted, images, return_predecessors=False)[1:]
    order = reached[np.argsort(starts[component[reached]], kind="stable")]
    return np.asarray(by_degree[order], dtype=np.int64)


def schedule_flow(
    pairs: Indices, order: Indices, due: Indices, batch_size: int, staying: NDArray[np.bool_]
) -> Schedule:
    """Schedule the flow of some images in a given order.

    Args:
        pairs: Image indices of all unique pairs, (P, 2).
        order: The images to embed, each once, (n,).
        due: Indices of the pairs to reduce, both of whose images are among them.
        batch_size: Images of a step.
        staying: Whether each of all images keeps its slot to the end, (images,).
    """
    position = np.full(len(staying), -1, dtype=np.int64)
    position[order] = np.arange(len(order))
    numbers = -(-len(order) // batch_size)
    ends = position[pairs[due]]
    ready = ends.max(axis=1, initial=0) // batch_size  # the step that completes a pair
    last = np.zeros(len(order), dtype=np.int64)  # the step that completes an image's last pair
    np.maximum.at(last, ends.ravel(), np.repeat(ready, 2))
    last[staying[order]] = numbers
    by_step = np.argsort(ready, kind="stable")
    bounds = np.searchsorted(ready[by_step], np.arange(numbers + 1))

    slot_of = np.full(len(staying), -1, dtype=np.int64)
    free: list[int] = []
    kept: list[tuple[int, int]] = []  # heap of (step of the last pair, image)
    slots = 0
    steps = []
    for number, start in enumerate(range(0, len(order), batch_size)):
        while kept and kept[0][0] < number:
            heapq.heappush(free, int(slot_of[heapq.heappop(kept)[1]]))
        batch = order[start : start + batch_size]
        for place, image in enumerate(batch.tolist(), start):
            if free:
                slot_of[image] = heapq.heappop(free)
            else:
                slot_of[image], slots = slots, slots + 1
            heapq.heappush(kept, (int(last[place]), image))
        done = due[by_step[bounds[number] : bounds[number + 1]]]
        first, second = slot_of[pairs[done]].T
        steps.append(Step(batch, slot_of[batch], done, first, second))
    return Schedule(tuple(steps), slots, np.where(staying, slot_of, -1))


def layer_passes(layer_bytes: list[int], slots: int, budget: int) -> list[list[int]]:
    """Share layers out over passes so that what is kept in each fits memory.

    Args:
        layer_bytes: Size of one image's features at each layer.
        slots: Images kept at the same time.
        budget: Bytes for features.

    Returns:
        For each pass the indices of its layers.

    Raises:
        UsageError: If the features of one layer alone do not fit.
    """
    passes: list[list[int]] = [[]]
    room = budget
    for index, size in enumerate(layer_bytes):
        need = size * slots
        if need > budget:
            raise UsageError(
                f"{slots} images of one layer take {need / 1e9:.2f} GB, more than --feature-memory allows "
                f"({budget / 1e9:.2f} GB): raise it, or share the work over more --devices"
            )
        if passes[-1] and need > room:
            passes.append([])
            room = budget
        passes[-1].append(index)
        room -= need
    return passes
