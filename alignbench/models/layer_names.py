"""What the names of layers say: which are a model's own, which is its projection, which are aligned.

A run with a transform measures `<layer>_aligned` beside the plain layer, and its label ends in `@<transform>`. Whatever
speaks of a model's layers leaves that one out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Final

import numpy as np

from alignbench.errors import counted

if TYPE_CHECKING:
    import pandas as pd

PROJECTION: Final = "projection"
IMAGE: Final = "image"
"""The one layer of a baseline."""
_ALIGNED: Final = "_aligned"


def aligned_name(layer: str) -> str:
    """Name a layer's aligned counterpart."""
    return f"{layer}{_ALIGNED}"


def is_aligned(layer: str) -> bool:
    """Whether a layer is another one's features after a transform."""
    return layer.endswith(_ALIGNED)


def is_plain(layer: str) -> bool:
    """Whether a layer is as the model has it."""
    return not is_aligned(layer)


def is_block(layer: str) -> bool:
    """Whether a layer lies before the projection and is as the model has it; the only one of a baseline does too."""
    return is_plain(layer) and layer != PROJECTION


def plain_name(layer: str) -> str:
    """Name the layer that an aligned one was made from; a plain layer is returned as it is."""
    return layer.removesuffix(_ALIGNED)


def has_one_token(layer: str) -> bool:
    """Whether token views coincide at a layer, whatever the model."""
    return plain_name(layer) in (PROJECTION, IMAGE)


def counted_layers(count: int) -> str:
    """How many layers, in words."""
    return counted(count, "layer")


def split_label(label: str, layers: Iterable[str]) -> tuple[str, str]:
    """Split a run's label into the model and the name of the transform, empty if there is none.

    Args:
        label: Label of the run.
        layers: Names of its layers: where none is aligned, the label names no transform.
    """
    model, _, transform = label.rpartition("@") if any(map(is_aligned, layers)) else (label, "", "")
    return model, transform


def select_rows(rows: pd.DataFrame, wanted: Callable[[str], bool]) -> pd.DataFrame:
    """Select the rows of some layers.

    Args:
        rows: A table with a column `layer`.
        wanted: Says whether a layer is wanted, e.g. `is_block`.
    """
    return rows[np.array([wanted(layer) for layer in rows["layer"]], dtype=bool)]
