"""`alignbench alignet plan` as users run it, and given what it cannot use."""

import json

import pytest

from alignbench.alignet.planning import CACHED
from alignbench.cli.main import main

pytestmark = pytest.mark.slow

SMALL = ["alignet", "plan", "--teacher", "openai/clip-vit-base-patch32", "--images", "1000", "--triplets", "5000"]


def test_the_published_job(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["alignet", "plan", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    rows = {(row["stage"], row["devices"]): row for row in found["stages"]}
    assert {devices for _, devices in rows} == {1, 8, 64}
    extract, train = rows["extract", 1], rows["train, pixels cached", 8]
    assert extract["images"] == 1_281_167
    assert extract["flops"] / 1_281_167 == pytest.approx(670e9, rel=0.005)  # of SigLIP So400m at 384, as published
    assert rows["cluster", 1]["scratch_bytes"] > 1_281_167 * 1152 * 4
    assert train["images"] == 100_000 * 512 * 3
    assert train["flops"] / train["images"] == pytest.approx(3 * 8.8e9, rel=0.005)  # of ViT-B/32, as published
    assert rows["train, pixels cached", 1]["processes"] == 1
    assert train["processes"] == 8
    assert any("assumed, not measured: h100" in line for line in found["assumptions"])


def test_tables_and_json_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    command = [*SMALL, "--devices", "1,4", "--steps", "100", "--device", "a100", "--head-only"]
    command += ["--images-per-second", "64"]
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "AligNet: 1,000 images, 5,000 triplets, 100 steps of 512; an estimate" in shown
    assert "time on 4" in shown
    assert "8.8 TFLOP" in shown
    assert "153,600" in shown
    assert "a picture costs one forward pass" in shown
    assert "not counted" in shown
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["stages"]
    assert [row["stage"] for row in rows[:6]] == [row["stage"] for row in rows[6:]]
    assert all(row["stage"] in shown for row in rows)
    assert rows[0]["flops"] == 1000 * 8_817_623_040
    assert [row["seconds"] for row in rows if row["stage"] == CACHED] == pytest.approx([2400, 600])  # 153,600 / 64


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--devices", "two"], "--devices two is not a number"),
        (["--devices", "0"], "--devices 0 is not at least 1"),
        (["--devices", "3"], "--batch-triplets 512 cannot be cut into 3 equal parts"),
        (["--device", "h10"], "did you mean h100"),
        (["--precision", "fp16"], "unknown precision of training 'fp16'"),
        (["--images", "2"], "--images 2 is out of range"),
        (["--clusters", "1001"], "1,000 pictures cannot make 1,001 clusters"),
        (["--steps", "0"], "--steps 0 is not at least 1"),
        (["--images-per-second", "0"], "--images-per-second 0 is out of range"),
        (["--model", "ssim"], "ssim is a baseline"),
        (["--model", "nobody/nothing"], "is not on this machine"),
    ],
)
def test_wrong_use_is_told_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMALL, *arguments]) in (1, 2)
    captured = capsys.readouterr()
    assert said in captured.err
    assert captured.err.count("\n") == 1
    assert captured.out == ""
