"""Text towers in the format of transformers: CLIP, Chinese-CLIP and SigLIP."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
import transformers
from torch import Tensor
from transformers import AutoTokenizer, PretrainedConfig

from alignbench.errors import ModelError
from alignbench.interpret.text_encoders.encoder import TextEncoder, Tokens
from alignbench.interpret.text_encoders.tokenizers import downloaded_tokenizer, read_tokenizer, tokenizer_digest
from alignbench.models.cards import cards
from alignbench.models.checkpoints import checkpoint_folder, weight_files
from alignbench.models.huggingface import followed, silence
from alignbench.models.transformers_config import read_config
from alignbench.models.transformers_weights import TEXT_NAMINGS, ModelClass, load_weights
from alignbench.models.vision_weights import tower_fingerprint

_OF_THE_LIBRARY: Final = ("transformers_version", "_name_or_path", "dtype")
_OLD_END: Final = 2  # written by old versions for CLIP, whose towers then read the token with the highest number


@dataclass(frozen=True)
class FilledRows:
    """A tokenizer of transformers whose rows are filled up.

    Attributes:
        name: The model's name, for messages.
        tokenizer: The tokenizer.
        context: Tokens that a text may have.
        whole_rows: Whether rows are always as long as the context, without a mask, as SigLIP is trained; else they are
            as long as the longest.
        read_at: The token at which the tower reads a text's embedding, if it looks for one.
    """

    name: str
    tokenizer: Any
    context: int
    whole_rows: bool
    read_at: int | None = None

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """See `Tokenizer`."""
        whole = self.tokenizer(list(texts), truncation=False, padding=False, verbose=False)
        rows = self.tokenizer(
            list(texts),
            padding="max_length" if self.whole_rows else True,
            truncation=True,
            max_length=self.context,
            return_attention_mask=True,
            return_tensors="pt",
        )
        lengths = tuple(map(len, whole.input_ids))
        ids: Tensor = rows.input_ids
        if self.read_at is not None and not (ids == self.read_at).any(dim=1).all():
            raise ModelError(
                f"the tokenizer of {self.name} does not end a text with token {self.read_at}, at which its text tower "
                "reads it: give the tokenizer that it was trained with"
            )
        return Tokens(ids, None if self.whole_rows else rows.attention_mask, lengths, self._unknown(texts))

    def _unknown(self, texts: Sequence[str]) -> tuple[tuple[str, ...], ...]:
        """Words that are unknown. CLIP's own tokenizer names the token of the end for them, and never needs it."""
        number, marks = self.tokenizer.unk_token_id, (self.tokenizer.eos_token_id, self.tokenizer.pad_token_id)
        if number is None or number in marks or not self.tokenizer.is_fast:
            return ()
        rows = self.tokenizer(list(texts), truncation=False, padding=False, verbose=False, return_offsets_mapping=True)
        return tuple(
            tuple(text[slice(*place)] for each, place in zip(ids, places, strict=True) if each == number)
            for text, ids, places in zip(texts, rows.input_ids, rows.offset_mapping, strict=True)
        )


@silence()
def load(name: str) -> TextEncoder:
    """Load the text encoder of a checkpoint.

    Args:
        name: A card's name, a Hugging Face id, or a local directory in Hugging Face format.

    Raises:
        UsageError: If the checkpoint is of no supported family.
        ModelError: If it has no text tower or no tokenizer, or cannot be had or trusted.
    """
    folder = checkpoint_folder(name)
    config = read_config(name, folder, texts=True)
    if config.model_type not in TEXT_NAMINGS:
        raise ModelError(f"{name} is of type '{config.model_type}', which has no text tower: give a model with one")
    if any(path.suffix == ".bin" for path in weight_files(folder)):
        raise ModelError(
            f"the text tower of {name} is read from safetensors alone, and its weights are pickled: save them again by "
            "save_pretrained"
        )
    is_local = Path(name).is_dir() or (name in cards() and bool(cards()[name].packaged))
    place = folder if is_local else downloaded_tokenizer(name, name, folder.name)
    tokenizer = read_tokenizer(name, place, lambda: _read(place))
    naming, text = TEXT_NAMINGS[config.model_type], config.text_config
    model_class, width, tower_of = _parts(config)
    with followed(name):
        model = load_weights(name, folder, naming, model_class).eval()
    known = {key: value for key, value in text.to_dict().items() if key not in _OF_THE_LIBRARY}
    settled = json.dumps([config.model_type, width, known, tokenizer_digest(place)], sort_keys=True, default=str)
    weights = {key: tensor for key, tensor in model.state_dict().items() if not key.startswith(naming.beside)}
    return TextEncoder(
        name,
        _rows(name, config, tokenizer),
        tower_of(model),
        int(text.vocab_size),
        width,
        tower_fingerprint(settled, weights),
    )


def _read(folder: Path) -> Any:
    return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)


def _rows(name: str, config: PretrainedConfig, tokenizer: Any) -> FilledRows:
    text = config.text_config
    context = min(int(text.max_position_embeddings), int(tokenizer.model_max_length))
    read_at = None
    if config.model_type == "clip":
        read_at = tokenizer.eos_token_id if text.eos_token_id == _OLD_END else text.eos_token_id
        highest = max(tokenizer.get_vocab().values(), default=0)
        if read_at is None or (text.eos_token_id == _OLD_END and read_at < highest):
            raise ModelError(
                f"the tokenizer of {name} has no end of a text with the highest number, at which its text tower reads "
                "it: give the tokenizer that it was trained with"
            )
    return FilledRows(name, tokenizer, context, config.model_type == "siglip", read_at)


def _parts(config: PretrainedConfig) -> tuple[ModelClass, int, Callable[[Any], Callable[[Tokens], Tensor]]]:
    """What a text tower is built from, the width of its embeddings, and how they are had of it."""
    text = config.text_config
    if config.model_type == "siglip":
        return ModelClass(transformers.SiglipTextModel, text), int(text.projection_size), _pooled
    if config.model_type == "chinese_clip":
        config.vision_config.num_hidden_layers = 1  # its vision tower is not used
        return ModelClass(transformers.ChineseCLIPModel, config), int(config.projection_dim), _chinese
    text.projection_dim = config.projection_dim
    return ModelClass(transformers.CLIPTextModelWithProjection, text), int(config.projection_dim), _projected


def _pooled(model: Any) -> Callable[[Tokens], Tensor]:
    return lambda tokens: torch.as_tensor(model(input_ids=tokens.ids, attention_mask=tokens.mask).pooler_output)


def _projected(model: Any) -> Callable[[Tokens], Tensor]:
    return lambda tokens: torch.as_tensor(model(input_ids=tokens.ids, attention_mask=tokens.mask).text_embeds)


def _chinese(model: Any) -> Callable[[Tokens], Tensor]:
    def embedded(tokens: Tokens) -> Tensor:
        texts = model.text_model(input_ids=tokens.ids, attention_mask=tokens.mask).last_hidden_state
        return torch.as_tensor(model.text_projection(texts[:, 0]))

    return embedded
