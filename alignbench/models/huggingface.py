"""Towers in the format of transformers: by Hugging Face id, from a directory, or with random weights.

A checkpoint is taken only if every weight of the tower is there in the right shape. Pictures are prepared by the
checkpoint's own processor in its PIL form (the 2023 behaviour): resized and cropped to uint8 in the loader, normalised
on the device by a table of the processor's own 256 values per channel.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import torch
import transformers
from PIL import Image
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.utils import logging as transformers_logging

from alignbench.errors import AlignbenchError, ModelError, UsageError, one_line
from alignbench.models.cards import cards
from alignbench.models.checkpoints import checkpoint_folder, configuration_folder, fingerprint, is_cached
from alignbench.models.memory import refuse_larger_than_memory
from alignbench.models.normalisation import Normalise
from alignbench.models.processors import ProcessorPreparation, card_processor, normalised_values, read_processor
from alignbench.models.towers import Layer, Tower, block_depths
from alignbench.models.transformers_backbones import BACKBONES, describe_layers, model_options, wrapped
from alignbench.models.transformers_config import card_config, read_config
from alignbench.models.transformers_layouts import LAYOUTS, Layout
from alignbench.models.transformers_weights import NAMINGS, ModelClass, load_weights


class HuggingFaceTower(Tower):
    """A vision tower of transformers.

    Args:
        model: Module that maps `pixel_values` through the tower and its projection.
        layers: Where its features are read; paths begin with `model`.
        has_class_token: See `Tower`.
        processor: Image processor with the PIL backend.
        fingerprint: See `Tower`.
    """

    roots: Mapping[str, str] = MappingProxyType({"": "model"})

    def __init__(
        self,
        model: nn.Module,
        layers: tuple[Layer, ...],
        has_class_token: bool,
        processor: Any,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.model = model.eval()
        self.layers = layers
        self.has_class_token = has_class_token
        self.prepare = ProcessorPreparation(processor)
        self.fingerprint = fingerprint
        self.normalise = Normalise(normalised_values(processor))

    def forward(self, pixels: Tensor) -> object:
        """See `Tower.forward`."""
        return self.model(pixel_values=self.normalise(pixels))


class _ChineseVision(nn.Module):
    """The vision half of Chinese-CLIP, for which transformers has no class of its own."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.vision_model = model.vision_model
        self.visual_projection = model.visual_projection

    def forward(self, pixel_values: Tensor) -> Tensor:
        projected: Tensor = self.visual_projection(self.vision_model(pixel_values=pixel_values).pooler_output)
        return projected


class _Unprojected(nn.Module):
    """A vision tower that was saved without a projection, at the place where it is in a model with one."""

    prefix: Final = "model.vision_model"

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.vision_model = model

    def forward(self, pixel_values: Tensor) -> object:
        return self.vision_model(pixel_values=pixel_values)


# ------------------------------------------------------------------------------------------------ loading


@contextmanager
def silence() -> Iterator[None]:
    """Silence transformers' report and progress bar: what lacks weights is refused here, text weights apart."""
    level, bar = transformers_logging.get_verbosity(), transformers_logging.is_progress_bar_enabled()
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        transformers_logging.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()


@contextmanager
def followed(name: str) -> Iterator[None]:
    """Say of whatever transformers cannot make of a configuration that it cannot be followed."""
    try:
        yield
    except AlignbenchError:
        raise
    except Exception as error:  # of odd values transformers makes errors of many kinds
        raise ModelError(f"config.json of {name} cannot be followed ({one_line(error)}): download it again") from error


@silence()
def load(name: str, *, random_init: bool, seed: int) -> HuggingFaceTower:
    """Build a tower.

    Args:
        name: A card's name, a Hugging Face id, or a local directory in Hugging Face format.
        random_init: Whether weights are drawn from `seed` instead of read from the checkpoint; a card then needs no
            download.
        seed: Seed of the random weights.

    Raises:
        UsageError: If the checkpoint is of no supported family.
        ModelError: If it cannot be had, or lacks weights, or has them in the wrong shape.
    """
    card = cards().get(name)
    if random_init and card is not None and not card.packaged:
        return _random(name, card_config(card), card_processor(card), seed)
    folder = checkpoint_folder(name, weights=not random_init)
    config, processor = _configured(name, folder)
    with followed(name):
        return _random(name, config, processor, seed) if random_init else _pretrained(name, folder, config, processor)


@silence()
def preparation(name: str) -> ProcessorPreparation:
    """Return how a model prepares pictures, without its weights; for a card nothing needs to be downloaded.

    Args:
        name: See `load`.

    Raises:
        UsageError: See `load`.
        ModelError: See `load`.
    """
    card = cards().get(name)
    if card is not None and not is_cached(name):
        return ProcessorPreparation(card_processor(card))
    return ProcessorPreparation(_configured(name, checkpoint_folder(name, weights=False))[1])


@silence()
def skeleton(name: str) -> HuggingFaceTower:
    """Build a tower without memory for its weights; nothing is downloaded.

    Args:
        name: See `load`.

    Raises:
        UsageError: See `load`.
        ModelError: If there is no configuration on this machine, or it cannot be followed.
    """
    card = cards().get(name)
    if card is not None and not card.packaged:
        config, processor = card_config(card), card_processor(card)
    else:
        config, processor = _configured(name, configuration_folder(name))
    with followed(name):
        built, width = _model_class(config)
        with torch.device("meta"):
            model = built.build()
        return _tower(model, config, width, processor, "")


def _configured(name: str, folder: Path) -> tuple[PretrainedConfig, Any]:
    """The configuration in a checkpoint's folder, and its image processor with the PIL backend."""
    config = read_config(name, folder)
    backbone = BACKBONES.get(config.model_type)
    takes_any = backbone is not None and not backbone.one_size
    side = None if takes_any else getattr(config, "vision_config", config).image_size
    return config, read_processor(name, folder, side)


def _find_layout(config: PretrainedConfig) -> tuple[Layout, bool]:
    """The layout, and whether the configuration is that of a whole checkpoint with a text tower."""
    for layout in LAYOUTS.values():
        if config.model_type in (layout.full, layout.vision):
            return layout, config.model_type == layout.full
    raise UsageError(f"unsupported model type '{config.model_type}'")


def _model_class(config: PretrainedConfig) -> tuple[ModelClass, int | None]:
    """What the tower is built from, and the width of its projection; of a model without a text tower none is said."""
    if config.model_type in BACKBONES:
        kind = getattr(transformers, BACKBONES[config.model_type].model)
        return ModelClass(kind, config, model_options(config)), None
    layout, whole = _find_layout(config)
    vision = config.vision_config if whole else config
    alone = (config.architectures or [""])[0] if not whole else ""
    if layout.full == "siglip":
        has_head = getattr(vision, "vision_use_head", True)  # towers of language models are saved without
        return ModelClass(transformers.SiglipVisionModel, vision), int(vision.hidden_size) if has_head else None
    if layout.full == "chinese_clip":
        if whole:
            config.text_config.num_hidden_layers = 1  # its text tower is thrown away
            return ModelClass(transformers.ChineseCLIPModel, config), int(config.projection_dim)
        return ModelClass(transformers.ChineseCLIPVisionModel, vision), None
    if alone == "CLIPVisionModel":
        return ModelClass(transformers.CLIPVisionModel, vision), None
    if whole:
        vision.projection_dim = config.projection_dim
    return ModelClass(transformers.CLIPVisionModelWithProjection, vision), int(vision.projection_dim)


def _tower(
    model: nn.Module, config: PretrainedConfig, width: int | None, processor: Any, fingerprint: str
) -> HuggingFaceTower:
    if config.model_type in BACKBONES:
        return _backbone_tower(model, config, processor, fingerprint)
    layout, whole = _find_layout(config)
    if layout.full == "chinese_clip" and width is not None:
        model = _ChineseVision(model)
    if width is None and layout.prefix == _Unprojected.prefix:
        model = _Unprojected(model)
    vision = config.vision_config if whole else config
    layers = _layers(layout, vision, width)
    tower = HuggingFaceTower(model, layers, layout.class_token, processor, fingerprint)
    if width is not None:
        tower.pooling, tower.roots = layout.pooling, {**tower.roots, "visual": layout.projection}
    return tower


def _backbone_tower(model: nn.Module, config: PretrainedConfig, processor: Any, fingerprint: str) -> HuggingFaceTower:
    """The tower of a model without a text tower; its layers are found without memory for its weights."""
    with torch.device("meta"):
        hollow = _model_class(config)[0].build()
    tower = HuggingFaceTower(wrapped(hollow, config), (), False, processor, fingerprint).to("meta")
    describe_layers(tower, config, int(tower.prepare(Image.new("RGB", (64, 64))).shape[-1]))
    tower.model, tower.normalise = wrapped(model, config).eval(), Normalise(normalised_values(processor))
    return tower


def _layers(layout: Layout, config: PretrainedConfig, projection_dim: int | None) -> tuple[Layer, ...]:
    """Where the layers of a tower are, and their sizes; `config` is that of the vision half."""
    width, blocks = int(config.hidden_size), int(config.num_hidden_layers)
    tokens = (int(config.image_size) // int(config.patch_size)) ** 2 + int(layout.class_token)
    paths = [layout.first, *(f"encoder.layers.{block}" for block in range(blocks))]
    layers = [
        Layer(f"layer_{index}", depth, f"{layout.prefix}.{path}", tokens, width)
        for index, (depth, path) in enumerate(zip(block_depths(blocks), paths, strict=True))
    ]
    if projection_dim is not None:
        layers.append(Layer("projection", 100.0, layout.projection, 1, projection_dim, layout.unit_norm))
    return tuple(layers)


def _pretrained(name: str, folder: Path, config: PretrainedConfig, processor: Any) -> HuggingFaceTower:
    built, width = _model_class(config)
    family = config.model_type if config.model_type in BACKBONES else _find_layout(config)[0].full
    model = load_weights(name, folder, NAMINGS[family], built)
    return _tower(model, config, width, processor, fingerprint(folder))


def _random(name: str, config: PretrainedConfig, processor: Any, seed: int) -> HuggingFaceTower:
    built, width = _model_class(config)
    with torch.device("meta"):
        refuse_larger_than_memory(name, built.build())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = built.build()
    described = json.dumps([built.config.to_dict(), processor.to_dict(), seed], sort_keys=True, default=str)
    return _tower(model, config, width, processor, hashlib.sha256(described.encode()).hexdigest())
