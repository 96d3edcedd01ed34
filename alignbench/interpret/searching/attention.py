"""Where heads look in a picture: the attention of the query that makes the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from alignbench.arrays import Floats
from alignbench.interpret.head_names import Head

ATTENTION_UNIT: Final = "share of attention"


def attention_map(attention: Floats, heads: Sequence[Head]) -> Floats:
    """Say of each patch how much of their attention heads give it.

    Args:
        attention: Attention to each patch by layer and head, (L, H, patches). What the class token and registers are
            given is left out, so that a head's numbers add up to 1 at most.
        heads: The heads, whose mean is taken.

    Returns:
        (patches,).
    """
    return np.asarray(np.mean([attention[layer - 1, head] for layer, head in heads], axis=0))
