"""PerceptNet equals its formulas in float64 NumPy, takes weights from files it can trust, and learns from ratings."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from scipy.stats import pearsonr
from torch import Tensor

from alignbench import ModelError
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from baselines.perceptnet import PERCEPTNET, PerceptNetDistance
from baselines.perceptnet.__main__ import main as perceptnet
from baselines.perceptnet.network import PerceptNet
from baselines.perceptnet.ratings import read_ratings, split_by_reference
from baselines.perceptnet.training import Recipe, Training, correlation, write_whole
from layouts import write_tid2013

Floats = NDArray[np.float64]
Weights = dict[str, Tensor]
SHAPES = {
    "gdn1.gamma": (3, 1, 1, 1),
    "gdn1.beta": (3,),
    "conv1.weight": (3, 3, 1, 1),
    "conv1.bias": (3,),
    "gdn2.gamma": (3, 3, 1, 1),
    "gdn2.beta": (3,),
    "conv2.weight": (6, 3, 5, 5),
    "conv2.bias": (6,),
    "gdn3.gamma": (6, 6, 1, 1),
    "gdn3.beta": (6,),
    "conv3.weight": (128, 6, 5, 5),
    "conv3.bias": (128,),
    "gdn4.gamma": (128, 128, 1, 1),
    "gdn4.beta": (128,),
}


def random_weights(seed: int = 0) -> Weights:
    """Weights of the authors' names and shapes; a third of gamma and beta lies below its bound."""
    rng = np.random.default_rng(seed)
    drawn = {}
    for name, shape in SHAPES.items():
        if name.startswith("gdn"):
            values = rng.uniform(-0.5, 1.0, shape) * (1.0 if name.endswith("beta") else 3.0 / max(shape))
        else:
            values = rng.normal(0.0, 1.0 / np.sqrt(np.prod(shape[1:])), shape)
        drawn[name] = torch.from_numpy(values.astype(np.float32))
    return drawn


# ------------------------------------------------------------------------------------ the network in NumPy


def normalised(x: Floats, gamma: Floats, beta: Floats) -> Floats:
    """x / sqrt(gamma x^2 + beta) with both at their bounds or above; x is (C, H, W), gamma (C, C)."""
    gamma, beta = np.maximum(gamma, 2.0**-18), np.maximum(beta, np.sqrt(1e-6 + 2.0**-36))
    return x / np.sqrt(np.tensordot(gamma, x**2, 1) + beta[:, None, None])


def convolved(x: Floats, weight: Floats, bias: Floats) -> Floats:
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    windows = sliding_window_view(padded, weight.shape[2:], axis=(1, 2))
    return np.einsum("chwij,ocij->ohw", windows, weight, optimize=True) + bias[:, None, None]


def pooled(x: Floats) -> Floats:
    rows, columns = (size // 2 for size in x.shape[1:])
    return x[:, : 2 * rows, : 2 * columns].reshape(len(x), rows, 2, columns, 2).max(axis=(2, 4))


def responses(picture: Image.Image, weights: Weights) -> Floats:
    """The network on an RGB picture, step by step as the paper has it."""
    w = {name: value.double().numpy() for name, value in weights.items()}
    x = np.asarray(picture, dtype=np.float64).transpose(2, 0, 1) / 255.0
    alone = np.maximum(w["gdn1.gamma"].ravel(), 2.0**-18)[:, None, None]  # no channel sees another here
    x = x / np.sqrt(alone * x**2 + np.maximum(w["gdn1.beta"], np.sqrt(1e-6 + 2.0**-36))[:, None, None])
    x = pooled(convolved(x, w["conv1.weight"], w["conv1.bias"]))
    x = normalised(x, w["gdn2.gamma"][:, :, 0, 0], w["gdn2.beta"])
    x = pooled(convolved(x, w["conv2.weight"], w["conv2.bias"]))
    x = normalised(x, w["gdn3.gamma"][:, :, 0, 0], w["gdn3.beta"])
    x = convolved(x, w["conv3.weight"], w["conv3.bias"])
    return normalised(x, w["gdn4.gamma"][:, :, 0, 0], w["gdn4.beta"])


def distance(first: Image.Image, second: Image.Image, weights: Weights) -> float:
    return float(np.sqrt(((responses(first, weights) - responses(second, weights)) ** 2).sum()))


def photograph(width: int, height: int, seed: int | None = None) -> Image.Image:
    view = skimage.data.astronaut()[60 : 60 + height, 180 : 180 + width].astype(np.float64)
    noise = 0.0 if seed is None else np.random.default_rng(seed).normal(0.0, 15.0, view.shape)
    return Image.fromarray((view + noise).round().clip(0, 255).astype(np.uint8))


def tensor(picture: Image.Image) -> Tensor:
    return torch.from_numpy(np.array(picture)).permute(2, 0, 1)[None] / 255.0


def loaded(path: Path, monkeypatch: pytest.MonkeyPatch) -> PerceptNetDistance:
    monkeypatch.setenv("ALIGNBENCH_PERCEPTNET", str(path))
    assert isinstance(PERCEPTNET, PerceptNetDistance)
    return PERCEPTNET.to("cpu")


@pytest.fixture
def weights_file(tmp_path: Path) -> Path:
    path = tmp_path / "weights.safetensors"
    save_file(random_weights(), path)
    return path


@pytest.mark.parametrize(("width", "height"), [(14, 14), (96, 72), (37, 51)])
def test_responses_and_distances_are_those_of_the_formulas(
    width: int, height: int, weights_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    metric = loaded(weights_file, monkeypatch)
    first, second = photograph(width, height), photograph(width, height, seed=0)
    assert metric.network is not None
    expected = responses(first, random_weights())
    np.testing.assert_allclose(metric.network(tensor(first))[0].numpy(), expected, atol=1e-5 * np.abs(expected).max())
    found = metric(torch.cat([tensor(first), tensor(second)]), torch.cat([tensor(second), tensor(second)]))
    np.testing.assert_allclose(found.numpy(), [distance(first, second, random_weights()), 0.0], rtol=1e-5)


def test_there_are_36368_weights() -> None:
    found = {name: tuple(value.shape) for name, value in PerceptNet().state_dict().items()}
    assert found == SHAPES
    # 3 + 3 | 9 + 3 | 9 + 3 | 450 + 6 | 36 + 6 | 19,200 + 128 | 16,384 + 128
    assert sum(value.numel() for value in PerceptNet().parameters()) == 36_368


def test_an_untrained_network_divides_by_a_tenth_of_its_own_square_plus_one() -> None:
    network, generator = PerceptNet(), torch.Generator().manual_seed(0)
    for layer, channels in ((network.gdn1, 3), (network.gdn2, 3), (network.gdn3, 6), (network.gdn4, 128)):
        x = torch.randn(2, channels, 4, 5, generator=generator)
        torch.testing.assert_close(layer(x), x / (0.1 * x**2 + 1.0).sqrt(), rtol=1e-3, atol=1e-6)


def test_fourteen_pixels_are_the_fewest(weights_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = loaded(weights_file, monkeypatch)
    assert metric.min_side == 14
    for width, height in ((13, 40), (40, 13)):
        picture = tensor(photograph(width, height))
        with pytest.raises(RuntimeError, match="Kernel size can't be greater"):
            metric(picture, picture)


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
    found = []
    for seed, place in enumerate((tmp_path / "home" / ".cache", tmp_path / "cache", tmp_path / "home" / "mine")):
        path = place / "alignbench" / "percept_colour_tid2008.pth"
        path.parent.mkdir(parents=True)
        if seed == 1:
            monkeypatch.setenv("XDG_CACHE_HOME", str(place))
        if seed == 2:
            monkeypatch.setenv("ALIGNBENCH_PERCEPTNET", "~/mine/alignbench/percept_colour_tid2008.pth")
        with pytest.raises(ModelError, match=rf"^perceptnet has no weights at {path}: .*perceptnet train --dataset"):
            PERCEPTNET.to("cpu")  # type: ignore[attr-defined]
        torch.save(random_weights(seed), path)
        network = PERCEPTNET.to("cpu").network  # type: ignore[attr-defined]
        found.append(torch.equal(network.conv3.weight, random_weights(seed)["conv3.weight"]))
    assert found == [True, True, True]


class RunsCode:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


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
    "no numbers": (
        lambda path: torch.save(random_weights() | {"conv1.bias": torch.full((3,), torch.inf)}, path),
        "holds numbers that are not finite in conv1.bias",
    ),
    "code": (
        lambda path: torch.save(random_weights() | {"conv1.bias": RunsCode(path.parent / "mark")}, path),
        "cannot be read as weights (it holds more than weights, which could run code)",
    ),
    "old code": (
        lambda path: torch.save(RunsCode(path.parent / "mark"), path, _use_new_zipfile_serialization=False),
        "cannot be read as weights (it holds more than weights, which could run code)",
    ),
    "a whole module": (
        lambda path: torch.save(PerceptNet(), path),
        "cannot be read as weights (it holds more than weights, which could run code)",
    ),
    "numbers for names": (lambda path: torch.save({1: torch.zeros(3)}, path), "does not hold weights by name"),
    "a list": (lambda path: torch.save(list(random_weights().values()), path), "does not hold weights by name"),
    "nothing": (lambda path: path.write_bytes(b""), "cannot be read as weights (it is empty or cut short)"),
    "a web page": (lambda path: path.write_text("<html>no such release</html>"), "cannot be read as weights"),
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


@pytest.mark.parametrize("content", [b"", b"\x00" * 100])
def test_safetensors_that_are_damaged_are_refused(
    content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=rf"^{path} cannot be read as weights \("):
        loaded(path, monkeypatch)


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
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").iterdir())


# ------------------------------------------------------------------------------------------------ training


@pytest.fixture(scope="module")
def ratings_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A rating data set of 32 pairs of small pictures, of 4 references."""
    root = tmp_path_factory.mktemp("ratings") / "tid2013"
    write_tid2013(root, references=4, distortions=2, levels=4)
    for path in root.rglob("*.[bB][mM][pP]"):
        with Image.open(path) as picture:
            picture.resize((24, 18)).save(path, format="BMP")
    return root


def train(root: Path, output: Path, *options: object) -> int:
    given = {"--epochs": 4, "--batch-size": 6, "--holdout": 0.25}
    defaults = [part for name, value in given.items() if name not in options for part in (name, value)]
    arguments = ["train", "--dataset", "tid2013", "--data-root", root, "--output", output, *defaults, *options]
    return perceptnet([str(argument) for argument in arguments])


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


def test_references_are_not_split() -> None:
    pairs, _ = read_ratings("shapes-low", "trainset", None)
    for seed in range(3):
        training, held_out = split_by_reference(pairs, 0.2, seed)
        assert (len(training), len(held_out)) == (480, 120)
        assert not set(training.clusters) & set(held_out.clusters)
        assert sorted([*training.rows, *held_out.rows]) == list(range(600))
        seen, unseen = (
            set(part.judgments.pairs[part.judgments.judged[part.rows, 0]].ravel()) for part in (training, held_out)
        )
        assert not seen & unseen


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
    course = Training(Recipe(4, 6, 1e-3, 0, 0.25), training, held_out, "cpu", {})
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


def refused(code: int, found: int, capsys: pytest.CaptureFixture[str], *words: object) -> None:
    err = capsys.readouterr().err
    said = [line for line in err.splitlines() if line.startswith("perceptnet: ")]
    assert found == code, err
    assert len(said) == 1, err
    assert "unexpected" not in said[0]
    assert "Traceback" not in err
    for word in words:
        assert str(word) in said[0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--epochs", 0), ("--epochs 0", "below 1")),
        (("--epochs", "many"), ("--epochs", "integer")),
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


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    path.write_text("whole")

    def fail(draft: Path) -> None:
        draft.write_text("half")
        raise OSError("no space left")

    with pytest.raises(ModelError, match=rf"^{path} cannot be written \(no space left\)"):
        write_whole(path, fail)
    assert {left.name: left.read_text() for left in tmp_path.iterdir()} == {"w.safetensors": "whole"}


def test_nothing_is_written_over(ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "weights.safetensors"
    assert train(ratings_root, file, "--epochs", 1) == 0
    refused(2, train(ratings_root, file), capsys, f"{file}.checkpoint is there already", "--resume")
    file.with_name(f"{file.name}.checkpoint").unlink()
    refused(2, train(ratings_root, file), capsys, f"{file} is there already", "another --output")


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


def first_reference(root: Path) -> Path:
    return root / "reference_images" / "I01.BMP"


@pytest.mark.parametrize(
    ("size", "words"), [((40, 18), ("differ in size", "give them one size")), ((24, 9), ("differ in size",))]
)
def test_pairs_of_two_sizes_are_refused(
    size: tuple[int, int],
    words: tuple[str, ...],
    ratings_root: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    photograph(*size).save(first_reference(root), format="BMP")
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "I01.BMP", *words)


def test_pictures_that_are_too_small_are_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    for path in root.rglob("*.[bB][mM][pP]"):
        photograph(24, 13).save(path, format="BMP")
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "is 24x13 pixels", "at least 14")


def test_data_that_are_missing_or_too_few_are_refused(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    arguments = ["train", "--dataset", "tid2013", "--output", str(tmp_path / "w.safetensors")]
    refused(2, perceptnet(arguments), capsys, "tid2013 needs --data-root")
    root = Path(shutil.copytree(ratings_root, tmp_path / "data"))
    first_reference(root).unlink()
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "i01.bmp (missing)")
    shutil.copy(first_reference(ratings_root), first_reference(root))
    scores = (root / "mos_with_names.txt").read_text().splitlines()
    (root / "mos_with_names.txt").write_text("\n".join(scores[:8]) + "\n")
    refused(1, train(root, tmp_path / "w.safetensors"), capsys, "1 references", "at least two")
    assert not list(tmp_path.glob("w.*"))


def test_the_root_of_all_data_is_used(
    ratings_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIGNBENCH_DATA", str(ratings_root.parent))
    monkeypatch.chdir(tmp_path)
    assert perceptnet(["train", "--dataset", "tid2013", "--epochs", "1"]) == 0
    assert capsys.readouterr().out == "perceptnet-tid2013.safetensors\n"


def test_numbers_that_explode_end_in_one_line_and_leave_the_checkpoint(
    ratings_root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "w.safetensors"
    refused(1, train(ratings_root, file, "--lr", 1e30), capsys, "epoch 1 are not finite", "lower --lr")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["w.safetensors.checkpoint"]


def test_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    refused(2, perceptnet([]), capsys, "Missing command", "--help")
    refused(2, perceptnet(["trian"]), capsys, "trian", "--help")
    assert perceptnet(["--help"]) == 0
    assert "train" in capsys.readouterr().out
    assert perceptnet(["train", "--help"]) == 0
    shown = capsys.readouterr().out
    for option in ("--dataset", "--data-root", "--output", "--epochs", "--batch-size", "--lr", "--seed", "--holdout"):
        assert option in shown
