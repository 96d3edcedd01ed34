"""A folder of a model that was judged before and after is logged with its scores, tables, figure and files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alignbench.tracking.gains_run import log_gains
from gain_folders import ROWS, write_gain_folder
from wandb_runs import Logged, isolate


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    import wandb

    wandb.teardown()
    folder = write_gain_folder(tmp_path_factory.mktemp("gains"))
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        yield Logged(log_gains(folder))
        wandb.teardown()


def test_each_measure_is_a_line_of_the_summary(logged: Logged) -> None:
    assert logged.state["summary"]["before/levels/coarse/accuracy"] == 0.4
    assert logged.state["summary"]["after/levels/coarse/accuracy"] == 0.5
    assert logged.state["summary"]["difference/levels/coarse/accuracy"] == pytest.approx(0.1)
    assert logged.state["summary"]["after/levels/fine/log_rt_spearman"] == 0.3
    assert "before/levels/fine/log_rt_spearman" not in logged.state["summary"], "no score is no line"


def test_tables_and_the_figure_are_logged(logged: Logged) -> None:
    assert logged.table("gains")["measure"].tolist() == [row.measure for row in ROWS]
    assert logged.table("curves")["depth"].tolist() == [50.0]
    assert "figures/gains" in logged.state["summary"]
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "alignet"]
    names = {entry["path"] for entry in artifact["manifest"]["contents"]}
    assert names == {"evaluation.csv", "curves.csv", "alignet.json"}


def test_the_run_is_of_its_settings(logged: Logged) -> None:
    (run,) = logged.of("run")
    assert logged.state["name"] == "student against my/clip"
    assert (run["run_group"], run["job_type"]) == ("my/clip", "alignet")
    assert logged.state["config"]["folder"] == "student__alignet-evaluation__01234567"
