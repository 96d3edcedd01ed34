"""Pictures in folders, the command that extracts their features, and the features that the whole model gives them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from reference import Array, embed, token_view
from scenery import Scenery

NAMES = ("a/x.png", "a/y/z.png", "b.png", "c.png", "d/e/f.png", "g.png", "h.png")


def write_scenes(root: Path) -> Path:
    """Writes the pictures, the last one first."""
    scenery = Scenery(len(NAMES))
    for number, name in reversed(list(enumerate(NAMES))):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        scenery.open(number).save(root / name)
    return root


def command(model: Path, pictures: Path, output: Path, *options: str) -> list[str]:
    given = ("--model", model, "--images", pictures, "--output", output, "--batch-size", "2", *options)
    return ["extract", *map(str, given)]


def expected(model: Path, pictures: Path, *, view: str, unit: bool = False) -> dict[str, Array]:
    """Features of the whole float32 model, one picture at a time."""
    layers = embed(model, [pictures / name for name in NAMES], unit_projection=unit)
    has_class = len(layers["layer_1"][0]) == 17
    return {name: np.stack([token_view(one, view, has_class) for one in found]) for name, found in layers.items()}


def check(found: Array, wanted: Array) -> None:
    np.testing.assert_allclose(found.reshape(wanted.shape), wanted, rtol=1e-5, atol=1e-5 * np.abs(wanted).max())


def refused(capsys: pytest.CaptureFixture[str], arguments: Sequence[str]) -> str:
    """The one line of complaint of a command that is to fail."""
    capsys.readouterr()
    assert main(list(arguments)) in (1, 2)
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert "unexpected" not in line
    return line
