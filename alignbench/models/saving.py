"""Towers as folders from which they are loaded again, each in the format of its own library, without a text tower."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from alignbench.errors import UsageError, one_line
from alignbench.files import write_safetensors
from alignbench.models import named_weights
from alignbench.models.families import find_family
from alignbench.models.openclip_files import CONFIG, WEIGHTS
from alignbench.models.towers import Tower

_LIBRARIES: Final = ("timm", "torchvision")


@dataclass(frozen=True)
class SavedForm:
    """How a tower can be saved.

    Attributes:
        tower: The tower.
        family: Name of its family.
        model: Of timm and torchvision, the name of the architecture and of how pictures are prepared.
    """

    tower: Tower
    family: str
    model: str = ""

    def write(self, folder: Path) -> None:
        """Write the weights that the tower has now, its configuration and its way of preparing pictures.

        Args:
            folder: Where the files go, while it is written.

        Raises:
            OSError: If they cannot be written.
        """
        if self.family == "transformers":
            _write_transformers(self.tower, folder)
        elif self.family == "open_clip":
            _write_open_clip(self.tower, folder)
        else:
            write_safetensors(folder / named_weights.WEIGHTS, _arrays(self.tower.get_submodule("model")), {})
            named_weights.write_name(folder, self.model)


def saved_form(tower: Tower, name: str) -> SavedForm:
    """Find out how a tower can be saved, so that it can be loaded again with everything that its output depends on.

    Args:
        tower: The tower, loaded under the `corrected` protocol.
        name: The name that it was loaded by.

    Raises:
        UsageError: If there is no form in which it could be loaded again.
    """
    family = find_family(name).name
    if family == "transformers":
        if _pretrained_module(tower) is None:
            raise UsageError(
                f"{name} cannot be saved as transformers loads it: it is a part of a model that has no class of its own"
            )
        return SavedForm(tower, family)
    if family == "open_clip" and getattr(tower, "config", None):
        return SavedForm(tower, family)
    if family in _LIBRARIES:
        return SavedForm(tower, family, _model_of_library(family, name))
    raise UsageError(f"{name} is of the model family {family}, which has no form of a folder to save it in")


def _model_of_library(family: str, name: str) -> str:
    """The name under which weights in a file are loaded with the same architecture and preparation."""
    name = named_weights.named_weights(name) or name
    prefix, _, rest = name.partition(":")
    model, _, given = rest.partition("/")
    if family == "torchvision" and given and not Path(given).is_file():
        from alignbench.models.torchvision_names import resolve
        from alignbench.models.torchvision_preparation import TorchvisionPreparation

        theirs, usual = (TorchvisionPreparation(resolve(each).preset()) for each in (name, f"{prefix}:{model}"))
        if theirs.described() != usual.described():
            raise UsageError(
                f"the weights {given} of {model} take pictures prepared in another way than its default ones, which "
                f"no file of weights can say: choose {prefix}:{model}"
            )
    return f"{prefix}:{model}"


def _pretrained_module(tower: Tower) -> Any:
    """The model of transformers within a tower, if all weights of the tower are its own."""
    from transformers import PreTrainedModel

    for module in tower.modules():
        if isinstance(module, PreTrainedModel) and set(module.parameters()) == set(tower.parameters()):
            return module
    return None


def _write_transformers(tower: Any, folder: Path) -> None:
    from safetensors import SafetensorError

    from alignbench.models.huggingface import silence

    try:
        with silence():
            _pretrained_module(tower).save_pretrained(folder)
            tower.prepare.processor.save_pretrained(folder)
    except SafetensorError as error:  # of a full disk
        raise OSError(one_line(error)) from error


def _write_open_clip(tower: Any, folder: Path) -> None:
    arrays = {f"visual.{name}": array for name, array in _arrays(tower.model).items()}
    write_safetensors(folder / WEIGHTS[0], arrays, {})
    (folder / CONFIG).write_text(json.dumps(tower.config, indent=2) + "\n", encoding="utf-8")


def _arrays(model: nn.Module) -> dict[str, Any]:
    """Every tensor that a file of weights has, as NumPy has it."""

    def numbers(tensor: Tensor) -> Any:
        return tensor.detach().to("cpu", memory_format=torch.contiguous_format).numpy()

    return {name: numbers(tensor) for name, tensor in model.state_dict().items()}
