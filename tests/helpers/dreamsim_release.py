"""A small release of DreamSim in the real layout, its numbers in NumPy, and a stand-in for its package where it is not.

The stand-in has the interface that the baseline uses, and takes its networks from timm, whose names of weights are
DINO's. Where the package is installed it is used itself, with networks of the same small width.
"""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any, Final, NamedTuple
from unittest import mock

import numpy as np
import timm
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

INSTALLED: Final = find_spec("dreamsim") is not None
WIDTH, HEADS, BLOCKS, RANK, ALPHA, JOINT = 24, 3, 12, 4, 3, 16
DINO: Final = "checkpoints/dino_vitbase16_pretrain.pth"
CLIPS: Final = ("clip_vitb16_pretrain.pth.tar", "open_clip_vitb16_pretrain.pth.tar")
ADAPTER, SETTINGS = "ensemble_lora/adapter_model.bin", "ensemble_lora/adapter_config.json"
MEANS: Final = ((0.485, 0.456, 0.406), (0.48145466, 0.4578275, 0.40821073))  # of ImageNet, and of CLIP
STDS: Final = ((0.229, 0.224, 0.225), (0.26862954, 0.26130258, 0.27577711))
Floats = NDArray[np.float64]


def small_vit(patch_size: int = 16, **_: object) -> nn.Module:
    """A ViT of 12 blocks, width 24, by timm; it gives the class token after the last norm."""
    network: nn.Module = timm.models.VisionTransformer(
        patch_size=patch_size,
        embed_dim=WIDTH,
        depth=BLOCKS,
        num_heads=HEADS,
        mlp_ratio=2,
        num_classes=0,
        norm_layer=partial(nn.LayerNorm, eps=1e-6),
    )
    return network


# ------------------------------------------------------------------------------------------------- files


def drawn(module: nn.Module, seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        name: torch.randn(value.shape, generator=generator) * 0.3 for name, value in sorted(module.state_dict().items())
    }


def write_release(folder: Path) -> Path:
    """Write what a folder of weights holds: those of DINO, CLIP and OpenCLIP, and their LoRAs."""
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "ensemble_lora").mkdir()
    torch.save(drawn(small_vit(), 0), folder / DINO)
    for seed, name in enumerate(CLIPS, start=1):
        network = small_vit()
        network.pos_drop = nn.LayerNorm(WIDTH)
        generator = torch.Generator().manual_seed(seed)
        weights = drawn(network, seed) | {"proj": torch.randn(WIDTH, JOINT, generator=generator)}
        torch.save({"state_dict": weights}, folder / name)
    generator = torch.Generator().manual_seed(3)
    place = "base_model.model.extractor_list.{}.model.blocks.{}.attn.qkv.lora_{}.weight"
    lora = {
        place.format(tower, block, side): torch.randn(shape, generator=generator) * 0.3
        for tower in range(3)
        for block in range(BLOCKS)
        for side, shape in (("A", (RANK, WIDTH)), ("B", (3 * WIDTH, RANK)))
    }
    torch.save(lora, folder / ADAPTER)
    settings = {"r": RANK, "lora_alpha": ALPHA, "lora_dropout": 0.3, "bias": "none", "target_modules": ["qkv"]}
    (folder / SETTINGS).write_text(json.dumps(settings | {"peft_type": "LORA"}))
    return folder


def pack(folder: Path, archive: Path) -> str:
    """Pack the release of a folder as it is published, with files that nobody asks for, and give its address."""
    with zipfile.ZipFile(archive, "w") as packed:
        for name in (*CLIPS, ADAPTER, SETTINGS):
            packed.write(folder / name, name)
        packed.writestr("../outside.txt", "nothing")
        packed.writestr("dino_vitb16_pretrain.pth", b"another")
    return archive.as_uri()


# ------------------------------------------------------------------------------------------- the numbers


class _Kind(NamedTuple):
    """How the towers differ: epsilon of the norms, activation, and whether tokens are normalised first."""

    epsilon: float
    quick: bool
    normalised: bool


_TOWERS: Final = (_Kind(1e-6, False, False), _Kind(1e-5, True, True), _Kind(1e-5, False, True))


def _normed(x: Floats, weights: dict[str, Floats], name: str, epsilon: float) -> Floats:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _linear(x: Floats, weights: dict[str, Floats], name: str) -> Floats:
    return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]


def _tower(picture: Floats, weights: dict[str, Floats], kind: _Kind) -> tuple[Floats, Floats]:
    """All tokens after the last block, (tokens, width), and the class token after the last norm, (width,)."""
    from scipy.special import erf

    patches = picture.reshape(3, 14, 16, 14, 16).transpose(1, 3, 0, 2, 4).reshape(196, -1)
    tokens = patches @ weights["patch_embed.proj.weight"].reshape(WIDTH, -1).T + weights["patch_embed.proj.bias"]
    x = np.concatenate([weights["cls_token"][0], tokens]) + weights["pos_embed"][0]
    x = _normed(x, weights, "pos_drop", kind.epsilon) if kind.normalised else x
    for block in range(BLOCKS):
        at = f"blocks.{block}"
        y = _linear(_normed(x, weights, f"{at}.norm1", kind.epsilon), weights, f"{at}.attn.qkv")
        q, k, v = y.reshape(197, 3, HEADS, -1).transpose(1, 2, 0, 3)
        scores = q @ k.transpose(0, 2, 1) / np.sqrt(WIDTH // HEADS)
        shares = np.exp(scores - scores.max(-1, keepdims=True))
        y = (shares / shares.sum(-1, keepdims=True) @ v).transpose(1, 0, 2).reshape(197, -1)
        x = x + _linear(y, weights, f"{at}.attn.proj")
        y = _linear(_normed(x, weights, f"{at}.norm2", kind.epsilon), weights, f"{at}.mlp.fc1")
        y = y / (1 + np.exp(-1.702 * y)) if kind.quick else y * (1 + erf(y / np.sqrt(2))) / 2
        x = x + _linear(y, weights, f"{at}.mlp.fc2")
    return x, _normed(x[0], weights, "norm", kind.epsilon)


def embedding(picture: Floats, folder: Path) -> Floats:
    """The centred embedding of a picture, (3, 224, 224) in [0, 1], of length 1, as the paper has it, in float64."""
    lora = torch.load(folder / ADAPTER, weights_only=True)
    parts = []
    for number, (name, kind) in enumerate(zip((DINO, *CLIPS), _TOWERS, strict=True)):
        read = torch.load(folder / name, weights_only=True)
        weights = {key: value.double().numpy() for key, value in read.get("state_dict", read).items()}
        for block in range(BLOCKS):
            place = f"base_model.model.extractor_list.{number}.model.blocks.{block}.attn.qkv.lora_"
            a, b = (lora[f"{place}{side}.weight"].double().numpy() for side in "AB")
            weights[f"blocks.{block}.attn.qkv.weight"] = (
                weights[f"blocks.{block}.attn.qkv.weight"] + ALPHA / RANK * b @ a
            )
        mean, std = (np.array(values[number > 0])[:, None, None] for values in (MEANS, STDS))
        tokens, last = _tower((picture - mean) / std, weights, kind)
        parts.append(last @ weights["proj"] if "proj" in weights else tokens[0])
    whole = np.concatenate(parts)
    centred = whole - whole.mean()
    return np.asarray(centred / np.linalg.norm(centred))


# ------------------------------------------------------------------------------------------ the stand-in


class _QuickGelu(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(1.702 * x)


class _Extractor(nn.Module):
    def __init__(self, kind: str, load_dir: str) -> None:
        super().__init__()
        made = _Extractor.create_model(kind, load_dir)
        self.model, self.proj = made if isinstance(made, tuple) else (made, None)

    @staticmethod
    def create_model(kind: str, load_dir: str) -> Any:
        assert "clip" in kind, "the package fetches code from the network for DINO"
        weights = torch.load(Path(load_dir) / f"{kind}_pretrain.pth.tar", weights_only=True)["state_dict"]
        network, proj = small_vit(), weights.pop("proj")
        network.pos_drop = nn.LayerNorm(WIDTH)
        network.load_state_dict(weights)
        for module in network.modules():
            if isinstance(module, nn.LayerNorm):
                module.eps = 1e-5
        for block in network.blocks if kind.startswith("clip") else ():
            block.mlp.act = _QuickGelu()
        return network, proj


class _Perceptual(nn.Module):
    def __init__(self, model_type: str, device: str, load_dir: str, normalize_embeds: bool, **_: object) -> None:
        super().__init__()
        self.extractor_list = nn.ModuleList(_Extractor(kind, load_dir) for kind in model_type.split(","))

    def embed(self, pictures: Tensor) -> Tensor:
        parts = []
        for number, extractor in enumerate(self.extractor_list):
            mean, std = (torch.tensor(values[number > 0]).view(3, 1, 1) for values in (MEANS, STDS))
            x, model = (pictures - mean) / std, extractor.model
            dino = model.forward_features if extractor.proj is None else None
            if dino is None:
                parts.append(model(x) @ extractor.proj)
            else:
                with mock.patch.object(model, "norm", nn.Identity()):
                    parts.append(dino(x)[:, 0])
        whole = torch.cat(parts, dim=-1)
        centred = whole - whole.mean(1, keepdim=True)
        return centred / centred.norm(dim=1, keepdim=True)

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return 1 - torch.nn.functional.cosine_similarity(self.embed(first), self.embed(second), dim=-1)


class _Lora(nn.Module):
    def __init__(self, base: nn.Linear, settings: dict[str, Any]) -> None:
        super().__init__()
        self.base_layer, self.scale = base, settings["lora_alpha"] / settings["r"]
        self.lora_A = nn.Linear(base.in_features, settings["r"], bias=False)
        self.lora_B = nn.Linear(settings["r"], base.out_features, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        whole: Tensor = self.base_layer(x) + self.scale * self.lora_B(self.lora_A(x))
        return whole


class _Peft(nn.Module):
    def __init__(self, model: nn.Module, settings: dict[str, Any]) -> None:
        super().__init__()
        for name, module in list(model.named_modules()):
            if name.rpartition(".")[2] in settings["target_modules"] and isinstance(module, nn.Linear):
                setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], _Lora(module, settings))
        self.base_model = nn.ModuleDict({"model": model})

    def forward(self, *pictures: Tensor) -> Tensor:
        found: Tensor = self.base_model["model"](*pictures)
        return found


def _modules() -> dict[str, ModuleType]:
    """The stand-ins by the name of their module."""
    contents: dict[str, dict[str, Any]] = {
        "dreamsim": {},
        "dreamsim.config": {
            "dreamsim_args": {"model_config": {"ensemble": {"model_type": "dino_vitb16,clip_vitb16,open_clip_vitb16"}}},
            "dreamsim_weights": {"ensemble": "https://nowhere.invalid/release.zip"},
        },
        "dreamsim.model": {"PerceptualModel": _Perceptual},
        "dreamsim.feature_extraction": {},
        "dreamsim.feature_extraction.extractor": {"ViTExtractor": _Extractor},
        "dreamsim.feature_extraction.vision_transformer": {"vit_base": small_vit},
        "peft": {
            "LoraConfig": dict,
            "get_peft_model": _Peft,
            "set_peft_model_state_dict": lambda model, weights: model.load_state_dict(weights, strict=False),
        },
    }
    found = {}
    for name, members in contents.items():
        found[name] = ModuleType(name)
        vars(found[name]).update(members)
    return found


@contextmanager
def package() -> Iterator[dict[str, str]]:
    """The package with small networks, or its stand-in; what is in its table of addresses can be changed."""
    if not INSTALLED:
        modules = _modules()
        with mock.patch.dict(sys.modules, modules):
            yield modules["dreamsim.config"].dreamsim_weights
        return
    from dreamsim.config import dreamsim_weights
    from dreamsim.feature_extraction import load_clip_as_dino, load_open_clip_as_dino, vision_transformer

    def narrow(patch_size: int = 16, **_: object) -> nn.Module:
        norm = partial(nn.LayerNorm, eps=1e-6)
        sizes = {"embed_dim": WIDTH, "depth": BLOCKS, "num_heads": HEADS, "mlp_ratio": 2}
        network: nn.Module = vision_transformer.VisionTransformer(
            patch_size=patch_size, qkv_bias=True, norm_layer=norm, **sizes
        )
        return network

    places = (load_clip_as_dino, load_open_clip_as_dino, vision_transformer)
    with mock.patch.dict(dreamsim_weights), mock.patch("torch.hub.load", side_effect=AssertionError("code is fetched")):
        patches = [mock.patch.object(place, "vit_base", narrow) for place in places]
        for patch in patches:
            patch.start()
        try:
            yield dreamsim_weights
        finally:
            for patch in patches:
                patch.stop()
