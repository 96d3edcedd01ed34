"""A cell as a job: what it records of its end, and that it leaves alone what is another's."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from submitit.helpers import DelayedSubmission

from alignbench.sweeps.cell_job import CellJob, CellOrder
from alignbench.sweeps.job_records import JobEnd, JobRecord, JobRecords
from alignbench.sweeps.process import CellProcess
from sweep_folders import is_gone, make_run

KEY, TOKEN = "0123", "first"


@pytest.fixture(autouse=True)
def task(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The environment of a task of Slurm, and the handler of SIGTERM that was there before."""
    job = {"SLURM_JOB_ID": "99", "SLURM_ARRAY_JOB_ID": "41", "SLURM_ARRAY_TASK_ID": "3", "SLURM_NTASKS": "1"}
    for name, value in (job | {"SUBMITIT_EXECUTOR": "slurm"}).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("alignbench.sweeps.cell_job._MOMENT", 0.0)
    monkeypatch.setattr("alignbench.sweeps.cell_job._UNTIL_ENDED", 0.0)
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


def job_that(folder: Path, script: str, minutes: float = 60) -> CellJob:
    """A job whose cell is a few words of shell, and the cell is given to it."""
    order = CellOrder(
        *(
            KEY,
            TOKEN,
            folder / ".sweep-mine",
            folder,
            ("/bin/sh", "-c", script),
            folder / "log",
            {"OMP_NUM_THREADS": "3"},
        ),
        minutes * 60,
    )
    JobRecords(order.folder).give(KEY, JobRecord(TOKEN))
    return CellJob(order)


def end_of(job: CellJob) -> JobEnd | None:
    return JobRecords(job.order.folder).ended(KEY, TOKEN)


def test_it_records_that_it_began_and_what_its_cell_left(tmp_path: Path) -> None:
    make_run(tmp_path, "a")
    job = job_that(
        tmp_path, f"echo $OMP_NUM_THREADS $SLURM_NTASKS $SLURM_JOB_ID $SUBMITIT_EXECUTOR.; echo {tmp_path}/a"
    )
    pickle.loads(pickle.dumps(job))()
    assert JobRecords(job.order.folder).begun(KEY) == JobRecord(TOKEN, "41_3")
    end = end_of(job)
    assert end is not None
    assert end == JobEnd(TOKEN, ("a",), "", end.seconds)
    assert 0 < end.seconds < 300
    assert (tmp_path / "log").read_text().splitlines()[0] == "3 .", "the cell is a run of its own, of no scheduler"


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("echo 'alignbench: no data: get them'; exit 1", "no data: get them"),
        ("kill -SEGV $$", "ended by SIGSEGV"),
        ("true", "left no run folder"),
    ],
)
def test_a_failure_is_told_as_on_this_machine(tmp_path: Path, script: str, error: str) -> None:
    job = job_that(tmp_path, script)
    job()
    end = end_of(job)
    assert end is not None
    assert (end.error, end.folders, end.interrupted) == (error, (), False)


def test_a_command_that_is_not_there_fails_the_cell(tmp_path: Path) -> None:
    job = job_that(tmp_path, "")
    CellJob(replace(job.order, command=(str(tmp_path / "nothing"),)))()
    end = end_of(job)
    assert end is not None
    assert end.error == "its process cannot be started (No such file or directory)"


@pytest.mark.parametrize("now", ["another's", "nobody's", "ended"])
def test_a_cell_that_is_not_its_own_any_more_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], now: str
) -> None:
    job = job_that(tmp_path, "true")
    records = JobRecords(job.order.folder)
    if now == "another's":
        records.give(KEY, JobRecord("second"))
    elif now == "nobody's":
        records.drop(KEY)
    else:
        records.end(KEY, JobEnd(TOKEN, ("a",)))
    job()
    assert not (tmp_path / "log").exists()
    assert end_of(job) == (JobEnd(TOKEN, ("a",)) if now == "ended" else None)
    assert "nothing is done here" in capsys.readouterr().out


def told(number: int) -> str:
    """A cell that has its job told to end, and goes on."""
    return f"echo $$; kill -{number} {os.getpid()}; exec sleep 60"


def test_a_job_that_is_told_to_end_ends_its_cell_and_says_so(tmp_path: Path) -> None:
    job = job_that(tmp_path, told(signal.SIGTERM))
    job()
    end = end_of(job)
    assert end is not None
    assert end.interrupted
    assert is_gone(int((tmp_path / "log").read_text()))


def test_the_warning_of_a_job_does_not_end_its_cell(tmp_path: Path) -> None:
    """Slurm sends it to all processes of a step."""
    make_run(tmp_path, "a")
    job = job_that(tmp_path, f"kill -USR2 $$; echo {tmp_path}/a")
    job()
    end = end_of(job)
    assert end is not None
    assert end.folders == ("a",)


def warned(job: CellJob) -> DelayedSubmission | None:
    """What a job that is warned while it runs says is to be queued, as submitit does it."""
    found = []

    def hear(*_: object) -> None:
        found.append(job.checkpoint())
        sys.exit(1)

    before = signal.signal(signal.SIGUSR2, hear)
    try:
        with pytest.raises(SystemExit):
            job()
    finally:
        signal.signal(signal.SIGUSR2, before)
    (queued,) = found
    return queued


@pytest.mark.parametrize(("minutes", "again"), [(60, True), (3, False)])
def test_a_job_that_is_warned_is_queued_again_unless_its_time_is_over(
    tmp_path: Path, minutes: float, again: bool
) -> None:
    job = job_that(tmp_path, told(signal.SIGUSR2), minutes)
    queued = warned(job)
    assert is_gone(int((tmp_path / "log").read_text()))
    end = end_of(job)
    if again:
        assert queued is not None
        assert queued.function.order == job.order
        assert end is None
    else:
        assert queued is None
        assert end is not None
        assert end.error == "its job reached its time limit: give it more --time"


def test_a_warning_that_another_thread_hears_while_the_cell_starts_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The main thread holds it back, and Python has it all the same."""

    class Slow(CellProcess):
        def __init__(self, command: Sequence[str], log: Path, environment: Mapping[str, str]) -> None:
            super().__init__(command, log, environment)
            time.sleep(1.0)  # for the cell to warn its job

    monkeypatch.setattr("alignbench.sweeps.cell_job.CellProcess", Slow)
    over = threading.Event()
    other = threading.Thread(target=over.wait)
    other.start()
    try:
        queued = warned(job_that(tmp_path, told(signal.SIGUSR2)))
    finally:
        over.set()
        other.join()
    assert queued is not None
    assert is_gone(int((tmp_path / "log").read_text()))
