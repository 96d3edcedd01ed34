"""Vision towers of open_clip: its own VisionTransformer and ModifiedResNet, or a model of timm as a trunk.

Only the vision half is built, and only its weights are loaded, every one of them in its shape. The tower is first built
without memory for weights, which is enough to verify its activation and its layers before anything large is read.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import replace
from itertools import chain
from types import MappingProxyType
from typing import Any, Final

import timm.layers
import torch
from open_clip import CLIP
from open_clip.timm_model import TimmModel
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor, nn

from alignbench.errors import AlignbenchWarning, ModelError, one_line
from alignbench.models.cards import cards
from alignbench.models.hollow import WithoutMemory
from alignbench.models.memory import refuse_larger_than_memory
from alignbench.models.normalisation import Normalise
from alignbench.models.openclip_layers import UNFIT, BareFeed, TowerLayers, find_layers, image_size
from alignbench.models.openclip_names import OpenClipSource, configuration, is_remote, needs_download, resolve
from alignbench.models.openclip_preparation import OpenClipPreparation, read_preparation
from alignbench.models.openclip_weights import VisualWeights, read_visual
from alignbench.models.towers import Tower
from alignbench.models.vision_weights import tower_fingerprint

_BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
_BIOMEDICAL_TEXT = ("BiomedNLP-PubMedBERT", "BiomedNLP-BiomedBERT")  # its text tower's two names
_GELUS: Final = (nn.GELU, timm.layers.GELU, timm.layers.GELUTanh, timm.layers.QuickGELU)
_NO_TEXT = {"context_length": 1, "vocab_size": 1, "width": 8, "heads": 1, "layers": 1}


class OpenClipTower(Tower):
    """A vision tower of open_clip.

    Args:
        model: The tower, or BiomedCLIP's in a `BareFeed`.
        found: Where its features are read.
        preparation: The checkpoint's own way of preparing pictures.
        fingerprint: See `Tower`.

    Attributes:
        config: What a directory of its weights says in `open_clip_config.json`; empty without memory for weights.
    """

    pooling = "what its own pooling gives, projected"
    config: Mapping[str, Any] = MappingProxyType({})

    def __init__(
        self,
        model: nn.Module,
        found: TowerLayers,
        preparation: OpenClipPreparation,
        fingerprint: str,
    ) -> None:
        super().__init__()
        self.model, self.fingerprint = model.eval(), fingerprint
        self.layers, self.blocks = found.layers, found.blocks
        self.has_class_token, self.registers = found.class_token, found.registers
        self.prepare, self.normalise = preparation, Normalise(preparation.values())
        self.roots = dict.fromkeys(("", "visual"), "model.visual" if isinstance(model, BareFeed) else "model")

    def forward(self, pixels: Tensor) -> object:
        """See `Tower.forward`."""
        return self.model(self.normalise(pixels))


# ------------------------------------------------------------------------------------------------- loading


def load(name: str, *, random_init: bool, seed: int, protocol: str) -> OpenClipTower:
    """Build a tower.

    Args:
        name: `open_clip:ARCH/TAG`, `open_clip:ARCH/FILE`, `open_clip:hf-hub:ORG/NAME`, a model card, or a directory
            with `open_clip_config.json`, with or without `open_clip:`.
        random_init: Whether weights are drawn from `seed`; only a hub repository without a card then needs a download,
            of its configuration.
        seed: Seed of the random weights.
        protocol: Under `paper`, BiomedCLIP is fed as the paper's scripts fed it (`BareFeed`).

    Raises:
        UsageError: If there is no such name, or its tower is of another kind.
        ModelError: If the checkpoint cannot be had, cannot be trusted, or lacks weights.
    """
    source = resolve(name, random_init=random_init)
    weights = None
    if source.guess:  # a local file, which may say its activation itself
        weights = read_visual(name, source.weights())
        source = _match_activation(source, weights)
    with torch.device("meta"):
        skeleton = _build(source)
    bare = _is_fed_bare(name, source, protocol)
    layers = find_layers(name, skeleton, source.model["embed_dim"], bare)
    preparation, described = read_preparation(source, image_size(skeleton))
    settled = [source.model["vision_cfg"], source.quick_gelu, bare, described]
    if random_init:
        refuse_larger_than_memory(name, skeleton)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            visual = _build(source)
    else:
        visual = _filled(source, skeleton, weights or read_visual(name, source.weights()))
    fingerprint = tower_fingerprint(json.dumps(settled, sort_keys=True), seed if random_init else visual.state_dict())
    model = BareFeed(visual) if bare else visual
    tower = OpenClipTower(model, layers, preparation, fingerprint)
    tower.config = configuration(source)
    return tower


def preparation(name: str) -> OpenClipPreparation:
    """Return how a model prepares pictures, without weights; at most a hub repository's configuration is downloaded.

    Args:
        name: See `load`.

    Raises:
        UsageError: See `load`.
        ModelError: See `load`.
    """
    source = resolve(name, random_init=needs_download(name, random_init=False))
    with torch.device("meta"):
        return read_preparation(source, image_size(_build(source)))[0]


def skeleton(name: str, *, protocol: str) -> OpenClipTower:
    """Build a tower without memory for its weights; nothing is downloaded.

    Args:
        name: See `load`.
        protocol: See `load`.

    Raises:
        UsageError: See `load`.
        ModelError: If there is no configuration on this machine, or it cannot be followed.
    """
    if needs_download(name, random_init=True):
        raise ModelError(
            f"the configuration of {name} is not on this machine, and is not downloaded for this: name a model card, a "
            "local directory, or a model that was loaded before"
        )
    source = resolve(name, random_init=True)
    with torch.device("meta"):
        visual = _build(source)
    bare = _is_fed_bare(name, source, protocol)
    layers = find_layers(name, visual, source.model["embed_dim"], bare)
    model = BareFeed(visual) if bare else visual
    return OpenClipTower(model, layers, read_preparation(source, image_size(visual))[0], "")


def check(name: str) -> None:
    """Refuse a model that `load` would refuse, as far as can be told without reading weights or downloading anything.

    Raises:
        UsageError: See `load`.
        ModelError: See `load`.
    """
    if not is_remote(name):
        with torch.device("meta"):
            _build(resolve(name))


def _match_activation(source: OpenClipSource, weights: VisualWeights) -> OpenClipSource:
    if weights.quick_gelu is None:
        warnings.warn(source.guess, AlignbenchWarning, stacklevel=5)
        return source
    return replace(source, quick_gelu=weights.quick_gelu)


def _is_fed_bare(name: str, source: OpenClipSource, protocol: str) -> bool:
    """Whether a tower is fed as in `BareFeed`."""
    return protocol == "paper" and (name.endswith(_BIOMEDCLIP) or _is_biomedclip(source.model))


def _is_biomedclip(model: dict[str, Any]) -> bool:
    """Whether a configuration is BiomedCLIP's: by its text tower, and the trunk of its vision tower."""
    text = str(model["text_cfg"].get("hf_model_name")) if isinstance(model.get("text_cfg"), dict) else ""
    trunk = cards()[_BIOMEDCLIP].open_clip["vision_cfg"]["timm_model_name"]
    return any(name in text for name in _BIOMEDICAL_TEXT) and model["vision_cfg"].get("timm_model_name") == trunk


def _vision(model: dict[str, Any]) -> dict[str, Any]:
    """The vision configuration, without weights from elsewhere and without outputs that nothing looks at."""
    return {**model["vision_cfg"], "timm_model_pretrained": False, "output_tokens": False}


def _build(source: OpenClipSource) -> Any:
    """Build the vision tower and verify its activation; of the text tower a stub is built, and dropped."""
    try:
        clip = CLIP(source.model["embed_dim"], _vision(source.model), dict(_NO_TEXT), quick_gelu=source.quick_gelu)
    except UNFIT as error:
        raise ModelError(f"the configuration of {source.name} cannot be followed: {one_line(error)}") from error
    visual = clip.visual.eval()
    _check_activation(source, visual)
    return visual


def _check_activation(source: OpenClipSource, visual: Any) -> None:
    """Refuse a tower whose blocks have another activation than its weights were trained with; a ResNet has ReLU."""
    if isinstance(visual, VisionTransformer):
        built = {type(block.mlp.gelu) for block in visual.transformer.resblocks}
        fits = built == {QuickGELU if source.quick_gelu else nn.GELU}
    elif isinstance(visual, TimmModel):  # the name of a trunk settles its activation
        built = {type(module) for module in visual.trunk.modules() if isinstance(module, _GELUS)}
        fits = not source.quick_gelu or built == {timm.layers.QuickGELU}
    else:
        return
    if not fits:
        has = " and ".join(sorted(kind.__name__ for kind in built)) or "no GELU"
        wants = "QuickGELU" if source.quick_gelu else "GELU"
        raise ModelError(
            f"the tower of {source.name} has the activation {has}, and its weights were trained with {wants}"
        )


def _filled(source: OpenClipSource, skeleton: Any, weights: VisualWeights) -> Any:
    """Build a tower with the weights of a checkpoint, in memory of its own."""
    name = source.name
    if weights.quick_gelu not in (None, source.quick_gelu):
        raise ModelError(f"the weights of {name} and its configuration name different activations: download both again")
    expected = {key: tensor for key, tensor in skeleton.state_dict().items() if tensor.is_floating_point()}
    given = weights.fitted(name, expected)
    visual = _unfilled(source)
    state = visual.state_dict()
    for key, tensor in given.items():
        # in memory of their own, so that the last bit of a feature does not depend on where a file had them
        state[key] = tensor.clone(memory_format=torch.contiguous_format)
    visual.load_state_dict(state, assign=True)
    if any(tensor.is_meta for tensor in chain(visual.parameters(), visual.buffers())):
        raise RuntimeError(f"parts of {name} are in no checkpoint")
    return visual


def _unfilled(source: OpenClipSource) -> Any:
    """Build a tower with everything that is in no checkpoint; as a rule that takes no memory for its weights."""
    with torch.random.fork_rng(devices=[]):
        with WithoutMemory():
            visual = _build(source)
        saved = visual.state_dict()
        if any(tensor.is_meta for key, tensor in visual.named_buffers() if key not in saved):  # rotary positions
            visual = _build(source)
    return visual
