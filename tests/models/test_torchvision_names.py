"""Names of torchvision's models: its own weights, files, and what is neither."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torchvision import models

from alignbench.errors import AlignbenchError, ModelError, UsageError
from alignbench.models.torchvision_names import architectures, resolve


def test_every_classifier_of_torchvision_is_known() -> None:
    classifiers = {name for name in models.list_models() if models.get_model_builder(name).__module__.count(".") == 2}
    assert set(architectures()) == classifiers
    assert {"alexnet", "vgg16", "resnet50", "vit_b_16"} <= classifiers


@pytest.mark.parametrize("name", ["torchvision:resnet50", "torchvision:resnet50/DEFAULT"])
def test_the_default_weights_are_torchvisions(name: str) -> None:
    assert resolve(name).weights is models.ResNet50_Weights.DEFAULT


def test_weights_may_be_named() -> None:
    source = resolve("torchvision:resnet50/IMAGENET1K_V1")
    assert source.weights is models.ResNet50_Weights.IMAGENET1K_V1
    assert source.preset().resize_size == [256]
    assert resolve("torchvision:resnet50").preset().resize_size == [232]


def test_a_file_goes_with_its_architecture(tmp_path: Path) -> None:
    path = tmp_path / "mine.pth"
    path.touch()
    source = resolve(f"torchvision:resnet18/{path}")
    assert (source.architecture, source.file, source.weights_file()) == ("resnet18", path, path)
    assert not source.needs_download()


def test_weights_in_torchs_cache_need_no_download(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    source = resolve("torchvision:alexnet")
    assert source.needs_download()
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "alexnet-owt-7be5be79.pth").touch()
    assert not source.needs_download()


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("torchvision:resnet5", UsageError, "unknown model of torchvision 'resnet5': did you mean resnet50 or "),
        ("torchvision:", UsageError, "unknown model of torchvision '': valid: alexnet, convnext_base"),
        ("torchvision:fcn_resnet50", UsageError, "unknown model of torchvision 'fcn_resnet50': did you mean"),
        (
            "torchvision:resnet50/IMAGENET1K_V3",
            UsageError,
            "torchvision has no weights 'IMAGENET1K_V3' of resnet50: did you mean IMAGENET1K_V2 or IMAGENET1K_V1?; or ",
        ),
        (
            "torchvision:resnet50/xyz",
            UsageError,
            "torchvision has no weights 'xyz' of resnet50: there are IMAGENET1K_V1, IMAGENET1K_V2, DEFAULT; or name a ",
        ),
        ("torchvision:alexnet/no.pth", ModelError, "there is no file no.pth: check the path of the weights of torchv"),
        ("torchvision:alexnet/", UsageError, "torchvision has no weights '' of alexnet: there are IMAGENET1K_V1"),
    ],
)
def test_what_is_no_model_is_refused_with_the_nearest(name: str, kind: type[AlignbenchError], message: str) -> None:
    with pytest.raises(kind, match=rf"^{re.escape(message)}"):
        resolve(name)
