from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError
from alignbench.results.folders import FILES, check_writable, find_folders, is_complete, slugify


def test_a_folder_is_complete_with_the_last_file_only(tmp_path: Path) -> None:
    for name in FILES:
        assert not is_complete(tmp_path)
        (tmp_path / name).touch()
    assert is_complete(tmp_path)


def test_folders_are_found_in_order_and_unfinished_ones_passed_over(tmp_path: Path) -> None:
    for name in ("b", "a", ".tmp-c", "deeper/d"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").touch()
    (tmp_path / "empty").mkdir()
    assert find_folders("run.json", [tmp_path]) == [tmp_path / "a", tmp_path / "b"]
    assert find_folders("run.json", [tmp_path / "b", tmp_path / "empty"]) == [tmp_path / "b"]
    assert find_folders("run.json", [tmp_path / "nowhere"]) == []


def test_labels_become_parts_of_paths() -> None:
    assert slugify("open_clip:hf-hub:org/net") == "open_clip--hf-hub--org--net"


def test_a_folder_for_results_is_made_and_nothing_is_left_in_it(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "runs")
    assert list((tmp_path / "new" / "runs").iterdir()) == []


def test_a_folder_that_cannot_be_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AlignbenchError, match=r"file/runs cannot be written to .*: choose another with --output"):
        check_writable(tmp_path / "file" / "runs")
