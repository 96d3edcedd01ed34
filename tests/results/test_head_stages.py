"""Folders of the stages of `alignbench interpret` are known for what they are, wherever they lie."""

from __future__ import annotations

from pathlib import Path

import pytest

from ablation_folders import write_ablation
from alignbench.results.head_differences import RECORD as DIFFERENCES
from alignbench.results.head_stages import PROBES, SEARCH, STORE, find_labels, holds_stages, once
from head_folders import write_head_folder
from label_folders import write_labels
from score_folders import write_scores


@pytest.mark.parametrize("record", [STORE, SEARCH, DIFFERENCES, PROBES])
def test_stages_that_are_not_shown_are_known(record: str, tmp_path: Path) -> None:
    folder = tmp_path / "heads" / "it"
    folder.mkdir(parents=True)
    assert not holds_stages(tmp_path / "heads")
    (folder / record).touch()
    assert holds_stages(folder)
    assert holds_stages(tmp_path / "heads")
    assert not holds_stages(tmp_path), "two levels below"


def test_stages_that_are_shown_are_known(tmp_path: Path) -> None:
    write_labels(tmp_path / "a")
    for place in (tmp_path / "a").iterdir():
        assert holds_stages(place)
    for folder in (write_scores(tmp_path / "b"), write_ablation(tmp_path / "c"), write_head_folder(tmp_path / "d")):
        assert holds_stages(folder)


def test_labels_of_triplets_are_no_labels_of_heads(tmp_path: Path) -> None:
    folder = write_labels(tmp_path / "heads")
    (tmp_path / "triplets").mkdir()
    (tmp_path / "triplets/labels.json").write_text("{}")
    assert find_labels([tmp_path / "heads", tmp_path / "triplets", tmp_path]) == [folder]
    assert not holds_stages(tmp_path / "triplets")
    assert once([folder, tmp_path / "triplets/../heads" / folder.name]) == [folder.resolve()]
