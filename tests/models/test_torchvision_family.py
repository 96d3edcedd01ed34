"""What is asked of the family torchvision before anything is loaded."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torchvision import models

from alignbench.errors import UsageError
from alignbench.models.families import check_name, find_family, model_label, needs_download, preparation
from taps import picture


def test_its_prefix_leads_to_it() -> None:
    assert find_family("torchvision:resnet18").name == "torchvision"


def test_wrong_names_are_refused_with_the_nearest() -> None:
    check_name("torchvision:resnet18")
    with pytest.raises(UsageError, match=r"^unknown model of torchvision 'resnet1': did you mean resnet"):
        check_name("torchvision:resnet1")
    with pytest.raises(UsageError, match=r"did you mean torchvision\?"):
        check_name("torchvison:resnet18")


def test_a_label_leaves_out_the_folder(tmp_path: Path) -> None:
    (tmp_path / "step-100.pth").touch()
    assert model_label(f"torchvision:resnet18/{tmp_path}/step-100.pth") == "torchvision:resnet18/step-100.pth"
    assert model_label("torchvision:resnet18") == "torchvision:resnet18"
    assert model_label("torchvision:resnet50/IMAGENET1K_V1") == "torchvision:resnet50/IMAGENET1K_V1"


def test_what_is_downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path))
    assert needs_download("torchvision:resnet18")
    assert not needs_download("torchvision:resnet18", random_init=True)


def test_the_preparation_needs_no_weights() -> None:
    expected = models.ResNet18_Weights.DEFAULT.transforms()(picture(300, 250))
    pixels = preparation("torchvision:resnet18")(picture(300, 250))
    mean, std = (torch.tensor(each).view(3, 1, 1) for each in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    torch.testing.assert_close((pixels / 255 - mean) / std, expected)
