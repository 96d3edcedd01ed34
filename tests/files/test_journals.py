"""Journals: what was written whole is read again, whatever the last line is, and nobody is waited for who is dead."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.files.journals import NO_JOURNAL, open_journal


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.log"


def trials(path: Path) -> list[int]:
    study = optuna.create_study(storage=open_journal(path), study_name="it", load_if_exists=True)
    study.enqueue_trial({"x": 1})
    return [trial.number for trial in study.get_trials(deepcopy=False)]


def test_a_journal_is_gone_on_with_and_is_optunas(path: Path) -> None:
    assert trials(path) == [0]
    assert trials(path) == [0, 1]
    plain = optuna.storages.JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
    assert len(optuna.load_study(storage=plain, study_name="it").trials) == 2


@pytest.mark.parametrize("kept", [1, 30])
def test_a_torn_line_is_lost_and_no_other(path: Path, kept: int) -> None:
    trials(path)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "worker_id": "somebody", "study_id": 0'[:kept])
    assert trials(path) == [0, 1]
    assert path.read_bytes().startswith(whole)


@pytest.mark.parametrize("tail", [b"\0", b"\0" * 5000, b'{"op_code": 4\0\0', b"\0\0\n", b"{\0\n\0\n", b"\n\0\n"])
def test_what_a_power_cut_left_of_the_end_is_lost_and_no_more(path: Path, tail: bytes) -> None:
    trials(path)
    whole = path.read_bytes()
    path.write_bytes(whole + tail)
    assert trials(path) == [0, 1]
    assert path.read_bytes().startswith(whole)
    assert b"\0" not in path.read_bytes()


def test_lines_whose_place_is_zeros_are_lost_and_no_others(path: Path) -> None:
    for _ in range(3):
        trials(path)
    lines = path.read_bytes().splitlines(keepends=True)
    kept = b"".join(lines[:-1])
    path.write_bytes(kept + b"\0" * len(lines[-1]))
    assert trials(path) == [0, 1, 2]
    assert path.read_bytes().startswith(kept)


def test_zeros_within_a_journal_are_no_torn_end(path: Path) -> None:
    trials(path)
    content = path.read_bytes()
    path.write_bytes(b"\0" * 20 + content)
    with pytest.raises((*NO_JOURNAL, optuna.exceptions.OptunaError)):
        trials(path)


def test_locks_that_others_left_are_not_looked_at(path: Path) -> None:
    trials(path)
    path.with_name(f"{path.name}.lock").symlink_to(path)  # as Optuna's own lock leaves it when it is killed
    assert trials(path) == [0, 1]


@pytest.mark.parametrize("content", [b"no JSON\n", b"[1]\n", b'{"op_code": 77}\n', b"\xff\xfe\n"])
def test_what_is_no_journal_is_told(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises((*NO_JOURNAL, optuna.exceptions.OptunaError)):
        trials(path)


def test_a_folder_is_no_journal(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ValueError, match="is no file"):
        open_journal(path)
