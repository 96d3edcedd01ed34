"""What a teacher leaves to be compared: choices and probabilities, read back and held against each other."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file, save_file
from scipy.special import log_softmax

from alignbench.errors import DataError, UsageError
from alignbench.transforms.evaluation.choice_probabilities import judge_probabilities
from alignbench.transforms.evaluation.odd_one_out import OddOneOut
from alignbench.transforms.learning.judged_choices import (
    JUDGED_COLUMNS,
    compared_frame,
    read_choices,
    read_judged,
    write_judged,
)
from alignbench.transforms.learning.layers import JudgedProbabilities, LearnedLayer
from alignbench.transforms.learning.recipe import Recipe

NAMES = tuple(f"object {number}" for number in range(12))
SETTINGS: dict[str, Any] = {"model": "m", "dataset": "things", "subset": ["trainset"], "targets": {"kind": "hard"}}


def probabilities(seed: int) -> JudgedProbabilities:
    rng = np.random.default_rng(0)
    triplets = np.array([rng.choice(12, 3, replace=False) for _ in range(60)])
    before, after = (log_softmax(each.normal(size=(60, 3)), axis=1) for each in (rng, np.random.default_rng(seed)))
    return JudgedProbabilities(triplets, after, tuple(judge_probabilities(before, after, triplets)), (0.1,))


def layer(seed: int, name: str = "projection") -> LearnedLayer:
    judged = OddOneOut(60, 12, (0.3, 0.2, 0.4), (0.5, 0.4, 0.6), (0.2, 0.1, 0.3), 0.01, np.nan)
    return LearnedLayer(name, 100.0, Recipe("soft"), (), judged, 1.0, probabilities(seed))


def write(folder: Path, *layers: LearnedLayer, names: tuple[str, ...] = NAMES) -> Path:
    folder.mkdir()
    write_judged(folder, layers, names, SETTINGS)
    return folder


def test_both_files_are_read_back_to_the_last_digit(tmp_path: Path) -> None:
    folder = write(tmp_path / "one", layer(1), layer(2, "layer_3"))
    frame = read_judged(folder)
    assert tuple(frame.columns) == JUDGED_COLUMNS
    assert frame["layer"].tolist() == ["projection"] * 3 + ["layer_3"] * 3
    assert frame["measure"].tolist() == ["log_loss", "calibration_error", "accuracy"] * 2
    score = probabilities(1).scores[0]
    row = frame.iloc[0]
    assert (row["before"], row["before_low"], row["before_high"]) == score.before
    assert (row["difference"], row["p"], row["n"], row["objects"]) == (score.difference[0], score.p, 60, 12)
    choices = read_choices(folder)
    assert choices.names == NAMES
    np.testing.assert_array_equal(choices.triplets, probabilities(1).triplets)
    np.testing.assert_array_equal(choices.logs["layer_3"], probabilities(2).logs)


def test_two_teachers_are_compared_on_the_same_choices(tmp_path: Path) -> None:
    first, second = write(tmp_path / "one", layer(1)), write(tmp_path / "other", layer(2), layer(1, "layer_3"))
    frame = compared_frame(first, second)
    assert tuple(frame.columns) == JUDGED_COLUMNS
    expected = judge_probabilities(probabilities(1).logs, probabilities(2).logs, probabilities(1).triplets)
    for row, score in zip(frame.to_dict("records"), expected, strict=True):
        assert row["before"] == score.before[0]
        assert row["after"] == score.after[0]
        assert row["difference_high"] == score.difference[2]
    loss = -probabilities(2).logs[:, 0].mean() + probabilities(1).logs[:, 0].mean()
    assert frame["difference"].iloc[0] == pytest.approx(loss, rel=1e-12)
    same = compared_frame(first, first)
    assert same["difference"].tolist() == [0.0, 0.0, 0.0]


def test_teachers_of_other_choices_or_layers_are_not_compared(tmp_path: Path) -> None:
    first = write(tmp_path / "one", layer(1))
    found = layer(2)
    assert found.probabilities is not None
    moved = replace(found, probabilities=replace(found.probabilities, triplets=found.probabilities.triplets[::-1]))
    other_objects = write(tmp_path / "names", layer(2), names=(*NAMES[:-1], "another"))
    for second in (write(tmp_path / "other", moved), other_objects):
        with pytest.raises(UsageError, match=r"not judged on the same choices: learn both on the same triplets"):
            compared_frame(first, second)
    with pytest.raises(UsageError, match=r"one has projection, and .* layer_3: learn both at one layer"):
        compared_frame(first, write(tmp_path / "layer", layer(2, "layer_3")))


def damaged(arrays: dict[str, np.ndarray], name: str) -> dict[str, np.ndarray]:
    changed = {
        "too high": {"triplets": arrays["triplets"] + 1},
        "negative": {"triplets": arrays["triplets"] - 1},
        "floats": {"triplets": arrays["triplets"].astype(float)},
        "shorter": {"logs.projection": arrays["logs.projection"][1:]},
        "not finite": {"logs.projection": np.full_like(arrays["logs.projection"], np.nan)},
    }
    return {**arrays, **changed[name]}


@pytest.mark.parametrize("name", ["too high", "negative", "floats", "shorter", "not finite"])
def test_choices_that_are_none_are_refused(tmp_path: Path, name: str) -> None:
    folder = write(tmp_path / "one", layer(1))
    arrays = damaged(load_file(folder / "judged/choices.safetensors"), name)
    save_file(arrays, folder / "judged/choices.safetensors", {"names": json.dumps(NAMES)})
    with pytest.raises(DataError, match=r"choices.safetensors cannot be read .*: learn the teacher again"):
        read_choices(folder)


def test_files_that_are_not_there_or_anothers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"judged.csv cannot be read: learn the teacher again, with --overwrite"):
        read_judged(tmp_path)
    with pytest.raises(DataError, match=r"choices.safetensors cannot be read"):
        read_choices(tmp_path)
    folder = write(tmp_path / "one", layer(1))
    pd.read_csv(folder / "judged.csv").drop(columns="p").to_csv(folder / "judged.csv", index=False)
    with pytest.raises(DataError, match="does not hold the columns of a judged teacher"):
        read_judged(folder)
