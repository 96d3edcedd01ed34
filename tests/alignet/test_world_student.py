"""A base student is trained as described, reproducibly, and is read back by the ordinary loader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from torch import nn

from alignbench.alignet.world_student import BaseStudent, Pretraining, class_tokens, pretrain, tensor_of
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.errors import UsageError
from alignbench.models.families import load_tower

WORLD = LevelsWorld(2)
SHORT = Pretraining(steps=12, batch=16, each=1, rate=2e-3)


@pytest.fixture(scope="module")
def trained() -> tuple[BaseStudent, list[float]]:
    losses: list[float] = []
    steps: list[int] = []

    def heard(step: int, loss: float) -> None:
        steps.append(step)
        losses.append(loss)

    student = pretrain(WORLD, SHORT, heard)
    assert steps == list(range(1, 13))
    return student, losses


def test_the_loss_starts_at_that_of_a_guess_and_falls(trained: tuple[BaseStudent, list[float]]) -> None:
    _, losses = trained
    assert losses[0] == pytest.approx(np.log(64), rel=0.2)
    assert np.mean(losses[-4:]) < np.mean(losses[:4]) - 0.1


def test_the_same_seed_gives_the_same_student(trained: tuple[BaseStudent, list[float]]) -> None:
    torch.manual_seed(99)
    before = torch.random.get_rng_state()
    again = pretrain(WORLD, SHORT)
    assert torch.equal(torch.random.get_rng_state(), before), "the generator of whoever calls is left alone"
    for name, weight in trained[0].model.state_dict().items():
        assert torch.equal(weight, again.model.state_dict()[name]), name
    other = pretrain(WORLD, Pretraining(steps=1, batch=4, each=1, seed=1))
    assert not torch.equal(other.classifier.weight, again.classifier.weight)


def test_the_rate_falls_to_nothing_at_the_last_step() -> None:
    """Of two steps the first has the highest rate, and the second 0.5 + 0.5 cos(pi) of it."""
    two, one = (pretrain(WORLD, Pretraining(steps=steps, batch=4, each=1, rate=1e-2)) for steps in (2, 1))
    for name, weight in two.model.state_dict().items():
        assert torch.equal(weight, one.model.state_dict()[name]), name


def test_the_first_step_is_that_of_adam_with_decay() -> None:
    """Adam's first step moves each weight by the rate, towards less loss, after the decay of matrices and vectors."""
    start = pretrain(WORLD, Pretraining(steps=1, batch=4, each=1, rate=1e-12)).classifier.weight
    moved = pretrain(WORLD, Pretraining(steps=1, batch=4, each=1, rate=1e-2)).classifier.weight
    steps = (moved - start * (1 - 1e-2 * 0.05)).abs()
    assert float(steps.detach().max()) < 1.001e-2
    assert float((steps > 0.99e-2).float().mean()) > 0.9


def test_pixels_are_those_of_pictures() -> None:
    images = WORLD.pictures("levels", 1)
    pixels = tensor_of(images)
    assert pixels.shape == (64, 3, 32, 32)
    drawn = np.asarray(images.open(40), dtype=np.float64)
    np.testing.assert_allclose(pixels[40].permute(1, 2, 0).numpy(), drawn / 127.5 - 1.0, atol=1e-6)


def test_accuracy_is_the_share_of_right_leaves(trained: tuple[BaseStudent, list[float]]) -> None:
    """A classifier that always says leaf 7 is right of one picture in 64."""
    student = BaseStudent(trained[0].model, nn.Linear(64, 64))
    with torch.no_grad():
        student.classifier.weight.zero_()
        student.classifier.bias.copy_(torch.eye(64)[7])
    assert student.accuracy(WORLD.pictures("levels", 5)) == pytest.approx(1 / 64)
    assert student.accuracy(WORLD.pictures("levels", 5, np.array([7]))) == 1.0


def test_it_is_read_by_the_ordinary_loader(trained: tuple[BaseStudent, list[float]], tmp_path: Path) -> None:
    student, _ = trained
    student.save(tmp_path / "below" / "student")
    tower = load_tower(str(tmp_path / "below" / "student"))
    assert [layer.name for layer in tower.layers] == [*(f"layer_{block}" for block in range(5)), "projection"]
    images = WORLD.pictures("levels", 1)
    prepared = torch.stack([tower.prepare(images.open(index)) for index in range(6)])
    with torch.inference_mode():
        read = tower(prepared)
    assert isinstance(read, torch.Tensor)
    torch.testing.assert_close(read, class_tokens(student.model, tensor_of(images)[:6]), rtol=0, atol=1e-5)
    assert tower.prepare(Image.new("RGB", (64, 64))).shape == (3, 32, 32)
    weights = load_file(tmp_path / "below" / "student" / "model.safetensors")
    assert sum(weight.numel() for weight in weights.values()) * 4 < 3e6


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Pretraining(steps=0), "steps 0 of a pretraining is below 1"),
        (Pretraining(batch=0), "batch 0 of a pretraining is below 1"),
        (Pretraining(each=0), "each 0 of a pretraining is below 1"),
        (Pretraining(rate=float("nan")), "rate nan of a pretraining is not above 0"),
    ],
)
def test_what_cannot_be_is_refused(wrong: Pretraining, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        pretrain(WORLD, wrong)
