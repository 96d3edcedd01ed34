"""Held-out triplets: their numbers are those of the student that is saved, and the student is the same without them."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.numpy import load_file

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.folder import read_log, read_student
from alignbench.alignet.training.validation import COLUMNS, refuse_repeated
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.models.families import load_tower
from alignbench.models.towers import tap
from rank_processes import load, on_ranks, save
from students import COURSE, HELD_OUT, RECIPE, Stopping, left, make_job, train, write_held_out


@pytest.fixture(scope="module")
def held_out(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_held_out(inputs, tmp_path_factory.mktemp("held") / "out")


@pytest.fixture(scope="module")
def student(inputs: Path, held_out: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(make_job(inputs, validation=held_out), tmp_path_factory.mktemp("alignet"))[0]


def by_hand(student: Path, inputs: Path, held_out: Path) -> tuple[float, float]:
    """Mean KL and the share of odd ones last, in float64, of what the student's files give."""
    names = json.loads((held_out / "names.json").read_text())
    tower, head = load_tower(str(student), protocol="corrected"), load_file(student / "head.safetensors")
    pixels = torch.stack([tower.prepare(Image.open(inputs / "pictures" / name).convert("RGB")) for name in names])
    found: list[np.ndarray] = []
    layer = next(layer for layer in tower.layers if layer.name == "projection")
    with torch.no_grad(), tap(tower, (layer,), lambda _, features: found.append(features[:, 0].numpy())):
        tower(pixels)
    embeddings = found[0].astype(np.float64) @ head["weights"].astype(np.float64) + head["bias"]
    losses, agreed = [], []
    teacher = np.load(held_out / "similarities.npy").astype(np.float64)
    for (i, j, k), wanted in zip(np.load(held_out / "triplets.npy"), teacher, strict=True):
        own = np.array([embeddings[a] @ embeddings[b] for a, b in ((i, j), (i, k), (j, k))])
        agreed.append(own[0] > own[1:].max())
        log_p, log_q = (each - np.log(np.exp(each).sum()) for each in (wanted, own / RECIPE.temperature))
        losses.append((np.exp(log_p) * (log_p - log_q)).sum())
    return float(np.mean(losses)), float(np.mean(agreed))


def test_numbers_are_those_of_the_student(student: Path, inputs: Path, held_out: Path) -> None:
    log = read_log(student)
    assert log["step"].tolist() == [7, 8, 14, 16, 20], "rows of the log, and held-out triplets every 8 steps"
    assert log.dropna()["step"].tolist() == [8, 16, 20]
    loss, agreement = by_hand(student, inputs, held_out)
    assert log[COLUMNS[0]].iloc[-1] == pytest.approx(loss, rel=1e-4)
    assert log[COLUMNS[1]].iloc[-1] == pytest.approx(agreement)
    assert len(set(log.dropna()[COLUMNS[0]])) == 3, "the student changes in between"
    record = read_student(student)
    assert record["validation"]["triplets_of"] == "out"
    assert record["validation"]["triplets"] == HELD_OUT
    assert f"| loss on held-out triplets | {log[COLUMNS[0]].iloc[-1]:.6g} |" in (student / "README.md").read_text()


def test_the_student_is_the_same_without_them(student: Path, inputs: Path, tmp_path: Path) -> None:
    plain, _ = train(make_job(inputs), tmp_path)
    assert plain.name == student.name
    one, other = left(plain), left(student)
    assert one["tensors"] == other["tensors"]
    assert {name: one[name] for name in one if name != "log"} == {name: other[name] for name in one if name != "log"}
    assert list(read_log(plain).columns) == [*one["log"]] == list(read_log(student).columns[:4])


@contextmanager
def _interrupting() -> Iterator[None]:
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def told(folder: Path) -> dict[str, Any]:
    """What is left, where `nan` is equal to `nan`."""
    found = left(folder)
    return {**found, "log": repr(found["log"])}


@pytest.mark.parametrize("step", [13, 16], ids=["between", "at a judgment"])
def test_a_stopped_run_goes_on_bit_by_bit(
    student: Path, inputs: Path, held_out: Path, tmp_path: Path, step: int
) -> None:
    job = make_job(inputs, validation=held_out)
    with _interrupting(), pytest.raises(KeyboardInterrupt):
        train(job, tmp_path, Stopping(step, lambda: signal.raise_signal(signal.SIGTERM)))
    again = Stopping(0, lambda: None)
    folder, _ = train(job, tmp_path, again)
    assert again.began == step
    assert told(folder) == told(student)


def test_one_that_was_killed_while_it_was_judged_in_the_end_is_judged_again(
    student: Path, inputs: Path, held_out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from alignbench.alignet.training.validation import HeldOut

    judge = HeldOut.judge

    def pull(held: HeldOut, loop: Any) -> None:
        if loop.step == RECIPE.steps:
            raise DataError("the plug was pulled")
        judge(held, loop)

    job = make_job(inputs, validation=held_out)
    with monkeypatch.context() as patch:
        patch.setattr(HeldOut, "judge", pull)
        with pytest.raises(DataError, match="the plug was pulled"):
            train(job, tmp_path)
    folder, _ = train(job, tmp_path)
    assert told(folder) == told(student)


def test_of_a_running_average_that_is_judged(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    job = make_job(inputs, replace(RECIPE, ema=0.9), validation=held_out)
    folder, _ = train(job, tmp_path)
    loss, agreement = by_hand(folder, inputs, held_out)
    last = read_log(folder).iloc[-1]
    assert (last[COLUMNS[0]], last[COLUMNS[1]]) == (pytest.approx(loss, rel=1e-4), pytest.approx(agreement))
    plain, _ = train(replace(job, validation=None), tmp_path / "plain")
    assert left(plain)["tensors"] == left(folder)["tensors"]


def test_other_triplets_are_not_one_column_with_the_earlier(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    other = write_held_out(inputs, tmp_path / "other", seed=5)
    stopping = Stopping(13, lambda: signal.raise_signal(signal.SIGTERM))
    with _interrupting(), pytest.raises(KeyboardInterrupt):
        train(make_job(inputs, validation=held_out), tmp_path / "out", stopping)
    with pytest.warns(AlignbenchWarning, match="judged on other held-out triplets before it was stopped"):
        folder, _ = train(make_job(inputs, validation=other), tmp_path / "out")
    assert read_log(folder).dropna()["step"].tolist() == [16, 20]
    assert read_log(folder)[COLUMNS[0]].iloc[-1] == pytest.approx(by_hand(folder, inputs, other)[0], rel=1e-4)


def test_a_finished_student_that_was_not_judged_says_so(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    train(make_job(inputs), tmp_path)
    with pytest.warns(AlignbenchWarning, match="was trained without --validation: train it again by --overwrite"):
        assert train(make_job(inputs, validation=held_out), tmp_path)[1]


def test_triplets_that_are_trained_on_are_refused(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    triplets = np.load(held_out / "triplets.npy")
    names = json.loads((held_out / "names.json").read_text())
    triplets[3] = np.load(inputs / "labels/triplets.npy")[9][[2, 0, 1]]
    training = LabelledTriplets.open(inputs / "labels")
    mine = replace(LabelledTriplets.open(held_out), triplets=triplets)
    said = r"^the student is trained on 1 of the 11 triplets of --validation .*out: leave out such triplets"
    with pytest.raises(DataError, match=said):
        refuse_repeated(training, mine)
    order = np.random.default_rng(0).permutation(len(names))  # numbered otherwise, the names are the same
    with pytest.raises(DataError, match=said):
        refuse_repeated(
            training,
            replace(mine, names=tuple(names[i] for i in order), triplets=np.argsort(order)[triplets].astype(np.int32)),
        )
    refuse_repeated(training, LabelledTriplets.open(held_out))
    with pytest.raises(DataError, match="37 of the 37 triplets"):
        train(make_job(inputs, validation=inputs / "labels"), tmp_path)
    assert not list(tmp_path.glob("vit*"))


def _work(rank: int, inputs: Path, held_out: Path, output: Path, devices: int) -> None:
    """Train in float64 by some processes."""

    def in_doubles(ready: Any) -> None:
        ready.tower.double()
        torch.set_default_dtype(torch.float64)

    course = replace(COURSE, devices=devices, validate_every=2)
    job = make_job(inputs, replace(RECIPE, steps=5, warmup=1), course, validation=held_out)
    folder, _ = train(job, output, prepared=in_doubles)
    save(output, rank, {"folder": str(folder)})


def test_two_processes_judge_as_one_does(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    logs: list[pd.DataFrame] = []
    for devices in (1, 2):
        output = tmp_path / str(devices)
        output.mkdir()
        on_ranks(devices, _work, inputs, held_out, output, devices)
        logs.append(read_log(Path(load(output, 0)["folder"])))
    assert logs[0].dropna()["step"].tolist() == [2, 4, 5]
    np.testing.assert_allclose(logs[0].to_numpy(), logs[1].to_numpy(), rtol=1e-9)


def test_a_loss_that_is_no_number_ends_it(inputs: Path, held_out: Path, tmp_path: Path) -> None:
    broken = write_held_out(inputs, tmp_path / "broken")
    np.save(broken / "similarities.npy", np.full((HELD_OUT, 3), np.nan, dtype=np.float32))
    with pytest.raises(DataError, match="not finite"):
        train(make_job(inputs, validation=broken), tmp_path / "out")
