"""Training learns, goes on where it was, keeps the best epoch, and leaves nothing half written."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from scipy.stats import pearsonr

from baselines.perceptnet.__main__ import main as perceptnet
from baselines.perceptnet.network import PerceptNet
from baselines.perceptnet.ratings import read_ratings, split_by_reference
from baselines.perceptnet.training import PerceptNetRecipe, Training, correlation
from perceptnet_weights import SHAPES, RunsCode, distance, loaded, photograph, refused, tensor, train

# ------------------------------------------------------------------------------------------------ training


def metadata(path: Path) -> dict[str, str]:
    with safe_open(path, framework="np") as file:
        return dict(file.metadata())


def test_training_raises_the_held_out_correlation(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "new" / "weights.safetensors"
    options = ["--dataset", "shapes-low", "--subset", "trainset", "--epochs", "1"]
    assert perceptnet(["train", *options, "--output", str(file)]) == 0
    out, err = capsys.readouterr()
    assert out.splitlines()[-1] == str(file)
    assert "simulated observers" in err
    told = metadata(file)
    before, after = float(told["held-out pearson untrained"]), float(told["held-out pearson"])
    assert after > before + 0.2
    assert f"untrained: held-out Pearson {before:.3f}" in err
    assert f"held-out Pearson {after:.3f}" in err.splitlines()[-1]
    assert told["data fingerprint"] == read_ratings("shapes-low", "trainset", None)[1]
    assert told["subset"] == "trainset"
    assert json.loads(told["pairs"]) == {"trained": 480, "held out": 120}


def test_the_correlation_told_is_that_of_the_weights_in_the_file(ratings_root: Path, tmp_path: Path) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file) == 0
    pairs, _ = read_ratings("tid2013", None, ratings_root)
    _, held_out = split_by_reference(pairs, 0.25, seed=0)
    images, judgments = pairs.judgments.images, pairs.judgments
    ends = judgments.pairs[judgments.judged[held_out.rows, 0]].tolist()
    distances = [distance(images.open(a), images.open(b), load_file(file)) for a, b in ends]
    expected = pearsonr(-np.array(distances), judgments.human[held_out.rows]).statistic
    assert float(metadata(file)["held-out pearson"]) == pytest.approx(expected, abs=1e-5)


def test_the_loss_is_pearsons_correlation_and_has_a_gradient_where_nothing_differs() -> None:
    generator = torch.Generator().manual_seed(0)
    distances, ratings = torch.rand(2, 20, dtype=torch.float64, generator=generator)
    expected = pearsonr(-distances.numpy(), ratings.numpy()).statistic
    assert correlation(distances, ratings).item() == pytest.approx(expected, rel=1e-9)
    network = PerceptNet()
    pictures = torch.rand(4, 3, 20, 20, generator=generator)
    correlation(network.distances(pictures, pictures), torch.arange(4.0)).backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in network.parameters())


def test_weights_at_their_bound_can_leave_it(tmp_path: Path, ratings_root: Path) -> None:
    assert train(ratings_root, tmp_path / "w.safetensors", "--lr", 0.01, "--epochs", 2) == 0
    state = torch.load(tmp_path / "w.safetensors.checkpoint", weights_only=True)["network"]
    other = state["gdn4.gamma"][:, :, 0, 0][~torch.eye(128, dtype=torch.bool)]
    assert other.min() >= 2.0**-18
    assert 0.1 < (other > 2.0**-18).double().mean() < 0.9


def test_going_on_gives_the_weights_of_an_uninterrupted_training(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    assert train(ratings_root, whole) == 0
    assert train(ratings_root, parts, "--epochs", 2) == 0
    capsys.readouterr()
    assert train(ratings_root, parts, "--resume") == 0
    err = capsys.readouterr().err
    assert "going on after epoch 2" in err
    assert "epoch 2: " not in err.replace("going on after epoch 2: ", "")
    first, second = (torch.load(f"{file}.checkpoint", weights_only=True)["network"] for file in (whole, parts))
    assert all(torch.equal(first[name], second[name]) for name in SHAPES)
    kept = load_file(whole)
    assert all(torch.equal(kept[name], value) for name, value in load_file(parts).items())
    assert metadata(whole) == metadata(parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "parts.safetensors",
        "parts.safetensors.checkpoint",
        "whole.safetensors",
        "whole.safetensors.checkpoint",
    ]


def test_an_interruption_leaves_the_finished_epochs(
    ratings_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, file = tmp_path / "whole.safetensors", tmp_path / "weights.safetensors"
    assert train(ratings_root, whole) == 0
    learn = Training._learn

    def interrupted(self: Training, number: int, advanced: Callable[[int], None]) -> float:
        if number == 3:
            raise KeyboardInterrupt
        return learn(self, number, advanced)

    monkeypatch.setattr(Training, "_learn", interrupted)
    capsys.readouterr()
    assert train(ratings_root, file) == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("perceptnet: interrupted: ")
    assert not file.exists()
    monkeypatch.setattr(Training, "_learn", learn)
    assert train(ratings_root, file, "--resume") == 0
    assert all(torch.equal(load_file(whole)[name], value) for name, value in load_file(file).items())


def test_the_best_epoch_is_kept(ratings_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Training, "_watch", lambda self, number: (0.1, 0.3, 0.7, 0.5, 0.7)[number])
    pairs, _ = read_ratings("tid2013", None, ratings_root)
    training, held_out = split_by_reference(pairs, 0.25, 0)
    course = Training(PerceptNetRecipe(4, 6, 1e-3, 0, 0.25), training, held_out, "cpu", {})
    states = [
        {name: value.clone() for name, value in course.network.state_dict().items()}
        for _ in course.run(tmp_path / "checkpoint", lambda pairs: None)
    ]
    assert course.best_epoch.number == 2
    assert all(torch.equal(course.best[name], states[2][name]) for name in SHAPES)
    assert not torch.equal(states[2]["conv3.weight"], states[3]["conv3.weight"])


def test_trained_weights_are_measured(ratings_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file, "--epochs", 1) == 0
    first, second = photograph(30, 30), photograph(30, 30, seed=0)
    found = loaded(file, monkeypatch)(tensor(first), tensor(second)).item()
    assert found == pytest.approx(distance(first, second, load_file(file)), rel=1e-5)


# --------------------------------------------------------------------------- what training cannot be done with


def test_what_cannot_be_written_is_told_and_what_was_there_stays(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file, "--epochs", 1) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(path: Path, content: bytes) -> int:
        with path.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    code = train(ratings_root, file, "--resume", "--epochs", 2)
    refused(1, code, capsys, f"{file}.checkpoint cannot be written", "No space left", "--output")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_going_on_with_other_settings_is_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file, "--epochs", 2) == 0
    refused(2, train(ratings_root, file, "--resume", "--lr", 0.5), capsys, "made with lr", "not 0.5")
    refused(2, train(ratings_root, file, "--resume", "--epochs", 1), capsys, "holds 2 epochs", "--epochs")
    other = Path(shutil.copytree(ratings_root, tmp_path / "other"))
    scores = (other / "mos_with_names.txt").read_text().splitlines()
    (other / "mos_with_names.txt").write_text("\n".join(scores[1:]) + "\n")
    (other / "mos_std.txt").unlink()
    refused(2, train(other, file, "--resume"), capsys, "made with data fingerprint")


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut short", b"no checkpoint"])
def test_a_damaged_checkpoint_is_refused(
    content: bytes, ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "w.safetensors.checkpoint").write_bytes(content)
    refused(1, train(ratings_root, tmp_path / "w.safetensors", "--resume"), capsys, "is damaged", "without --resume")


def test_a_checkpoint_runs_no_code(ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"settings": RunsCode(tmp_path / "mark")}, tmp_path / "w.safetensors.checkpoint")
    refused(1, train(ratings_root, tmp_path / "w.safetensors", "--resume"), capsys, "is damaged")
    assert not (tmp_path / "mark").exists()


def test_numbers_that_explode_end_in_one_line_and_leave_the_checkpoint(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "w.safetensors"
    refused(1, train(ratings_root, file, "--lr", 1e30), capsys, "epoch 1 are not finite", "lower --lr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.safetensors.checkpoint"]
