"""Slurm by its commands, which here are a stand-in: what is submitted, what is asked, and what is refused."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, UsageError
from alignbench.sweeps.cell_job import CellJob, CellOrder
from alignbench.sweeps.job_records import JobRecord, JobRecords
from alignbench.sweeps.slurm_jobs import Resources, Slurm, read_minutes
from documented import ROOT
from patience import wait_for
from slurm_stand_in import SlurmStandIn
from sweep_folders import make_run


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("1", 1), ("090", 90), ("0:01:00", 1), ("01:30:00", 90), ("00:00:01", 1), ("1:00:01", 61), ("2-03:04:05", 3065)],
)
def test_time_limits_are_read(text: str, minutes: int) -> None:
    assert read_minutes(text) == minutes


@pytest.mark.parametrize("text", ["", "0", "-5", "1.5", "0:00:00", "90:00", "1:60:00", "1-2", "1h", "\uff11", "1 "])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=r"--time .* is no time"):
        read_minutes(text)


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmStandIn:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    return SlurmStandIn(tmp_path / "cluster", monkeypatch)


def slurm_of(folder: Path, partition: str = "", gpus: int = 0, at_once: int | None = None) -> Slurm:
    return Slurm(folder / ".sweep-mine", "alignbench-mine", Resources(partition, gpus, 3, 90, at_once))


def jobs_of(folder: Path, *scripts: str) -> list[CellJob]:
    orders = [
        CellOrder(
            *(f"cell{number}", "token", folder / ".sweep-mine", folder, ("/bin/sh", "-c", script)),
            *(folder / f"{number}.log", {}, 5400.0),
        )
        for number, script in enumerate(scripts)
    ]
    for order in orders:
        JobRecords(order.folder).give(order.key, JobRecord(order.token))
    return [CellJob(order) for order in orders]


def test_cells_become_the_tasks_of_one_array_and_are_seen_to_their_end(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    make_run(tmp_path, "a")
    slurm = slurm_of(tmp_path, "short", 2, 1)
    names = slurm.submit(jobs_of(tmp_path, f"echo {tmp_path}/a", "exit 1"))
    assert names == ["41_0", "41_1"]
    assert len(stand_in.calls("sbatch")) == 1
    (script,) = stand_in.scripts()
    asked = {line.removeprefix("#SBATCH --") for line in script.splitlines() if line.startswith("#SBATCH")}
    assert {"job-name=alignbench-mine", "array=0-1%1", "partition=short", "gpus-per-node=2", "time=90"} <= asked
    assert {"cpus-per-task=3", "signal=USR2@90"} <= asked
    (command,) = (line for line in script.splitlines() if line.startswith("srun"))
    assert "--cpus-per-task 3" in command
    assert f"{sys.executable} -P " in command
    wait_for(lambda: slurm.states(names) == dict.fromkeys(names, "COMPLETED"))
    records = JobRecords(tmp_path / ".sweep-mine")
    begun = [records.begun(f"cell{number}") for number in range(2)]
    assert begun == [JobRecord("token", name) for name in names]
    ends = [records.ended(f"cell{number}", "token") for number in range(2)]
    assert [end and (end.folders, end.error) for end in ends] == [(("a",), ""), ((), "ended with exit code 1")]


def test_one_cell_is_a_job_without_an_array(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    slurm = slurm_of(tmp_path)
    assert slurm.submit(jobs_of(tmp_path, "sleep 20")) == ["41"]
    wait_for(lambda: slurm.states(["41"]) == {"41": "RUNNING"})
    stand_in.lose("41")
    assert slurm.states(["41", "7_1"]) == {"41": "NODE_FAIL", "7_1": ""}
    (stand_in.root / "41").write_text("CANCELLED")
    assert slurm.states(["41"]) == {"41": "CANCELLED"}, "without who did it"
    (stand_in.root / "silent").touch()
    assert slurm.states(["41"]) is None


def test_what_a_job_said_last_is_told_with_its_place(tmp_path: Path, stand_in: SlurmStandIn) -> None:
    log = tmp_path / ".sweep-mine" / "slurm" / "41_1_0_log.err"
    slurm = slurm_of(tmp_path)
    assert slurm.said("41_1") == f"see {log}"
    log.parent.mkdir(parents=True)
    log.write_text("first\nModuleNotFoundError: No module named alignbench\n\n")
    assert slurm.said("41_1") == f"ModuleNotFoundError: No module named alignbench ({log})"


def test_what_sbatch_refuses_is_told_in_its_words(
    tmp_path: Path, stand_in: SlurmStandIn, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(AlignbenchError) as caught:
        slurm_of(tmp_path, "nope").submit(jobs_of(tmp_path, "true", "true"))
    said = str(caught.value)
    assert "sbatch refused the cells (invalid partition specified: nope; Invalid partition name specified)" in said
    assert "sinfo" in said
    assert "\n" not in said
    assert capfd.readouterr().err == ""


def test_a_machine_without_slurm_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(AlignbenchError, match="--slurm needs sbatch, which is not on the path: start it on a machine"):
        slurm_of(tmp_path)


def test_slurm_without_its_package_is_refused(
    tmp_path: Path, stand_in: SlurmStandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "submitit", None)
    with pytest.raises(UsageError, match=r"pip install 'alignbench\[slurm\]'"):
        slurm_of(tmp_path)
