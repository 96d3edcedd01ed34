"""Text towers of open_clip: its own TextTransformer, with its own tokenizer or one of transformers."""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from open_clip import CustomTextCLIP
from open_clip.tokenizer import HFTokenizer, SimpleTokenizer, default_bpe
from torch import Tensor

from alignbench.errors import AlignbenchWarning, ModelError, one_line
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokenizer, Tokens
from alignbench.interpret.text_encoders.tokenizers import downloaded_tokenizer, read_tokenizer, tokenizer_digest
from alignbench.models.huggingface import silence
from alignbench.models.openclip_layers import UNFIT
from alignbench.models.openclip_names import PREFIX, OpenClipSource, resolve
from alignbench.models.openclip_weights import NAMING
from alignbench.models.settings import (
    BLOCKS,
    NULL,
    OBJECT,
    TEXT,
    TRUTH,
    WIDTH,
    check_settings,
    either,
    number,
    one_of,
    positive,
    whole,
)
from alignbench.models.vision_weights import fitted, read_vision_half, refuse_adapter_files, tower_fingerprint
from alignbench.models.weight_names import Naming

_NO_VISION: Final = {"layers": 1, "width": 8, "head_width": 8, "patch_size": 8, "image_size": 8}
_TOKEN: Final = whole(2**22, 0)
_SWITCHES: Final = (
    *("embed_cls", "no_causal_mask", "final_ln_after_pool", "proj_bias", "output_tokens", "qk_norm"),
    *("scaled_cosine_attn", "scale_heads", "scale_attn_inner", "scale_attn", "scale_fc", "hf_model_pretrained"),
)
_TEXT: Final = {
    **dict.fromkeys(_SWITCHES, TRUTH),
    "context_length": whole(2**16),
    "vocab_size": whole(2**22),
    "width": WIDTH,
    "heads": WIDTH,
    "layers": BLOCKS,
    "mlp_ratio": positive(64),
    "ls_init_value": either(number(1000), NULL),
    "pad_id": _TOKEN,
    "eos_id": _TOKEN,
    "pool_type": one_of("first", "last", "argmax", "eos"),
    "proj_type": one_of("linear", "none"),
    "block_type": either(one_of("default", "custom"), NULL),
    "act_kwargs": either(OBJECT, NULL),
    "norm_kwargs": either(OBJECT, NULL),
    "hf_tokenizer_name": either(TEXT, NULL),
    "tokenizer_mode": either(one_of("clips"), NULL),
    "tokenizer_kwargs": either(OBJECT, NULL),
}
_CUTTING: Final = {"clean": one_of("canonicalize", "lower", "whitespace"), "strip_sep_token": TRUTH}
_TEXT_PARTS: Final = (
    *("transformer.", "token_embedding.", "positional_embedding", "cls_emb", "ln_final.", "text_projection"),
)
_NAMING: Final = Naming(
    family="open_clip",
    vision=("text.",),
    bare=_TEXT_PARTS,
    beside=(*NAMING.vision, *(part for part in NAMING.beside if part not in ("text.", *_TEXT_PARTS))),
    left_over=r"text\.attn_mask",
    half="text",
)


@dataclass(frozen=True)
class OwnTokenizer:
    """A tokenizer as open_clip makes them.

    Attributes:
        tokenizer: Turns texts into rows of the same length.
        context: Tokens that a text may have.
    """

    tokenizer: Any
    context: int

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """See `Tokenizer`."""
        return Tokens(self.tokenizer(list(texts)), None, tuple(map(self._length, texts)))

    def _length(self, text: str) -> int:
        if isinstance(self.tokenizer, SimpleTokenizer):
            return len(self.tokenizer.encode(text)) + 2
        inner = self.tokenizer.tokenizer
        return len(inner(self.tokenizer.clean_fn(text), truncation=False, padding=False, verbose=False).input_ids)


@silence()
def load(name: str) -> TextEncoder:
    """Load the text encoder of a model.

    Args:
        name: See `alignbench.models.openclip_names`.

    Raises:
        UsageError: If there is no such name.
        ModelError: If the text tower is of another library, if there is no tokenizer, or it cannot be trusted.
    """
    source = resolve(name)
    config = _text_config(name, source.model)
    tokenizer, identity = _tokenizer(name, config)
    path = source.weights()
    if path.suffix != ".safetensors":
        raise ModelError(
            f"the text tower of {name} is read from safetensors alone, and its weights are in {path.name}: save them "
            "as safetensors"
        )
    if source.guess:
        warnings.warn(source.guess, AlignbenchWarning, stacklevel=2)
    refuse_adapter_files(name, path.parent)
    with torch.device("meta"):
        expected = {key: each for key, each in _built(source, config).state_dict().items() if each.is_floating_point()}
    places = {f"text.{key}": tensor for key, tensor in expected.items()}
    given = fitted(name, places, read_vision_half(name, [path], _NAMING)[0], _NAMING)
    weights = {key: given[f"text.{key}"].float().clone(memory_format=torch.contiguous_format) for key in expected}
    with torch.random.fork_rng(devices=[]):
        text = _built(source, config).eval()
    text.load_state_dict(weights, strict=False)  # every weight of it is there, as `fitted` says
    settled = json.dumps([config, source.model["embed_dim"], source.quick_gelu, identity], sort_keys=True)
    width = int(source.model["embed_dim"]) if text.text_projection is not None else int(text.width)
    return TextEncoder(
        name,
        tokenizer,
        lambda tokens: _embedded(text, tokens),
        int(text.vocab_size),
        width,
        tower_fingerprint(settled, weights),
    )


def _embedded(text: Any, tokens: Tokens) -> Tensor:
    return torch.as_tensor(text(tokens.ids))


def _text_config(name: str, model: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration of the text tower, each value of its kind."""
    if not isinstance(model.get("text_cfg"), dict):
        raise ModelError(f"the configuration of {name} says nothing of a text tower (text_cfg): give a model with one")
    config = dict(model["text_cfg"])
    if config.get("hf_model_name"):
        raise ModelError(
            f"the texts of {name} are encoded by a tower of another library ({config['hf_model_name']}), which is not "
            "supported: give a model whose text tower is open_clip's own"
        )
    what = f"text_cfg of {name}"
    check_settings(what, config, _TEXT)
    check_settings(f"norm_kwargs in {what}", config.get("norm_kwargs") or {}, {"eps": positive(1)})
    options = config.get("tokenizer_kwargs") or {}
    check_settings(f"tokenizer_kwargs in {what}", options, _CUTTING)
    other = sorted(options.keys() - _CUTTING.keys())
    if other:
        raise ModelError(f"tokenizer_kwargs in {what} have {other[0]}, which is not supported: leave it out")
    return config | {"output_tokens": False}


def _tokenizer(name: str, config: Mapping[str, Any]) -> tuple[Tokenizer, str]:
    """The tokenizer that a text tower takes, and what identifies it."""
    options, context = dict(config.get("tokenizer_kwargs") or {}), int(config.get("context_length", 77))
    repository, folder = config.get("hf_tokenizer_name"), Path(name.removeprefix(PREFIX))
    if not repository:
        options.pop("strip_sep_token", None)
        words = hashlib.sha256(Path(default_bpe()).read_bytes()).hexdigest()
        return OwnTokenizer(SimpleTokenizer(context_length=context, **options), context), f"{words} {options}"
    place = folder if folder.is_dir() else downloaded_tokenizer(name, repository)
    mode = config.get("tokenizer_mode")
    made = read_tokenizer(
        name, place, lambda: HFTokenizer(str(place), context_length=context, tokenizer_mode=mode, **options)
    )
    return OwnTokenizer(made, context), f"{tokenizer_digest(place)} {mode} {options}"


def _built(source: OpenClipSource, config: Mapping[str, Any]) -> Any:
    """The text tower of a model; of the vision tower a stub is built, and dropped."""
    try:
        model = CustomTextCLIP(source.model["embed_dim"], dict(_NO_VISION), dict(config), quick_gelu=source.quick_gelu)
    except UNFIT as error:
        raise ModelError(f"text_cfg of {source.name} cannot be followed: {one_line(error)}") from error
    return model.text
