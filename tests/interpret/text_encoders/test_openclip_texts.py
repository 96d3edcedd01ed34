"""Text encoders of open_clip, against its own `encode_text`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from safetensors.torch import load_file, save_file

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.interpret.text_encoders.loading import load_text_encoder
from text_towers import CONTEXT, OPENCLIP_TEXTS, TEXTS, openclip_model, save_openclip_texts

CONFIG, WEIGHTS = "open_clip_config.json", "open_clip_model.safetensors"


@pytest.mark.parametrize("kind", list(OPENCLIP_TEXTS))
@pytest.mark.parametrize("prefix", ["", "open_clip:"])
def test_embeddings_are_those_of_the_library(kind: str, prefix: str, tmp_path: Path) -> None:
    folder = save_openclip_texts(tmp_path / kind, kind)
    model = openclip_model(kind).eval()
    model.load_state_dict(load_file(folder / WEIGHTS))
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(f"local-dir:{folder}")(list(TEXTS))).numpy()
    encoder = load_text_encoder(f"{prefix}{folder}")
    found = encoder.encode(TEXTS)
    assert found.dtype == np.float32
    assert found.shape == (len(TEXTS), encoder.width) == (5, 14)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    assert np.unique(found.round(3), axis=0).shape == found.shape


def test_names_of_architectures_are_known_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save_openclip_texts(tmp_path / "own", "own")
    model = json.loads((folder / CONFIG).read_text())["model_cfg"]
    monkeypatch.setitem(open_clip.factory._MODEL_CONFIGS, "tiny", model)
    with pytest.warns(AlignbenchWarning, match="does not say its activation: GELU is used, as tiny has it"):
        by_file = load_text_encoder(f"open_clip:tiny/{folder / WEIGHTS}")
    by_folder = load_text_encoder(str(folder))
    assert np.array_equal(by_file.encode(TEXTS), by_folder.encode(TEXTS))
    assert by_file.fingerprint == by_folder.fingerprint
    assert load_text_encoder(str(save_openclip_texts(tmp_path / "quick", "quick"))).fingerprint != by_folder.fingerprint


def test_both_ways_to_name_the_weights_are_read(tmp_path: Path) -> None:
    """Models with `custom_text` have text. before the names of the text tower, others have not."""
    folder = save_openclip_texts(tmp_path / "own", "own")
    expected = load_text_encoder(str(folder)).encode(TEXTS)
    weights = load_file(folder / WEIGHTS)
    beside = ("visual.", "logit_scale")
    renamed = {key if key.startswith(beside) else f"text.{key}": value for key, value in weights.items()}
    assert renamed.keys() != weights.keys()
    save_file(renamed, folder / WEIGHTS)
    assert np.array_equal(load_text_encoder(str(folder)).encode(TEXTS), expected)


def test_long_texts_are_cut_and_said(tmp_path: Path) -> None:
    for kind in ("own", "siglip"):
        encoder = load_text_encoder(str(save_openclip_texts(tmp_path / kind, kind)))
        with pytest.warns(AlignbenchWarning, match=f"1 of 2 texts are longer than the {CONTEXT} tokens"):
            encoder.encode(["a cat", "dog cat " * 20])


def changed(folder: Path, change: Callable[[dict[str, Any]], object]) -> str:
    config = json.loads((folder / CONFIG).read_text())
    change(config["model_cfg"])
    (folder / CONFIG).write_text(json.dumps(config))
    return str(folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda model: model.pop("text_cfg"), "says nothing of a text tower"),
        (lambda model: model["text_cfg"].update(hf_model_name="roberta-base"), r"of another library \(roberta-base\)"),
        (lambda model: model["text_cfg"].update(width="wide"), 'its width is "wide", and not a whole number'),
        (lambda model: model["text_cfg"].update(pool_type="none"), "its pool_type is"),
        (lambda model: model["text_cfg"].update(surprise=1), "text_cfg of .* cannot be followed"),
        (lambda model: model["text_cfg"].update(heads=3), "cannot be followed"),
        (
            lambda model: model["text_cfg"].update(tokenizer_kwargs={"trust_remote_code": True}),
            "have trust_remote_code, which is not supported",
        ),
        (lambda model: model["text_cfg"].update(layers=3), "lacks .* weights or has them in another shape"),
        (
            lambda model: model["text_cfg"].update(layers=1),
            "weights of the text tower that its configuration has no place",
        ),
        (lambda model: model["text_cfg"].update(hf_tokenizer_name="a/b"), "has a text tower and no tokenizer"),
    ],
)
def test_what_cannot_be_followed_is_refused(
    change: Callable[[dict[str, Any]], object], said: str, tmp_path: Path
) -> None:
    folder = save_openclip_texts(tmp_path / "own", "own")
    with pytest.raises(ModelError, match=said):
        load_text_encoder(changed(folder, change))


def test_pickles_are_refused(tmp_path: Path) -> None:
    folder = save_openclip_texts(tmp_path / "own", "own")
    torch.save(load_file(folder / WEIGHTS), folder / "open_clip_pytorch_model.bin")
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match=r"safetensors alone, and its weights are in open_clip_pytorch_model.bin"):
        load_text_encoder(str(folder))
