"""Distances of parts are read as they were written, and what is damaged is said."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignbench.errors import DataError
from alignbench.interpret.part_distances import read_part_distances, write_part_distances
from alignbench.interpret.part_scores import MeasuredParts, measure_parts
from planted_heads import plant


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> MeasuredParts:
    world = plant(tmp_path_factory.mktemp("planted") / "own__heads__0")
    return measure_parts(world.scored, world.scored.parts.curves, ("centred_cosine",))


def test_what_was_written_is_read(measured: MeasuredParts, tmp_path: Path) -> None:
    write_part_distances(tmp_path, [measured], "centred_cosine")
    found = read_part_distances(tmp_path)
    assert set(found) == {"corrected"}
    curves, distances = found["corrected"]
    assert curves == measured.curves
    np.testing.assert_array_equal(distances, measured.found.values["centred_cosine"])


@pytest.mark.parametrize(
    ("told", "values", "said"),
    [
        ("[]", np.zeros((1, 2)), "0 parts have distances of shape"),
        ("{", np.zeros((1, 2)), "cannot be read"),
        ('["head 1 0 alone"]', np.full((1, 2), np.nan), "not finite"),
        ('["leg 1 0 alone"]', np.zeros((1, 2)), "'leg 1 0 alone' is no part"),
        ('["head 1.5 0 alone"]', np.zeros((1, 2)), "cannot be read"),
        ('["head 1 0 alone"]', np.zeros((1, 2), np.float32), "1 parts have"),
        ("[1]", np.zeros((1, 2)), "cannot be read"),
    ],
)
def test_what_is_damaged_is_said(told: str, values: np.ndarray, said: str, tmp_path: Path) -> None:
    save_file({"paper": values}, tmp_path / "part_distances.safetensors", {"paper": told})
    with pytest.raises(DataError, match=rf"(?s){said}.*make it again by `alignbench interpret align`"):
        read_part_distances(tmp_path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"distances\.safetensors cannot be read"):
        read_part_distances(tmp_path)
