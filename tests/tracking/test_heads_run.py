"""A folder of scored heads is logged with its counts, tables, figure and files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alignbench.results.head_alignment import CAVEAT
from alignbench.tracking.heads_run import log_heads
from head_folders import alignment_table, cumulative_table, write_head_folder
from wandb_runs import Logged, isolate


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    import wandb

    wandb.teardown()
    folder = write_head_folder(tmp_path_factory.mktemp("heads"))
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        yield Logged(log_heads(folder))
        wandb.teardown()


def test_the_summary_says_how_many_heads_beat_what(logged: Logged) -> None:
    """Of 16 heads, by data set, part, protocol and metric; and which is the best."""
    summary = logged.state["summary"]
    where = "nights/test/paper/accuracy"
    assert summary[f"whole/{where}"] == 0.6
    assert summary[f"best_head_name/{where}"] == "head 3 of layer 4"
    assert summary[f"best_head/{where}"] == pytest.approx(0.75, abs=0.03)
    assert [summary[f"beyond_{null}/{where}"] for null in ("chance", "subspaces", "twin")] == [9, 1, 1]


def test_tables_and_the_figure_are_logged(logged: Logged) -> None:
    heads = logged.table("heads")
    assert len(heads) == len(alignment_table())
    assert {"the whole", "head 0 of layer 3", "MLP of layer 1", "the embedding"} <= set(heads["component"])
    assert len(logged.table("sums_of_heads")) == len(cumulative_table())
    assert "figures/heads" in logged.state["summary"]
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "heads"]
    names = {entry["path"] for entry in artifact["manifest"]["contents"]}
    assert names == {"alignment.csv", "cumulative.csv", "align.json"}


def test_the_run_is_of_its_settings(logged: Logged) -> None:
    (run,) = logged.of("run")
    assert logged.state["name"] == "my/clip heads on tid2013+nights+shapes-high"
    assert (run["run_group"], run["job_type"]) == ("my/clip", "heads")
    assert logged.state["config"]["folder"] == "my--clip__align__01234567"
    assert logged.state["config"]["caveat"] == CAVEAT
