"""What is ablated: heads one by one or together, MLPs, what the class token reads of itself, or all early attention."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import comb
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.errors import UsageError, unknown
from alignbench.interpret.head_names import Head
from alignbench.interpret.store import HeadStore, Rows

KINDS: Final = ("head", "layer", "mlp", "mlps", "class", "early")


@dataclass(frozen=True)
class Arm:
    """Parts of an output that are ablated together.

    Attributes:
        kind: `all` where nothing is ablated, one of `KINDS`, `group` for heads that were named, `random` for as many
            that were drawn.
        layer: The layer of a head, a layer or an MLP, from 1; the last of early ones; 0 where there is no such.
        head: Number of a head, from 0; -1 where it is not one.
        heads: The heads of a group, in its order.
        label: Their label, where they have been grouped by it.
    """

    kind: str
    layer: int = 0
    head: int = -1
    heads: tuple[Head, ...] = ()
    label: str = ""


WHOLE: Final = Arm("all")


def kept_heads(store: HeadStore) -> list[Head]:
    """All heads of a store, by layer and number."""
    return [(layer, head) for layer in store.layers for head in range(store.heads)]


def arms_of(store: HeadStore, kind: str) -> list[Arm]:
    """All arms of a kind.

    Args:
        store: The contributions.
        kind: `head`: each head alone; `layer`: the heads of each kept layer; `mlp`: each MLP alone; `mlps`: all of them
            together; `class`: what the class token reads of itself, in all layers together; `early`: all attention
            from the first layer up to each that is kept, where heads that are not kept one by one count together.

    Raises:
        UsageError: If there is no such kind.
        DataError: If the store has no class part.
    """
    blocks = store.shape.blocks
    if kind == "head":
        return [Arm("head", *head) for head in kept_heads(store)]
    if kind == "layer":
        return [Arm("layer", layer) for layer in store.layers]
    if kind == "mlp":
        return [Arm("mlp", layer) for layer in range(1, blocks + 1)]
    if kind == "early":
        first = [Arm("early", store.layers[0] - 1)] if store.layers[0] > 1 else []
        return [*first, *(Arm("early", layer) for layer in store.layers)]
    if kind == "class":
        store.class_part(1)
        return [Arm("class")]
    if kind != "mlps":
        raise unknown("--by", kind, KINDS)
    return [Arm("mlps")]


def random_groups(store: HeadStore, group: Sequence[Head], count: int, seed: int) -> list[Arm]:
    """Draw different groups of as many heads as a group has, none of which it has.

    Args:
        store: The contributions.
        group: The heads.
        count: How many groups.
        seed: Seed of the draws.

    Raises:
        UsageError: If there are not so many groups of other heads.
    """
    others = [head for head in kept_heads(store) if head not in group]
    if comb(len(others), len(group)) < count:
        raise UsageError(
            f"--random {count}: of {len(others)} other heads there are {comb(len(others), len(group))} groups of "
            f"{len(group)}: draw or name fewer, or decompose with --layers all"
        )
    rng = np.random.default_rng(seed)
    drawn: dict[tuple[Head, ...], None] = {}
    while len(drawn) < count:
        places = np.sort(rng.choice(len(others), len(group), replace=False))
        drawn[tuple(others[place] for place in places)] = None
    return [Arm("random", heads=heads) for heads in drawn]


class StoredArms:
    """Reads what an arm adds to each output; sums of early attention are gone on with from arm to arm.

    Args:
        store: The contributions.
    """

    def __init__(self, store: HeadStore) -> None:
        self.store = store
        self._early: tuple[int, Floats] | None = None

    def rows(self, arm: Arm) -> Floats:
        """Return the sum of an arm's parts, (n, d') float64.

        Raises:
            UsageError: If a head is not there.
            DataError: If the store is damaged.
        """
        if arm.kind == "early":
            return self._until(arm.layer)
        return self._summed(self._parts(arm))

    def _summed(self, parts: Iterator[Rows]) -> Floats:
        total = np.zeros((len(self.store.names), self.store.width))
        for part in parts:
            total += part
        return total

    def _parts(self, arm: Arm) -> Iterator[Rows]:
        store, layers = self.store, range(1, self.store.shape.blocks + 1)
        if arm.kind == "all":
            yield store.left_out()
            for each in kept_heads(store):
                yield store.head(*each)
            for number in range(store.shape.blocks + 1):
                yield store.other(number)
            if store.constant is not None:
                yield store.constant
        elif arm.kind == "head":
            yield store.head(arm.layer, arm.head)
        elif arm.kind == "layer":
            for head in range(store.heads):
                yield store.head(arm.layer, head)
        elif arm.kind in ("group", "random"):
            for each in arm.heads:
                yield store.head(*each)
        elif arm.kind == "class":
            for layer in layers:
                yield store.class_part(layer)
        else:
            for layer in (arm.layer,) if arm.kind == "mlp" else layers:
                yield store.other(layer)

    def _until(self, layer: int) -> Floats:
        """All attention up to a layer."""
        start, total = self._early or (self.store.layers[0] - 1, self.store.left_out().astype(np.float64))
        if start > layer:
            start, total = self.store.layers[0] - 1, self.store.left_out().astype(np.float64)
        total = total.copy()
        for each in range(start + 1, layer + 1):
            total += self.rows(Arm("layer", each))
        self._early = (layer, total)
        return total
