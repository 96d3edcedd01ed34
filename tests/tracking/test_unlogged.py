"""The mark of what is to be logged: what it tells the next command, and that one of someone else does no harm."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignbench.tracking.unlogged import (
    MARK,
    is_unlogged,
    mark_unlogged,
    note_begun,
    note_on_disk,
    settle,
    take_up,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs" / "run").mkdir(parents=True)
    return tmp_path / "runs" / "run"


def written(folder: Path) -> Path:
    place = folder / "offline-run-20260101_000000-abc"
    place.mkdir(parents=True)
    return place


def test_a_mark_stays_until_it_is_settled(folder: Path) -> None:
    assert not is_unlogged(folder)
    mark_unlogged(folder)
    assert is_unlogged(folder)
    assert take_up(folder) is None
    settle(folder)
    settle(folder)
    assert not is_unlogged(folder)


@pytest.mark.parametrize("name", [".wandb", "wandb"])
def test_what_is_whole_on_disk_is_taken_up(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.delenv("WANDB_DIR", raising=False)
    place = written(folder.parent / name)
    note_on_disk(folder, place)
    assert take_up(folder) == place


def test_the_folder_that_the_environment_names_is_looked_into(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DIR", str(tmp_path / "elsewhere"))
    place = written(tmp_path / "elsewhere" / "wandb")
    note_on_disk(folder, place)
    assert take_up(folder) == place


def test_what_is_half_written_is_removed(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WANDB_DIR", raising=False)
    place = written(folder.parent / ".wandb")
    note_begun(folder, place)
    assert take_up(folder) is None
    assert not place.exists()


@pytest.mark.parametrize(
    "text", ["on disk: ../../secret", "begun: ../secret", "begun: offline-run-/../../secret", "\0", ""]
)
def test_a_mark_of_someone_else_names_no_other_folder(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.delenv("WANDB_DIR", raising=False)
    (folder.parent / "secret").mkdir()
    (folder.parent / ".wandb").mkdir()
    (folder / MARK).write_text(text)
    assert take_up(folder) is None
    assert (folder.parent / "secret").is_dir()


def test_a_pipe_in_its_place_is_not_waited_for(folder: Path) -> None:
    os.mkfifo(folder / MARK)
    assert not is_unlogged(folder)
    assert take_up(folder) is None
