"""What is recorded of a run: the settings that can change a number and so name its folder, times, and channels."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from alignbench import Cell
from alignbench.datasets import DATASETS, Judgments
from alignbench.extraction.channel_usage import ChannelUse
from alignbench.extraction.metric_distances import MetricSource
from alignbench.measurement.pair_distances import CellData
from alignbench.measurement.pipeline import measure_cell
from alignbench.measurement.record import Stopwatch, channel_table, collect_settings
from alignbench.models.pair_metrics import METRICS
from alignbench.results.run_record import RunSettings
from folders import Folders
from made_judgments import odd_one_out
from reference import save_clip

# --- Settings -------------------------------------------------------------------------------------------------------


def named(cell: Cell) -> str:
    """The folder that a cell would be written to, without measuring it."""
    names: list[str] = []

    def finished(name: str) -> bool:
        names.append(name)
        return True

    assert measure_cell(cell, finished=finished) is None
    return names[0]


SAME = {
    "batch size": {"batch_size": 3},
    "workers": {"workers": 2},
    "memory": {"feature_memory": 2_000_000_000},
    "accelerator": {"accelerator": "cpu"},
}
DIFFERENT = {
    "seed": {"seed": 1},
    "limit": {"limit": 20},
    "distance": {"distances": ("cosine",)},
    "tokens": {"tokens": "cls"},
    "subset": {"subsets": ("distortion_01",)},
    "precision": {"precision": "bf16"},
    "weights": {"random_init": True},
    "protocol": {"protocol": "corrected"},
    "way to resize": {"resize": "squash"},
}


@pytest.fixture(scope="module")
def cell(tiny_tower: Folders, tid2013_root: Path) -> Cell:
    return Cell(str(tiny_tower("clip")), "tid2013", tid2013_root)


@pytest.fixture(scope="module")
def usual(cell: Cell) -> str:
    """The name of the cell's own folder."""
    return named(cell)


@pytest.mark.parametrize("change", SAME)
def test_what_changes_no_number_changes_no_name(cell: Cell, usual: str, change: str) -> None:
    assert named(replace(cell, **SAME[change])) == named(cell)  # type: ignore[arg-type]


@pytest.mark.parametrize("change", DIFFERENT)
def test_what_can_change_a_number_changes_the_name(cell: Cell, usual: str, change: str) -> None:
    assert named(replace(cell, **DIFFERENT[change])) != named(cell)  # type: ignore[arg-type]


def test_another_checkpoint_of_the_same_label_changes_the_name(cell: Cell, usual: str, tmp_path: Path) -> None:
    save_clip(tmp_path / "clip", seed=1)
    other = replace(cell, model=str(tmp_path / "clip"))
    assert other.label == cell.label
    assert named(other) != usual


def test_a_folder_of_data_that_moved_is_the_same_data(cell: Cell, usual: str, tmp_path: Path) -> None:
    assert cell.data_root is not None
    shutil.copytree(cell.data_root, tmp_path / "moved")
    moved = replace(cell, data_root=tmp_path / "moved")
    assert named(moved) == usual
    scores = tmp_path / "moved" / "mos_with_names.txt"
    scores.write_text(scores.read_text().replace(scores.read_text()[:7], "8.87654", 1))
    assert named(moved) != usual


def test_random_twins_are_labelled_by_their_seed(cell: Cell) -> None:
    assert named(replace(cell, random_init=True, seed=3)).startswith("clip@random-3__tid2013__")
    prefixed = replace(cell, model=f"random:{cell.model}", seed=3)
    assert named(prefixed) == named(replace(cell, random_init=True, seed=3))


def settings_of(judgments: Judgments, identities: Sequence[str]) -> RunSettings:
    data = CellData(DATASETS.load("things"), judgments, identities)
    return collect_settings(Cell("pixels", "things"), data, MetricSource(METRICS.load("pixels"), 224))


def test_what_is_evaluated_has_one_fingerprint_whether_or_not_anything_calibrates() -> None:
    """An identity is longer where a picture is there twice, and here the double is one that only calibrates."""
    whole = odd_one_out()
    first = replace(whole, subsets=whole.subsets[:1])
    plain, calibrated = first.used(), replace(first, calibration=np.array([4])).used()
    assert (plain.images.names, calibrated.images.names) == (("a", "b", "c"), ("a", "b", "c", "f"))
    alone = settings_of(plain, ["1", "2", "3"])
    beside = settings_of(calibrated, ["1", "2", "3/whole", "3/whole"])
    assert beside.data_fingerprint == alone.data_fingerprint
    assert alone.calibration_fingerprint is None
    other = settings_of(calibrated, ["1", "2", "3/whole", "4"])
    assert other.data_fingerprint == alone.data_fingerprint
    assert other.calibration_fingerprint not in (None, beside.calibration_fingerprint)


def test_pictures_that_differ_in_the_middle_alone_are_different_data() -> None:
    judgments = replace(odd_one_out(), subsets=odd_one_out().subsets[:1]).used()
    found = [settings_of(judgments, ["1", "2/left", f"2/{rest}"]).data_fingerprint for rest in ("left", "right")]
    assert found[0] != found[1]


# --- Times and channels ---------------------------------------------------------------------------------------------


def test_seconds_of_a_stage_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([10.0, 11.5, 20.0, 20.25, 30.0, 34.0])
    monkeypatch.setattr("alignbench.measurement.record.time", SimpleNamespace(perf_counter=clock.__next__))
    watch = Stopwatch()
    for name in ("data", "model", "data"):
        with watch.stage(name):
            pass
    assert watch.seconds == {"data": 5.5, "model": 0.25}


def test_channels_are_a_table_in_the_order_of_the_layers_and_a_baseline_has_none(tmp_path: Path) -> None:
    uses = [
        ChannelUse("projection", 100.0, "mean_square", 3, 0.5, 2.0, 4),
        ChannelUse("layer_0", 2.5, "mean_difference", 0, 1.0, 1.0, 4),
    ]
    table = channel_table(uses)
    assert table is not None
    table.to_csv(tmp_path / "channels.csv", index=False)
    assert (tmp_path / "channels.csv").read_text().splitlines() == [
        "layer,depth,quantity,top_channel,top_share,participation_ratio,channels",
        "projection,100.0,mean_square,3,0.5,2.0,4",
        "layer_0,2.5,mean_difference,0,1.0,1.0,4",
    ]
    assert channel_table(()) is None
