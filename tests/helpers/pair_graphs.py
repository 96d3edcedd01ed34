"""Pair graphs for the planner: any, and with images renumbered."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

Indices = NDArray[np.int64]


@st.composite
def pair_graphs(draw: st.DrawFn) -> tuple[Indices, int]:
    """Distinct unordered pairs, self pairs among them, that name every image; often of several components."""
    images = draw(st.integers(1, 24))
    image = st.integers(0, images - 1)
    drawn = draw(st.lists(st.tuples(image, image), max_size=40))
    named = {end for pair in drawn for end in pair}
    alone = [(a, draw(image)) for a in range(images) if a not in named]
    distinct = {frozenset(pair): pair for pair in [*drawn, *alone]}
    pairs = draw(st.permutations(list(distinct.values())))
    return np.array(pairs, dtype=np.int64), images


def shuffled(pairs: list[tuple[int, int]], seed: int = 0) -> tuple[Indices, int]:
    """The same graph with its images renumbered and its pairs in another order."""
    rng = np.random.default_rng(seed)
    ends = np.array(pairs)
    images = int(ends.max()) + 1
    return rng.permutation(rng.permutation(images)[ends]), images
