"""Both models as embedders: vectors by transformers, a head by NumPy, and layers and heads that do not fit."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, CLIPModel

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import check_head, load_embedding_model
from alignbench.cli.commands.alignet.evaluate import evaluate
from alignbench.cli.options import read_options
from alignbench.datasets import shapes
from alignbench.errors import UsageError
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.models.checkpoints import checkpoint_folder
from alignbench.transforms import AffineTransform
from alignbench.transforms.named import resolve

CONFIG = GainsConfig("random:shapes-clip", "shapes-clip", labelled=Path(), batch_size=4, workers=0)


def ignore(_: object) -> None:
    """Nothing is said."""


@pytest.mark.filterwarnings("ignore:the transform head does not say")
def test_vectors_are_raw_projections_and_a_head_is_applied_to_them(tmp_path: Path) -> None:
    images = shapes.read("high", None, ("test",)).images.select(np.arange(5))
    folder = checkpoint_folder("shapes-clip")
    prepare, model = AutoImageProcessor.from_pretrained(folder), CLIPModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        pixels = prepare([images.open(index) for index in range(5)], return_tensors="pt")
        expected = model.visual_projection(model.vision_model(**pixels).pooler_output).double().numpy()
    plain = load_embedding_model("shapes-clip", CONFIG, None, ignore)
    found = plain.embed(images, "off", ignore)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    assert plain.layer_name == "projection"
    weights = np.random.default_rng(0).normal(size=(64, 7))
    path = AffineTransform(weights, 0.1, 2.0, np.ones(7), {"layer": "projection"}).save(tmp_path / "head.safetensors")
    headed = load_embedding_model("shapes-clip", CONFIG, resolve(path), ignore)
    np.testing.assert_allclose(headed.embed(images, "off", ignore), (expected - 0.1) / 2.0 @ weights + 1.0, atol=1e-4)
    assert headed.layer_name == "projection_aligned"
    assert headed.settings["head"]["name"] == "head"
    assert headed.settings["fingerprint"] == plain.settings["fingerprint"]


def test_a_block_gives_its_class_token_and_random_weights_are_others() -> None:
    images = shapes.read("high", None, ("test",)).images.select(np.arange(3))
    config = GainsConfig("a", "b", labelled=Path(), at="layer_2", batch_size=4, workers=0)
    block, drawn = (load_embedding_model(name, config, None, ignore) for name in ("shapes-clip", "random:shapes-clip"))
    assert (block.ready.reading.view, block.layer_name) == ("cls", "layer_2")
    first, second = (each.embed(images, "off", ignore) for each in (block, drawn))
    assert first.shape == (3, block.layer.channels)
    assert not np.allclose(first, second)
    assert block.settings["fingerprint"] != drawn.settings["fingerprint"]
    with pytest.raises(UsageError, match="has no layer layer_9: use --at projection or one of layer_0"):
        load_embedding_model("shapes-clip", GainsConfig("a", "b", at="layer_9"), None, ignore)


def test_a_head_of_another_model_is_refused_with_remedies_of_the_command(tmp_path: Path) -> None:
    features = FeatureFile({"projection": np.zeros((3, 64))}, ("a", "b", "c"), origin={"model": "y", "tokens": "cls"})
    write_features(tmp_path / "f.safetensors", features)
    known = set(read_options(evaluate))
    heads = {
        "other weights": {"model_fingerprint": "0" * 64, "model": "x"},
        "by name": {"models": ["x/clip"], "model": "x/clip"},
        "other pictures": {"sha256": "0" * 64, "models": ["shapes-clip", "y"], "model": "y", "pictures": "squashed"},
    }
    for after in ("shapes-clip", f"features:{tmp_path / 'f.safetensors'}", "pixels"):
        for name, told in heads.items():
            head = AffineTransform(np.eye(64), 0.0, 1.0, None, {"layer": "projection", **told})
            chosen = resolve(head.save(tmp_path / f"{name}.safetensors"))
            if name == "other weights" and after.startswith("features"):
                continue  # the file does not say which weights it is of
            with pytest.raises(UsageError) as refused:
                check_head(GainsConfig("a", after, datasets=("shapes-high",), workers=0), chosen, ignore)
            options = set(re.findall(r"--([a-z-]+)", re.sub(r"`[^`]*`", "", str(refused.value))))
            assert options, refused.value
            assert options <= known, refused.value
