"""What the first step tells: the entropy of targets, the size of gradients, and when to warn."""

from __future__ import annotations

import math
import warnings
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.training.loop import warn_of_first_step
from alignbench.alignet.triplet_order import TripletOrder
from alignbench.errors import AlignbenchWarning
from students import RECIPE, left, make_job, train


def _seen(entropy: float, size: float) -> dict[str, float]:
    return {"target_entropy": entropy, "gradient_norm": 1.0, "gradient_rms": size}


@pytest.mark.parametrize(
    ("entropy", "size", "said"),
    [
        (0.001, 1e-3, "one-hot in effect"),
        (math.log(3) - 1e-4, 1e-3, "flat in effect"),
        (0.5, 1e-9, "gradients vanish at the first step"),
    ],
)
def test_what_cannot_teach_is_warned_of(entropy: float, size: float, said: str) -> None:
    with pytest.warns(AlignbenchWarning, match=said):
        warn_of_first_step(_seen(entropy, size), "kl")


def test_what_can_teach_is_not() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_first_step(_seen(0.5, 1e-4), "jsd")
        warn_of_first_step(_seen(0.0, 1e-4), "contrastive")  # which asks the teacher for the odd one alone


def test_the_entropy_is_that_of_the_first_steps_targets(inputs: Path, tmp_path: Path) -> None:
    folder, _ = train(make_job(inputs), tmp_path)
    labels = LabelledTriplets.open(inputs / "labels")
    rows = TripletOrder(len(labels.triplets), RECIPE.batch, RECIPE.seed).rows(0)
    weights = np.exp(labels.similarities[rows].astype(np.float64))
    p = weights / weights.sum(axis=1, keepdims=True)
    wanted = -(p * np.log(p)).sum(axis=1).mean()
    found = left(folder)
    assert found["first_step"]["target_entropy"] == pytest.approx(wanted, rel=1e-6)
    assert found["log"]["step"] == [7, 14, 20]
    assert found["log"]["learning_rate"][0] == pytest.approx(RECIPE.rate(6))
