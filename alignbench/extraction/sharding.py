"""Which rank embeds which images and reduces which pairs, worked out before any model is loaded.

Whole components of the pair graph are handed out by size. What fits nowhere, because a component is too big for one
rank, is split by images: the pairs between two ranks are reduced at the end by one of them, which receives the tokens
of the other's images. Nothing here depends on anything but the pair graph and the number of ranks, so every rank works
it out for itself and all agree.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.csgraph import connected_components

from alignbench.arrays import Indices
from alignbench.extraction.schedule import Schedule, image_order, pair_graph, schedule_flow

_UNEVEN: Final = 1.02  # share of the even load up to which a rank takes whole components
_DENSE: Final = 8  # matrix products are cheaper than pair by pair from images^2 / 8 pairs on (a quarter of all pairs)
_FEW: Final = 100_000  # pairs: below, pair by pair takes no time worth saving


@dataclass(frozen=True)
class Block:
    """Pairs between the images of two ranks, one of which receives the other's tokens and reduces them.

    Attributes:
        sender: The rank whose tokens travel.
        receiver: The rank that reduces the pairs.
        images: The images that travel, ascending, (n,).
        partners: The receiver's images in these pairs, ascending, (k,).
        pairs: Indices of the pairs, in the order of their image that travels, (m,).
    """

    sender: int
    receiver: int
    images: Indices
    partners: Indices
    pairs: Indices


@dataclass(frozen=True)
class Shard:
    """What one rank does.

    Attributes:
        schedule: How its images flow, and which pairs are reduced on the way.
        pairs: Indices of all pairs that it reduces, in that order: on the way, then those of `own_at_end`, then those
            of each block that it receives.
        own_at_end: Pairs among its own images that wait for the end, by lower slot: all of them on the dense path.
        receives: Blocks for which it receives tokens, by sender.
        sends: Blocks for which it sends tokens, by receiver.
    """

    schedule: Schedule
    pairs: Indices
    own_at_end: Indices
    receives: dict[int, Block]
    sends: dict[int, Block]


@dataclass(frozen=True)
class Assignment:
    """The work of all ranks.

    Attributes:
        shards: One for each rank; that of a rank too many has no images.
        dense: Whether distances come from matrix products at the end, instead of pair by pair on the way.
    """

    shards: tuple[Shard, ...]
    dense: bool

    @property
    def slots(self) -> int:
        """The most images that any rank keeps at the same time."""
        return max(shard.schedule.slots for shard in self.shards)

    @property
    def pairs(self) -> int:
        """The most pairs that any rank reduces."""
        return max(len(shard.pairs) for shard in self.shards)


def is_dense(pairs: int, images: int) -> bool:
    """Whether so many of all pairs are wanted that matrix products over all images are cheaper than pair by pair."""
    return pairs >= max(images**2 / _DENSE, _FEW)


def assign(pairs: Indices, images: int, batch_size: int, ranks: int = 1, dense: bool | None = None) -> Assignment:
    """Share the work out among ranks.

    Args:
        pairs: Image indices of the unique pairs, (P, 2); every image is in at least one.
        images: Number of images.
        batch_size: Images a step.
        ranks: Number of ranks.
        dense: Whether to take the dense path; none for the cheaper one.
    """
    dense = is_dense(len(pairs), images) if dense is None else dense
    owned = assign_images(pairs, images, ranks)
    rank_of = np.empty(images, dtype=np.int64)
    for rank, own in enumerate(owned):
        rank_of[own] = rank
    blocks = list(_blocks(pairs, rank_of, halve=dense))
    ends = rank_of[pairs]
    inside = np.flatnonzero(ends[:, 0] == ends[:, 1])
    by_rank = np.split(
        inside[np.argsort(ends[inside, 0], kind="stable")],
        np.cumsum(np.bincount(ends[inside, 0], minlength=ranks))[:-1],
    )
    shards = []
    for rank, (own, local) in enumerate(zip(owned, by_rank, strict=True)):
        receives = {block.sender: block for block in blocks if block.receiver == rank}
        sends = {block.receiver: block for block in blocks if block.sender == rank}
        staying = np.zeros(images, dtype=bool)
        if dense:
            staying[own] = True
        for block in (*receives.values(), *sends.values()):
            staying[pairs[block.pairs].ravel()] = True
        staying &= rank_of == rank
        nothing = np.empty(0, dtype=np.int64)
        schedule = schedule_flow(pairs, own, nothing if dense else local, batch_size, staying)
        at_end = nothing
        if dense:  # in order of the lower slot, so that the pairs of neighbouring slots follow each other
            at_end = local[np.argsort(schedule.places[pairs[local]].min(axis=1), kind="stable")]
        done = [step.pairs for step in schedule.steps] + [at_end] + [block.pairs for block in receives.values()]
        shards.append(Shard(schedule, np.concatenate([nothing, *done]), at_end, receives, sends))
    return Assignment(tuple(shards), dense)


def assign_images(pairs: Indices, images: int, ranks: int) -> list[Indices]:
    """The images of each rank, in the order of their embedding.

    Args:
        pairs: Image indices, (P, 2).
        images: Number of images.
        ranks: Number of ranks; those beyond the number of images get none, all others one at least.
    """
    order = image_order(pairs, images)
    able = min(ranks, images)
    if able == 1:
        return [order, *(order[:0] for _ in range(ranks - 1))]
    quotas = [images // able + (rank < images % able) for rank in range(able)]
    number, label = connected_components(pair_graph(pairs, images), directed=False)
    grouped = order[np.argsort(label[order], kind="stable")]
    components = np.split(grouped, np.cumsum(np.bincount(label, minlength=number))[:-1])
    loads = [(0, rank) for rank in range(able)]  # a heap: the rank with the least comes first
    hands: list[list[Indices]] = [[] for _ in range(able)]
    left: list[Indices] = [order[:0]]
    for component in sorted(components, key=len, reverse=True):
        load, rank = loads[0]
        if load + len(component) <= quotas[rank] * _UNEVEN:
            heapq.heapreplace(loads, (load + len(component), rank))
            hands[rank].append(component)
        else:
            left.append(component)
    rest, start = np.concatenate(left), 0
    for load, rank in sorted(loads, key=lambda pair: pair[1]):
        room = max(0, quotas[rank] - load)
        hands[rank].append(rest[start : start + room])
        start += room
    owned = [np.concatenate(hand) for hand in hands]
    while any(not len(own) for own in owned):  # others took a little more than their share
        empty = next(rank for rank, own in enumerate(owned) if not len(own))
        fullest = max(range(able), key=lambda rank: len(owned[rank]))
        half = len(owned[fullest]) // 2
        owned[fullest], owned[empty] = owned[fullest][half:], owned[fullest][:half]
    return [*owned, *(order[:0] for _ in range(ranks - able))]


def _blocks(pairs: Indices, rank_of: NDArray[np.int64], halve: bool) -> Iterator[Block]:
    """The pairs between ranks: the side with fewer images sends them, and on the dense path each side half of them."""
    ends = rank_of[pairs]
    across = np.flatnonzero(ends[:, 0] != ends[:, 1])
    low, high = ends[across].min(axis=1), ends[across].max(axis=1)
    key = low * (rank_of.max(initial=0) + 1) + high
    by_key = np.argsort(key, kind="stable")
    for group in np.split(across[by_key], np.flatnonzero(np.diff(key[by_key])) + 1):
        if not len(group):
            continue
        a, b = (int(rank) for rank in np.unique(ends[group]))
        images_a = np.where(ends[group, 0] == a, pairs[group, 0], pairs[group, 1])
        images_b = np.where(ends[group, 0] == b, pairs[group, 0], pairs[group, 1])
        everything = np.ones(len(group), dtype=bool)
        parts = [(b, a, images_b, images_a, everything)]
        if halve:  # both ranks do the same work: each gets the pairs of half of the other's images
            named = np.unique(images_b)
            lower = np.isin(images_b, named[: len(named) // 2])
            parts = [(b, a, images_b, images_a, lower), (a, b, images_a, images_b, ~lower)]
        elif len(np.unique(images_b)) > len(np.unique(images_a)):
            parts = [(a, b, images_a, images_b, everything)]
        for sender, receiver, travelling, staying, chosen in parts:
            if chosen.any():
                order = np.argsort(travelling[chosen], kind="stable")
                images, partners = np.unique(travelling[chosen]), np.unique(staying[chosen])
                yield Block(sender, receiver, images, partners, group[chosen][order])
