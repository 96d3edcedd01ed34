"""Small models of pictures and texts with their tokenizers, in every format that text encoders are read from."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import open_clip
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import (
    ChineseCLIPConfig,
    ChineseCLIPModel,
    CLIPConfig,
    CLIPModel,
    PreTrainedTokenizerFast,
    SiglipConfig,
    SiglipModel,
)

WORDS: Final = ("a", "red", "green", "dog", "cat", "photo", "of", "the", "striped", "near", "tree")
TEXTS: Final = (
    "a red dog",
    "a photo of the striped cat near a tree",
    "green",
    "the cat",
    "a dog near the red tree of cat",
)
CONTEXT: Final = 12
_VISION: Final = {
    **{"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2},
    **{"image_size": 16, "patch_size": 8},
}
_TEXT: Final = {
    **{"hidden_size": 20, "intermediate_size": 28, "num_hidden_layers": 2, "num_attention_heads": 2},
    "max_position_embeddings": CONTEXT,
}


def word_tokenizer(start: str | None = "<start>") -> PreTrainedTokenizerFast:
    """One token a word, with a mark at the end, and one in front unless that is left out."""
    marks = ["<pad>", "<unk>", *([start] if start else [])]
    words = {word: number for number, word in enumerate((*marks, *WORDS, "<end>"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    shown = [(mark, words[mark]) for mark in (start, "<end>") if mark]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{start} $A <end>" if start else "$A <end>", special_tokens=shown
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=start,
        eos_token="<end>",
        unk_token="<unk>",
        pad_token="<pad>",
        model_max_length=CONTEXT,
    )


def save_clip_texts(folder: Path, *, eos: int | None = None, seed: int = 0) -> Path:
    """A CLIP of transformers. Old versions say 2 for the end of a text, and read the token with the highest number."""
    tokenizer = word_tokenizer()
    text = _TEXT | {
        **{"vocab_size": len(tokenizer), "eos_token_id": tokenizer.eos_token_id if eos is None else eos},
        **{"bos_token_id": 2, "pad_token_id": 0, "projection_dim": 14},
    }
    config = CLIPConfig(vision_config={**_VISION, "projection_dim": 14}, text_config=text, projection_dim=14)
    return _save(folder, CLIPModel, config, tokenizer, seed)


def save_siglip_texts(folder: Path, seed: int = 0) -> Path:
    """A SigLIP of transformers."""
    tokenizer = word_tokenizer(start=None)
    text = _TEXT | {"vocab_size": len(tokenizer), "projection_size": 16}
    config = SiglipConfig(vision_config=dict(_VISION), text_config=text)
    return _save(folder, SiglipModel, config, tokenizer, seed)


def save_chinese_texts(folder: Path, seed: int = 0) -> Path:
    """A Chinese-CLIP of transformers, with the vocabulary of a BERT in a file."""
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *WORDS]
    text = _TEXT | {"vocab_size": len(words), "type_vocab_size": 2, "pad_token_id": 0}
    config = ChineseCLIPConfig(vision_config=dict(_VISION), text_config=text, projection_dim=14)
    _save(folder, ChineseCLIPModel, config, None, seed)
    (folder / "vocab.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    return folder


def _save(folder: Path, kind: Any, config: Any, tokenizer: PreTrainedTokenizerFast | None, seed: int) -> Path:
    torch.manual_seed(seed)
    model = kind(config)
    for parameter in model.parameters():  # biases and norms as after training
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    if tokenizer is not None:
        tokenizer.save_pretrained(folder)
    name = "ChineseCLIPImageProcessor" if kind is ChineseCLIPModel else kind.__name__.replace("Model", "ImageProcessor")
    side = {"height": 16, "width": 16}
    settings = {"image_processor_type": name, "size": side, "crop_size": side, "do_center_crop": False, "resample": 3}
    settings |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


TRANSFORMERS_TEXTS: Final[dict[str, Callable[[Path], Path]]] = {
    "clip": save_clip_texts,
    "clip of old": lambda folder: save_clip_texts(folder, eos=2),
    "chinese_clip": save_chinese_texts,
    "siglip": save_siglip_texts,
}

_OWN_VISION: Final = {"layers": 2, "width": 16, "head_width": 8, "patch_size": 8, "image_size": 16, "mlp_ratio": 2.0}
_OWN_TEXT: Final = {"context_length": CONTEXT, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 2}
_OWN_WORDS: Final = _OWN_TEXT | {"hf_tokenizer_name": "somebody/words", "vocab_size": 2 + len(WORDS) + 1}
OPENCLIP_TEXTS: Final[dict[str, dict[str, Any]]] = {
    "own": {"embed_dim": 14, "text_cfg": _OWN_TEXT},
    "quick": {"embed_dim": 14, "text_cfg": _OWN_TEXT, "quick_gelu": True},
    "custom": {"embed_dim": 14, "text_cfg": _OWN_TEXT | {"mlp_ratio": 3.0}, "custom_text": True},
    "siglip": {
        "embed_dim": 14,
        "custom_text": True,
        "text_cfg": _OWN_WORDS
        | {
            "tokenizer_kwargs": {"clean": "canonicalize"},
            "no_causal_mask": True,
            "proj_bias": True,
            "pool_type": "last",
        }
        | {"norm_kwargs": {"eps": 1e-6}, "act_kwargs": {"approximate": "tanh"}},
    },
}


def openclip_model(kind: str) -> Any:
    """A small model of open_clip as open_clip builds it."""
    config = OPENCLIP_TEXTS[kind]
    made = open_clip.CustomTextCLIP if config.get("custom_text") else open_clip.CLIP
    return made(config["embed_dim"], dict(_OWN_VISION), dict(config["text_cfg"]), config.get("quick_gelu", False))


def save_openclip_texts(folder: Path, kind: str, seed: int = 0) -> Path:
    """The directory of such a model."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = openclip_model(kind)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    save_file(model.state_dict(), folder / "open_clip_model.safetensors")
    config = OPENCLIP_TEXTS[kind] | {"vision_cfg": _OWN_VISION}
    (folder / "open_clip_config.json").write_text(json.dumps({"model_cfg": config, "preprocess_cfg": {}}))
    if "hf_tokenizer_name" in config["text_cfg"]:
        word_tokenizer(start=None).save_pretrained(folder)
    return folder
