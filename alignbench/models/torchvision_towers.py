"""Towers of torchvision's classifiers. A tower is first built without memory for weights, which shows its layers."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
from torch import Tensor, nn
from torchvision import models

from alignbench.errors import ModelError, UsageError
from alignbench.models.hollow import WithoutMemory
from alignbench.models.memory import refuse_larger_than_memory
from alignbench.models.module_plan import ROOT, find_layers
from alignbench.models.normalisation import Normalise, check_order
from alignbench.models.torchvision_layers import find_anatomy
from alignbench.models.torchvision_names import TorchvisionSource, resolve
from alignbench.models.torchvision_preparation import TorchvisionPreparation
from alignbench.models.towers import Tower
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files, tower_fingerprint
from alignbench.models.weight_names import Naming

_NAMING: Final = Naming("torchvision", ("",), (), (), r"(.+\.)?relative_position_index")
_OLD_NAMES: Final = (  # of the files that torchvision publishes, which it renames as well
    (re.compile(r"(.*denselayer\d+\.(?:norm|relu|conv))\.([12]\.\w+)"), r"\1\2"),
    (re.compile(r"(.*encoder_layer_\d+\.mlp)\.linear_1\.(\w+)"), r"\1.0.\2"),
    (re.compile(r"(.*encoder_layer_\d+\.mlp)\.linear_2\.(\w+)"), r"\1.3.\2"),
)
_AUXILIARY: Final = ("aux1.", "aux2.", "AuxLogits.")
_WITH_AUXILIARY: Final = ("googlenet", "inception_v3")


class TorchvisionTower(Tower):
    """A classifier of torchvision.

    Args:
        model: The classifier; on the meta device the layers are found.
        name: Its name, for messages.
        preparation: The weights' own way of preparing pictures.

    Raises:
        UsageError: If its architecture is not known.
    """

    roots = MappingProxyType({"": ROOT})
    prepare: TorchvisionPreparation

    def __init__(self, model: nn.Module, name: str, preparation: TorchvisionPreparation) -> None:
        super().__init__()
        anatomy = find_anatomy(model)
        if anatomy is None:
            raise UsageError(f"{name} is a {type(model).__name__}, whose layers are not known here: choose another")
        self.model, self.fingerprint = model.eval(), ""
        self.prepare, self.normalise = preparation, Normalise(preparation.values()).to("meta")
        self.has_class_token, self.pooling = anatomy.class_token, anatomy.pooling
        self.layers, self.blocks = find_layers(anatomy, self, preparation.side)

    def forward(self, pixels: Tensor) -> object:
        """See `Tower.forward`."""
        return self.model(self.normalise(pixels))

    def filled(self, model: nn.Module, fingerprint: str) -> TorchvisionTower:
        """Put a model with weights in the place of one without."""
        self.model, self.fingerprint = model.eval(), fingerprint
        self.normalise = Normalise(self.prepare.values())
        return self


def _build(source: TorchvisionSource, **further: Any) -> nn.Module:
    """The classifier, with weights drawn at random."""
    options: dict[str, Any] = {"weights": None, **further}
    if source.architecture.startswith("vit_"):
        options["image_size"] = source.preset().crop_size[0]
    if source.architecture in _WITH_AUXILIARY:
        options["transform_input"] = True  # as with torchvision's weights: it is part of their preparation
        options.setdefault("init_weights", True)
    model: nn.Module = models.get_model(source.architecture, **options)
    return model


def _hollow(source: TorchvisionSource, **further: Any) -> nn.Module:
    """The classifier without memory for weights; what it computes of its configuration is there."""
    if source.architecture in _WITH_AUXILIARY:
        further["init_weights"] = False
    with torch.random.fork_rng(devices=[]), WithoutMemory():
        return _build(source, **further)


def skeleton(name: str) -> TorchvisionTower:
    """Build a tower without memory for its weights; nothing is downloaded or read.

    Args:
        name: See `torchvision_names`.

    Raises:
        UsageError: If there is no such model or its architecture is not known.
        ModelError: If a file is not there.
    """
    source = resolve(name)
    preparation = TorchvisionPreparation(source.preset())
    check_order(preparation.values())
    return TorchvisionTower(_hollow(source).to("meta"), name, preparation)


def load(name: str, *, random_init: bool, seed: int) -> TorchvisionTower:
    """Build a tower.

    Args:
        name: See `torchvision_names`.
        random_init: Whether weights are drawn from `seed`; nothing is then downloaded or read.
        seed: Seed of the random weights.

    Raises:
        UsageError: If there is no such model or its architecture is not known.
        ModelError: If the weights cannot be had, cannot be trusted, or are those of another model.
    """
    source, tower = resolve(name), skeleton(name)
    if random_init:
        refuse_larger_than_memory(name, tower)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = _build(source)
    else:
        model = _filled(source)
    settled = json.dumps([source.architecture, tower.prepare.described()])
    return tower.filled(model, tower_fingerprint(settled, seed if random_init else model.state_dict()))


def _filled(source: TorchvisionSource) -> nn.Module:
    """The classifier with the weights of its file, every one of them, in memory of its own."""
    path = source.weights_file()
    given = _read(source.name, path)
    expected = _weights(_hollow(source))
    if expected.keys().isdisjoint(given):
        raise ModelError(
            f"the weights of {source.name} ({path.name}) are not those of {source.architecture}: their names are like "
            f"{min(given)}, not like {min(expected)}; name the architecture that they were trained with"
        )
    further: dict[str, Any] = {}
    last = next(reversed(expected))  # of the layer that gives the logits: a file may have other classes than ImageNet
    if last in given and given[last].ndim and len(given[last]):
        further["num_classes"] = len(given[last])
    if source.architecture in _WITH_AUXILIARY:
        further["aux_logits"] = any(key.startswith(_AUXILIARY) for key in given)
    model = _hollow(source, **further)
    taken = fitted(source.name, _weights(model), given, _NAMING)
    state = model.state_dict()  # says by which version of torchvision's classes it is named
    for key, tensor in taken.items():
        state[key] = tensor.to(torch.float32, memory_format=torch.contiguous_format, copy=True)
    model.load_state_dict(state, assign=True)
    if any(tensor.is_meta for tensor in model.state_dict().values()):
        raise RuntimeError(f"parts of {source.name} are in no checkpoint")
    return model


def _read(name: str, path: Path) -> dict[str, Tensor]:
    """The tensors of a file, by the names that torchvision gives them now."""
    refuse_adapter_files(name, path.parent)
    tensors, _ = read_vision_half(name, [path], _NAMING)
    return {_renamed(key): tensor for key, tensor in tensors.items()}


def _renamed(key: str) -> str:
    for pattern, now in _OLD_NAMES:
        key = pattern.sub(now, key)
    return key


def _weights(model: nn.Module) -> dict[str, Tensor]:
    """What a file must have: all but counters and tables of indices, which are computed."""
    return {key: tensor for key, tensor in model.state_dict().items() if tensor.is_floating_point()}
