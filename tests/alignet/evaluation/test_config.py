"""What is asked of both models: what cannot be is refused before anything is read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.errors import AlignbenchError

HERE = Path("here")


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({}, "nothing to judge the models on: give --dataset, --labelled, --shift or --triplets"),
        ({"datasets": ("thing",)}, "unknown data set 'thing'"),
        ({"datasets": ("things",), "distances": ("cosin",)}, "unknown distance 'cosin'"),
        ({"datasets": ("things",), "distances": ()}, "no distance to compare by"),
        ({"datasets": ("things",), "tokens": "some"}, "unknown token view"),
        ({"datasets": ("things",), "protocol": "mine"}, "unknown protocol"),
        ({"datasets": ("things",), "similarity": "mine"}, "unknown similarity"),
        ({"datasets": ("things", "levels"), "roots": (None,)}, "^1 folder of 2 data sets"),
        ({"triplets": (HERE,)}, "--triplets goes with --images"),
        ({"labelled": HERE, "images": HERE}, "--images goes with --triplets"),
        ({"datasets": ("things",), "hierarchy": "folders"}, "--hierarchy goes with --labelled"),
        ({"labelled": HERE, "hierarchy": "tree.txt"}, "is neither folders nor a table"),
        ({"labelled": HERE, "head": "head.safetensors", "at": "layer_1"}, "leave out --at"),
        ({"labelled": HERE, "shots": 1}, "^1 shot: 2 at least"),
        ({"labelled": HERE, "seed": -1}, "seed -1 is out of range"),
        ({"labelled": HERE, "after": "a"}, "before and after are one model, a"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options: dict[str, Any], fault: str) -> None:
    with pytest.raises(AlignbenchError, match=fault) as error:
        GainsConfig(**{"before": "a", "after": "b", **options}).checked()
    assert "\n" not in str(error.value)


def test_what_can_be_is_returned() -> None:
    config = GainsConfig("a", "a", head="head.safetensors", datasets=("things",), labelled=HERE, hierarchy="tree.csv")
    assert config.checked() is config
