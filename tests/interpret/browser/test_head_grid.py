"""The grid of a store: by name and head, and without anything heavy."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.browser.head_grid import HeadGrid
from browsed_folders import browse_alignment, browse_labels, browse_span, browsed_store


def test_grids_and_cards_are_had_by_name(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__0", store)
    browse_labels(tmp_path / "other" / "own__labels__0", browsed_store(tmp_path / "other", "j"))
    grid = HeadGrid.read(store, [tmp_path, tmp_path / "other"])
    assert grid.notes == ("own__labels__0 is left out: it is of other contributions than this store",)
    (entropy,) = grid.colourings
    assert grid.colouring(entropy.id) is entropy
    with pytest.raises(UsageError, match="unknown colouring 'label'"):
        grid.colouring("label")
    with pytest.raises(UsageError, match=r"the store holds no head 2\.0: it has 3\.0 to 6\.3"):
        grid.card((2, 0))


def test_an_id_stays_when_folders_come_and_move(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_span(tmp_path / "own__textspan__1", store)
    before = HeadGrid.read(store).colourings
    (tmp_path / "own__textspan__1").rename(tmp_path / "zz__textspan__1")
    browse_span(tmp_path / "own__textspan__0", store, texts="e")
    assert [each.id for each in HeadGrid.read(store).colourings[1:]] == [each.id for each in before]


def test_a_store_without_folders_has_no_grid(tmp_path: Path) -> None:
    grid = HeadGrid.read(browsed_store(tmp_path))
    assert (grid.colourings, grid.notes, len(grid.heads)) == ((), (), 16)


def test_data_sets_of_its_own_pictures_are_named(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    browse_alignment(tmp_path, store, "a__align__0", dataset="nights")
    for name, dataset in (("b__align__0", "things"), ("c__align__0", "tid2013")):
        browse_alignment(tmp_path, store, name, dataset=dataset, heads=store.record["settings"])
    assert HeadGrid.read(store).datasets == ("things", "tid2013")


def test_torch_is_not_imported() -> None:
    said = "import sys, alignbench.interpret.browser.head_grid; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", said], check=True)
