"""The images, pairs and folds of a plan are those of a run."""

from pathlib import Path

import pytest

from alignbench import Cell
from alignbench.measurement.cost.workload import read_work
from alignbench.measurement.pipeline import measure_cell
from folders import Folders
from plans import CARD, planned


@pytest.mark.parametrize(("dataset", "images", "pairs"), [("tid2013", 40, 36), ("things", 10, None)])
def test_images_and_pairs_are_those_of_a_run(
    data_root: Folders, tiny_tower: Folders, dataset: str, images: int, pairs: int | None
) -> None:
    cell = Cell(model=str(tiny_tower("clip")), dataset=dataset, data_root=data_root(dataset))
    found, run = planned(cell), measure_cell(cell)
    assert run is not None
    assert found.images == run.record.images == images
    assert found.pairs == run.record.pairs
    assert pairs in (None, found.pairs)
    assert found.file_bytes == sum(file.stat().st_size for file in pictures(data_root(dataset)))
    assert found.pixel_bytes == images * 3 * 32 * 32


def pictures(root: Path) -> list[Path]:
    """Those that judgments name: of the objects of THINGS the first."""
    return [file for file in root.rglob("*") if file.suffix.lower() == ".bmp" or file.stem.endswith("_01b")]


def test_leaving_one_reference_out_goes_pair_by_pair(tid2013_root: Path, tiny_tower: Folders) -> None:
    cell = Cell(model=str(tiny_tower("clip")), dataset="tid2013", data_root=tid2013_root, protocol="corrected")
    assert read_work(cell)[0].folds == 4
    assert read_work(Cell(model=CARD, dataset="tid2013", protocol="corrected"))[0].folds == 25
