"""The vision half of a file of open_clip's weights: the tensors whose name begins with `visual.`.

OpenAI's own files are TorchScript archives, which keep the class of every module and so say which activation the
weights were trained with.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from torch import Tensor

from alignbench.errors import ModelError
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files
from alignbench.models.weight_names import Naming

_VISUAL: Final = "visual."
_TEXT: Final = (
    "text.",
    "text_decoder.",
    "transformer.",
    "token_embedding.",
    "positional_embedding",
    "cls_emb",
    "ln_final.",
)
_SIZES: Final = ("input_resolution", "context_length", "vocab_size", "attn_mask")
_ACTIVATION: Final = ".mlp.gelu"
NAMING: Final = Naming(
    family="open_clip",
    vision=(_VISUAL,),
    bare=(),
    beside=(*_TEXT, "text_projection", "logit_scale", "logit_bias", *_SIZES),
    left_over=r"(.+\.)?relative_position_index",
)
"""How open_clip names its weights; its towers leave over what they compute themselves."""


@dataclass(frozen=True)
class VisualWeights:
    """Weights of a vision tower.

    Attributes:
        tensors: As they were saved, by names that begin with `visual.`.
        quick_gelu: Whether they were trained with QuickGELU; none if the file does not say.
    """

    tensors: dict[str, Tensor]
    quick_gelu: bool | None = None

    def fitted(self, name: str, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Take the weights of a tower, by its own names, as float32.

        Args:
            name: The model's name, for messages.
            expected: The tower's tensors.

        Raises:
            ModelError: See `vision_weights.fitted`.
        """
        places = {_VISUAL + key: tensor for key, tensor in expected.items()}
        taken = fitted(name, places, self.tensors, NAMING)
        return {key.removeprefix(_VISUAL): tensor.float() for key, tensor in taken.items()}


def read_visual(name: str, path: Path) -> VisualWeights:
    """Read the vision half of a file of weights.

    Args:
        name: The model's name, for messages.
        path: See `weight_files.open_weights`.

    Raises:
        ModelError: If it cannot be read, would run code, has no vision half, or has an adapter beside it.
    """
    refuse_adapter_files(name, path.parent)
    tensors, kinds = read_vision_half(name, [path], NAMING, _ACTIVATION)
    if kinds - {"GELU", "QuickGELU"} or len(kinds) > 1:
        raise ModelError(
            f"the weights of {name} ({path.name}) have the activation {' and '.join(sorted(kinds))}: supported are "
            "GELU and QuickGELU"
        )
    return VisualWeights(tensors, kinds == {"QuickGELU"} if kinds else None)
