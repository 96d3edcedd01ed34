"""`wandb sweep` and `wandb agent` themselves run two cells of `sweeps/demo.yaml`, against a stand-in for the server.

The packaged data sets have no published curve: its line in a chart is tested in `tracking/test_payload.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from alignbench.cli.swept_commands import swept_commands
from alignbench.results.folders import is_complete
from alignbench.sweeps import read_sweep
from documented import ROOT
from wandb_client import swept_by_clients
from wandb_runs import Expected, Logged, check_factors, check_scores, check_tower, read_logged
from wandb_server import ENTITY, SWEEP, SweepServer

FILE = ROOT / "sweeps" / "demo.yaml"
WANTED = ({"dataset": "shapes-middle", "model": "pixels"}, {"dataset": "shapes-middle", "model": "shapes-clip"})

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Swept:
    """What the clients left.

    Attributes:
        server: The stand-in.
        said: What `wandb sweep` and `wandb agent` printed.
        folders: The run folders of a baseline and of a tower.
        logged: The W&B runs of both.
    """

    server: SweepServer
    said: tuple[str, str]
    folders: tuple[Expected, Expected]
    logged: tuple[Logged, Logged]


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Swept]:
    home = tmp_path_factory.mktemp("home")
    cells = read_sweep(FILE, swept_commands()).cells
    server = SweepServer([cells.index(cell) for cell in WANTED])
    with pytest.MonkeyPatch.context() as patch, server.serving():
        made, ran = swept_by_clients(server, patch, home, FILE)
        places = sorted((home / "wandb").glob("offline-run-*"))
        logged = {one.state["run_id"]: one for one in map(read_logged, places)}
        assert list(logged) == ["run0", "run1"], ran
        (baseline,), (tower,) = ((home / "runs").glob(f"{name}__*") for name in ("pixels", "shapes-clip"))
        folders = Expected(baseline, ("test",), "accuracy"), Expected(tower, ("test",), "accuracy")
        yield Swept(server, (made, ran), folders, (logged["run0"], logged["run1"]))


def test_the_server_is_sent_the_sweep_of_the_file(swept: Swept) -> None:
    sweep = read_sweep(FILE, swept_commands())
    assert swept.server.grid == [dict(cell) for cell in sweep.cells]
    assert list(swept.server.runs.values()) == list(WANTED)
    assert f"wandb agent {ENTITY}/alignbench/{SWEEP}" in swept.said[0]
    assert set(swept.server.calls) == {"Viewer", "UpsertSweep", "SweepWithRuns", "CreateAgent", "Heartbeat"}


def test_the_agent_runs_the_command_lines_that_are_expected(swept: Swept) -> None:
    sweep = read_sweep(FILE, swept_commands())
    lines = [sweep.command_line(cell) for cell in WANTED]
    started = re.findall(r"About to run command: (.*)", swept.said[1])
    assert started == [" ".join(line) for line in lines]
    for logged, line in zip(swept.logged, lines, strict=True):
        environment = logged.of("environment")[0]
        assert [Path(environment["program"]).name, *environment["args"]] == line[1:]


def test_runs_are_whole_and_of_the_sweep(swept: Swept) -> None:
    for expected, logged, kind in zip(swept.folders, swept.logged, ("baseline", "model"), strict=True):
        assert is_complete(expected.folder)
        (about,) = logged.of("run")
        assert (about["project"], about["sweep_id"], about["job_type"]) == ("alignbench", SWEEP, kind)
        assert "run_group" not in about  # the sweep groups them
        assert logged.state["state"] == "finished"


def test_scores_table_and_artifact_of_every_run_are_logged(swept: Swept) -> None:
    for expected, logged in zip(swept.folders, swept.logged, strict=True):
        check_scores(logged, expected)


def test_summary_figures_and_chart_of_a_tower_are_logged(swept: Swept) -> None:
    (baseline, tower), (_, logged) = swept.folders, swept.logged
    assert len(tower.own_scores()) == 3
    assert len(tower.main_rows()) == 3 * 8
    check_tower(logged, tower, "shapes-clip", {"pixels euclidean": baseline})


def test_every_factor_and_setting_is_a_key_of_its_own(swept: Swept) -> None:
    check_factors(swept.logged[1], "shapes-clip")
    config = swept.logged[1].state["config"]
    settings = json.loads((swept.folders[1].folder / "run.json").read_text())["settings"]
    names = ("model", "dataset", "protocol", "distance", "tokens", "resize", "precision", "random_init", "seed")
    assert {name: config[name] for name in names} == {name: settings[name] for name in names}
