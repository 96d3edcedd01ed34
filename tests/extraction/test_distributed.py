"""Ranks share a run: one rank's failure is everyone's, and the command speaks once."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.errors import DataError
from alignbench.extraction.distributed import join, make_trainer
from alignbench.extraction.execution import Execution
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.tower_distances import TowerSource
from alignbench.models.families import load_tower
from features import check_close
from folders import Folders
from patience import PATIENCE, wait_for
from rank_processes import load, on_ranks, printed, run_command, save
from scenery import Scenery
from shared_distances import TRIPLETS, distances_on
from workloads import workload_of

pytestmark = pytest.mark.slow

# --- Whole cells ----------------------------------------------------------------------------------------------------


def measure_damaged(rank: int, folder: Path, tower: Path) -> None:
    pairs, weights = TRIPLETS, np.ones(len(TRIPLETS))
    images = Damaged(int(pairs.max()) + 1)
    workload = workload_of(images, pairs, weights, 3, 2)
    owner = next(rank for rank, shard in enumerate(workload.assignment.shards) if images.broken in shard.schedule.order)
    model = load_tower(str(tower))
    execution = Execution(join("cpu", 2), workers=0)
    try:
        TowerSource(model).distances(workload, execution, ProgressListener())
    except DataError as error:
        again = distances_on(2, tower, pairs, weights, dense=False)  # and the ranks go on together
        save(folder, rank, (str(error), owner, again))


class Damaged(Scenery):
    """One of the pictures cannot be decoded."""

    broken = 14

    def open(self, index: int) -> Any:
        if index == self.broken:
            raise DataError("scene 14 cannot be decoded: download it again")
        return super().open(index)


def test_what_fails_on_one_rank_fails_on_all_and_they_go_on(tmp_path: Path, tiny_tower: Folders) -> None:
    on_ranks(2, measure_damaged, tmp_path, tiny_tower("clip"))
    found = [load(tmp_path, rank) for rank in range(2)]
    assert [error for error, _, _ in found] == ["scene 14 cannot be decoded: download it again"] * 2
    alone = distances_on(1, tiny_tower("clip"), TRIPLETS, np.ones(len(TRIPLETS)), dense=False)
    for _, _, again in found:
        check_close(again, alone)


# --- One process alone ----------------------------------------------------------------------------------------------


SLURM = {"NTASKS": "4", "JOB_NAME": "job", "JOB_ID": "5", "PROCID": "2", "LOCALID": "2", "NODEID": "0"}
SLURM |= {"JOB_NODELIST": "localhost", "NODELIST": "localhost"}
TORCHRUN = {"TORCHELASTIC_RUN_ID": "none", "RANK": "3", "LOCAL_RANK": "3", "GROUP_RANK": "0", "WORLD_SIZE": "4"}
ELSEWHERE = {
    "slurm": {f"SLURM_{name}": value for name, value in SLURM.items()},
    "torchrun": TORCHRUN | {"MASTER_ADDR": "nowhere", "MASTER_PORT": "1", "LOCAL_WORLD_SIZE": "4"},
    "lsf": {"LSB_JOBID": "1", "LSB_DJOB_RANKFILE": "/nowhere", "JSM_NAMESPACE_LOCAL_RANK": "1"},
    "by hand": {"NODE_RANK": "1", "LOCAL_RANK": "2"},
    "defaults": {"PL_TRAINER_LIMIT_PREDICT_BATCHES": "1", "PL_TRAINER_PRECISION": "bf16-mixed"}
    | {"PL_TRAINER_FAST_DEV_RUN": "1", "PL_TRAINER_PLUGINS": "x", "PL_TRAINER_INFERENCE_MODE": "False"},
}


@pytest.mark.parametrize("variables", ELSEWHERE.values(), ids=ELSEWHERE)
def test_a_run_of_one_process_is_the_same_wherever_it_is_started(
    monkeypatch: pytest.MonkeyPatch, tiny_tower: Folders, variables: dict[str, str]
) -> None:
    pairs, weights = TRIPLETS, np.ones(len(TRIPLETS))
    expected = distances_on(1, tiny_tower("clip"), pairs, weights, dense=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    before = dict(os.environ)
    check_close(distances_on(1, tiny_tower("clip"), pairs, weights, dense=False), expected)
    assert dict(os.environ) == before
    trainer = make_trainer("cpu", 1, 1)
    assert (trainer.world_size, trainer.global_rank, trainer.limit_predict_batches) == (1, 0, 1.0)
    assert trainer.precision == "32-true"


# --- The command ----------------------------------------------------------------------------------------------------


COMMAND = [sys.executable, "-m", "alignbench", "run", "--model", "shapes-clip", "--wandb", "off", "--devices", "2"]


def start(output: Path, *options: str, log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        command = [*COMMAND, "--output", str(output), "--loader-workers", "0", *options]
        return subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, start_new_session=True)


def children(pid: int) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            if int(fields[1]) == pid and fields[0] != "Z":
                found.append(int(path.parent.name))
    return found


def ended_by(tmp_path: Path, number: signal.Signals, leader: bool) -> tuple[int, list[str]]:
    """Send a signal to one process of a run within its work; the exit code, and what was said after that."""
    output, log = tmp_path / "runs", tmp_path / "log"
    process = start(output, "--dataset", "shapes-low", "--batch-size", "4", log=log)
    try:
        wait_for(lambda: b"cpu x 2" in log.read_bytes())
        [other] = children(process.pid)
        os.kill(process.pid if leader else other, number)
        code = process.wait(PATIENCE)
        wait_for(lambda: not Path(f"/proc/{other}").exists())
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    assert not output.exists()
    return code, log.read_text().splitlines()[1:]


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_rank_that_ends_ends_the_run_and_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    code, [said] = ended_by(tmp_path, number, leader=False)
    assert code == 1
    assert said.startswith("alignbench: another process of this run has ended")


@pytest.mark.skipif(not Path("/proc").exists(), reason="looks at processes in /proc")
def test_sigterm_to_the_leader_ends_all(tmp_path: Path) -> None:
    code, [said] = ended_by(tmp_path, signal.SIGTERM, leader=True)
    assert code == 143
    assert said.startswith("alignbench: terminated: finished runs are kept")


def test_lightning_leaves_signals_as_they_are(tiny_tower: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own handler for SIGTERM would wait for the other ranks."""
    seen = []
    advanced = ProgressListener.advanced
    monkeypatch.setattr(
        ProgressListener, "advanced", lambda *of: (seen.append(signal.getsignal(signal.SIGTERM)), advanced(*of))
    )
    distances_on(1, tiny_tower("clip"), TRIPLETS, np.ones(len(TRIPLETS)), dense=False)
    assert seen
    assert set(seen) == {signal.getsignal(signal.SIGTERM)}


def test_the_command_speaks_once_and_goes_on_after_a_failure(tmp_path: Path) -> None:
    output = tmp_path / "runs"
    arguments = ["run", "--model", "shapes-clip", "--dataset", "shapes-middle,tid2013,shapes-high", "--limit", "60"]
    arguments += ["--devices", "2", "--output", str(output), "--loader-workers", "0", "--wandb", "off"]
    on_ranks(2, run_command, tmp_path, arguments, 1)
    said, errors = printed(tmp_path, 0, "out"), printed(tmp_path, 0, "err")
    assert printed(tmp_path, 1, "out") == printed(tmp_path, 1, "err") == ""
    assert errors.count("cpu x 2") == 2
    assert errors.count("tid2013 needs --data-root DIR") == 1
    assert "Traceback" not in errors
    assert "Lightning" not in errors
    folders = sorted(path.name for path in output.iterdir())
    assert [name.split("__")[1] for name in folders] == ["shapes-high", "shapes-middle"]
    assert all(said.count(f"{output / name}\n") == 1 for name in folders)
