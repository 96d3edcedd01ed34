"""A folder of ablations is logged with the whole model, the arm that costs most, the table and its files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ablation_folders import ROWS, write_ablation
from alignbench.tracking.ablations_run import log_ablations
from wandb_runs import Logged, isolate


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    import wandb

    wandb.teardown()
    folder = write_ablation(tmp_path_factory.mktemp("ablations") / "own__ablate__01234567")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        yield Logged(log_ablations(folder))
        wandb.teardown()


def test_the_whole_and_the_largest_drops_are_in_the_summary(logged: Logged) -> None:
    summary = {name: value for name, value in logged.state["summary"].items() if name.startswith("ablations/")}
    assert summary == {
        "ablations/accuracy": 0.8,
        "ablations/accuracy/largest_drop": -0.2,
        "ablations/accuracy/largest_drop_of": "colours: 5.1,6.0, mean",
        "ablations/worst_group": 0.5,
        "ablations/worst_group/largest_drop": -0.25,
        "ablations/worst_group/largest_drop_of": "colours: 5.1,6.0, mean",
    }


def test_the_table_names_each_arm(logged: Logged) -> None:
    table = logged.table("ablations")
    assert table["value"].tolist() == [row[9] for row in ROWS]
    assert table["ablated"].tolist()[::4] == [
        *("nothing", "colours: 5.1,6.0", "drawn: 5.0,6.1", "head 5.1", "head 6.0", "MLP 5", "attention up to layer 5")
    ]


def test_the_run_says_of_what(logged: Logged) -> None:
    (run,) = logged.of("run")
    assert logged.state["name"] == "own without parts"
    assert (run["run_group"], run["job_type"]) == ("own", "heads")
    assert logged.state["config"]["folder"] == "own__ablate__01234567"
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "heads"]
    assert {entry["path"] for entry in artifact["manifest"]["contents"]} == {"ablations.csv", "ablate.json"}
