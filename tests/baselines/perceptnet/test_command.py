"""`python -m baselines.perceptnet` as users run it, and given what it cannot use."""

from __future__ import annotations

from pathlib import Path

import pytest

from baselines.perceptnet.__main__ import main as perceptnet
from perceptnet_weights import refused, train


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epochs", 0), ("--epochs 0", "below 1")),
        (("--epochs", "many"), ("--epochs", "integer")),
        (("--epochs", 10**30), ("--epochs 1000", "below 2^63")),
        (("--batch-size", 2**63), ("--batch-size 9223372036854775808", "below 2^63")),
        (("--output", "a\nb.safetensors"), ("a b.safetensors", "another name")),
        (("--output", "a\0.safetensors"), ("--output", "null byte")),
        (("--batch-size", 2), ("--batch-size 2", "below 3")),
        (("--lr", 0), ("--lr 0", "above 0")),
        (("--lr", "nan"), ("--lr nan",)),
        (("--seed", -1), ("--seed -1",)),
        (("--holdout", 0), ("--holdout 0", "between 0 and 1")),
        (("--holdout", 1.5), ("--holdout 1.5",)),
        (("--accelerator", "gpu"), ("--accelerator gpu", "cuda")),
        (("--dataset", "shapes-middle"), ("shapes-middle holds choices", "tid2013")),
        (("--dataset", "tid2031"), ("tid2031", "did you mean tid2013")),
        (("--subset", "distortion_77"), ("distortion_77",)),
        (("--resume",), ("there is no checkpoint", "--resume")),
        (("--learning-rate", 1), ("--learning-rate",)),
        (("--output", "weights.pth"), ("weights.pth", ".safetensors")),
    ],
)
def test_wrong_use_is_one_line(
    options: tuple[object, ...],
    words: tuple[str, ...],
    ratings_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    refused(2, train(ratings_root, tmp_path / "w.safetensors", *options), capsys, *words)
    assert not list(tmp_path.iterdir())


def test_an_output_in_an_impossible_place_is_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    refused(2, train(ratings_root, tmp_path / "file" / "w.safetensors"), capsys, "cannot be written", "give another")


def test_nothing_is_written_over(ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file, "--epochs", 1) == 0
    refused(2, train(ratings_root, file), capsys, f"{file}.checkpoint is there already", "--resume")
    file.with_name(f"{file.name}.checkpoint").unlink()
    refused(2, train(ratings_root, file), capsys, f"{file} is there already", "another --output")


def test_the_root_of_all_data_is_used(
    ratings_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIGNBENCH_DATA", str(ratings_root.parent))
    monkeypatch.chdir(tmp_path)
    assert perceptnet(["train", "--dataset", "tid2013", "--epochs", "1"]) == 0
    assert capsys.readouterr().out == "perceptnet-tid2013.safetensors\n"


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    refused(2, perceptnet([]), capsys, "Missing command", "--help")
    refused(2, perceptnet(["trian"]), capsys, "trian", "--help")
    assert perceptnet(["--help"]) == 0
    assert "train" in capsys.readouterr().out
    assert perceptnet(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--dataset", "--data-root", "--output", "--epochs", "--batch-size", "--lr", "--seed", "--holdout"):
        assert option in shown


def test_a_name_that_no_file_can_have_is_one_short_line(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    refused(1, train(ratings_root, tmp_path / f"{'a' * 5000}.safetensors"), capsys, "File name too long", "another")
    assert not list(tmp_path.iterdir())
