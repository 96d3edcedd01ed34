"""`alignbench pull` makes run folders again from what was logged, says of each what became of it, and goes on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.cli.main import main
from command_bench import Outcome
from drawing import do_not_draw
from patience import PATIENCE
from studies import BASE_16, BASE_32, Made, write_made
from wandb_projects import PATH, KeptRun, ProjectServer, project_server
from wandb_runs import PIXELS, measured

pytestmark = pytest.mark.slow

MODELS = (BASE_16, BASE_32, "ssim")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("made")
    return [write_made(Made(model, "tid2013", 60, lambda *_: 0.5), root) for model in MODELS]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectServer]:
    with project_server(tmp_path / "home", monkeypatch) as server:
        yield server


@pytest.fixture
def project(server: ProjectServer, made: list[Path]) -> ProjectServer:
    for number, folder in enumerate(made):
        server.add(folder, f"run{number}")
    return server


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "pulled"


def pull(capsys: pytest.CaptureFixture[str], output: Path, *arguments: str) -> Outcome:
    capsys.readouterr()
    code = main(["pull", *(arguments or [PATH]), "--output", str(output)])
    return Outcome(code, *capsys.readouterr(), output)


def held(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")}


def summary(found: Outcome) -> str:
    return found.err.splitlines()[-1]


# ------------------------------------------------------------------------------------------------- what it fetches


def test_what_was_logged_comes_back_and_can_be_reported(
    server: ProjectServer,
    output: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    runs = tmp_path / "runs"
    with monkeypatch.context() as patch:
        do_not_draw(patch)
        measured(runs, *PIXELS)
        for seed in "01":
            options = ("--dataset", "shapes-low", "--limit", "45", "--seed", seed)
            measured(runs, "--model", "random:shapes-clip", *options)
    found = pull(capsys, output)
    assert (found.code, found.out.strip()) == (0, str(output))
    assert {folder.name: held(folder) for folder in output.iterdir()} == {
        folder.name: held(folder) for folder in runs.iterdir() if not folder.name.startswith(".")
    }
    page, towers = str(tmp_path / "page.html"), sorted(output.glob("shapes-clip@*"))
    assert len(towers) == 2
    for command in (["report", output, "--output", page], ["leaderboard", output], ["compare", *towers]):
        assert main(list(map(str, command))) == 0, capsys.readouterr().err
    again = [*PIXELS, "--loader-workers", "0", "--output", str(output), "--wandb", "off"]
    assert main(["run", *again]) == 0, "the folder counts as finished"
    assert "is finished" in capsys.readouterr().err


def test_finished_folders_are_not_fetched_again(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = pull(capsys, output)
    assert found.code == 0
    assert found.left == sorted(folder.name for folder in made)
    assert summary(found).startswith("3 run folders: 3 fetched (")
    assert summary(found).endswith("0 there before, 0 failed")
    project.fetched.clear()
    found = pull(capsys, output)
    assert found.code == 0
    assert summary(found) == "3 run folders: 0 fetched (0.0 MB), 3 there before, 0 failed"
    assert not [path for path in project.fetched if path.endswith(".safetensors")]


def test_the_newest_finished_run_of_a_folder_wins_and_it_says_so(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record = (made[0] / "run.json").read_bytes()
    project.add(made[0], "newer", {**held(made[0]), "run.json": record + b"\n"})
    project.add(made[0], "unfinished", {**held(made[0]), "run.json": record + b"\n\n"}, state="crashed")
    found = pull(capsys, output, PATH, "--label", BASE_16)
    assert found.code == 0
    assert f"{made[0].name}: 2 finished runs, of which the newest is taken (newer, " in found.err
    assert (output / made[0].name / "run.json").read_bytes() == record + b"\n"


def test_runs_are_chosen(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project.runs["run1"].sweep = "abc123"
    project.runs["run2"].tags = ["paper"]
    for arguments, expected in ((("--sweep", "abc123"), made[1]), (("--tag", "paper"), made[2])):
        found = pull(capsys, output, PATH, *arguments)
        assert found.code == 0
        assert expected.name in found.left
        assert summary(found).startswith("1 run folder: 1 fetched")
    assert len(found.left) == 2


def test_one_that_fails_does_not_stop_the_rest(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    place = f"{next(iter(project.artifacts))}/curve.csv"
    project.uploads[place] = project.uploads[place][:-1] + b"?"
    found = pull(capsys, output)
    (line,) = found.complaints
    assert found.code == 1
    assert line.startswith(f"alignbench: {made[0].name}: curve.csv came damaged")
    assert found.left == sorted(folder.name for folder in made[1:])
    assert summary(found).endswith("0 there before, 1 failed")
    project.uploads[place] = held(made[0])["curve.csv"]
    found = pull(capsys, output)
    assert found.code == 0
    assert summary(found).startswith("3 run folders: 1 fetched")


def test_a_folder_with_other_content_is_refused_by_name(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pull(capsys, output)
    (output / made[0].name / "curve.csv").write_text("mine")
    found = pull(capsys, output)
    (line,) = found.complaints
    assert found.code == 1
    assert str(output / made[0].name) in line
    assert "run run0 (curve.csv)" in line
    assert (output / made[0].name / "curve.csv").read_text() == "mine"


# ------------------------------------------------------------------------------------------------- what it refuses


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["alignbench"], 2, ["ENTITY/PROJECT"]),
        (["someone/other"], 2, ["knows no project someone/other"]),
        ([PATH, "--sweep", "zzz"], 2, ["none of these runs has a sweep", "--sweep"]),
        ([PATH, "--label", "ssimm"], 2, ["unknown --label 'ssimm'", "did you mean ssim?"]),
        ([PATH, "--max-size", "much"], 2, ["not a size"]),
    ],
)
def test_wrong_use_is_one_line(
    project: ProjectServer,
    output: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    words: list[str],
) -> None:
    pull(capsys, output, *arguments).refused(code, *words)


def test_a_project_without_finished_runs_is_one_line(
    server: ProjectServer, output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    server.runs["run0"] = KeptRun("run0", {}, "running")
    pull(capsys, output).refused(1, "no run of someone/alignbench has finished", "1 running")


def test_runs_without_artifacts_fail_by_name(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for run in project.runs.values():
        run.artifacts.clear()
    found = pull(capsys, output)
    assert (found.code, found.left) == (1, [])
    assert len(found.complaints) == 3
    assert all("has no artifact of its run folder" in line for line in found.complaints)
    assert "Traceback" not in found.err


def test_offline_is_one_line(
    project: ProjectServer, output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    pull(capsys, output).refused(2, "W&B is offline here", "unset WANDB_MODE")


def test_without_credentials_it_says_how_to_log_in(
    project: ProjectServer, output: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WANDB_API_KEY")
    pull(capsys, output).refused(2, "`wandb login`")


def test_a_server_that_falls_silent_is_not_asked_for_the_rest(
    project: ProjectServer,
    made: list[Path],
    output: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ALIGNBENCH_WANDB_SECONDS", "2")
    project.silent_at = "FetchArtifactManifest"
    found = pull(capsys, output)
    assert (found.code, found.left) == (1, [])
    (line,) = found.complaints
    assert f"{project.address} does not answer as it should" in line
    assert summary(found).endswith("3 failed, of which 2 were not tried")


def test_a_killed_pull_leaves_nothing_half_written_and_is_gone_on_with(
    project: ProjectServer, made: list[Path], output: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project.held_back = f"{next(reversed(project.artifacts))}/judgments.parquet"
    command = [sys.executable, "-m", "alignbench", "pull", PATH, "--output", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert project.stuck.wait(PATIENCE)
        process.kill()
        process.communicate(timeout=PATIENCE)
    project.held_back = ""
    whole = [path.name for path in output.iterdir() if not path.name.startswith(".tmp-")]
    assert sorted(whole) == sorted(folder.name for folder in made[:2])
    found = pull(capsys, output)
    assert found.code == 0
    assert summary(found).startswith("3 run folders: 1 fetched")
    assert found.left == sorted(folder.name for folder in made)


def test_an_interrupted_pull_cleans_up(project: ProjectServer, output: Path) -> None:
    project.held_back = f"{next(iter(project.artifacts))}/judgments.parquet"
    command = [sys.executable, "-m", "alignbench", "pull", PATH, "--output", str(output)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert project.stuck.wait(PATIENCE)
        process.terminate()
        said = process.communicate(timeout=PATIENCE)[1]
    assert process.returncode == 143
    assert "Traceback" not in said
    assert not output.exists()
