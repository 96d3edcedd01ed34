"""Workers and their processes, which here are a few lines of Python in the place of `alignbench run`."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.process import CellProcess, last_line
from alignbench.sweeps.queue import Queue
from alignbench.sweeps.runner import Runner, Start, Watcher, divided
from documented import ROOT
from patience import PATIENCE, wait_for
from sweep_folders import held_elsewhere, is_held, kill, said_ready

PLAY = """
import os, signal, sys, time
from pathlib import Path
what, name, output = sys.argv[1], sys.argv[2], Path(sys.argv[4])
sys.path[:0] = os.environ["TESTS"].split(os.pathsep)
from sweep_folders import make_run
print("begun", os.getpid(), os.environ["OMP_NUM_THREADS"], flush=True)
if what == "good":
    for part in name.split(","):
        print("a table"); print(output / make_run(output, part))
if what == "complaint":
    print("alignbench: warning: careful", file=sys.stderr)
    print("alignbench: the data are not there: get them", file=sys.stderr)
    print("alignbench: logged to W&B offline; to upload: wandb sync x", file=sys.stderr)
    sys.exit(1)
if what == "partly":
    print(output / make_run(output, name)); sys.exit(1)
if what == "traceback":
    raise SystemError("broken")
if what == "crash":
    os.kill(os.getpid(), 11)
if what == "nothing":
    print(output / "never-made")
if what == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if what in ("long", "stubborn"):
    from alignbench.files.scratch import held_scratch
    with held_scratch(output, "0123abcd"):
        time.sleep(60)
if what == "leaves":
    while not (output / "go").exists():
        time.sleep(0.01)
    print("alignbench: terminated", file=sys.stderr); sys.exit(143)
"""


class Heard(Watcher):
    """What a watcher heard."""

    def __init__(self) -> None:
        self.events: list[tuple[str, ...]] = []
        self.logs: list[Path] = []
        self.most = 0

    def started(self, worker: int, cell: SweepCell, log: Path) -> None:
        self.logs.append(log)
        self.events.append(("started", cell.name))

    def finished(self, worker: int, cell: SweepCell, seconds: float) -> None:
        self.events.append(("finished", cell.name))

    def failed(self, worker: int, cell: SweepCell, error: str, log: Path) -> None:
        self.events.append(("failed", cell.name, error))

    def put_back(self, worker: int, cell: SweepCell) -> None:
        self.events.append(("put back", cell.name))

    def settled(self, cells: int) -> None:
        self.most = max(self.most, cells)

    def waits(self, cells: int) -> None:
        self.events.append(("waits", str(cells)))


def cells_that(*plays: tuple[str, str]) -> list[SweepCell]:
    return [SweepCell({"what": what, "name": name}, (what, name), name) for what, name in plays]


def runner_of(queue: Queue, heard: Heard, workers: int = 2) -> Runner:
    tests = os.pathsep.join([str(ROOT / "tests" / "helpers"), *sys.path])
    environment = {"TESTS": tests, "OMP_NUM_THREADS": "3", "PATH": os.environ["PATH"]}
    return Runner(
        queue, workers, Start((sys.executable, "-c", PLAY), ("--output", str(queue.output)), environment), heard
    )


def is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_cells_end_each_in_its_way_and_the_others_go_on(tmp_path: Path) -> None:
    cells = cells_that(
        *(("complaint", "a"), ("good", "b"), ("traceback", "c"), ("crash", "d"), ("nothing", "e"), ("partly", "f")),
        *(("good", "g,h"), ("good", "i")),
    )
    queue, heard = Queue(cells, tmp_path, "mine"), Heard()
    queue.enrol()
    runner_of(queue, heard).run()
    found = {standing.cell.name: (standing.state, standing.attempt) for standing in queue.standings()}
    assert {name: state for name, (state, _) in found.items()} == {
        **dict.fromkeys("acdef", "failed"),
        **dict.fromkeys(("b", "g,h", "i"), "finished"),
    }
    attempts = {name: attempt for name, (_, attempt) in found.items() if attempt is not None}
    assert {name: attempts[name].folders for name in ("b", "g,h", "i")} == {"b": ("b",), "g,h": ("g", "h"), "i": ("i",)}
    assert {name: attempts[name].error for name in "acdef"} == {
        "a": "the data are not there: get them",
        "c": "ended with exit code 1: SystemError: broken",
        "d": "ended by SIGSEGV",
        "e": "left no run folder",
        "f": f"ended with exit code 1: {tmp_path / 'f'}",
    }
    assert sorted(heard.events) == sorted(
        [
            *(("started", cell.name) for cell in cells),
            *(("finished", name) for name in ("b", "g,h", "i")),
            *(("failed", name, attempts[name].error) for name in "acdef"),
        ]
    )
    assert heard.most == len(cells)
    assert not any(map(is_held, (queue.folder / "locks").iterdir()))
    logs = dict(zip([name for kind, name, *_ in heard.events if kind == "started"], heard.logs, strict=True))
    assert all(log.read_text().split()[2] == "3" for log in logs.values())
    assert last_line(logs["a"]) == "alignbench: logged to W&B offline; to upload: wandb sync x"


def test_cells_run_at_the_same_time_in_processes_of_their_own_which_are_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignbench.sweeps.process._PATIENCE", 0.5)
    queue, heard = Queue(cells_that(("long", "a"), ("stubborn", "b")), tmp_path, "mine"), Heard()
    queue.enrol()
    runner = runner_of(queue, heard)
    thread = threading.Thread(target=runner.run)
    thread.start()
    wait_for(lambda: len(list(tmp_path.glob(".tmp-*"))) == 2)
    processes = [int(log.read_text().split()[1]) for log in heard.logs]
    assert len({*processes, os.getpid()}) == 3
    assert all(os.getpgid(process) == process for process in processes)
    assert [standing.state for standing in queue.standings()] == ["running", "running"]
    runner.stop()
    thread.join(PATIENCE)
    assert not any(map(is_alive, processes))
    assert [standing.state for standing in queue.standings()] == ["waiting", "waiting"]
    assert not any(map(is_held, (queue.folder / "locks").iterdir()))
    assert not list(tmp_path.glob(".tmp-*")), "what a stopped process was writing is removed"
    assert sorted(heard.events[2:]) == [("put back", "a"), ("put back", "b")]


@contextmanager
def running(runner: Runner) -> Iterator[threading.Thread]:
    thread = threading.Thread(target=runner.run)
    thread.start()
    try:
        yield thread
    finally:
        runner.stop()
        thread.join(PATIENCE)


def test_cell_that_a_scheduler_ends_before_we_do_waits_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slurm tells all processes of a job to end at once: the cell has not failed then."""
    queue, heard = Queue(cells_that(("leaves", "a")), tmp_path, "mine"), Heard()
    queue.enrol()
    monkeypatch.setattr(CellProcess, "stop", lambda self: None)
    runner = runner_of(queue, heard, workers=1)
    with running(runner) as thread:
        wait_for(lambda: heard.logs and "begun" in heard.logs[0].read_text())
        runner.stop()
        (tmp_path / "go").touch()
        thread.join(PATIENCE)
    assert heard.events == [("started", "a"), ("put back", "a")]
    assert [standing.state for standing in queue.standings()] == ["waiting"]


def test_cell_of_another_process_is_waited_for_and_taken_over_when_that_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignbench.sweeps.runner._POLL", 0.1)
    queue, heard = Queue(cells_that(("good", "a"), ("good", "b")), tmp_path, "mine"), Heard()
    queue.enrol()
    lock = queue.folder / "locks" / f"{queue.cells[0].key}.lock"
    with held_elsewhere(lock) as holder, running(runner_of(queue, heard)) as thread:
        wait_for(lambda: ("waits", "1") in heard.events and ("finished", "b") in heard.events)
        assert ("started", "a") not in heard.events
        kill(holder)
        thread.join(PATIENCE)
        assert not thread.is_alive()
    assert [standing.state for standing in queue.standings()] == ["finished", "finished"]


KILLED = """
import sys
from pathlib import Path
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.queue import Queue
from alignbench.sweeps.runner import Runner, Start, Watcher
class Tells(Watcher):
    def started(self, worker, cell, log):
        print("started", flush=True)
output = Path(sys.argv[1])
queue = Queue([SweepCell({}, (str(output / "go"),), "a")], output, "mine")
queue.enrol()
waits = "import sys; open(sys.argv[1]).read()"  # at a named pipe, whatever becomes of the process that started it
Runner(queue, 1, Start((sys.executable, "-c", waits), (), {}), Tells()).run()
"""


def test_cell_whose_process_outlives_a_killed_sweep_is_taken_over_when_it_ends(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "go")
    cells = [SweepCell({}, (str(tmp_path / "go"),), "a")]
    with said_ready([sys.executable, "-c", KILLED, str(tmp_path)], "started") as sweep:
        queue = Queue(cells, tmp_path, "mine")
        kill(sweep)
        assert [standing.state for standing in queue.standings()] == ["elsewhere"]
        assert queue.take() is None
        with (tmp_path / "go").open("w"):  # the process ends when this is closed
            pass
        wait_for(lambda: [standing.state for standing in queue.standings()] == ["waiting"])
        assert queue.take() is not None


def test_command_that_cannot_be_started_fails_its_cell(tmp_path: Path) -> None:
    queue, heard = Queue(cells_that(("good", "a")), tmp_path, "mine"), Heard()
    queue.enrol()
    Runner(queue, 1, Start((str(tmp_path / "nothing"),), (), {}), heard).run()
    assert heard.events == [("failed", "a", "its process cannot be started (No such file or directory)")]
    assert [standing.state for standing in queue.standings()] == ["failed"]


def test_ledger_that_breaks_ends_the_run_and_its_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from alignbench.errors import AlignbenchError

    queue, heard = Queue(cells_that(("long", "a"), ("good", "b")), tmp_path, "mine"), Heard()
    queue.enrol()

    def no_room(*_: object) -> None:
        raise AlignbenchError("no room")

    monkeypatch.setattr(queue, "finish", no_room)
    with pytest.raises(AlignbenchError, match="no room"):
        runner_of(queue, heard).run()
    assert not any(is_alive(int(log.read_text().split()[1])) for log in heard.logs if log.read_text())


@pytest.mark.parametrize(
    ("given", "share", "threads"),
    [({}, 4, "4"), ({"OMP_NUM_THREADS": "2"}, 4, "2"), ({"OMP_NUM_THREADS": "64"}, 4, "4")],
)
def test_threads_are_divided(given: dict[str, str], share: int, threads: str) -> None:
    found = divided({"HOME": "/", **given}, share)
    assert found["OMP_NUM_THREADS"] == threads
    assert found["MKL_NUM_THREADS"] == str(share)
    assert found["HOME"] == "/"
    for none in ("0", "²", "\uff14", "x"):
        assert divided({"OMP_NUM_THREADS": none}, share)["OMP_NUM_THREADS"] == divided({}, share)["OMP_NUM_THREADS"]
