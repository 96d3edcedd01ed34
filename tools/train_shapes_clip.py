"""Train `shapes-clip`, the packaged CLIP: a contrastive model of captioned scenes, saved in Hugging Face layout.

    python tools/train_shapes_clip.py --output alignbench/assets/shapes-clip
    python tools/train_shapes_clip.py --output alignbench/assets/shapes-clip --only-evaluate

A picture comes with two captions: one loose, which names each thing only sometimes and at different levels of
abstraction (so that kinds and colour families are learned), and one that names everything (so that each picture
teaches as much as it can). The loss is the symmetric contrastive one for each, with equal captions counted as
positives. Runs in under half an hour on two cores; the same seed gives the same data in the same order.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from transformers import (
    AutoImageProcessor,
    AutoTokenizer,
    CLIPConfig,
    CLIPImageProcessor,
    CLIPModel,
    PreTrainedTokenizerFast,
)

from alignbench.datasets.scenes import SIDE, Scene, caption, render, sample_scene, vocabulary

TRAINING, UNSEEN = 0, 1  # two streams of scenes that never meet
LONGEST = 18  # tokens of a full caption with its two marks, and two to spare
PIXEL_MEAN = PIXEL_STD = 0.5


def scene_of(stream: int, seed: int, index: int) -> tuple[Scene, np.random.Generator]:
    rng = np.random.default_rng((stream, seed, index))
    return sample_scene(rng), rng


def build_tokenizer() -> PreTrainedTokenizerFast:
    """One token a word, `<start>` before and `<end>` behind; the text tower reads the token of `<end>`."""
    words = {word: index for index, word in enumerate(("<pad>", "<start>", "<unk>", "<end>", *vocabulary()))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<start> $A <end>", special_tokens=[("<start>", words["<start>"]), ("<end>", words["<end>"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<start>",
        eos_token="<end>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=LONGEST,
    )


def build_model(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    shared: dict[str, Any] = {"projection_dim": 64, "hidden_act": "gelu", "num_attention_heads": 4}
    config = CLIPConfig(
        vision_config={
            **shared,
            "hidden_size": 128,
            "intermediate_size": 512,
            "num_hidden_layers": 6,
            "image_size": SIDE,
            "patch_size": 8,
        },
        text_config={
            **shared,
            "hidden_size": 96,
            "intermediate_size": 384,
            "num_hidden_layers": 2,
            "vocab_size": len(tokenizer),
            "max_position_embeddings": LONGEST,
            "bos_token_id": tokenizer.bos_token_id,
            "eos_token_id": tokenizer.eos_token_id,
            "pad_token_id": tokenizer.pad_token_id,
        },
        projection_dim=64,
    )
    return CLIPModel(config)


class CaptionedScenes(Dataset[tuple[Tensor, str, str]]):
    def __init__(self, seed: int, length: int) -> None:
        self.seed, self.length = seed, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: int) -> tuple[Tensor, str, str]:
        scene, rng = scene_of(TRAINING, self.seed, index)
        return torch.from_numpy(render(scene)).permute(2, 0, 1), caption(scene), caption(scene, rng)


def normalise(pixels: Tensor) -> Tensor:
    return (pixels.float() / 255.0 - PIXEL_MEAN) / PIXEL_STD


def contrastive_loss(logits: Tensor, captions: list[str]) -> Tensor:
    """Symmetric cross-entropy of (pictures x captions) logits; equal captions share the target."""
    ids = {text: index for index, text in enumerate(captions)}
    numbers = torch.tensor([ids[text] for text in captions])
    target = (numbers[:, None] == numbers[None, :]).float()
    target = target / target.sum(1, keepdim=True)
    loss = nn.functional.cross_entropy
    return (loss(logits, target) + loss(logits.T, target)) / 2


def unit(features: Any) -> Tensor:
    return nn.functional.normalize(features.pooler_output, dim=-1)


def train(output: Path, seed: int, steps: int, batch_size: int, peak_rate: float) -> None:
    torch.manual_seed(seed)
    tokenizer = build_tokenizer()
    model = build_model(tokenizer)
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    vectors = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.05}, {"params": vectors, "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=peak_rate, betas=(0.9, 0.98))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, peak_rate, total_steps=steps, pct_start=0.1)
    loader = DataLoader(CaptionedScenes(seed, steps * batch_size), batch_size, num_workers=1, prefetch_factor=4)
    start = time.monotonic()
    for step, (pixels, full, loose) in enumerate(loader, start=1):
        images = unit(model.get_image_features(pixel_values=normalise(pixels)))
        tokens = tokenizer([*full, *loose], padding=True, return_tensors="pt")
        texts = unit(model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask))
        logits = model.logit_scale.exp() * images @ texts.T
        count = len(full)
        loss = (contrastive_loss(logits[:, :count], full) + contrastive_loss(logits[:, count:], loose)) / 2
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
        with torch.no_grad():
            model.logit_scale.clamp_(max=math.log(100.0))
        if step % 50 == 0:
            print(f"step {step:5d}  loss {loss.item():.3f}  {time.monotonic() - start:6.0f} s", flush=True)
        if step % 400 == 0 and step < steps:
            print(report(retrieval(model, tokenizer, seed, 1000)), flush=True)
    output.mkdir(parents=True, exist_ok=True)
    model.save_pretrained(output)
    tokenizer.save_pretrained(output)
    side = {"height": SIDE, "width": SIDE}
    CLIPImageProcessor(
        size={"shortest_edge": SIDE}, crop_size=side, image_mean=[PIXEL_MEAN] * 3, image_std=[PIXEL_STD] * 3
    ).save_pretrained(output)


def retrieval(model: CLIPModel, tokenizer: Any, seed: int, count: int) -> dict[str, float]:
    """Shard of unseen scenes whose own full caption comes first among all, and the other way round.

    The `count` scenes have different captions, so chance is 1 / count.
    """
    scenes: dict[str, Scene] = {}
    index = 0
    while len(scenes) < count:
        scene, _ = scene_of(UNSEEN, seed, index)
        scenes.setdefault(caption(scene), scene)
        index += 1
    model.eval()
    pixels = torch.from_numpy(np.stack([render(scene) for scene in scenes.values()])).permute(0, 3, 1, 2)
    tokens = tokenizer(list(scenes), padding=True, return_tensors="pt")
    with torch.inference_mode():
        images = torch.cat([unit(model.get_image_features(pixel_values=normalise(p))) for p in pixels.split(100)])
        texts = unit(model.get_text_features(input_ids=tokens.input_ids, attention_mask=tokens.attention_mask))
    model.train()
    similarity = images @ texts.T
    best = [list(scenes.values())[i] for i in similarity.argmax(1).tolist()]
    scores = {
        "image to caption": float((similarity.argmax(1) == torch.arange(count)).float().mean()),
        "caption to image": float((similarity.argmax(0) == torch.arange(count)).float().mean()),
    }
    for name in ("shape", "colour", "texture", "count", "size", "position", "background"):
        pairs = zip(scenes.values(), best, strict=True)
        scores[name] = sum(getattr(a, name) == getattr(b, name) for a, b in pairs) / count
    return scores


def report(scores: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.3f}" for name, value in scores.items())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the model")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--batch-size", type=int, default=128)
    parser.add_argument("--peak-rate", type=float, default=1.5e-3, help="highest learning rate")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only-evaluate", action="store_true", help="measure the model that is there")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if not arguments.only_evaluate:
        train(arguments.output, arguments.seed, arguments.steps, arguments.batch_size, arguments.peak_rate)
    model = CLIPModel.from_pretrained(arguments.output)
    tokenizer = AutoTokenizer.from_pretrained(arguments.output)
    AutoImageProcessor.from_pretrained(arguments.output, backend="pil")  # what users will load must load
    print(report(retrieval(model, tokenizer, arguments.seed, 1000)))


if __name__ == "__main__":
    main()
