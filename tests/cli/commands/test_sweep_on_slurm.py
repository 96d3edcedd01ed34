"""`alignbench sweep --slurm` against a stand-in for Slurm: submitit's own jobs, lost, warned, left and found again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.cli.commands.sweep import make_start
from alignbench.cli.main import main
from alignbench.cli.swept_commands import swept_commands
from alignbench.results.folders import is_complete
from alignbench.sweeps import read_sweep
from alignbench.sweeps.array_runner import ArrayRunner
from alignbench.sweeps.cell_job import CellJob
from alignbench.sweeps.cells import list_cells
from alignbench.sweeps.job_records import JobRecord, JobRecords
from alignbench.sweeps.queue import Queue
from alignbench.sweeps.runner import Watcher
from documented import ROOT
from patience import wait_for
from run_folders import refused
from slurm_stand_in import SlurmStandIn
from terminal_signals import as_in_a_terminal

pytestmark = pytest.mark.slow

ORDER = ("sweep", "mine.yaml", "--wandb", "off", "--slurm")
PLAY = """
import os, sys, time
from pathlib import Path
sys.path[:0] = os.environ["TESTS"].split(os.pathsep)
from sweep_folders import make_run
(model,) = (word.removeprefix("--model=") for word in sys.argv if word.startswith("--model="))
print("begun", os.getpid(), os.environ["OMP_NUM_THREADS"], flush=True)
with open("begun", "a") as begun:
    begun.write(model + "\\n")
if model == "ms-ssim":
    print("alignbench: no data: get them", file=sys.stderr); sys.exit(1)
while model == "ssim" and not Path("go").exists():
    time.sleep(0.05)
output = Path(sys.argv[sys.argv.index("--output") + 1])
if not (output / model).exists():
    make_run(output, model)
print(output / model)
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]))
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("alignbench.sweeps.array_runner._POLL", 0.1)
    monkeypatch.setattr("alignbench.sweeps.array_runner._GRACE", 1.0)
    return tmp_path


@pytest.fixture
def cluster(place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlurmStandIn]:
    found = SlurmStandIn(place / "cluster", monkeypatch)
    yield found
    found.end()


@pytest.fixture
def played(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cells that are a few lines of Python in the place of `alignbench run`; `ssim` waits for a file `go`."""
    monkeypatch.setenv("TESTS", os.pathsep.join([str(ROOT / "tests" / "helpers"), *filter(None, sys.path)]))
    monkeypatch.setattr("alignbench.cli.commands.sweep._COMMAND", (sys.executable, "-c", PLAY))


def write_sweep(*models: str) -> None:
    parameters = {"model": {"values": list(models)}, "dataset": {"value": "shapes-low"}, "limit": {"value": 45}}
    command = ["alignbench", "run", "${args_no_boolean_flags}"]
    Path("mine.yaml").write_text(yaml.safe_dump({"method": "grid", "command": command, "parameters": parameters}))


def begun() -> list[str]:
    """The models whose cells began, each as often as it did."""
    return sorted(Path("begun").read_text().split()) if Path("begun").exists() else []


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, dict[str, object]]:
    """What the command tells to programs of each cell, by its model."""
    return {cell["cell"]: cell for cell in json.loads(capsys.readouterr().out)}


def meanwhile(action: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_cells_run_as_one_array_and_are_told_as_on_one_machine(
    place: Path, cluster: SlurmStandIn, played: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep("pixels", "ms-ssim", "lpips-vgg")
    order = [*ORDER, "--cpus-per-cell", "2", "--time", "1:00:00", "--partition", "short", "--array-parallelism", "2"]
    assert main(order) == 1
    said = capsys.readouterr()
    rows = [line for line in said.out.splitlines() if "│" in line]
    assert sum("finished" in row for row in rows) == 2
    assert "no data: get them" in " ".join(rows)
    assert said.out.splitlines()[-1] == "runs"
    assert "mine: 3 cells, 0 finished before; 2 at a time" in said.err
    assert "failed: ms-ssim: no data: get them" in said.err
    assert "(0 of 3)" not in said.err, "a cell that has ended counts"
    assert "1 cell in the queue of Slurm" in said.err
    assert "1 of 3 cells failed" in said.err
    wait_for(lambda: cluster.states() == dict.fromkeys(("41_0", "41_1", "41_2"), "COMPLETED"))
    (script,) = cluster.scripts()
    assert "--job-name=alignbench-mine" in script
    assert "--array=0-2%2" in script
    assert [log.read_text().split()[2] for log in Path("runs/.sweep-mine").glob("*.log") if "-" in log.name] == [
        "2"
    ] * 3
    assert begun() == ["lpips-vgg", "ms-ssim", "pixels"]
    assert main([*ORDER, "--json"]) == 1
    found = told(capsys)
    assert {cell: one["state"] for cell, one in found.items()} == {
        **{"pixels": "finished", "ms-ssim": "failed", "lpips-vgg": "finished"}
    }
    assert begun() == ["lpips-vgg", "ms-ssim", "ms-ssim", "pixels"], "only what was not finished"


@pytest.mark.parametrize("harm", ["warn", "lose"])
def test_cell_of_a_job_that_is_preempted_or_lost_runs_again(
    place: Path, cluster: SlurmStandIn, played: None, capsys: pytest.CaptureFixture[str], harm: str
) -> None:
    write_sweep("pixels", "ssim")

    def interfere() -> None:
        wait_for(lambda: "ssim" in begun())
        getattr(cluster, harm)("41_1")
        wait_for(lambda: begun().count("ssim") == 2)
        Path("go").touch()

    thread = meanwhile(interfere)
    assert main([*ORDER, "--json"]) == 0
    thread.join()
    assert {cell: one["folders"] for cell, one in told(capsys).items()} == {"pixels": ["pixels"], "ssim": ["ssim"]}
    assert begun() == ["pixels", "ssim", "ssim"]
    assert len(cluster.calls("sbatch")) == (1 if harm == "warn" else 2)
    assert [call.split()[1:] for call in cluster.calls("scontrol")] == ([["requeue", "41_1"]] if harm == "warn" else [])


def test_cell_whose_job_is_cancelled_waits(
    place: Path,
    cluster: SlurmStandIn,
    played: None,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_sweep("pixels", "ssim")

    def cancel() -> None:
        wait_for(lambda: "ssim" in begun())
        os.spawnlp(os.P_WAIT, "scancel", "scancel", "41_1")

    thread = meanwhile(cancel)
    assert main([*ORDER, "--json"]) == 1
    thread.join()
    assert {cell: one["state"] for cell, one in told(capsys).items()} == {"pixels": "finished", "ssim": "waiting"}
    Path("go").touch()
    assert main([*ORDER, "--json"]) == 0
    assert len(cluster.calls("sbatch")) == 2


def test_jobs_go_on_when_the_command_is_left_and_the_same_command_finds_them(
    place: Path, cluster: SlurmStandIn, played: None, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep("pixels", "ssim")

    def leave() -> None:
        wait_for(lambda: "ssim" in begun() and Path("runs/pixels").exists())
        wait_for(lambda: len(list(Path("runs/.sweep-mine/jobs").glob("*.given.json"))) == 1)  # and that was seen
        os.kill(os.getpid(), signal.SIGINT)

    with as_in_a_terminal():
        thread = meanwhile(leave)
        assert main([*ORDER, "--json"]) == 130
    thread.join()
    said = capsys.readouterr()
    assert said.out == ""
    lines = [line for line in said.err.splitlines() if line.startswith("alignbench: ")]
    assert "1 job of Slurm may go on: the same command follows what is there" in lines[0]
    assert "scancel --name alignbench-mine" in lines[0]
    assert cluster.states()["41_1"] == "RUNNING"

    here = refused(capsys, "sweep", "mine.yaml", "--wandb", "off")
    assert "1 cell of mine may have jobs of Slurm: follow them with --slurm" in here

    write_sweep("pixels", "ssim", "lpips-alex")  # a file may gain cells meanwhile
    thread = meanwhile(lambda: (wait_for(lambda: "lpips-alex" in begun()), Path("go").touch()))
    assert main([*ORDER, "--json"]) == 0
    thread.join()
    assert {cell: one["state"] for cell, one in told(capsys).items()} == dict.fromkeys(
        ("pixels", "ssim", "lpips-alex"), "finished"
    )
    assert begun() == ["lpips-alex", "pixels", "ssim"], "each once"
    wait_for(lambda: cluster.states() == dict.fromkeys(("41_0", "41_1", "42"), "COMPLETED"))


# ------------------------------------------------------------------------------------------------------ real cells


def test_real_cells_end_once_although_a_machine_is_lost(
    place: Path, cluster: SlurmStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep("pixels", "ssim")
    logs = Path("runs/.sweep-mine")

    def lose() -> None:
        wait_for(lambda: any("images" in log.read_text() for log in logs.glob("ssim-*.log")))
        cluster.lose("41_1")

    thread = meanwhile(lose)
    assert main([*ORDER, "--cpus-per-cell", "1", "--json"]) == 0
    thread.join()
    found = told(capsys)
    assert {cell: one["state"] for cell, one in found.items()} == {"pixels": "finished", "ssim": "finished"}
    shown = [path for path in Path("runs").iterdir() if not path.name.startswith(".")]
    assert len(shown) == 2
    assert all(map(is_complete, shown))
    wait_for(lambda: sorted(cluster.states().values()) == ["COMPLETED", "COMPLETED", "NODE_FAIL"])


def test_jobs_of_a_command_that_is_killed_are_found_and_end_once(
    place: Path, cluster: SlurmStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep("pixels", "ssim")
    order = [sys.executable, "-m", "alignbench", *ORDER, "--cpus-per-cell", "1", "--json"]
    with subprocess.Popen(order, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        wait_for(lambda: len(list(Path("runs/.sweep-mine").glob("*-*.log"))) == 2)
        first.kill()
    assert main(list(order[3:])) == 0
    found = told(capsys)
    assert {cell: one["state"] for cell, one in found.items()} == {"pixels": "finished", "ssim": "finished"}
    assert len(cluster.calls("sbatch")) == 1
    path = "runs/.sweep-mine/journal.log"
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    trials = optuna.load_study(study_name="sweep", storage=storage).trials
    assert [trial.state.name for trial in trials] == ["COMPLETE", "COMPLETE"], "one attempt at each"


class HereByProcesses:
    """submitit's executor of this machine: a job for each cell, which is there while its process is."""

    def __init__(self, folder: Path) -> None:
        from submitit import LocalExecutor

        self._executor = LocalExecutor(folder / "slurm")
        self._executor.update_parameters(timeout_min=60)
        self.jobs: dict[str, object] = {}
        self.keys: list[str] = []

    def submit(self, jobs: Sequence[CellJob]) -> list[str]:
        made = self._executor.submit_array(jobs)
        self.jobs |= {job.job_id: job for job in made}
        self.keys += [job.order.key for job in jobs]
        return [job.job_id for job in made]

    def states(self, jobs: Collection[str]) -> dict[str, str]:
        names = {"RUNNING": "RUNNING", "FINISHED": "", "INTERRUPTED": ""}
        return {job: names[self.jobs[job].state] for job in jobs}  # type: ignore[attr-defined]

    def said(self, job: str) -> str:
        return job


def test_real_cells_end_once_with_submitits_executor_of_this_machine_although_one_job_is_killed(place: Path) -> None:
    write_sweep("pixels", "ssim", "shapes-clip")
    queue = Queue(list_cells(read_sweep("mine.yaml", swept_commands())), Path("runs"), "mine")
    scheduler, records = HereByProcesses(queue.folder), JobRecords(queue.folder)
    start = make_start(queue, "off", 1, shared=True)
    key = queue.cells[1].key

    def kill() -> None:
        log = queue.folder / queue.cells[1].log
        wait_for(lambda: log.exists() and "images" in log.read_text())
        controller = int(records.begun(key).job)  # type: ignore[union-attr]
        (step,) = Path(f"/proc/{controller}/task/{controller}/children").read_text().split()
        os.kill(int(step), signal.SIGKILL)

    thread = meanwhile(kill)
    ArrayRunner(queue, scheduler, start, 60, Watcher()).run()
    thread.join()
    assert [standing.state for standing in queue.standings()] == ["finished"] * 3
    assert scheduler.keys == [*(cell.key for cell in queue.cells), key], "only the one that was killed ran again"
    assert len([path for path in Path("runs").iterdir() if not path.name.startswith(".")]) == 3
    assert records.keys() == set()


# ------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--slurm", "--workers", "2"), ["--workers is for this machine", "--array-parallelism"]),
        (("--partition", "short"), ["--partition is for jobs of Slurm", "--slurm"]),
        (("--slurm", "--time", "soon"), ["--time 'soon' is no time", "minutes"]),
        (("--slurm", "--cpus-per-cell", "0"), ["--cpus-per-cell 0 is below 1"]),
    ],
)
def test_wrong_options_are_refused(
    place: Path, cluster: SlurmStandIn, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: list[str]
) -> None:
    write_sweep("pixels", "ssim")
    said = refused(capsys, "sweep", "mine.yaml", "--wandb", "off", *options)
    assert all(word in said for word in words), said
    assert cluster.states() == {}


def test_a_machine_without_slurm_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sweep("pixels")
    monkeypatch.setenv("PATH", str(place))
    assert "--slurm needs sbatch, which is not on the path" in refused(capsys, *ORDER)


def ends_with(capsys: pytest.CaptureFixture[str], *order: str) -> str:
    """Runs a command that fails once it has said what it is about, and returns the line that says why."""
    capsys.readouterr()
    assert main(list(order)) == 1
    told, why = capsys.readouterr().err.splitlines()
    assert told.startswith("mine: ")
    assert why.startswith("alignbench: ")
    return why


def test_what_slurm_refuses_is_told_in_its_words(
    place: Path, cluster: SlurmStandIn, capsys: pytest.CaptureFixture[str]
) -> None:
    write_sweep("pixels", "ssim")
    said = ends_with(capsys, *ORDER, "--partition", "nope")
    assert "sbatch refused the cells (invalid partition specified: nope;" in said
    assert "sinfo" in said
    assert cluster.states() == {}
    assert not list(Path("runs/.sweep-mine/jobs").glob("*.json"))


def test_a_damaged_record_is_refused(place: Path, cluster: SlurmStandIn, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep("pixels")
    queue = Queue(list_cells(read_sweep("mine.yaml", swept_commands())), Path("runs"), "mine")
    JobRecords(queue.folder).give(queue.cells[0].key, JobRecord("token"))
    (queue.folder / "jobs" / f"{queue.cells[0].key}.given.json").write_text("{")
    said = ends_with(capsys, *ORDER)
    assert f"runs/.sweep-mine/jobs/{queue.cells[0].key}.given.json cannot be read" in said
