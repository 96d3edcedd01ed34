from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, UsageError
from alignbench.results.folders import FILES, check_writable, find_folders, folder_of, is_complete, run_folders, slugify


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


def test_nothing_is_left_of_the_attempt_to_write(tmp_path: Path) -> None:
    check_writable(tmp_path / "new" / "runs")
    assert not (tmp_path / "new").exists()
    (tmp_path / "old").mkdir()
    check_writable(tmp_path / "old" / "runs")
    assert list((tmp_path / "old").iterdir()) == []


def test_a_folder_that_cannot_be_is_named_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AlignbenchError, match=r"file/runs cannot be written to .*: choose another with --output"):
        check_writable(tmp_path / "file" / "runs")


def test_a_short_name_is_whole_and_a_long_one_ends_in_its_hash() -> None:
    assert folder_of("org/net", "nights", "01234567") == "org--net__nights__01234567"
    edge = folder_of("n" * 182, "nights", "01234567")
    assert edge == f"{'n' * 182}__nights__01234567"
    for label in ("n" * 183, "ü" * 150, "日" * 300):
        name, other = folder_of(label, "nights", "01234567"), folder_of(f"{label}2", "nights", "01234567")
        assert 190 < len(name.encode()) <= 200
        assert name.startswith(label[:40])
        assert name.endswith("__nights__01234567")
        assert name != other


def test_a_name_that_no_file_could_hold_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^the name 'net\\udcff' is no UTF-8: rename"):
        folder_of("net\udcff", "nights", "01234567")


def test_folders_that_may_be_runs_are_found_whole_or_not(tmp_path: Path) -> None:
    for name in ("whole", "torn", "other", "empty", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "whole" / "run.json").touch()
    (tmp_path / "torn" / "curve.csv").touch()
    (tmp_path / "other" / "notes.txt").touch()
    assert run_folders(tmp_path) == [tmp_path / "empty", tmp_path / "torn", tmp_path / "whole"]
    assert run_folders(tmp_path / "whole") == [tmp_path / "whole"]
    assert run_folders(tmp_path / "nowhere") == []
