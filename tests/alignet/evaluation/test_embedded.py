"""Both models as embedders: vectors by transformers, a head by NumPy, and layers that are not there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoImageProcessor, CLIPModel

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import load_embedding_model
from alignbench.datasets import shapes
from alignbench.errors import UsageError
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
