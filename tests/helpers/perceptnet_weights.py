"""PerceptNet in NumPy, random weights of it, and its training through the command line."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image
from torch import Tensor

from alignbench.arrays import Floats
from baselines.perceptnet import PERCEPTNET, PerceptNetDistance
from baselines.perceptnet.__main__ import main as perceptnet

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


class RunsCode:
    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def train(root: Path, output: Path, *options: object) -> int:
    given = {"--epochs": 4, "--batch-size": 6, "--holdout": 0.25}
    defaults = [part for name, value in given.items() if name not in options for part in (name, value)]
    arguments = ["train", "--dataset", "tid2013", "--data-root", root, "--output", output, *defaults, *options]
    return perceptnet([str(argument) for argument in arguments])


def refused(code: int, found: int, capsys: pytest.CaptureFixture[str], *words: object) -> None:
    err = capsys.readouterr().err
    said = [line for line in err.splitlines() if line.startswith("perceptnet: ")]
    assert found == code, err
    assert len(said) == 1, err
    assert "unexpected" not in said[0]
    assert "Traceback" not in err
    for word in words:
        assert str(word) in said[0]
