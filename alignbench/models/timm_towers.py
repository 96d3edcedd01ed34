"""Towers of timm's models. A tower is first built without memory for weights, which shows its layers."""

from __future__ import annotations

from types import MappingProxyType

import timm
import torch
from torch import Tensor, nn

from alignbench.models.hollow import WithoutMemory
from alignbench.models.memory import refuse_larger_than_memory
from alignbench.models.normalisation import Normalise, check_order
from alignbench.models.timm_layers import ROOT, find_anatomy, refused
from alignbench.models.timm_names import TimmSource, resolve
from alignbench.models.timm_preparation import TimmPreparation
from alignbench.models.timm_weights import read_weights
from alignbench.models.towers import Tower
from alignbench.models.vision_weights import tower_fingerprint


class TimmTower(Tower):
    """A model of timm, without its classifier.

    Args:
        model: The model; on the meta device the layers are found.
        name: Its name, for messages.
        preparation: timm's way of preparing pictures for it.

    Raises:
        UsageError: See `find_anatomy`.
    """

    roots = MappingProxyType({"": ROOT})
    prepare: TimmPreparation

    def __init__(self, model: nn.Module, name: str, preparation: TimmPreparation) -> None:
        super().__init__()
        self.model, self.fingerprint = model.eval(), ""
        self.prepare, self.normalise = preparation, Normalise(preparation.values()).to("meta")
        anatomy = find_anatomy(name, self, preparation.size)
        self.layers, self.blocks, self.pooling = anatomy.layers, anatomy.blocks, anatomy.pooling
        self.has_class_token, self.registers = anatomy.class_token, anatomy.registers

    def forward(self, pixels: Tensor) -> object:
        """See `Tower.forward`."""
        return self.model(self.normalise(pixels))

    def filled(self, model: nn.Module, fingerprint: str) -> TimmTower:
        """Put a model with weights in the place of one without."""
        self.model, self.fingerprint = model.eval(), fingerprint
        self.normalise = Normalise(self.prepare.values())
        return self


def _build(source: TimmSource) -> nn.Module:
    """The model without a classifier, with weights drawn at random."""
    model: nn.Module = timm.create_model(source.model, pretrained=False, num_classes=0)
    return model


def skeleton(name: str) -> TimmTower:
    """Build a tower without memory for its weights; nothing is downloaded or read.

    Args:
        name: See `timm_names`.

    Raises:
        UsageError: If there is no such model, or its features cannot be read.
        ModelError: If a file is not there.
    """
    source = resolve(name)
    preparation = TimmPreparation(name, source.settings())
    check_order(preparation.values())
    try:
        with torch.random.fork_rng(devices=[]), WithoutMemory():
            model = _build(source)
    except Exception as error:
        raise refused(name, "timm cannot build it without a classifier") from error
    return TimmTower(model.to("meta"), name, preparation)


def load(name: str, *, random_init: bool, seed: int) -> TimmTower:
    """Build a tower.

    Args:
        name: See `timm_names`.
        random_init: Whether weights are drawn from `seed`; nothing is then downloaded or read.
        seed: Seed of the random weights.

    Raises:
        UsageError: If there is no such model, or its features cannot be read.
        ModelError: If the weights cannot be had, cannot be trusted, or are those of another model.
    """
    source, tower = resolve(name), skeleton(name)
    refuse_larger_than_memory(name, tower)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = _build(source)
    if not random_init:
        state = model.state_dict()
        state.update({key: tensor.float() for key, tensor in read_weights(source, model).items()})
        model.load_state_dict(state)
    settled = f"{source.model.partition('.')[0]} {tower.prepare.described()}"
    return tower.filled(model, tower_fingerprint(settled, seed if random_init else model.state_dict()))
