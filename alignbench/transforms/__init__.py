"""Affine post-hoc alignment of representations with human similarity: apply, learn, judge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.published import PUBLISHED, published

if TYPE_CHECKING:
    from alignbench.transforms.affine import Array


def align(features: Array, *, model: str, module: str | None = None, method: str = "glocal") -> Array:
    """Bring features of a model closer to human similarity, by the transform that is published for it.

    Args:
        features: (..., d), an array or tensor, as the model gives them; see `AffineTransform.apply`.
        model: e.g. `clip_ViT-L/14`, or the name by which alignbench runs that model; see `PUBLISHED`.
        module: The module whose output they are; none for the one there is a transform for.
        method: `glocal`, the one whose transforms are published.

    Returns:
        The aligned features, of the same shape and type; they are not normalised.

    Raises:
        UsageError: If no such transform is published, or the width is another one.
        AlignbenchError: If it cannot be downloaded.
    """
    from alignbench.errors import unknown

    if method.lower() != "glocal":
        raise unknown("way to align", method, ("glocal",))
    name = next((name for name, known in PUBLISHED.items() if model in known.models), model)
    if module == "projection" and PUBLISHED.get(name) is not None and PUBLISHED[name].models:
        module = None
    return published(name, module).apply(features)


__all__ = ["PUBLISHED", "AffineTransform", "align", "published"]
