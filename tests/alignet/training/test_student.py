"""The student: a tower that stays in evaluation mode, gradients through its pooled output, a head of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.alignet.training.student import Student
from alignbench.errors import UsageError
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower, tap
from openclip_towers import TOWERS, save
from reference import save_clip

_PIXELS = torch.randint(0, 256, (4, 3, 32, 32), generator=torch.Generator().manual_seed(0)).byte()


def _tower(kind: str, folder: Path) -> Tower:
    if kind == "clip":
        save_clip(folder)
    elif kind.startswith("open_clip"):
        save(folder, TOWERS[kind.split()[1]])
    else:
        return load_tower(kind, random_init=True, seed=1, protocol="corrected")
    return load_tower(str(folder), protocol="corrected")


_KINDS = (
    *("clip", "open_clip own", "open_clip map", "torchvision:mobilenet_v3_small"),
    pytest.param("timm:resnet18.a1_in1k", marks=pytest.mark.slow),
)


@pytest.mark.parametrize("kind", _KINDS)
def test_the_pooled_output_is_the_projection_and_has_its_gradient(tmp_path: Path, kind: str) -> None:
    tower = _tower(kind, tmp_path / "model")
    student = Student(tower, 5, False, 0)
    student.train()
    assert not any(module.training for module in tower.modules())
    side = tower.prepare(Image.new("RGB", (40, 40))).shape[-1]
    pixels = torch.nn.functional.interpolate(_PIXELS.float(), (side, side)).byte()
    seen: list[torch.Tensor] = []
    with torch.no_grad(), tap(tower, [student.layer], lambda layer, features: seen.append(features[:, 0].clone())):
        tower(pixels)
    statistics = {name: each.clone() for name, each in tower.named_buffers()}
    pooled = student.pooled(pixels)
    torch.testing.assert_close(pooled.detach(), seen[0])
    assert all(torch.equal(each, statistics[name]) for name, each in tower.named_buffers())
    trained = student.settle_parameters()
    assert all(each.grad is None for each in student.parameters())
    # a gradient along one direction is what a small step in it changes, in float64 so that the step can be small
    student.double()
    name = max((name for name in trained if name.startswith("tower")), key=lambda name: trained[name].numel())
    parameter = dict(student.named_parameters())[name]
    way = torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2)).double()
    weights = torch.randn(4, 5, generator=torch.Generator().manual_seed(3)).double()
    (student(pixels) * weights).sum().backward()
    assert parameter.grad is not None
    slope, ends = float((parameter.grad * way).sum()), []
    for size in (1e-6, -2e-6):
        with torch.no_grad():
            parameter += size * way
            ends.append(float((student(pixels) * weights).sum()))
    assert slope == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-4)


def test_what_the_pooled_output_does_not_need_is_not_trained() -> None:
    tower = load_tower("torchvision:mobilenet_v3_small", random_init=True, protocol="corrected")
    trained = Student(tower, 4, False, 0).settle_parameters()
    names = {name.partition("model.")[2] for name in trained}
    assert "features.0.0.weight" in names
    assert "classifier.3.weight" not in names  # the logits, behind the pooling
    assert not tower.get_submodule("model.classifier.3").weight.requires_grad


def test_the_head_alone_leaves_no_gradient_in_the_tower(tmp_path: Path) -> None:
    tower = _tower("clip", tmp_path / "model")
    student = Student(tower, 5, True, 0)
    assert list(student.settle_parameters()) == ["head.weight", "head.bias"]
    assert not student.pooled(_PIXELS).requires_grad
    assert student(_PIXELS).requires_grad


def test_the_head_is_of_its_seed_and_spreads_as_it_should(tmp_path: Path) -> None:
    tower = load_tower("timm:resnet18.a1_in1k", random_init=True, protocol="corrected")
    one, other = Student(tower, 1024, True, 0).head, Student(tower, 1024, True, 1).head
    assert torch.equal(one.weight, Student(tower, 1024, True, 0).head.weight)
    assert not torch.equal(one.weight, other.weight)
    assert float(one.weight.detach().var()) * 512 == pytest.approx(1, rel=0.01)  # variance 1 / d, d = 512
    assert float(one.weight.detach().abs().max()) <= 2 / (0.8796 * np.sqrt(512))
    assert not one.bias.any()


def test_the_head_is_a_transform_of_the_pooled_output(tmp_path: Path) -> None:
    student = Student(_tower("clip", tmp_path / "model"), 5, False, 0)
    with torch.no_grad():
        student.head.bias.uniform_()
        pooled, wanted = student.pooled(_PIXELS), student(_PIXELS)
    head = student.head_transform({"model": "it", "layer": "projection"})
    torch.testing.assert_close(head.apply(pooled), wanted)


def test_a_tower_without_a_pooled_output_is_refused() -> None:
    tower = load_tower("torchvision:squeezenet1_1", random_init=True, protocol="corrected")
    with pytest.raises(UsageError, match="no pooled output"):
        Student(tower, 5, False, 0)
