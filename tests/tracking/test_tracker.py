"""What W&B is given, read back from its own transaction log by its own reader, and held against the run folder."""

from __future__ import annotations

import json
import os
import pty
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import alignbench
from alignbench.cli.main import main
from alignbench.errors import UsageError
from alignbench.models.cards import cards
from alignbench.results.folders import is_complete
from alignbench.results.layer_curve import COLUMNS, LayerCurve
from alignbench.results.published import published_curves
from alignbench.results.run_record import RunRecord
from alignbench.tracking.modes import resolve_mode
from alignbench.tracking.payload import charts, configuration, scores_by_depth, summary
from wandb_runs import (
    FACTORS,
    KEY,
    Expected,
    Logged,
    check_artifact,
    check_axis,
    check_charts,
    check_figures,
    check_points,
    check_summary,
    check_table,
    isolate,
    logged_in,
    read_logged,
    select_rows,
)
from wandb_server import RunServer

DEAD = "http://127.0.0.1:9"  # nothing listens there
PIXELS = ("--model", "pixels", "--dataset", "shapes-low", "--limit", "45")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import wandb

    wandb.teardown()
    isolate(monkeypatch, tmp_path / "home")
    yield tmp_path / "home"
    wandb.teardown()


def measured(output: Path, *arguments: str | Path) -> None:
    assert main(["run", *map(str, arguments), "--loader-workers", "0", "--output", str(output)]) == 0


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
        measured(output, "--model", "pixels", *options)
        measured(output, "--model", "random:shapes-clip", *options, "--seed", "3")
        (baseline,) = output.glob("pixels__*")
        (folder,) = output.glob("shapes-clip@random-3__*")
        found = {logged.state["name"]: logged for logged in map(read_logged, logged_in(output))}
        assert list(found) == ["pixels on shapes-low", "shapes-clip@random-3 on shapes-low"]
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
    card = cards()["shapes-clip"]
    assert {name: config[name] for name in FACTORS} == {name: getattr(card, name) for name in FACTORS}
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


# ------------------------------------------------------------------------------------------ contents by themselves


def curve_of(model: str, dataset: str, subset: str, rows: pd.DataFrame, **values: object) -> LayerCurve:
    given = {"model": model, "dataset": dataset, "subset": subset, "level": "low", "protocol": "paper"}
    counted = {"tokens": "all", "ci_low": np.nan, "ci_high": np.nan, "n": 3000, "n_clusters": 25}
    return LayerCurve(rows.assign(**(given | counted | values))[list(COLUMNS)].reset_index(drop=True))


def test_the_published_curve_is_a_line_of_the_chart() -> None:
    model = "openai/clip-vit-base-patch32"
    every = published_curves()
    theirs = every[(every["model"] == model) & (every["dataset"] == "tid2013")]
    ours = curve_of(model, "tid2013", "all", theirs.assign(value=theirs["value"] / 2))
    ssim = pd.DataFrame({"distance": ["ssim"], "layer": ["image"], "depth": [0.0], "metric": ["spearman"]})
    near = curve_of("ssim", "tid2013", "all", ssim.assign(value=0.6))
    fewer = curve_of("ms-ssim", "tid2013", "all", ssim.assign(value=0.7), n=100)
    drawn = charts(ours, [near, fewer])
    assert drawn.keys() == {f"curves/{distance}" for distance in theirs["distance"].unique()}
    for distance in theirs["distance"].unique():
        of_distance = theirs[(theirs["distance"] == distance) & (theirs["metric"] == "spearman")].sort_values("depth")
        mine, published, baseline = drawn[f"curves/{distance}"]
        assert (mine.name, published.name, baseline.name) == (model, "published", "ssim ssim")
        assert published.depth == mine.depth == tuple(of_distance["depth"])
        assert published.value == pytest.approx(tuple(of_distance["value"]))
        assert mine.value == pytest.approx(tuple(of_distance["value"] / 2))
        assert (baseline.depth, baseline.value) == ((0.0, 100.0), (0.6, 0.6))


def test_layers_without_a_score_and_breakdowns_are_left_out() -> None:
    layers = pd.DataFrame({"layer": ["layer_0", "layer_1", "projection"], "depth": [2.5, 97.5, 100.0]})
    rows = layers.assign(distance="cosine", metric="accuracy", value=[np.nan, 0.5, 0.75])
    whole, part = (curve_of("a", "nights", name, rows).frame for name in ("all", "votes_08"))
    curve = LayerCurve(pd.concat([whole, part], ignore_index=True))
    assert list(scores_by_depth(curve)) == [
        {"depth": 97.5, "align/cosine/accuracy": 0.5},
        {"depth": 100.0, "align/cosine/accuracy": 0.75},
    ]
    assert summary(curve) == {
        "best/cosine": 0.5,
        "best_layer/cosine": "layer_1",
        "best_depth/cosine": 97.5,
        "projection/cosine": 0.75,
    }


def test_a_model_without_a_card_has_no_factors() -> None:
    found = configuration(
        RunRecord.from_json({"label": "mine", "settings": {"model": "mine", "seed": 1}, "factors": {}, "level": "low"})
    )
    assert (found["model"], found["seed"], found["level"]) == ("mine", 1, "low")
    assert "architecture" not in found


# -------------------------------------------------------------------------------------------------------- modes


@pytest.mark.parametrize(
    ("asked", "environment", "mode"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY}, "online"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "off"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"}, "online"),
        ("auto", {"WANDB_MODE": "dryrun"}, "offline"),
        ("online", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "online"),
        ("offline", {"WANDB_API_KEY": KEY}, "offline"),
        ("offline", {"WANDB_MODE": "disabled"}, "offline"),
        ("off", {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"}, "off"),
        ("online", {"WANDB_API_KEY": KEY, "RANK": "1", "LOCAL_RANK": "0"}, "off"),
        ("auto", {"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0"}, "offline"),
    ],
)
def test_what_a_mode_comes_to(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: str, environment: dict[str, str], mode: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve_mode(asked) == mode
    assert os.environ.get("WANDB_MODE") == environment.get("WANDB_MODE")


def test_credentials_in_netrc_are_found(home: Path) -> None:
    (home / "netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    assert resolve_mode("auto") == "online"


@pytest.mark.parametrize(
    ("asked", "environment", "words"),
    [
        ("sometimes", {}, "auto"),
        ("auto", {"WANDB_MODE": "ofline"}, "did you mean offline"),
        ("auto", {"WANDB_MODE": "online"}, "wandb login"),
        ("online", {}, "wandb login"),
        ("auto", {"WANDB_API_KEY": "short"}, "WANDB_API_KEY"),
    ],
)
def test_a_mode_that_cannot_be_is_refused_before_anything_is_measured(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    environment: dict[str, str],
    words: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", *PIXELS, "--wandb", asked]) == UsageError.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err
    assert not (home / "runs").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_ever_asked(home: Path, terminal: bool) -> None:
    code = (
        "from alignbench.tracking.modes import resolve_mode\n"
        "from alignbench.errors import UsageError\n"
        "print(resolve_mode('auto'))\n"
        "try: resolve_mode('online')\n"
        "except UsageError: print('refused')"
    )
    leader, follower = pty.openpty()
    stream = follower if terminal else subprocess.DEVNULL
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=stream, stdout=subprocess.PIPE, stderr=stream, timeout=60
        )
    finally:
        os.close(follower)
        os.close(leader)
    assert done.returncode == 0
    assert done.stdout.split() == [b"offline", b"refused"]


# ----------------------------------------------------------------------------------------- when it is logged at all


def test_offline_says_once_how_to_upload(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    measured(home / "runs", *PIXELS, "--dataset", "shapes-low,shapes-middle", "--wandb", "auto")
    said = capsys.readouterr().err
    assert said.count("wandb sync") == 1
    assert f"wandb sync {home}/runs/.wandb/offline-run-*" in said
    assert len(logged_in(home / "runs")) == 2


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
    scores = [item["align/euclidean/spearman"] for item in second.history if "depth" in item]
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


def test_the_environment_settles_directory_project_and_group(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "elsewhere").mkdir()
    monkeypatch.setenv("WANDB_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_RUN_GROUP", "ours")
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert not (home / "runs" / ".wandb").exists()
    (place,) = (home / "elsewhere").glob("wandb/offline-run-*")
    (run,) = read_logged(place).of("run")
    assert (run["project"], run["run_group"]) == ("mine", "ours")


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


def test_a_run_that_the_server_does_not_take_is_kept_offline_and_can_be_uploaded(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("API_KEY", KEY), ("BASE_URL", DEAD), ("INIT_TIMEOUT", "1")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    measured(home / "runs", *PIXELS, "--wandb", "online")
    (folder,) = (home / "runs").glob("pixels__*")
    assert is_complete(folder)
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert DEAD in warning  # why
    command = shlex.split(warning.partition("to upload it: ")[2])
    server = RunServer()
    with server.serving():
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        subprocess.run([sys.executable, "-m", *command], check=True, timeout=60)
    check_uploaded(server, folder)


# ------------------------------------------------------------------------------------------------------- online


def check_uploaded(server: RunServer, folder: Path) -> None:
    """A server that stands in has the run, its scores and the files of its folder."""
    assert (server.run["project"], server.run["groupName"]) == ("alignbench", "shapes-low")
    (steps,) = [line for line in server.streamed["wandb-history.jsonl"] if "depth" in line]
    rows = {f"align/{row['distance']}/{row['metric']}": row["value"] for row in select_rows(folder) if row["value"]}
    assert {name: steps[name] for name in rows} == pytest.approx({name: float(value) for name, value in rows.items()})
    assert folder.name in server.committed
    for name in ("curve.csv", "distances.safetensors", "run.json"):
        assert server.uploads[f"{folder.name}/{name}"] == (folder / name).read_bytes()
    for kind, name in (("images/figures", "curve"), ("table", "curve"), ("table/Custom Chart Tables/curves", "euclid")):
        assert any(path.startswith(f"media/{kind}/{name}") for path in server.uploads)


def test_a_run_goes_to_the_server(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    server = RunServer()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.address)
    with server.serving():
        measured(home / "runs", *PIXELS)
    (folder,) = (home / "runs").glob("pixels__*")
    check_uploaded(server, folder)
    assert "warning" not in capsys.readouterr().err
    assert list(home.glob("runs/.wandb/offline-*")) == []
