"""`alignbench interpret plan` as users run it, and given what it cannot use."""

from __future__ import annotations

import json

import pytest

from alignbench.cli.main import main
from extracted import refused

Capture = pytest.CaptureFixture[str]
ORDER = ["interpret", "plan", "--model", "shapes-clip"]


def test_a_store_is_planned(capsys: Capture) -> None:
    assert main([*ORDER, "--device", "h100"]) == 0
    told = capsys.readouterr().out
    assert "shapes-clip, 50,000 images: 4 layers x 4 heads x 64 numbers in fp32" in told
    for shown in ("devices 1", "devices 8", "308 MB", "50,000", "assumed, not measured: h100", "not counted"):
        assert shown in told


def test_everything_is_told_as_json(capsys: Capture) -> None:
    assert main([*ORDER, "--devices", "2", "--dtype", "fp16", "--images-per-second", "5", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    (store,) = told["stores"]
    assert (store["devices"], store["dtype"], store["seconds"]) == (2, "fp16", 5000.0)
    assert store["head_bytes"] == pytest.approx(2 * 50_000 * 16 * 64, rel=1e-3)
    assert told["rates"].startswith("given: a process decomposes 5 images/s")


@pytest.mark.parametrize(
    ("further", "said"),
    [
        (("--images", "0"), "--images 0: give 1 to"),
        (("--layers", "last5"), "unknown --layers 'last5'"),
        (("--dtype", "fp8"), "unknown --dtype 'fp8'"),
        (("--devices", "many"), "--devices many is not a number"),
        (("--device", "gpu"), "unknown kind of device 'gpu'"),
        (("--images-per-second", "0"), "--images-per-second 0 is out of range"),
        (("--model", "shape-clip"), "did you mean shapes-clip"),
    ],
)
def test_wrong_input_is_said_in_one_line(further: tuple[str, ...], said: str, capsys: Capture) -> None:
    assert said in refused(capsys, [*ORDER, *further])
