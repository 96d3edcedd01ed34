"""Text encoders of transformers, against its own `get_text_features`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModel, AutoTokenizer

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.interpret.text_encoders.loading import load_text_encoder
from alignbench.models.checkpoints import checkpoint_folder
from text_towers import CONTEXT, TEXTS, TRANSFORMERS_TEXTS, save_chinese_texts, save_clip_texts, word_tokenizer

every_kind = pytest.mark.parametrize("kind", list(TRANSFORMERS_TEXTS))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("texts")

    def folder(kind: str) -> Path:
        return root / kind if (root / kind).exists() else TRANSFORMERS_TEXTS[kind](root / kind)

    return folder


def library(folder: Path, texts: list[str]) -> Any:
    """What transformers makes of texts."""
    model, tokenizer = AutoModel.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(folder)
    is_siglip = model.config.model_type == "siglip"
    rows = tokenizer(
        texts, padding="max_length" if is_siglip else True, truncation=True, max_length=CONTEXT, return_tensors="pt"
    )
    mask = {} if is_siglip else {"attention_mask": rows.attention_mask}
    with torch.inference_mode():
        return model.get_text_features(input_ids=rows.input_ids, **mask).pooler_output.numpy()


@every_kind
def test_embeddings_are_those_of_the_library(folders: Callable[[str], Path], kind: str) -> None:
    folder = folders(kind)
    encoder = load_text_encoder(str(folder))
    texts = [*TEXTS * 20, "green"]  # more than a batch
    found = encoder.encode(texts)
    assert found.dtype == np.float32
    assert found.shape == (101, encoder.width)
    np.testing.assert_allclose(found, library(folder, texts), rtol=1e-4, atol=1e-5)
    assert len(np.unique(found.round(3), axis=0)) == len(TEXTS)


def test_words_that_a_tokenizer_does_not_know_are_told() -> None:
    told = load_text_encoder("shapes-clip").tokenizer(["a red star", "Zebra, red zebra", "a circle"]).unknown
    assert [[each for each in words if each.isalpha()] for words in told] == [[], ["Zebra", "zebra"], ["circle"]]


def test_the_packaged_model_has_a_text_encoder() -> None:
    encoder = load_text_encoder("shapes-clip")
    texts = ["a red circle", "two large striped squares on the left"]
    folder = checkpoint_folder("shapes-clip")
    np.testing.assert_allclose(encoder.encode(texts), library(folder, texts), rtol=1e-4, atol=1e-5)
    assert encoder.width == 64


@every_kind
def test_the_fingerprint_is_of_weights_and_tokenizer(folders: Callable[[str], Path], kind: str, tmp_path: Path) -> None:
    folder = folders(kind)
    first = load_text_encoder(str(folder)).fingerprint
    other = TRANSFORMERS_TEXTS[kind](tmp_path / "again")
    assert load_text_encoder(str(other)).fingerprint == first
    weights = load_file(other / "model.safetensors")
    vision = next(key for key in weights if key.startswith("vision_model."))
    save_file(weights | {vision: weights[vision] + 1}, other / "model.safetensors", {"format": "pt"})
    assert load_text_encoder(str(other)).fingerprint == first, "the tower of pictures has no part in it"
    text = next(key for key in weights if key.startswith("text_model.") and weights[key].is_floating_point())
    save_file(weights | {text: weights[text] + 1}, other / "model.safetensors", {"format": "pt"})
    changed = load_text_encoder(str(other)).fingerprint
    assert changed != first
    file = other / ("vocab.txt" if kind == "chinese_clip" else "tokenizer.json")
    file.write_text(file.read_text().replace("striped", "spotted"))
    assert load_text_encoder(str(other)).fingerprint not in (first, changed)


def test_long_texts_and_unknown_words_are_said(folders: Callable[[str], Path]) -> None:
    encoder = load_text_encoder(str(folders("clip")))
    long = " ".join(["dog"] * 30)
    with pytest.warns(
        AlignbenchWarning, match=r"1 of 3 texts are longer than the 12 tokens that \S+ takes, and are cut"
    ):
        encoder.encode(["a cat", long, "a dog"])
    with pytest.warns(AlignbenchWarning, match=r"2 of 4 texts are the same as an earlier one to the tokenizer of"):
        encoder.encode(["a zebra", "a violin", "a harp", "a dog"])
    with pytest.warns(AlignbenchWarning, match=r"1 of 2 texts have words that \S+ does not know \(zebra\)"):
        encoder.encode(["a zebra", "a dog"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            lambda folder: (folder / "tokenizer.json").unlink(),
            "has a text tower and no tokenizer: put its tokenizer.json",
        ),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "the tokenizer of .* cannot be read"),
        (
            lambda folder: (folder / "tokenizer_config.json").write_text(
                '{"auto_map": {"AutoTokenizer": ["x.Y", null]}}'
            ),
            r"tokenizer_config.json of .* wants code of the checkpoint to be run \(auto_map\)",
        ),
        (lambda folder: (folder / "tokenizer_config.json").write_text("[1"), "tokenizer_config.json cannot be read"),
        (
            lambda folder: (
                torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
                or (folder / "model.safetensors").unlink()
            ),
            "read from safetensors alone, and its weights are pickled",
        ),
    ],
)
def test_what_cannot_be_trusted_is_refused(change: Callable[[Path], object], said: str, tmp_path: Path) -> None:
    folder = save_clip_texts(tmp_path / "clip")
    change(folder)
    with pytest.raises(ModelError, match=said):
        load_text_encoder(str(folder))


def test_a_tokenizer_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = save_clip_texts(tmp_path / "clip")
    word_tokenizer(start=None).save_pretrained(folder)  # another number for the end of a text
    with pytest.raises(ModelError, match="does not end a text with token 14, at which its text tower reads it"):
        load_text_encoder(str(folder)).encode(["a dog"])
    old = save_clip_texts(tmp_path / "old", eos=2)
    tokenizer = json.loads((old / "tokenizer.json").read_text())
    tokenizer["model"]["vocab"]["beyond"] = 400
    (old / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="has no end of a text with the highest number"):
        load_text_encoder(str(old))
    chinese = save_chinese_texts(tmp_path / "chinese")
    with (chinese / "vocab.txt").open("a") as file:
        file.write("zebra\n")
    with pytest.raises(ModelError, match="gives token 16, and its text tower knows 16"):
        load_text_encoder(str(chinese)).encode(["a zebra"])


def test_weights_that_are_missing_or_of_another_tower_are_refused(tmp_path: Path) -> None:
    folder = save_clip_texts(tmp_path / "clip")
    mapped = load_file(folder / "model.safetensors")
    weights = {name: each.clone() for name, each in mapped.items()}  # the file is written over
    save_file({key: value for key, value in weights.items() if "text" not in key}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="have no text tower of transformers"):
        load_text_encoder(str(folder))
    save_file(
        {key: value for key, value in weights.items() if "text_projection" not in key}, folder / "model.safetensors"
    )
    with pytest.raises(ModelError, match=r"lacks 1 weights or has them in another shape \(text_projection.weight\)"):
        load_text_encoder(str(folder))
    save_file(weights | {"text_model.encoder.layers.2.mlp.fc1.bias": torch.ones(2)}, folder / "model.safetensors")
    with pytest.raises(ModelError, match="has 1 weights of the text tower that its configuration has no place for"):
        load_text_encoder(str(folder))
