"""Baselines are registered, cost little to import, and ask for their weights."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from alignbench import ModelError, PairMetric
from alignbench.models.pair_metrics import METRICS
from baselines.lpips import ALEX, VGG

MIN_SIDES = {
    "pixels": 1,
    "ssim": 11,
    "ms-ssim": 161,
    "lpips-alex": 31,
    "lpips-vgg": 16,
    "perceptnet": 14,
    "dreamsim": 1,
}


# -------------------------------------------------------------------------------------------------- LPIPS


def test_weights_are_needed_before_distances() -> None:
    for metric in (ALEX, VGG, METRICS.load("perceptnet"), METRICS.load("dreamsim")):
        with pytest.raises(ModelError, match=rf"^{metric.name} has no weights yet: call its `to\(device\)`"):
            metric(torch.zeros(1, 3, 64, 64), torch.zeros(1, 3, 64, 64))


# ---------------------------------------------------------------------------------------------- the door


@pytest.mark.parametrize(("name", "side"), MIN_SIDES.items())
def test_every_baseline_is_registered(name: str, side: int) -> None:
    metric = METRICS.load(name)
    assert isinstance(metric, PairMetric)
    assert metric.name == name
    assert metric.distance == ("euclidean" if name == "pixels" else name)
    assert metric.min_side == side


def test_what_is_registered_costs_little_to_import() -> None:
    modules = "baselines.pixels, baselines.structural, baselines.lpips, baselines.perceptnet, baselines.dreamsim"
    heavy = {"torch", "numpy", "lpips", "dreamsim", "peft"}
    code = f"import sys, {modules}; sys.exit(', '.join({heavy} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
