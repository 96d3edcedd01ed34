"""Parts of a model's output as features of their own: every head, every MLP and the embedding, alone or left out."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.errors import UsageError
from alignbench.interpret.store import HeadStore
from alignbench.models.layer_names import PROJECTION
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.named import NamedTransform

Rows = NDArray[np.float32]
WAYS: Final = ("alone", "left_out")
_SAME: Final = 1e-6  # of the largest number: what differs less between pictures is rounding


@dataclass(frozen=True, order=True)
class Component:
    """A part of a model's output.

    Attributes:
        kind: `head`, `mlp`, `embedding`, or `all` for the whole.
        layer: Its layer, from 1; 0 for the embedding and the whole.
        head: Its number in the layer, from 0; -1 where it is no head.
    """

    kind: str
    layer: int = 0
    head: int = -1

    @property
    def name(self) -> str:
        """Name of it in messages, e.g. `head 3 of layer 12`."""
        if self.kind == "head":
            return f"head {self.head} of layer {self.layer}"
        return f"MLP of layer {self.layer}" if self.kind == "mlp" else f"the {self.kind}"


WHOLE: Final = Component("all")


@dataclass(frozen=True)
class PartCurve:
    """A component, and whether it is alone or all others are there without it.

    Attributes:
        component: The component.
        way: `alone` or `left_out`.
    """

    component: Component
    way: str = "alone"

    @property
    def name(self) -> str:
        """Name of it in messages."""
        return self.component.name if self.way == "alone" else f"everything but {self.component.name}"


@dataclass(frozen=True)
class OutputParts:
    """The parts of a model's output, in the units of that output: all of them together are the output itself.

    Attributes:
        store: The contributions, with all heads.
        unit_norm: Whether the output is divided by its norm, as some models' own code does with a projection.
        transform: What the output goes through, if anything. Being affine it acts on each part; what it adds to every
            picture is shared out as the bias of a projection is.
    """

    store: HeadStore
    unit_norm: bool = False
    transform: AffineTransform | None = None

    @property
    def components(self) -> tuple[Component, ...]:
        """All parts: heads by layer, the MLPs, the embedding."""
        store = self.store
        heads = (Component("head", layer, head) for layer in store.layers for head in range(store.heads))
        mlps = (Component("mlp", layer) for layer in range(1, store.shape.blocks + 1))
        return (*heads, *mlps, Component("embedding"))

    @property
    def curves(self) -> tuple[PartCurve, ...]:
        """All parts, alone and left out."""
        return tuple(PartCurve(component, way) for way in WAYS for component in self.components)

    def features(self, curve: PartCurve) -> Rows:
        """What is left of the output, (n, numbers), float32.

        Args:
            curve: Which part, alone or left out.
        """
        if curve.component == WHOLE:
            return self.total
        part = self._part(curve.component)
        return part if curve.way == "alone" else self.total - part

    @cached_property
    def total(self) -> Rows:
        """The output, (n, numbers), float32."""
        store = self.store
        total = store.left_out().astype(np.float64)
        for component in self.components:
            total += self._stored(component)
        if store.constant is not None:
            total += store.constant
        total *= self._scale[:, None]
        return (total if self.transform is None else self.transform.apply(total)).astype(np.float32)

    @cached_property
    def _scale(self) -> Floats:
        """What stored contributions are multiplied by, (n,): those of a class token are divided by the norm."""
        is_divided, norms = not self.store.shape.has_constant, self.store.norms.astype(np.float64)
        wanted = self.unit_norm and self.transform is None  # a transform takes the output as it is
        if is_divided == wanted:
            return np.ones(len(norms))
        return norms if is_divided else 1.0 / norms

    def _part(self, component: Component) -> Rows:
        part = self._stored(component) * self._scale[:, None]
        if self.transform is not None:
            origin = np.zeros((1, part.shape[1]))
            added = self.transform.apply(origin)
            part = self.transform.apply(part) - added
            if not self.store.shape.has_constant:  # which takes it where there is one
                part += added * self._share(component)
        return part.astype(np.float32)

    def _share(self, component: Component) -> float:
        terms = 2 * self.store.shape.blocks + 1
        return 1.0 / (terms * self.store.heads if component.kind == "head" else terms)

    def _stored(self, component: Component) -> Rows:
        if component.kind == "head":
            return self.store.head(component.layer, component.head)
        return self.store.other(component.layer)


def centred(features: Rows) -> Rows:
    """Features without their mean over pictures, (n, numbers); the mean is taken in float64."""
    return np.asarray(features - features.mean(axis=0, dtype=np.float64), dtype=np.float32)


def is_constant(features: Rows) -> bool:
    """Whether features are the same for every picture, up to rounding."""
    spread = np.ptp(features, axis=0).max(initial=0.0)
    return bool(spread <= _SAME * np.abs(features).max(initial=0.0))


def split_constant(parts: OutputParts) -> tuple[tuple[PartCurve, ...], tuple[PartCurve, ...]]:
    """Tell the curves that can be scored from those that are the same for every picture.

    Args:
        parts: The parts of an output.

    Returns:
        The curves that vary, and the others; both in the order of `OutputParts.curves`. What leaves out a part that is
        the same for every picture is in neither.
    """
    dead = {component for component in parts.components if is_constant(parts.features(PartCurve(component)))}
    varying: list[PartCurve] = []
    constant: list[PartCurve] = []
    for curve in parts.curves:
        if curve.way == "alone":
            (constant if curve.component in dead else varying).append(curve)
        elif curve.component not in dead:
            (constant if is_constant(parts.features(curve)) else varying).append(curve)
    return tuple(varying), tuple(constant)


def check_of_projection(chosen: NamedTransform) -> None:
    """Refuse a transform of another layer than the projection, of which heads are parts.

    Raises:
        UsageError: If it is of one.
    """
    if chosen.layer != PROJECTION:
        raise UsageError(
            f"the transform {chosen.name} is for {chosen.layer}, and heads are parts of the projection: take one of it"
        )
