"""`alignbench sweep` as users run it: killed, interrupted, started again, and given what it cannot use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from alignbench.cli.commands.sweep import make_start
from alignbench.cli.main import main
from alignbench.files.scratch import scratch_folder
from alignbench.results.head_alignment import read_head_alignment
from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.queue import Queue
from documented import ROOT
from finished_sweep import finish_sweep
from patience import PATIENCE, wait_for
from run_folders import refused
from sweep_folders import WHOLE, is_gone, is_held, make_cell
from terminal_signals import as_in_a_terminal

START = [sys.executable, "-m", "alignbench", "sweep", "mine.yaml"]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    here = str(ROOT)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return tmp_path


def write_sweep(models: list[str], datasets: list[str], command: list[str] | None = None) -> None:
    file = {
        "method": "grid",
        "command": command or ["${env}", "alignbench", "run", "${args_no_boolean_flags}"],
        "parameters": {"model": {"values": models}, "dataset": {"values": datasets}, "limit": {"value": 45}},
    }
    Path("mine.yaml").write_text(yaml.safe_dump(file))


def started(*options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*START, *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interruptions,
    )


def hear_interruptions() -> None:
    """Tests that run in a shell's background hand on that Ctrl-C is ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def states() -> dict[tuple[str, str], list[str]]:
    """The states of the trials of each cell, in their order, as Optuna reads them."""
    path = "runs/.sweep-mine/journal.log"
    storage = JournalStorage(JournalFileBackend(path, lock_obj=JournalFileOpenLock(path)))
    found: dict[tuple[str, str], list[str]] = {}
    for trial in optuna.load_study(study_name="sweep", storage=storage).trials:
        cell = trial.system_attrs["fixed_params"]
        found.setdefault((cell["model"], cell["dataset"]), []).append(trial.state.name)
    return found


def held() -> int:
    """How many cells some process works on."""
    return sum(map(is_held, Path("runs/.sweep-mine/locks").glob("*.lock")))


def check_folders(expected: set[tuple[str, str]]) -> None:
    """The output folder holds a whole run folder for each model and data set, and nothing half-written."""
    shown = [path for path in Path("runs").iterdir() if not path.name.startswith(".sweep-")]
    assert all((folder / name).is_file() for folder in shown for name in WHOLE)
    settings = [json.loads((folder / "run.json").read_text())["settings"] for folder in shown]
    assert sorted((one["model"], one["dataset"]) for one in settings) == sorted(expected)


@pytest.mark.slow
def test_sweep_whose_command_is_killed_in_the_middle_of_a_cell_goes_on(place: Path) -> None:
    write_sweep(["pixels", "ssim"], ["shapes-low", "shapes-high"])
    cells = {(model, dataset) for model in ("pixels", "ssim") for dataset in ("shapes-low", "shapes-high")}
    first = started("--workers", "2")
    ledger = place / "runs" / ".sweep-mine"
    wait_for(lambda: held() == 2 and any("images" in log.read_text() for log in ledger.glob("*-shapes-*.log")))
    first.kill()
    first.communicate()
    wait_for(lambda: held() == 0)  # the processes of its cells have ended too
    running = [cell for cell, found in states().items() if found == ["RUNNING"]]
    assert running
    left = scratch_folder(place / "runs", "0123abcd")  # as if it had been writing
    left.mkdir()

    again = started("--workers", "2")
    out, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 0, err
    assert out.splitlines()[-1] == "runs"
    assert states() == {cell: ["FAIL", "COMPLETE"] if cell in running else ["COMPLETE"] for cell in cells}
    check_folders(cells)


@pytest.mark.slow
def test_sweep_that_is_interrupted_goes_on_and_a_failing_cell_is_recorded(place: Path) -> None:
    write_sweep(["pixels", "ms-ssim"], ["shapes-low"])  # of which the latter asks for larger pictures
    first = started()
    wait_for(lambda: list(place.glob("runs/.sweep-mine/ms-ssim*.log")))
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=PATIENCE)
    assert first.returncode == 130
    assert out == ""
    assert [line for line in err.splitlines() if line.startswith("alignbench: ")] == [
        "alignbench: interrupted: finished runs are kept, nothing half-written is left"
    ]
    assert held() == 0
    assert states() == {("pixels", "shapes-low"): ["COMPLETE"], ("ms-ssim", "shapes-low"): ["FAIL"]}
    check_folders({("pixels", "shapes-low")})

    again = started()
    out, err = again.communicate(timeout=PATIENCE)
    assert again.returncode == 1
    assert "started: pixels" not in err
    rows = [line for line in out.splitlines() if "│" in line]
    assert "was finished" in rows[0]
    assert "failed" in rows[1]
    said = " ".join(" ".join(rows[1:]).replace("│", " ").split())
    assert "ms-ssim needs at least 161" in said
    (log,) = Path("runs/.sweep-mine").glob("ms-ssim*.log")
    assert str(log) in said
    assert "ms-ssim needs at least 161" in log.read_text()
    assert "1 of 2 cells failed" in err
    assert out.splitlines()[-1] == "runs"
    assert states() == {("pixels", "shapes-low"): ["COMPLETE"], ("ms-ssim", "shapes-low"): ["FAIL", "FAIL"]}
    check_folders({("pixels", "shapes-low")})


@pytest.mark.parametrize(
    ("number", "code", "word"), [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated")]
)
def test_a_signal_ends_the_cells_which_wait_again(
    place: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], number: int, code: int, word: str
) -> None:
    write_sweep(["pixels", "ssim"], ["shapes-low"])
    sleeps = "import os, time; print('begun', os.getpid(), flush=True); time.sleep(600)"
    monkeypatch.setattr("alignbench.cli.commands.sweep._COMMAND", (sys.executable, "-c", sleeps))
    begun: list[int] = []

    def signal_when_begun() -> None:
        try:
            wait_for(lambda: [log.read_text()[-1:] for log in logs()] == ["\n", "\n"])  # whole lines
            begun.extend(int(log.read_text().split()[1]) for log in logs())
        finally:
            os.kill(os.getpid(), number)

    def logs() -> list[Path]:
        return list(Path("runs/.sweep-mine").glob("*-*.log"))

    thread = threading.Thread(target=signal_when_begun)
    with as_in_a_terminal():
        thread.start()
        assert main(["sweep", "mine.yaml", "--workers", "2", "--wandb", "off"]) == code
    thread.join()
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines()[-1] == f"alignbench: {word}: finished runs are kept, nothing half-written is left"
    assert len(begun) == 2
    assert all(map(is_gone, begun))
    assert held() == 0
    assert states() == {("pixels", "shapes-low"): ["FAIL"], ("ssim", "shapes-low"): ["FAIL"]}  # that is, interrupted


def test_finished_sweep_is_recognised_without_anything_heavy(place: Path) -> None:
    assert finish_sweep("data", place / "runs") == 6  # with a model of open_clip, which takes seconds to import
    journal = (place / "runs" / ".sweep-data" / "journal.log").read_bytes()
    code = (
        "import sys; from alignbench.cli.main import main; code = main(['sweep', 'data']); "
        "heavy = {'torch', 'transformers', 'open_clip', 'lightning', 'pandas', 'matplotlib'} & set(sys.modules); "
        "sys.exit(code or ', '.join(sorted(heavy)) or 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("was finished") == 6
    assert done.stdout.splitlines()[-1] == "runs"
    assert (place / "runs" / ".sweep-data" / "journal.log").read_bytes() == journal


@pytest.mark.slow
def test_a_sweep_is_told_to_programs(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(["pixels"], ["shapes-low", "tid2013"])
    capsys.readouterr()
    assert main(["sweep", "mine.yaml", "--json", "--wandb", "off"]) == 1
    told = capsys.readouterr()
    fine, failed = json.loads(told.out)
    assert (fine["state"], fine["error"], fine["finished_before"]) == ("finished", None, False)
    [folder] = fine["folders"]
    assert (place / folder / "run.json").is_file() or (place / "runs" / folder / "run.json").is_file()
    assert isinstance(fine["seconds"], float)
    assert (failed["state"], failed["seconds"], failed["folders"]) == ("failed", None, [])
    assert "tid2013 needs --data-root" in failed["error"]
    assert Path(failed["log"]).is_file()
    assert "1 of 2 cells failed" in told.err


@pytest.mark.slow
def test_cells_that_score_heads_are_run_and_taken_again(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["alignbench", "interpret", "align", "--draws=0", "--twins=0", "--splits=0", "${args}"]
    write_sweep(["shapes-clip"], ["shapes-middle"], command)
    order = ["sweep", "mine.yaml", "--output", "runs", "--wandb", "off"]
    assert main(order) == 0
    (folder,) = Path("runs").glob("shapes-clip__align__*")
    assert folder.name in capsys.readouterr().out
    alignment, _, _ = read_head_alignment(folder)
    assert set(alignment["dataset"]) == {"shapes-middle"}
    assert main([*order, "--json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)
    assert (cell["state"], cell["finished_before"], cell["folders"]) == ("finished", True, [folder.name])


# ------------------------------------------------------------------------------------------------------- the cells


@pytest.mark.parametrize(
    ("workers", "cores", "extra", "threads"),
    [(1, 8, [], "8"), (2, 8, ["--loader-workers", "3"], "4"), (4, 2, ["--loader-workers", "0"], "1")],
)
def test_workers_share_the_cores_and_the_group(
    place: Path, monkeypatch: pytest.MonkeyPatch, workers: int, cores: int, extra: list[str], threads: str
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS")
    queue = Queue([make_cell(0)], place / "runs", "mine")
    start = make_start(queue, "offline", cores // workers, workers > 1)
    assert list(start.options) == ["--output", str(place / "runs"), "--wandb", "offline", *extra]
    assert start.environment["OMP_NUM_THREADS"] == threads
    assert start.environment["WANDB_RUN_GROUP"] == "sweep-mine"
    monkeypatch.setenv("WANDB_RUN_GROUP", "mine")
    assert make_start(queue, "offline", 1, False).environment["WANDB_RUN_GROUP"] == "mine"
    given = SweepCell({}, ("--model=pixels", "--loader-workers=5", "--devices=2"), "one")
    options = make_start(Queue([given], place, "x"), "off", 1, True, 4).options
    assert not {"--loader-workers", "--devices"} & set(options)
    assert make_start(queue, "off", 2, True, 4).options[-4:] == ("--loader-workers", "1", "--devices", "4")
    heads = SweepCell({}, ("--model=shapes-clip",), "one", "interpret align")
    assert make_start(Queue([heads], place, "y"), "off", 1, False).command[-2:] == ("interpret", "align")
    assert start.command[-2:] == ("alignbench.cli.cell_process", "run")


# ----------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--workers", "0"), ["--workers 0", "below 1"]),
        (("--wandb", "onlin"), ["unknown --wandb mode 'onlin'", "online"]),
        (("--output", "mine.yaml"), ["mine.yaml", "cannot be written to", "--output"]),
    ],
)
def test_wrong_option_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], options: tuple[str, ...], words: list[str]
) -> None:
    write_sweep(["pixels"], ["shapes-low"])
    said = refused(capsys, "sweep", "mine.yaml", *options)
    assert all(word in said for word in words), said
    assert [path.name for path in place.iterdir()] == ["mine.yaml"]


def test_online_without_credentials_is_refused_before_anything_starts(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(place / "home"))
    monkeypatch.setenv("NETRC", str(place / "netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(place / "config"))
    write_sweep(["pixels"], ["shapes-low"])
    assert "wandb login" in refused(capsys, "sweep", "mine.yaml", "--wandb", "online")
    assert not (place / "runs").exists()


def test_sweep_under_an_agent_that_waits_for_one_run_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "one")
    write_sweep(["pixels"], ["shapes-low"])
    assert "WANDB_RUN_ID" in refused(capsys, "sweep", "mine.yaml", "--wandb", "offline")
    assert not (place / "runs").exists()


@pytest.mark.parametrize("option", ["--output=there", "--wandb=off", "--overwrite"])
def test_option_that_is_the_sweeps_own_is_refused(place: Path, capsys: pytest.CaptureFixture[str], option: str) -> None:
    write_sweep(["pixels"], ["shapes-low"], ["alignbench", "run", option, "${args}"])
    said = refused(capsys, "sweep", "mine.yaml")
    assert "mine.yaml" in said
    assert option.partition("=")[0] in said
    assert not (place / "runs").exists()


def test_journal_that_cannot_be_read_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(["pixels"], ["shapes-low"])
    (place / "runs" / ".sweep-mine").mkdir(parents=True)
    (place / "runs" / ".sweep-mine" / "journal.log").write_text("nonsense\n")
    assert "remove runs/.sweep-mine" in refused(capsys, "sweep", "mine.yaml")


def test_lock_that_cannot_be_opened_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(["pixels"], ["shapes-low"])
    lock = place / "runs" / ".sweep-mine" / "locks.turn"
    lock.parent.mkdir(parents=True)
    lock.symlink_to(lock)
    said = refused(capsys, "sweep", "mine.yaml")
    assert "runs/.sweep-mine/locks.turn cannot be used (Too many levels of symbolic links)" in said
    assert "--output" in said


def test_ledger_that_cannot_be_written_is_refused(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(["pixels"], ["shapes-low"])
    (place / "runs" / ".sweep-mine" / "journal.log").mkdir(parents=True)
    said = refused(capsys, "sweep", "mine.yaml")
    assert "runs/.sweep-mine/journal.log cannot be read as a journal of Optuna: remove runs/.sweep-mine" in said


@pytest.mark.parametrize(("text", "word"), [("[grid", "not YAML"), ("method: bayes\n", "method bayes")])
def test_file_that_cannot_be_followed_is_refused(
    place: Path, capsys: pytest.CaptureFixture[str], text: str, word: str
) -> None:
    Path("mine.yaml").write_text(text)
    assert word in refused(capsys, "sweep", "mine.yaml")
    assert main(["sweep"]) == 2
