"""The ledger of a sweep, read back by Optuna itself."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import optuna
import pytest
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.errors import DataError
from alignbench.sweeps.ledger import FORMAT, Attempt, Ledger
from patience import PATIENCE
from sweep_folders import held_elsewhere, kill, make_cell


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".sweep-mine" / "journal.log"


@pytest.fixture
def ledger(path: Path) -> Ledger:
    path.parent.mkdir()
    return Ledger(path)


def load(path: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    return optuna.load_study(study_name="sweep", storage=storage)


def test_cell_waits_as_a_trial_with_its_parameters(ledger: Ledger, path: Path) -> None:
    assert ledger.attempts() == {}
    cells = [make_cell(number) for number in range(3)]
    assert [ledger.enqueue(cell) for cell in cells] == [0, 1, 2]
    study = load(path)
    assert study.user_attrs == {"format": FORMAT}
    assert [trial.state.name for trial in study.trials] == ["WAITING"] * 3
    assert [trial.system_attrs["fixed_params"] for trial in study.trials] == [{"seed": 0}, {"seed": 1}, {"seed": 2}]
    assert [trial.user_attrs["arguments"][1] for trial in study.trials] == ["--seed=0", "--seed=1", "--seed=2"]
    assert ledger.attempts() == {cell.key: Attempt(number, "waiting") for number, cell in enumerate(cells)}


def test_trials_end_as_they_are_told(ledger: Ledger, path: Path) -> None:
    cells = [make_cell(number) for number in range(4)]
    for number, cell in enumerate(cells):
        ledger.enqueue(cell)
        assert ledger.start(number)
    ledger.finish(0, ("a", "b"), 12.5)
    ledger.fail(1, "tid2013 is not there")
    ledger.interrupt(2)
    study = load(path)
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "FAIL", "RUNNING"]
    assert study.best_value == 12.5
    expected = [
        Attempt(0, "finished", folders=("a", "b"), seconds=12.5),
        Attempt(1, "failed", error="tid2013 is not there"),
        Attempt(2, "interrupted"),
        Attempt(3, "running"),
    ]
    for known in (ledger, Ledger(path)):
        assert known.attempts() == {cell.key: attempt for cell, attempt in zip(cells, expected, strict=True)}


def test_last_attempt_at_a_cell_counts(ledger: Ledger) -> None:
    cell = make_cell(0)
    ledger.enqueue(cell)
    ledger.start(0)
    ledger.fail(0, "no")
    assert ledger.enqueue(cell) == 1
    assert ledger.attempts() == {cell.key: Attempt(1, "waiting")}


def test_one_of_two_starts_a_trial(ledger: Ledger, path: Path) -> None:
    other = Ledger(path)
    for number in range(5):
        ledger.enqueue(make_cell(number))
        first, second = (ledger, other) if number % 2 else (other, ledger)
        assert first.start(number)
        assert not second.start(number)
        assert not first.start(number)
    other.fail(0, "no")
    assert not ledger.start(0)


def test_end_is_recorded_once(ledger: Ledger, path: Path) -> None:
    cell = make_cell(0)
    ledger.enqueue(cell)
    ledger.start(0)
    Ledger(path).interrupt(0)  # by someone who found its lock file removed
    ledger.finish(0, ("a",), 1.0)
    ledger.fail(0, "late")
    assert ledger.attempts() == {cell.key: Attempt(0, "interrupted")}


@pytest.mark.parametrize(
    "text", ["garbage\n", "garbage\nmore\n", '{"op_code": 77, "worker_id": ""}\n', "[1]\n[2]\n", "\xff\n\xff\n"]
)
def test_journal_that_is_none_is_refused(path: Path, text: str) -> None:
    path.parent.mkdir()
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match=r"journal.log cannot be read.*: remove .*\.sweep-mine to begin it anew"):
        Ledger(path)


@pytest.mark.parametrize("written", [FORMAT + 1, "1", None])
def test_journal_of_another_version_is_refused(path: Path, written: object) -> None:
    path.parent.mkdir()
    storage = JournalStorage(JournalFileBackend(str(path), lock_obj=JournalFileOpenLock(str(path))))
    study = optuna.create_study(study_name="sweep", storage=storage)
    study.enqueue_trial({"x": 1})
    if written is not None:
        study.set_user_attr("format", written)
    with pytest.raises(DataError, match=r"another version of alignbench: remove .*\.sweep-mine to begin it anew"):
        Ledger(path)


def test_foreign_trial_is_refused(ledger: Ledger, path: Path) -> None:
    load(path).enqueue_trial({"x": 1})
    with pytest.raises(DataError, match="remove"):
        ledger.attempts()


@pytest.mark.parametrize(("torn", "zeros"), [(25, 0), (1, 0), (25, 25), (1, 4096)])
def test_journal_whose_last_line_is_torn_goes_on(ledger: Ledger, path: Path, torn: int, zeros: int) -> None:
    """As a power cut leaves it, with zeros or not: the torn line is lost, and later ones are not glued to it."""
    first, second = make_cell(0), make_cell(1)
    ledger.start(ledger.enqueue(first))
    whole = path.read_bytes()
    ledger.enqueue(second)
    path.write_bytes(path.read_bytes()[:-torn] + b"\0" * zeros)
    again = Ledger(path)
    assert path.read_bytes().startswith(whole)
    assert path.read_bytes().endswith(b"\n")
    number = again.enqueue(make_cell(2))
    assert Ledger(path).attempts()[make_cell(2).key] == Attempt(number, "waiting")
    assert Ledger(path).attempts()[first.key].state == "running"


def test_an_empty_or_torn_first_line_is_a_journal_to_begin(path: Path) -> None:
    path.parent.mkdir()
    path.write_text('{"op_co')
    assert Ledger(path).attempts() == {}


def test_journal_is_written_by_one_at_a_time_and_a_killed_one_stops_nobody(ledger: Ledger, path: Path) -> None:
    left = path.with_name("journal.log.lock")  # by an earlier version
    left.touch()
    with held_elsewhere(path) as holder:
        before = path.read_bytes()
        writing = Thread(target=ledger.enqueue, args=(make_cell(0),))
        writing.start()
        writing.join(0.1)
        assert writing.is_alive()
        assert path.read_bytes() == before
        kill(holder)
        writing.join(PATIENCE)
    assert ledger.attempts() == {make_cell(0).key: Attempt(0, "waiting")}
    assert left.exists(), "it is not looked at"
