"""Scores of heads as they are shown, of folders that are made up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.cli.head_tables import described, print_best_heads
from alignbench.interpret.head_differences import compare_heads
from planted_heads import PLANTED, plant
from scored_heads import write_scored

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """Two scored models, and their comparison."""
    root = tmp_path_factory.mktemp("heads")
    world, other = (plant(root / f"{seed}__heads__0", seed).scored for seed in (0, 1))
    first = write_scored(root, "first", world)
    second = write_scored(root, "second", type(other)(world.cell, world.data, other.parts))
    return first, second, compare_heads(first, second, {"corrected": world.data.judgments})[0]


def test_best_heads_and_the_largest_differences_are_shown(made: tuple[Path, Path, Path], capsys: Capture) -> None:
    first, second, compared = made
    print_best_heads([first, second], compared)
    told = capsys.readouterr().out
    lines = told.splitlines()
    assert lines[-3:] == list(map(str, made))
    assert "Heads of first on things" in told
    best = next(line for line in lines if f"head {PLANTED.layer}.{PLANTED.head}" in line)
    assert best == next(line for line in lines if " head " in line)  # of the first table the first
    where = lines.index(next(line for line in lines if "Heads of first less those of second" in line))
    largest = next(line for line in lines[where:] if "accuracy" in line)
    assert f" {PLANTED.layer}.{PLANTED.head} " in largest
    assert "+0." in largest


def test_programs_get_everything(made: tuple[Path, Path, Path], capsys: Capture) -> None:
    first, _, compared = made
    described([first], None)
    (alone,) = json.loads(capsys.readouterr().out)
    assert alone["folder"] == str(first)
    assert alone["settings"]["model"] == "first"
    assert len(alone["alignment"]) > 19
    described([first], compared)
    _, differences = json.loads(capsys.readouterr().out)
    assert differences["folder"] == str(compared)
    assert len(differences["differences"]) == 19
