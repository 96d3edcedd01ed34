"""What is wrong with the values of a grid is said before anything is measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from alignbench.errors import AlignbenchError, DataError, ModelError, UsageError
from alignbench.sweeps import read_sweep
from sweep_files import COMMANDS, GOOD, refused_sweep, sweep_file, sweep_text


@pytest.mark.parametrize(
    ("parameters", "kind", "words"),
    [
        ({"modle": {"value": "pixels"}}, UsageError, ["unknown parameter 'modle'", "model"]),
        ({"random_init": {"value": True}}, UsageError, ["unknown parameter 'random_init'", "random-init"]),
        ({3: {"value": True}}, UsageError, ["unknown parameter '3'"]),
        ({"seed": 3}, DataError, ["seed", "value"]),
        ({"factor": {"values": ["step=1", "step"]}}, UsageError, ["'step' is no key=value"]),
        ({"label": {"value": "a,b"}}, UsageError, ["names 2 of 1 models"]),
        ({"label": {"value": "ssim"}}, UsageError, ["the name of another model"]),
        ({"seed": {}}, UsageError, ["seed", "nothing"]),
        ({"seed": {"min": 1, "max": 3}}, UsageError, ["seed", "min, max", "values"]),
        ({"seed": {"value": 1, "values": [1]}}, UsageError, ["seed", "value, values"]),
        ({"seed": {"values": [1, 2], "distribution": "q_normal"}}, UsageError, ["seed", "distribution"]),
        ({"seed": {"parameters": {"x": {"value": 1}}}}, UsageError, ["seed", "parameters below it"]),
        ({"seed": {"values": []}}, DataError, ["seed", "no list of values"]),
        ({"seed": {"values": 3}}, DataError, ["seed", "no list of values"]),
        ({"limit": {"values": [10, None]}}, UsageError, ["limit", "null"]),
        ({"limit": {"value": None}}, UsageError, ["limit", "null"]),
        ({"limit": {"value": 10.5}}, UsageError, ["limit", "10.5", "whole number"]),
        ({"limit": {"value": "10"}}, UsageError, ["limit", "'10'", "whole number"]),
        ({"limit": {"value": 0}}, UsageError, ["limit 0 is below 1"]),
        ({"limit": {"value": 10**30}}, UsageError, ["limit", "out of range"]),
        ({"batch-size": {"values": ["auto", 2**63]}}, UsageError, ["batch-size", "out of range"]),
        ({"batch-size": {"value": float("inf")}}, UsageError, ["batch-size", "no finite number"]),
        ({"devices": {"value": 2000}}, UsageError, ["devices 2000 is out of range"]),
        ({"loader-workers": {"value": 2000}}, UsageError, ["loader workers 2000 is out of range"]),
        ({"model": {"values": ["pixels", ""]}}, UsageError, ["model", "empty"]),
        ({"model": {"value": "features:nowhere.npz"}}, ModelError, ["nowhere.npz is not there"]),
        ({"model": {"value": "features:"}}, UsageError, ["lacks the path of a file or folder of features"]),
        ({"model": {"value": "a" * 5000}}, UsageError, ["model", "longer than a file's name"]),
        ({"data-root": {"value": "a\0b"}}, UsageError, ["data-root", "control character"]),
        ({"subset": {"value": "a\nb"}}, UsageError, ["subset", "line break"]),
        ({"limit": {"value": True}}, UsageError, ["limit", "true or false"]),
        ({"subset": {"value": ["all", "test"]}}, UsageError, ["subset", "list"]),
        ({"subset": {"values": [{"a": 1}]}}, UsageError, ["subset", "mapping"]),
        ({"tokens": {"value": True}}, UsageError, ["tokens", "true or false", "quote"]),
        ({"random-init": {"value": "yes"}}, UsageError, ["random-init", "'yes'", "true or false"]),
        ({"random-init": {"value": True}}, UsageError, ["pixels has no weights to randomise"]),
        ({"model": {"value": "openai/clip-vit-base-patch16", "values": []}}, UsageError, ["model"]),
        ({"model": {"value": "shapes-clop"}}, UsageError, ["unknown model 'shapes-clop'", "shapes-clip"]),
        ({"model": {"values": ["ssim", "lpips-alx"]}}, UsageError, ["unknown model 'lpips-alx'", "lpips-alex"]),
        ({"model": {"value": "random:shapes-clop"}}, UsageError, ["unknown model 'shapes-clop'", "shapes-clip"]),
        ({"model": {"value": "open_clap:ViT-B-32"}}, UsageError, ["unknown model family", "open_clip"]),
        ({"dataset": {"values": ["tid2013", "nigths"]}}, UsageError, ["unknown data set 'nigths'", "nights"]),
        ({"dataset": {"value": "nights,tid2031"}}, UsageError, ["unknown data set 'tid2031'", "tid2013"]),
        ({"distance": {"value": "euclidian"}}, UsageError, ["unknown distance 'euclidian'", "euclidean"]),
        ({"tokens": {"value": "clas"}}, UsageError, ["unknown token view 'clas'", "cls"]),
        ({"protocol": {"value": "papper"}}, UsageError, ["unknown protocol 'papper'", "paper"]),
        ({"resize": {"value": "squish"}}, UsageError, ["'squish'", "squash"]),
        ({"precision": {"value": "bf61"}}, UsageError, ["unknown precision 'bf61'", "bf16"]),
        ({"accelerator": {"value": "coda"}}, UsageError, ["unknown accelerator 'coda'", "cuda"]),
    ],
)
def test_wrong_parameter_is_refused(
    tmp_path: Path, parameters: dict[Any, Any], kind: type[AlignbenchError], words: list[str]
) -> None:
    text = yaml.safe_dump(yaml.safe_load(sweep_text()) | {"parameters": GOOD | parameters}, sort_keys=False)
    refused_sweep(sweep_file(tmp_path, text), kind, *words)


def test_local_weights_that_are_not_there_are_refused(tmp_path: Path) -> None:
    parameters = GOOD | {"model": {"value": "open_clip:ViT-B-32/no/such.safetensors"}}
    with pytest.raises((ModelError, UsageError), match="no/such"):
        read_sweep(sweep_file(tmp_path, sweep_text(parameters=parameters)), COMMANDS)
