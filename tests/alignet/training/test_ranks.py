"""Training by two processes: each sees its share, and together they compute what one does."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from alignbench.alignet.training.batches import StudentBatches
from alignbench.alignet.training.loop import StudentLoop
from rank_processes import load, on_ranks, save
from students import COURSE, RECIPE, left, make_job, train


def _work(rank: int, inputs: Path, output: Path, devices: int) -> None:
    """Train in float64, and leave what this process saw: rows, gradients of the first step, parameters."""
    seen: list[NDArray[np.int64]] = []
    gradients: dict[str, torch.Tensor] = {}
    values: dict[str, torch.Tensor] = {}
    read, before, last = StudentBatches.__getitem__, StudentLoop.on_before_optimizer_step, StudentLoop.take_average

    def note_rows(batches: StudentBatches, number: int) -> Any:
        share = batches.share
        seen.append(batches.order.rows(share.first + number, share.rank, share.ranks))
        return read(batches, number)

    def note_gradients(loop: StudentLoop, optimizer: Any) -> None:
        if not loop.step:
            gradients.update({name: each.grad.clone() for name, each in loop.trained.items() if each.grad is not None})
        before(loop, optimizer)

    def note_values(loop: StudentLoop) -> None:
        values.update({name: each.detach().clone() for name, each in loop.trained.items()})
        last(loop)

    def in_doubles(ready: Any) -> None:
        ready.tower.double()
        torch.set_default_dtype(torch.float64)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StudentBatches, "__getitem__", note_rows)
        patch.setattr(StudentLoop, "on_before_optimizer_step", note_gradients)
        patch.setattr(StudentLoop, "take_average", note_values)
        job = make_job(inputs, replace(RECIPE, steps=5, warmup=1), replace(COURSE, devices=devices, log_every=1))
        folder, _ = train(job, output, prepared=in_doubles)
    save(output, rank, {"rows": seen, "gradients": gradients, "values": values, "folder": str(folder)})


def test_two_processes_compute_what_one_does(inputs: Path, tmp_path: Path) -> None:
    found: dict[int, list[Any]] = {}
    for devices in (1, 2):
        output = tmp_path / str(devices)
        output.mkdir()
        on_ranks(devices, _work, inputs, output, devices)
        found[devices] = [load(output, rank) for rank in range(devices)]
    (alone,), (first, second) = found[1], found[2]
    for whole, one, other in zip(alone["rows"], first["rows"], second["rows"], strict=True):
        assert not set(one) & set(other)
        assert sorted([*one, *other]) == sorted(whole)
    for name, gradient in alone["gradients"].items():
        torch.testing.assert_close(first["gradients"][name], gradient, rtol=1e-6, atol=1e-12)
        assert torch.equal(first["gradients"][name], second["gradients"][name])
    for name, value in alone["values"].items():
        torch.testing.assert_close(first["values"][name], value, rtol=1e-9, atol=1e-12)
    logs = [left(Path(each["folder"])) for each in (alone, first)]
    assert logs[0]["settings"] == logs[1]["settings"]
    np.testing.assert_allclose(logs[0]["log"]["loss"], logs[1]["log"]["loss"], rtol=1e-9)
    assert logs[0]["log"]["teacher_agreement"] == logs[1]["log"]["teacher_agreement"]
    for name in ("target_entropy", "gradient_norm"):
        assert logs[0]["first_step"][name] == pytest.approx(logs[1]["first_step"][name], rel=1e-9)
