"""`alignbench plan` as users run it, and given what it cannot use."""

import json
from pathlib import Path

import pytest

from alignbench.cli.main import main
from folders import Folders
from plans import CARD


def test_columns_and_json_say_the_same(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    command = ["plan", "--model", CARD, "--dataset", "tid2013,things", "--devices", "1,8", "--device", "h100"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "3,025 images, 3,000 pairs, pair by pair, 8.8 GFLOP an image" in shown
    assert "published shape, no files looked at" in shown
    assert "assumed, not measured: h100" in shown
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["dataset"], row["devices"]) for row in rows] == [
        ("tid2013", 1),
        ("tid2013", 8),
        ("things", 1),
        ("things", 8),
    ]
    assert rows[0]["flops"] == 3_025 * rows[0]["flops_per_image"]
    assert rows[1]["fullest_rank_images"] < 3_025 / 8 * 1.02 + 1
    for row in rows:
        assert f"{row['fullest_rank_images']:,}" in shown


def test_a_number_of_devices_that_does_not_fit_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", "--model", CARD, "--dataset", "things", "--subset", "all", "--json"]
    command += ["--feature-memory", "200MB", "--devices"]
    assert main([*command, "1,8"]) == 0
    captured = capsys.readouterr()
    assert [row["devices"] for row in json.loads(captured.out)] == [8]
    assert captured.err.count("things on 1 x 1: 1854 images of one layer take") == 1
    assert main([*command, "1"]) == 2


def test_layers_narrow_what_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    command = ["plan", "--model", CARD, "--dataset", "tid2013", "--tokens", "mean", "--json"]
    assert main(command) == 0
    (whole,) = json.loads(capsys.readouterr().out)
    assert main([*command, "--layers", "layer_3,projection"]) == 0
    (few,) = json.loads(capsys.readouterr().out)
    assert few["flops"] == whole["flops"]
    assert whole["one_pass_bytes"] * (768 + 512) == few["one_pass_bytes"] * (13 * 768 + 512)
    assert main([*command, "--layers", "layer_33"]) == 2
    assert "unknown layer 'layer_33': did you mean layer_3" in capsys.readouterr().err


def test_trial_of_this_machine(nights_root: Path, tiny_tower: Folders, capsys: pytest.CaptureFixture[str]) -> None:
    model = ["--model", str(tiny_tower("clip")), "--dataset", "nights", "--data-root", str(nights_root)]
    assert main(["plan", *model, "--measure"]) == 0
    shown = capsys.readouterr().out
    assert "rates: measured here: cpu, one batch of 16 in fp32" in shown
    assert "PNG" in shown
    assert str(nights_root) in shown


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--devices", "two"], "--devices two is not a number"),
        (["--devices", "0,1"], "devices 0 is below 1"),
        (["--devices", ","], "--devices is empty"),
        (["--num-nodes", "0"], "number of nodes 0 is below 1"),
        (["--device", "h10"], "did you mean h100"),
        (["--tokens", "all,"], "unknown token view"),
        (["--precision", "fp64"], "unknown precision 'fp64'"),
        (["--feature-memory", "much"], "'much' is not a size"),
        (["--feature-memory", "1MB"], "raise it, or share the work over more --devices"),
        (["--images-per-second", "0"], "--images-per-second 0 is out of range: give 1e-06 to 1e+09"),
        (["--images-per-second", "1e-320"], "is out of range: give 1e-06 to 1e+09"),
        (
            ["--devices", "1024", "--num-nodes", "1024"],
            "devices on all nodes 1048576 is out of range: give 16,384 at most",
        ),
        (["--measure", "--device", "h100"], "leave out --device"),
        (["--dataset", "tid2013,things", "--data-root", "."], "--data-root goes with one data set"),
        (["--dataset", "things", "--subset", "trainset"], "trainset: give --data-root"),
        (["--dataset", "kadid10k"], "kadid10k needs --data-root"),
        (["--dataset", ","], "--dataset is empty"),
        (["--model", "ssim"], "ssim is a baseline"),
        (["--model", "openai/clip-vit-base-patch31"], "did you mean openai/clip-vit-base-patch32"),
        (["--model", "open_clip:hf-hub:nobody/nothing"], "is not on this machine"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    given = {"--model": CARD, "--dataset": "things"} | dict(zip(arguments[::2], arguments[1::2], strict=False))
    flags = [argument for argument in arguments if argument == "--measure"]
    pairs = [part for pair in given.items() for part in pair if "--measure" not in pair]
    assert main(["plan", *pairs, *flags, *(["--device", "h100"] if flags else [])]) in (1, 2)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
