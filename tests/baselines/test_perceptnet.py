"""PerceptNet with weights from files, of every kind or refused, and through the whole instrument."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from alignbench import ModelError
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from baselines.perceptnet import PERCEPTNET
from perceptnet_weights import RunsCode, Weights, distance, loaded, photograph, random_weights, tensor

# ---------------------------------------------------------------------------------------- files of weights


def squeezed(weights: Weights) -> Weights:
    changed = dict(weights)
    for number in (1, 2, 3, 4):
        changed[f"gdn{number}.gamma"] = weights[f"gdn{number}.gamma"].squeeze()
        changed[f"gdn{number}.beta"] = weights[f"gdn{number}.beta"][None, :, None, None]
    return changed


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("old.pth", lambda weights, path: torch.save(weights, path, _use_new_zipfile_serialization=False)),
        ("new.pth", torch.save),
        ("squeezed.pth", lambda weights, path: torch.save(squeezed(weights), path)),
        ("double.pth", lambda weights, path: torch.save({n: v.double() for n, v in weights.items()}, path)),
        ("tensors.safetensors", save_file),
    ],
)
def test_every_kind_of_file_gives_the_same_distances(
    name: str, write: Callable[[Weights, Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(random_weights(), tmp_path / name)
    metric = loaded(tmp_path / name, monkeypatch)
    first, second = photograph(40, 30), photograph(40, 30, seed=1)
    assert metric(tensor(first), tensor(second)).item() == pytest.approx(
        distance(first, second, random_weights()), rel=1e-5
    )
    digest = hashlib.sha256((tmp_path / name).read_bytes()).digest()
    assert metric.fingerprint == hashlib.sha256(digest).hexdigest()


def test_weights_are_looked_for_in_the_variable_then_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("ALIGNBENCH_PERCEPTNET", raising=False)
    monkeypatch.delenv("ALIGNBENCH_CACHE", raising=False)
    found = []
    places = (tmp_path / "home" / ".cache", tmp_path / "cache", tmp_path / "home" / "mine", tmp_path / "own")
    for seed, place in enumerate(places):
        path = place / "alignbench" / "percept_colour_tid2008.pth"
        path.parent.mkdir(parents=True)
        if seed == 1:
            monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        if seed == 2:
            monkeypatch.setenv("ALIGNBENCH_PERCEPTNET", "~/mine/alignbench/percept_colour_tid2008.pth")
        if seed == 3:
            monkeypatch.delenv("ALIGNBENCH_PERCEPTNET")
            monkeypatch.setenv("ALIGNBENCH_CACHE", str(place / "alignbench"))
        with pytest.raises(ModelError, match=rf"^perceptnet has no weights at {path}: .*perceptnet train --dataset"):
            PERCEPTNET.to("cpu")  # type: ignore[attr-defined]
        torch.save(random_weights(seed), path)
        network = PERCEPTNET.to("cpu").network  # type: ignore[attr-defined]
        found.append(torch.equal(network.conv3.weight, random_weights(seed)["conv3.weight"]))
    assert found == [True, True, True, True]


def without(name: str) -> Weights:
    weights = random_weights()
    del weights[name]
    return weights


BAD_WEIGHTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a missing one": (lambda path: torch.save(without("gdn3.beta"), path), "lacks weights of PerceptNet (gdn3.beta)"),
    "another model's": (
        lambda path: torch.save({"features.0.weight": torch.zeros(3)}, path),
        "lacks weights of PerceptNet (conv1.bias, conv1.weight, conv2.bias, ...)",
    ),
    "one too many": (
        lambda path: torch.save(random_weights() | {"gdn5.beta": torch.ones(3)}, path),
        "has unknown weights of PerceptNet (gdn5.beta)",
    ),
    "a wrong shape": (
        lambda path: torch.save(random_weights() | {"conv3.weight": torch.zeros(6, 128, 5, 5)}, path),
        "has conv3.weight as 6 x 128 x 5 x 5 and needs it as 128 x 6 x 5 x 5",
    ),
    "a first gdn that mixes channels": (
        lambda path: torch.save(random_weights() | {"gdn1.gamma": torch.eye(3)[:, :, None, None]}, path),
        "has gdn1.gamma as 3 x 3 x 1 x 1 and needs it as 3 x 1 x 1 x 1",
    ),
    "a number alone": (
        lambda path: torch.save(random_weights() | {"gdn2.beta": torch.tensor(1.0)}, path),
        "has gdn2.beta as one number and needs it as 3",
    ),
    "code": (
        lambda path: torch.save(random_weights() | {"conv1.bias": RunsCode(path.parent / "mark")}, path),
        "cannot be read as weights (it holds more than weights, which could run code)",
    ),
}


@pytest.mark.parametrize("kind", BAD_WEIGHTS)
def test_a_file_that_cannot_be_trusted_is_refused(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write, said = BAD_WEIGHTS[kind]
    path = tmp_path / "percept_colour_tid2008.pth"
    write(path)
    with pytest.raises(ModelError) as refused:
        loaded(path, monkeypatch)
    text = str(refused.value)
    assert text.startswith(f"{path} {said}")
    assert "get percept_colour_tid2008.pth from saved_networks/ of github.com/alexhepburn/perceptnet" in text
    assert "\n" not in text
    assert not (tmp_path / "mark").exists()


# ------------------------------------------------------------------------------------- the whole instrument


def test_perceptnet_is_measured_from_the_command_line(
    weights_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["run", "--model", "perceptnet", "--dataset", "shapes-middle", "--limit", "30", "--accelerator", "cpu"]
    folders = []
    for seed in (0, 1):
        save_file(random_weights(seed), weights_file)
        monkeypatch.setenv("ALIGNBENCH_PERCEPTNET", str(weights_file))
        assert main([*options, "--output", str(tmp_path / "runs")]) == 0
        folders.append(Path(capsys.readouterr().out.splitlines()[-1]))
    assert folders[0] != folders[1], "other weights are another run"
    judgments = DATASETS.load("shapes-middle").read(None, ("test",)).limited(30)
    pictures = [judgments.images.open(index) for index in range(len(judgments.images.names))]
    expected = np.array([distance(pictures[a], pictures[b], random_weights()) for a, b in judgments.pairs.tolist()])
    found = load_file(folders[0] / "distances.safetensors")["perceptnet"].numpy()
    np.testing.assert_allclose(found, [expected], rtol=1e-5)
    judged = expected[judgments.judged]
    accuracy = np.mean(judged.argmin(axis=1) == judgments.human)
    rows = [line.split(",") for line in (folders[0] / "curve.csv").read_text().splitlines()]
    (row,) = (dict(zip(rows[0], row, strict=True)) for row in rows if "accuracy" in row)
    assert (float(row["value"]), row["layer"], row["n"]) == (pytest.approx(accuracy, abs=1e-12), "image", "30")


def test_weights_that_are_missing_are_asked_for_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIGNBENCH_PERCEPTNET", str(tmp_path / "none.pth"))
    assert main(["run", "--model", "perceptnet", "--dataset", "shapes-low", "--output", str(tmp_path / "runs")]) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"alignbench: perceptnet has no weights at {tmp_path / 'none.pth'}: get percept_colour")
    assert line.endswith("name it in $ALIGNBENCH_PERCEPTNET")
    assert not (tmp_path / "runs").exists()
