"""What W&B is given, read back from its own transaction log by its own reader, and held against the run folder."""

from __future__ import annotations

import json
import math
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import pytest

import alignbench
from alignbench.cli.main import main
from alignbench.results.folders import is_complete
from alignbench.statistics.correlations import pearson
from alignbench.statistics.scores import RATING_METRICS
from alignbench.tracking import tracker
from alignbench.tracking.tracker import Tracker
from alignbench.tracking.unlogged import is_unlogged, note_on_disk
from drawing import do_not_draw
from patience import PATIENCE, wait_for
from wandb_runs import (
    PIXELS,
    Expected,
    Logged,
    check_artifact,
    check_axis,
    check_charts,
    check_factors,
    check_figures,
    check_points,
    check_summary,
    check_table,
    check_uploaded,
    isolate,
    logged_in,
    measured,
    processes_naming,
    read_logged,
)
from wandb_server import RunServer

pytestmark = pytest.mark.slow

# ------------------------------------------------------------------------------------- what a run is logged as


@dataclass(frozen=True)
class World:
    """A baseline and a tower on the same data, both logged offline."""

    tower: Logged
    of_baseline: Logged
    expected: Expected
    baseline: Expected


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    import wandb

    home = tmp_path_factory.mktemp("home")
    output = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, home)
        options = ("--dataset", "shapes-low", "--subset", "test,trainset", "--limit", "45", "--wandb", "offline")
        do_not_draw(patch)
        with mock.patch.dict(RATING_METRICS, pearson_logistic=pearson):  # a fit takes long, and is a score as others
            measured(output, "--model", "pixels", *options)
            measured(output, "--model", "random:shapes-clip", *options, "--seed", "3")
        (baseline,) = output.glob("pixels__*")
        (folder,) = output.glob("shapes-clip@random-3__*")
        found = {logged.state["name"]: logged for logged in map(read_logged, logged_in(output))}
        part = "45 of 1,000 test ratings; 45 of 600 trainset ratings"
        assert list(found) == [f"pixels on shapes-low ({part})", f"shapes-clip@random-3 on shapes-low ({part})"]
        expected = [Expected(place, ("test", "trainset"), "spearman") for place in (folder, baseline)]
        yield World(*reversed(found.values()), *expected)
        wandb.teardown()


def test_every_score_of_every_layer_is_a_point_over_depth(world: World) -> None:
    assert len(world.expected.main_rows()) == 8 * 3 * 5 * 2
    check_points(world.tower, world.expected)


def test_depth_is_the_hidden_axis_and_the_highest_score_the_summary(world: World) -> None:
    check_axis(world.tower, world.expected)


def test_the_summary_names_best_layer_peak_and_projection(world: World) -> None:
    assert len(world.expected.own_scores()) == 3 * 2
    check_summary(world.tower, world.expected)


def test_the_table_is_the_whole_curve_with_intervals(world: World) -> None:
    check_table(world.tower, world.expected)


def test_charts_hold_the_curve_and_the_baseline_beside_it(world: World) -> None:
    check_charts(world.tower, world.expected, "shapes-clip@random-3", {"pixels euclidean": world.baseline})


def test_figures_are_the_files_of_the_run_folder(world: World) -> None:
    check_figures(world.tower, world.expected)
    assert "figures/channels" not in world.of_baseline.state["summary"]


def test_curve_distances_and_record_are_a_versioned_artifact(world: World) -> None:
    check_artifact(world.tower, world.expected)


def test_every_factor_and_setting_is_a_key_of_its_own(world: World) -> None:
    config = world.tower.state["config"]
    check_factors(world.tower, "shapes-clip")
    expected = {
        **{"model": "shapes-clip@random-3", "dataset": "shapes-low", "level": "low", "protocol": "paper"},
        **{"distance": ["normalized_euclidean", "euclidean", "cosine"], "tokens": "all", "resize": "checkpoint"},
        **{"precision": "fp32", "random_init": True, "seed": 3, "limit": 45, "subset": ["test", "trainset"]},
        **{"run_folder": world.expected.folder.name, "observers": "simulated observers"},
    }
    assert {name: config[name] for name in expected} == expected
    assert config["timing"] == json.loads((world.expected.folder / "run.json").read_text())["timing"]


def test_project_group_and_kind(world: World) -> None:
    for logged, kind in ((world.tower, "model"), (world.of_baseline, "baseline")):
        (run,) = logged.of("run")
        assert (run["project"], run["run_group"], run["job_type"]) == ("alignbench", "shapes-low", kind)
        assert logged.state["state"] == "finished"


def test_files_of_wandb_do_not_disturb_a_folder_of_runs(world: World, tmp_path: Path) -> None:
    assert main(["report", str(world.expected.folder.parent), "--output", str(tmp_path / "curves.png")]) == 0


# ----------------------------------------------------------------------------------------- when it is logged at all


def test_offline_says_once_how_to_upload(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(home / "runs", *PIXELS, "--dataset", "shapes-low,shapes-middle", "--wandb", "auto")
    said = capsys.readouterr().err
    assert said.count("wandb sync") == 1
    assert f"wandb sync {home}/runs/.wandb/offline-run-*" in said
    assert len(logged_in(home / "runs")) == 2


def test_a_run_of_one_process_is_logged_whatever_a_cluster_says(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"):
        monkeypatch.setenv(name, "1")
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert len(logged_in(home / "runs")) == 1


def test_off_writes_nothing_and_changes_no_name(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    measured(home / "off", *PIXELS, "--wandb", "off")
    monkeypatch.setenv("WANDB_MODE", "disabled")
    measured(home / "disabled", *PIXELS)
    measured(home / "offline", *PIXELS, "--wandb", "offline")
    names = {kind: sorted(path.name for path in (home / kind).iterdir()) for kind in ("off", "disabled", "offline")}
    assert names["off"] == names["disabled"]
    assert names["offline"] == [".wandb", *names["off"]]


def test_measuring_from_python_logs_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    alignbench.measure("pixels", "shapes-low", limit=45)
    assert list(home.rglob("*.wandb")) == []


def test_a_finished_run_is_logged_again_for_an_agent_only(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = (*PIXELS, "--wandb", "offline")
    measured(home / "runs", *arguments)
    measured(home / "runs", *arguments)
    assert len(logged_in(home / "runs")) == 1
    monkeypatch.setenv("WANDB_SWEEP_ID", "sweep1")
    monkeypatch.setenv("WANDB_RUN_ID", "agent1")
    import wandb

    wandb.teardown()  # an agent starts a process of its own
    measured(home / "runs", *arguments)
    first, second = map(read_logged, logged_in(home / "runs"))
    assert second.state["run_id"] == "agent1" != first.state["run_id"]
    scores = [item["align/euclidean/spearman"] for item in second.history if "align/euclidean/spearman" in item]
    assert scores == [first.history[0]["align/euclidean/spearman"]]
    (run,) = second.of("run")
    assert run["sweep_id"] == "sweep1"
    assert "run_group" not in run


def test_an_agents_run_is_of_one_cell(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_RUN_ID", "agent1")
    arguments = ["run", "--model", "pixels", "--dataset", "shapes-low,shapes-middle", "--wandb", "offline"]
    assert main(arguments) == 2
    assert "one at a time" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------------ failures


def test_a_disk_that_cannot_be_written_to_leaves_the_run_folder(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "file").write_text("in the way")
    monkeypatch.setenv("WANDB_DATA_DIR", str(home / "file" / "data"))
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    (folder,) = (home / "runs").glob("pixels__*")
    assert is_complete(folder)
    said = capsys.readouterr().err.splitlines()
    (warning,) = [line for line in said if "warning" in line]
    assert "W&B" in warning
    assert str(folder) in warning


def test_a_run_that_was_not_logged_is_logged_at_the_next_start(home: Path) -> None:
    with mock.patch.object(Tracker, "log", side_effect=KeyboardInterrupt):  # just before it is logged
        assert main(["run", *PIXELS, "--output", str(home / "runs"), "--wandb", "offline"]) == 130
    assert logged_in(home / "runs") == []
    for mode, logged in (("off", 0), ("offline", 1), ("offline", 1)):
        measured(home / "runs", *PIXELS, "--wandb", mode)
        assert len(logged_in(home / "runs")) == logged, f"after a start with {mode}"
    (folder,) = (home / "runs").glob("pixels__*")
    check_points(read_logged(logged_in(home / "runs")[0]), Expected(folder, ("test",), "spearman"))
    assert not is_unlogged(folder)


def test_a_run_that_nobody_wanted_logged_is_not_logged_later(home: Path) -> None:
    measured(home / "runs", *PIXELS, "--wandb", "off")
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert logged_in(home / "runs") == []


def test_a_log_that_failed_is_made_at_the_next_start(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with mock.patch.object(tracker, "summary", side_effect=OSError("no room")):
        measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert "no room" in capsys.readouterr().err
    assert logged_in(home / "runs") == []
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert len(logged_in(home / "runs")) == 1


# ------------------------------------------------------------------------------------------------------- online


def upload_by(command: str) -> None:
    """Do what a line told the user to do."""
    subprocess.run([sys.executable, "-m", *shlex.split(command)], check=True, timeout=PATIENCE)


def told(capsys: pytest.CaptureFixture[str], word: str) -> str:
    """The one line of stderr that has a word."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if word in line]
    return line


def test_a_run_goes_to_the_server(home: Path, server: RunServer, capsys: pytest.CaptureFixture[str]) -> None:
    measured(home / "runs", *PIXELS)
    (folder,) = (home / "runs").glob("pixels__*")
    check_uploaded(server, folder)
    said = capsys.readouterr().err
    assert "warning" not in said
    assert "wandb" not in said
    assert not is_unlogged(folder)


def test_an_agents_run_that_the_server_does_not_take_is_on_disk_and_can_be_uploaded(
    home: Path, server: RunServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("SWEEP_ID", "sweep1"), ("RUN_ID", "agent1"), ("PROJECT", "alignbench")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    monkeypatch.setenv("ALIGNBENCH_WANDB_SECONDS", "0.3")
    server.sound = 0
    measured(home / "my runs", *PIXELS)
    (folder,) = (home / "my runs").glob("pixels__*")
    assert is_complete(folder)
    line = told(capsys, "warning")
    assert server.address in line  # why
    server.sound = math.inf
    upload_by(line.partition("to upload it: ")[2])
    assert (server.run["name"], server.run["sweep"]) == ("agent1", "sweep1")
    assert server.uploads[f"{folder.name}/curve.csv"] == (folder / "curve.csv").read_bytes()


def test_a_server_that_did_not_answer_is_not_waited_for_again(
    home: Path, server: RunServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ALIGNBENCH_WANDB_SECONDS", "0.3")
    server.sound = 0
    measured(home / "runs", *PIXELS, "--dataset", "shapes-low,shapes-middle,shapes-high")
    said = capsys.readouterr().err.splitlines()
    assert len([line for line in said if "did not take" in line]) == 1
    assert f"wandb sync {home}/runs/.wandb/offline-run-*" in said[-1]
    assert len(logged_in(home / "runs")) == 3
    assert not list(home.glob("runs/*/.unlogged"))


def test_a_run_whose_upload_was_killed_is_uploaded_at_the_next_start_and_not_logged_anew(
    home: Path, server: RunServer, capsys: pytest.CaptureFixture[str]
) -> None:
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    (folder,), (place,) = (home / "runs").glob("pixels__*"), logged_in(home / "runs")
    note_on_disk(folder, place)  # as it stands while the run is uploaded
    measured(home / "runs", *PIXELS, "--wandb", "online")
    assert logged_in(home / "runs") == [place]
    check_uploaded(server, folder)
    assert not is_unlogged(folder)


def test_an_upload_can_be_stopped(home: Path, server: RunServer) -> None:
    server.sound = 2  # it has the run by then
    command = [sys.executable, "-m", "alignbench", "run", *PIXELS, "--loader-workers", "0", "--output", "my runs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert server.stuck.wait(PATIENCE)
        began = time.monotonic()
        process.terminate()
        said = process.communicate(timeout=PATIENCE)[1]
    assert time.monotonic() - began < 10
    assert process.returncode == 143
    assert "Traceback" not in said
    assert "terminated" in said.splitlines()[-1]
    (folder,), (place,) = (home / "my runs").glob("pixels__*"), logged_in(home / "my runs")
    assert is_complete(folder)
    assert processes_naming(place) == []
    (line,) = [line for line in said.splitlines() if "wandb sync" in line]
    server.sound = math.inf
    server.streamed.clear()
    upload_by(line.partition("to upload it: ")[2])
    check_uploaded(server, folder)


def test_a_killed_command_leaves_no_process_and_is_made_up_for(home: Path, server: RunServer) -> None:
    server.sound = 2
    command = [sys.executable, "-m", "alignbench", "run", *PIXELS, "--loader-workers", "0", "--output", "runs"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert server.stuck.wait(PATIENCE)
        process.kill()
        process.communicate(timeout=PATIENCE)
    (folder,), (place,) = (home / "runs").glob("pixels__*"), logged_in(home / "runs")
    wait_for(lambda: not processes_naming(place))
    server.sound = math.inf
    server.streamed.clear()
    measured(home / "runs", *PIXELS)
    assert logged_in(home / "runs") == [place]
    check_uploaded(server, folder)
