"""Training from start to finish: what it computes, and that a stopped run goes on bit by bit."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.numpy import load_file
from transformers import ViTModel

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.loop import StudentLoop
from alignbench.alignet.training.recipe import Course
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.models.families import load_tower
from students import COURSE, RECIPE, Stopping, left, make_job, train

Arrays = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="module")
def whole(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What an uninterrupted run leaves."""
    folder, finished = train(make_job(inputs), tmp_path_factory.mktemp("whole"))
    assert not finished
    return left(folder)


@contextmanager
def _interrupting() -> Iterator[None]:
    """Raise KeyboardInterrupt for SIGTERM, as the command line does."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _pull() -> None:
    raise AlignbenchError("the plug was pulled")


@pytest.mark.parametrize(
    ("first", "then"), [pytest.param(0, 0, marks=pytest.mark.slow), (2, 0), pytest.param(0, 2, marks=pytest.mark.slow)]
)
def test_a_stopped_run_goes_on_bit_by_bit(
    inputs: Path, tmp_path: Path, whole: dict[str, Any], first: int, then: int
) -> None:
    # 37 triplets in batches of 8: step 13 ends within an epoch, and within the average of a row of the log
    stopping = Stopping(13, lambda: signal.raise_signal(signal.SIGTERM))
    with _interrupting(), pytest.raises(KeyboardInterrupt):
        train(make_job(inputs, course=replace(COURSE, workers=first)), tmp_path, stopping)
    assert stopping.made == 13
    assert [path.name.startswith(".partial-vit__student__") for path in tmp_path.iterdir()] == [True]
    again = Stopping(0, lambda: None)
    folder, _ = train(make_job(inputs, course=replace(COURSE, workers=then)), tmp_path, again)
    assert (again.began, again.made) == (13, 20)
    assert left(folder) == whole
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


@pytest.mark.slow
def test_two_hundred_steps_are_120_and_80(inputs: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=200, warmup=10)
    through, _ = train(make_job(inputs, recipe), tmp_path / "through")
    with _interrupting(), pytest.raises(KeyboardInterrupt):
        train(make_job(inputs, recipe), tmp_path / "cut", Stopping(120, lambda: signal.raise_signal(signal.SIGTERM)))
    folder, _ = train(make_job(inputs, recipe, replace(COURSE, workers=2)), tmp_path / "cut")
    assert left(folder) == left(through)


def test_a_run_that_broke_off_goes_on_from_its_last_checkpoint(
    inputs: Path, tmp_path: Path, whole: dict[str, Any]
) -> None:
    for step, began in ((10, 0), (19, 8)):  # checkpoints are left at 8 and 16
        stopping = Stopping(step, _pull)
        with pytest.raises(AlignbenchError, match="the plug was pulled"):
            train(make_job(inputs), tmp_path, stopping)
        assert stopping.began == began
    folder, _ = train(make_job(inputs), tmp_path)
    assert left(folder) == whole


@pytest.mark.slow
def test_a_finished_student_is_taken_and_trained_again_only_if_asked(inputs: Path, tmp_path: Path) -> None:
    job = make_job(inputs, replace(RECIPE, steps=3, warmup=1))
    folder, finished = train(job, tmp_path)
    assert not finished
    made = left(folder)
    (folder / "mark").touch()
    assert train(job, tmp_path) == (folder, True)
    assert train(replace(job, course=Course(workers=0)), tmp_path) == (folder, True)  # it changes no number
    assert train(job, tmp_path, overwrite=True) == (folder, False)
    assert not (folder / "mark").exists()
    assert left(folder) == made


# ------------------------------------------------------------------------------------- against a loop of our own


def _softmax(scores: torch.Tensor) -> torch.Tensor:
    weights = torch.exp(scores - scores.max(dim=1, keepdim=True).values)
    return weights / weights.sum(dim=1, keepdim=True)


def _by_hand(inputs: Path, steps: int, head: Arrays, head_only: bool) -> tuple[Arrays, Arrays, list[float]]:
    """The same training as a plain loop in float64: transformers' own model, Adam written out."""
    model = ViTModel.from_pretrained(inputs / "vit", add_pooling_layer=False).double().eval()
    labels = LabelledTriplets.open(inputs / "labels")
    pixels = torch.stack([_pixels(inputs / "pictures" / name) for name in labels.names])
    weight, bias = (torch.tensor(head[key], requires_grad=True) for key in ("weight", "bias"))
    named = {} if head_only else dict(model.named_parameters())
    values = [weight, bias, *named.values()]
    starts, means, squares = ([each.detach().clone() * factor for each in values] for factor in (1, 0, 0))
    order, losses = TripletOrder(len(labels.triplets), RECIPE.batch, RECIPE.seed), []
    for step in range(steps):
        rows = order.rows(step)
        tokens = model(pixels[labels.triplets[rows].ravel()]).last_hidden_state[:, 0]
        z = (tokens @ weight.T + bias).reshape(len(rows), 3, -1)
        s = torch.stack([(z[:, i] * z[:, j]).sum(1) for i, j in ((0, 1), (0, 2), (1, 2))], dim=1)
        p, q = _softmax(torch.tensor(labels.similarities[rows].astype(np.float64))), _softmax(s / RECIPE.temperature)
        loss = (p * (p / q).log()).sum(1).mean()
        losses.append(float(loss.detach()))
        gradients = torch.autograd.grad(loss, values)
        rate = RECIPE.learning_rate * (
            step / 5 if step < 5 else (1 + np.cos(np.pi * (step - 5) / (RECIPE.steps - 5))) / 2
        )
        with torch.no_grad():
            for value, start, mean, square, gradient in zip(values, starts, means, squares, gradients, strict=True):
                mean.mul_(0.9).add_(gradient, alpha=0.1)
                square.mul_(0.999).add_(gradient**2, alpha=0.001)
                adam = (mean / (1 - 0.9 ** (step + 1))) / ((square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
                value -= rate * (adam + RECIPE.decay * (value - start))
    tower = {name: value.detach().numpy() for name, value in named.items()}
    return tower, {"weight": weight.detach().numpy(), "bias": bias.detach().numpy()}, losses


def _pixels(file: Path) -> torch.Tensor:
    """What ViT's processor makes: bilinear to 16 x 16, then 0..255 to -1..1."""
    image = Image.open(file).convert("RGB").resize((16, 16), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.asarray(image, dtype=np.float64) / 127.5 - 1).permute(2, 0, 1)


@pytest.mark.parametrize("head_only", [False, True])
def test_steps_are_those_of_a_plain_loop(inputs: Path, tmp_path: Path, head_only: bool) -> None:
    heads: list[Arrays] = []
    job = make_job(inputs, replace(RECIPE, head_only=head_only), replace(COURSE, log_every=1))
    started = StudentLoop.configure_optimizers
    with pytest.MonkeyPatch.context() as patch:

        def spy(loop: StudentLoop) -> object:
            head = loop.student.head
            heads.append({"weight": head.weight.detach().double().numpy(), "bias": head.bias.detach().double().numpy()})
            return started(loop)

        patch.setattr(StudentLoop, "configure_optimizers", spy)
        folder, _ = train(job, tmp_path)
    tower, head, losses = _by_hand(inputs, RECIPE.steps, heads[0], head_only)
    log = left(folder)["log"]
    np.testing.assert_allclose(log["loss"], losses, rtol=2e-4, atol=1e-6)
    found = load_file(folder / "head.safetensors")
    np.testing.assert_allclose(found["weights"].T, head["weight"], rtol=0, atol=2e-3)
    trained = ViTModel.from_pretrained(folder, add_pooling_layer=False)
    before = ViTModel.from_pretrained(inputs / "vit", add_pooling_layer=False).state_dict()
    for name, value in trained.named_parameters():
        if head_only:
            assert torch.equal(value, before[name])  # the backbone is the same bit by bit
        else:
            np.testing.assert_allclose(value.detach().numpy(), tower[name], rtol=0, atol=2e-3, err_msg=name)


# ----------------------------------------------------------------------------------------------- variants


@pytest.mark.slow
def test_parts_of_a_step_come_to_the_whole_step(inputs: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    folder, _ = train(make_job(inputs, course=replace(COURSE, accumulate=4)), tmp_path)
    found = left(folder)
    assert found["settings"] == whole["settings"]
    np.testing.assert_allclose(found["log"]["loss"], whole["log"]["loss"], rtol=1e-3)
    assert found["first_step"]["gradient_norm"] == pytest.approx(whole["first_step"]["gradient_norm"], rel=1e-5)


def test_the_running_average_is_saved_in_the_place_of_the_parameters(inputs: Path, tmp_path: Path) -> None:
    recipe = replace(RECIPE, steps=12, ema=0.8)
    values: list[torch.Tensor] = []

    def note(loop: StudentLoop, *arguments: Any) -> None:
        step(loop, *arguments)
        values.append(loop.student.head.bias.detach().clone())

    step = StudentLoop.optimizer_step
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StudentLoop, "optimizer_step", note)
        folder, _ = train(make_job(inputs, recipe), tmp_path / "one")
    average = torch.zeros_like(values[0])  # the head's bias starts at 0
    for value in values:
        average = 0.8 * average + 0.2 * value
    saved = load_file(folder / "head.safetensors")["bias"]
    np.testing.assert_allclose(saved, average.numpy(), atol=1e-6)
    with _interrupting(), pytest.raises(KeyboardInterrupt):
        train(make_job(inputs, recipe), tmp_path / "two", Stopping(7, lambda: signal.raise_signal(signal.SIGTERM)))
    again, _ = train(make_job(inputs, recipe), tmp_path / "two")
    assert left(again) == left(folder)


@pytest.mark.slow
def test_bf16_is_near_and_leaves_float32(inputs: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    folder, _ = train(make_job(inputs, replace(RECIPE, precision="bf16")), tmp_path)
    found = left(folder)
    assert found["log"]["loss"] != whole["log"]["loss"]
    np.testing.assert_allclose(found["log"]["loss"], whole["log"]["loss"], rtol=0.1, atol=0.02)
    assert {kind for kind, _, _ in found["tensors"].values()} <= {"<f4", "<f8"}


@pytest.mark.slow
def test_pictures_through_the_cache_are_the_same(inputs: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    job = make_job(inputs, pixel_cache=tmp_path / "cache")
    folder, _ = train(job, tmp_path / "one")
    assert sum(path.is_file() for path in (tmp_path / "cache").rglob("*")) == 12
    straight, _ = train(replace(job, pixel_cache="off"), tmp_path / "two")
    assert left(folder) == left(straight) == whole


def test_names_are_resolved_and_not_numbers(inputs: Path, tmp_path: Path, whole: dict[str, Any]) -> None:
    # the pictures' names in another order, with the numbers that go with it
    labels = LabelledTriplets.open(inputs / "labels")
    turn = np.random.default_rng(0).permutation(len(labels.names))
    shutil.copytree(inputs / "labels", tmp_path / "labels")
    (tmp_path / "labels" / "names.json").write_text(json.dumps([labels.names[number] for number in turn]))
    np.save(tmp_path / "labels" / "triplets.npy", np.argsort(turn).astype(np.int32)[labels.triplets])
    folder, _ = train(make_job(inputs, triplets=tmp_path / "labels"), tmp_path / "out")
    assert left(folder)["tensors"] == whole["tensors"]


# ---------------------------------------------------------------------------------------------- bad input


def _spoil(labels: Path, file: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> None:
    np.save(labels / file, change(np.load(labels / file)))


_FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "absent pictures": (
        lambda labels: (labels / "names.json").write_text(json.dumps([f"c/{number}.png" for number in range(12, 24)])),
        "lacks 12 of the 12 pictures",
    ),
    "not finite": (
        lambda labels: _spoil(labels, "similarities.npy", lambda array: np.where(array == array[3, 1], np.nan, array)),
        "are not finite",
    ),
    "another length": (
        lambda labels: _spoil(labels, "similarities.npy", lambda array: array[:-1]),
        "37 triplets and 36",
    ),
    "not last": (
        lambda labels: _spoil(labels, "similarities.npy", lambda array: np.ascontiguousarray(array[:, ::-1])),
        "the odd one is not last",
    ),
}


@pytest.mark.parametrize("fault", list(_FAULTS))
def test_labels_that_cannot_be_learned_from_are_refused(inputs: Path, tmp_path: Path, fault: str) -> None:
    shutil.copytree(inputs / "labels", tmp_path / "labels")
    spoil, said = _FAULTS[fault]
    spoil(tmp_path / "labels")
    with pytest.raises(DataError, match=said):
        train(make_job(inputs, triplets=tmp_path / "labels"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("workers", [0, 1])
def test_a_damaged_picture_is_named(inputs: Path, tmp_path: Path, workers: int) -> None:
    shutil.copytree(inputs / "pictures", tmp_path / "pictures")
    file = tmp_path / "pictures" / "a" / "0.png"
    job = make_job(inputs, images=tmp_path / "pictures", course=replace(COURSE, workers=workers))
    picture = bytearray(file.read_bytes())
    picture[-40] ^= 0xFF  # the header is whole, the pixels are not
    file.write_bytes(picture)
    with pytest.raises(DataError, match=r"a/0\.png"):
        train(job, tmp_path / "out")


def test_a_checkpoint_of_another_student_is_refused(inputs: Path, tmp_path: Path) -> None:
    with pytest.raises(AlignbenchError, match="plug"):
        train(make_job(inputs), tmp_path, Stopping(9, _pull))
    (theirs,) = tmp_path.iterdir()
    other = replace(RECIPE, seed=4)
    with pytest.raises(AlignbenchError, match="plug"):
        train(make_job(inputs, other), tmp_path, Stopping(9, _pull))
    (ours,) = set(tmp_path.iterdir()) - {theirs}
    shutil.copy(theirs / "checkpoint.safetensors", ours / "checkpoint.safetensors")
    with pytest.raises(DataError, match=r"is of another student \(its seed is 3, and here it is 4\)"):
        train(make_job(inputs, other), tmp_path)


def test_a_loss_that_is_no_number_ends_it_before_a_checkpoint(inputs: Path, tmp_path: Path) -> None:
    def spoil(ready: Any) -> None:
        next(iter(ready.tower.parameters())).data.fill_(float("nan"))

    with pytest.raises(AlignbenchError, match=r"the loss is not finite at step 7 or shortly before: lower"):
        train(make_job(inputs), tmp_path, prepared=spoil)
    assert not list(tmp_path.glob("*/*"))


def test_a_model_without_a_projection_is_refused() -> None:
    with pytest.raises(UsageError, match="projection"):
        train(make_job(Path("nowhere"), model="torchvision:squeezenet1_1", random_init=True), Path("nowhere"))


def test_the_trained_tower_is_measured_as_it_was_trained(inputs: Path, tmp_path: Path) -> None:
    towers: list[Any] = []
    folder, _ = train(make_job(inputs), tmp_path, prepared=lambda ready: towers.append(ready.tower))
    back, pixels = load_tower(str(folder), protocol="corrected"), torch.randint(0, 256, (3, 3, 16, 16)).byte()
    with torch.no_grad():
        assert torch.equal(back(pixels), towers[0](pixels))  # type: ignore[arg-type]
