"""Whole cells: what they announce and find, in one process and in several."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench import Cell
from alignbench.distances.names import DISTANCES
from alignbench.extraction.progress import ProgressListener, RunSummary
from alignbench.measurement.pipeline import measure_cell
from features import check_close
from folders import Folders
from measured_cells import measured
from rank_processes import load, on_ranks, save

every_data_set = pytest.mark.parametrize("dataset", ["tid2013", "nights", "things"])


class Counting(ProgressListener):
    """Remembers what a run announced and how many images went through."""

    def __init__(self) -> None:
        self.outlines: list[RunSummary] = []
        self.notices: list[str] = []
        self.images = 0

    def notice(self, text: str) -> None:
        self.notices.append(text)

    def planned(self, outline: RunSummary) -> None:
        self.outlines.append(outline)

    def advanced(self, images: int) -> None:
        self.images += images


# --- Towers ---------------------------------------------------------------------------------------------------------


@every_data_set
def test_the_measure_is_announced_and_followed(tiny_tower: Folders, data_root: Folders, dataset: str) -> None:
    listener = Counting()
    cell = Cell(str(tiny_tower("clip")), dataset, data_root(dataset), accelerator="cpu", workers=0, batch_size=7)
    run = measure_cell(cell, listener)
    assert run is not None
    [outline] = listener.outlines
    assert (outline.pairs, outline.layers, outline.device) == (len(run.judgments.pairs), 5, "cpu")
    assert listener.images == outline.images * outline.passes
    assert outline.images == len(set(run.judgments.images.identities()))


def test_a_single_judgment_is_measured(tiny_tower: Folders, things_root: Path) -> None:
    run = measured(str(tiny_tower("clip")), "things", things_root, limit=1)
    assert {name: values.shape for name, values in run.distances.items()} == dict.fromkeys(DISTANCES, (5, 3))


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_why_there_is_no_noise_ceiling_is_said(tid2013_root: Path, tmp_path: Path, protocol: str) -> None:
    without = Path(shutil.copytree(tid2013_root, tmp_path / "copy"))
    (without / "mos_std.txt").unlink()
    said = {}
    for root in (tid2013_root, without):
        listener = Counting()
        run = measure_cell(Cell("pixels", "tid2013", root, protocol=protocol), listener)
        assert run is not None
        said[root] = [text for text in listener.notices if "noise ceiling" in text]
        assert not any(metric.startswith("ceiling") for metric in run.curve.frame["metric"]) or root != without
    assert said[tid2013_root] == []
    if protocol == "corrected":
        [text] = said[without]
        assert text.startswith(
            "tid2013 has no noise ceiling: mos_std.txt, the standard errors of the scores, is missing"
        )
    else:
        assert said[without] == []


# --- Where and how the work is done ---------------------------------------------------------------------------------


def test_an_automatic_batch_size_changes_nothing(tiny_tower: Folders, nights_root: Path) -> None:
    found = measured(str(tiny_tower("clip")), "nights", nights_root, batch_size="auto")
    expected = measured(str(tiny_tower("clip")), "nights", nights_root)
    assert found.record.execution["batch_size"] in (8, 16, 32)
    check_close(found.distances, expected.distances)
    assert found.settings == expected.settings


def measure_on_ranks(rank: int, folder: Path, cells: list[Cell]) -> None:
    found = []
    for cell in cells:
        run = measure_cell(cell, on_all_ranks=True)
        assert run is not None
        found.append((run.distances, run.curve.frame, run.settings, run.channels, run.record.execution))
    save(folder, rank, found)


def list_cells(tower: Path, data_root: Folders, **options: Any) -> list[Cell]:
    options = {"accelerator": "cpu", "workers": 0, "batch_size": 5} | options
    sets = ("tid2013", "nights", "things")
    paper = [Cell(str(tower), dataset, data_root(dataset), **options) for dataset in sets]
    return [
        *paper,
        *(Cell(str(tower), dataset, data_root(dataset), protocol="corrected", **options) for dataset in sets),
    ]


@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
def test_cells_are_the_same_on_two_ranks(tmp_path: Path, tiny_tower: Folders, data_root: Folders) -> None:
    tower = tiny_tower("clip")
    expected = [measure_cell(cell) for cell in list_cells(tower, data_root)]
    on_ranks(2, measure_on_ranks, tmp_path, list_cells(tower, data_root, devices=2))
    for rank in range(2):
        for run, (distances, frame, settings, channels, execution) in zip(expected, load(tmp_path, rank), strict=True):
            assert run is not None
            assert settings == run.settings
            assert (execution["devices"], run.record.execution["devices"]) == (2, 1)
            for name, values in run.distances.items():
                np.testing.assert_allclose(distances[name], values, rtol=1e-5, err_msg=name)
            columns = ["subset", "distance", "layer", "metric", "n"]
            assert frame[columns].equals(run.curve.frame[columns])
            numbers = ["top_share", "participation_ratio"]
            np.testing.assert_allclose(channels[numbers], run.channels[numbers], rtol=1e-5)
