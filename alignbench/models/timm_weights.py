"""The weights of timm's models: from the hub's cache, downloaded to it, or from a local file, and every one is used."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import timm
import torch
from torch import Tensor, nn

from alignbench.errors import ModelError, one_line
from alignbench.models.hollow import WithoutMemory
from alignbench.models.openclip_files import cached_file, from_hub
from alignbench.models.timm_names import TimmSource
from alignbench.models.torch_cache import cached_path, torch_weights
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files
from alignbench.models.weight_names import Naming

_ON_HUB: Final = ("model.safetensors", "pytorch_model.bin")
_CLASSES: Final = 1000  # any number: only names are looked at
_COMPUTED: Final = r"(.+\.)?(relative_position_index|attn_mask|mask_token)"


def needs_download(source: TimmSource) -> bool:
    """Say whether the weights are neither in a local file nor in the cache of the hub or of torch."""
    if source.file is not None:
        return False
    settings = source.settings()
    if settings.get("hf_hub_id"):
        return cached_file(settings["hf_hub_id"], *_ON_HUB) is None
    return not (settings.get("url") and cached_path(settings["url"]).is_file())


def read_weights(source: TimmSource, model: nn.Module) -> dict[str, Tensor]:
    """Read the weights of a model, as they were saved.

    Args:
        source: What its name stands for.
        model: The model, without a classifier; that of the file is left over.

    Returns:
        A tensor for each floating-point one of the model's own.

    Raises:
        ModelError: If they cannot be had, cannot be trusted, or are those of another model, or of another input size.
    """
    settings = source.settings()
    path = _file(source, settings)
    left_over = "|".join([_COMPUTED, *map(re.escape, sorted(_of_the_classifier(source, model)))])
    naming = Naming("timm", ("",), (), (), left_over)
    refuse_adapter_files(source.name, path.parent)
    given, _ = read_vision_half(source.name, [path], naming)
    expected = {key: tensor for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
    if any(key not in given or given[key].shape != tensor.shape for key, tensor in expected.items()):
        given = _converted(source, model, given)
    return fitted(source.name, expected, given, naming)


def _of_the_classifier(source: TimmSource, model: nn.Module) -> set[str]:
    """Names of the weights that only the whole model has."""
    with torch.random.fork_rng(devices=[]), WithoutMemory():
        whole = timm.create_model(source.model, pretrained=False, num_classes=_CLASSES)
    return set(whole.state_dict()) - set(model.state_dict())


def _file(source: TimmSource, settings: Mapping[str, Any]) -> Path:
    if source.file is not None:
        return source.file
    if settings.get("hf_hub_id"):
        files = (settings["hf_hub_filename"],) if settings.get("hf_hub_filename") else _ON_HUB
        return from_hub(source.name, settings["hf_hub_id"], *files)
    if settings.get("url"):
        return torch_weights(source.name, settings["url"])
    raise ModelError(
        f"timm has no weights of {source.model}: name a tag (`alignbench models --family timm` lists them), "
        f"give a file as {source.name}/FILE, or use --random-init"
    )


def _converted(source: TimmSource, model: nn.Module, given: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights that were saved as others name them, as timm itself turns them into its own.

    It also stretches position embeddings to another input size, which is taken of its own files alone.
    """
    convert = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    if convert is None:
        return given
    try:
        found: dict[str, Tensor] = convert(dict(given), model)
    except Exception as error:
        raise ModelError(
            f"the weights of {source.name} are not named as timm names those of {source.model}, and cannot be turned "
            f"into them ({one_line(error)[:120]}): name the architecture that they were trained with"
        ) from error
    stretched = [key for key in given.keys() & found.keys() if given[key].numel() != found[key].numel()]
    if stretched and source.file is not None:
        raise ModelError(
            f"the weights of {source.name} are those of another input size ({min(stretched)}): name the architecture "
            "of the size that they were trained with"
        )
    return found
