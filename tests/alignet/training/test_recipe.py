"""The choices of training: their defaults are the published ones, and what is impossible is named."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from typing import Any

import pytest

from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.errors import UsageError


def test_defaults_are_those_of_the_public_configuration() -> None:
    recipe = StudentRecipe().checked()
    assert (recipe.objective, recipe.tau, recipe.normalize, recipe.width) == ("jsd", 100.0, False, 1024)
    assert (recipe.learning_rate, recipe.warmup_steps, recipe.steps, recipe.batch) == (3e-5, 5000, 100_000, 512)
    assert recipe.decay == 1.0
    assert [recipe.rate(step) for step in (0, 2500, 5000)] == pytest.approx([0, 1.5e-5, 3e-5])


def test_the_temperature_goes_with_the_width_of_the_head() -> None:
    assert replace(StudentRecipe(), width=64).tau == pytest.approx(6.25)
    assert replace(StudentRecipe(), width=64, temperature=3.0).tau == 3.0


def test_settings_say_what_is_used_and_have_every_field() -> None:
    settings = StudentRecipe(width=64, steps=200).settings()
    assert settings.keys() == {field.name for field in fields(StudentRecipe)}
    assert (settings["temperature"], settings["warmup"]) == (6.25, 10)
    explicit = StudentRecipe(width=64, steps=200, temperature=6.25, warmup=10)
    assert explicit.settings() == settings  # one hash for one training


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objective": "kd"}, "unknown objective"),
        ({"precision": "fp16"}, "unknown precision of training"),
        ({"batch": 0}, "--batch-triplets 0"),
        ({"width": 0}, "--width 0"),
        ({"temperature": math.nan}, "--temperature nan"),
        ({"learning_rate": math.inf}, "--learning-rate inf"),
        ({"warmup": -1}, "--warmup -1"),
        ({"ema": 0.0}, "--ema 0"),
        ({"decay": math.inf}, "--decay inf"),
        ({"learning_rate": 0.5, "decay": 5.0}, "above 2"),
    ],
)
def test_impossible_recipes_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        replace(StudentRecipe(), **changes).checked()


def test_a_batch_is_cut_into_equal_parts() -> None:
    course = Course(accumulate=2, devices=4, nodes=2)
    assert course.checked(32) == course
    with pytest.raises(UsageError, match="24 cannot be cut into 16 equal parts"):
        course.checked(24)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"workers": -1}, "--loader-workers -1 is below 0"),
        ({"devices": 0}, "--devices 0"),
        ({"nodes": 0}, "--num-nodes 0"),
        ({"log_every": 0}, "--log-every 0"),
        ({"accumulate": 0}, "--accumulate 0"),
        ({"validate_every": 0}, "--validate-every 0"),
    ],
)
def test_impossible_courses_are_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Course(**changes).checked(8)
