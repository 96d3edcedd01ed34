"""A CLIP with one late head that carries the class: nothing else of its output says red or green."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import AutoTokenizer, CLIPModel

from alignbench.models.families import load_tower
from text_towers import save_clip_texts

CLASSES = ("green", "red")
TEMPLATE = "a {} dog"
PLANTED = (2, 1)  # layer from 1, head from 0
_COLOURS = {"green": (40, 190, 60), "red": (200, 50, 40)}


def write_colours(root: Path, each: int = 20, seed: int = 0) -> Path:
    """Noisy pictures of one colour each, in a folder for each class."""
    rng = np.random.default_rng(seed)
    for name, colour in _COLOURS.items():
        (root / name).mkdir(parents=True)
        for number in range(each):
            pixels = np.clip(np.array(colour) + rng.normal(0, 20, (16, 16, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@torch.no_grad()
def save_planted(folder: Path) -> Path:
    """The texts differ along D, what parts write is orthogonal to v, one head writes v, and D^T P is v^T."""
    save_clip_texts(folder)
    model: Any = CLIPModel.from_pretrained(folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokens = tokenizer([TEMPLATE.format(name) for name in CLASSES], padding=True, return_tensors="pt")
    texts = model.get_text_features(**tokens).pooler_output
    green, red = texts / texts.norm(dim=1, keepdim=True)
    apart = red - green
    vision, generator = model.vision_model, torch.Generator().manual_seed(0)
    width = len(vision.embeddings.class_embedding)
    mean = torch.ones(width) / width**0.5
    along = _without(torch.randn(width, generator=generator), mean)
    along /= along.norm()
    start = _without(_without(torch.randn(width, generator=generator), mean), along)
    vision.embeddings.class_embedding.copy_(start - vision.embeddings.position_embedding.weight[0])
    for norm in (vision.pre_layrnorm, vision.post_layernorm):
        norm.weight.fill_(1.0)
        norm.bias.zero_()
    for layer in vision.encoder.layers:
        for linear in (layer.self_attn.out_proj, layer.mlp.fc2):
            linear.weight.copy_(_without(linear.weight.T, along).T)
            linear.bias.copy_(_without(linear.bias, along))
    projection = model.visual_projection.weight
    projection.copy_(_without(projection.T, apart / apart.norm()).T + torch.outer(apart, along) / apart.norm() ** 2)
    _plant(model, folder, along)
    model.save_pretrained(folder)
    return folder


def _plant(model: Any, folder: Path, along: torch.Tensor) -> None:
    """Let the head average over all tokens how red they are, from -1 to 1, and write that along v."""
    attention = model.vision_model.encoder.layers[PLANTED[0] - 1].self_attn
    first = PLANTED[1] * attention.head_dim
    rows = slice(first, first + attention.head_dim)
    for linear in (attention.q_proj, attention.k_proj):
        linear.weight[rows] = 0.0
        linear.bias[rows] = 0.0
    model.save_pretrained(folder)
    tower, seen = load_tower(str(folder)), []
    layer: Any = tower.model.vision_model.encoder.layers[PLANTED[0] - 1]
    handle = layer.layer_norm1.register_forward_hook(lambda module, given, output: seen.append(output.mean(dim=(0, 1))))
    for name in CLASSES:
        tower(tower.prepare(Image.new("RGB", (16, 16), _COLOURS[name]))[None])
    handle.remove()
    green, red = seen
    direction = (red - green) * 2 / ((red - green) @ (red - green))
    attention.v_proj.weight[first] = direction
    attention.v_proj.bias[first] = -direction @ (red + green) / 2
    attention.out_proj.weight[:, first] = 4.0 * along


def _without(rows: torch.Tensor, direction: torch.Tensor) -> torch.Tensor:
    """Vectors without their part along a direction of length 1."""
    return rows - (rows @ direction)[..., None] * direction
