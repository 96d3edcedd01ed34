"""The interval of the depth of each curve's peak: which layers it spans, and which curves have one."""

from pathlib import Path

import numpy as np
import pytest

from alignbench.statistics.selection import near_best
from alignbench.study.peaks import Curve, peak_depths
from alignbench.study.study import read_study
from studies import BASE_16, BASE_32, Made, write_made

NAMES = ("normalized_euclidean", "cosine")


def peaked(label: str, dataset: str, distance: str, layer: str) -> float:
    """A curve with one layer far above the others for one distance, and a flat one for the other."""
    return 0.8 if (distance, layer) == ("cosine", "layer_4") else 0.5


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("runs")
    for model in (BASE_16, BASE_32, "pixels"):
        write_made(Made(model, "nights", 400, peaked, NAMES), root)
    return root


def test_each_tower_and_distance_has_one_and_baselines_have_none(folder: Path) -> None:
    study, _ = read_study([folder])
    found = peak_depths(study)
    assert set(found) == {
        Curve("nights", "all", "paper", "all", label, distance) for label in (BASE_16, BASE_32) for distance in NAMES
    }
    [group] = study.groups
    for curve, (first, last) in found.items():
        scored = group.curve(curve.label, curve.distance)
        blocks = scored.blocks
        near = near_best(scored.scored.estimates(scored.rows[blocks])).near
        assert (first, last) == (scored.depths[blocks][near].min(), scored.depths[blocks][near].max())
        best = float(scored.depths[blocks][int(np.argmax(scored.value[blocks]))])
        assert first <= best <= last
        if curve.distance == "cosine":
            assert first == last == best, "a peak that is far above all others is where it is"
        else:
            assert last - first > 50.0, "of a flat curve nobody can say where its peak is"


def test_without_intervals_there_is_none(tmp_path: Path) -> None:
    write_made(Made(BASE_16, "nights", 1, peaked, NAMES[:1]), tmp_path)
    study, _ = read_study([tmp_path])
    assert peak_depths(study) == {}
