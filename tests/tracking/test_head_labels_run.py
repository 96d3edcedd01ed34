"""A folder of scores of heads is logged with its scores, the table of heads, the judgments and its files."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from alignbench.tracking.head_labels_run import log_head_scores
from score_folders import HEADS, MEASURES, write_scores
from wandb_runs import Logged, isolate


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Logged]:
    import wandb

    wandb.teardown()
    folder = write_scores(
        tmp_path_factory.mktemp("scores") / "own__scores__01234567", values={"redundancy": float("nan")}
    )
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        yield Logged(log_head_scores(folder))
        wandb.teardown()


def test_scores_and_their_baselines_are_in_the_summary(logged: Logged) -> None:
    summary = logged.state["summary"]
    assert summary["heads/association_all"] == 0.5
    assert summary["heads/association_all/baseline"] == 0.25
    assert "heads/redundancy" not in summary, "no score is no line"
    assert sum(name.startswith("heads/") for name in summary) == 2 * len(MEASURES) - 1


def test_the_table_of_heads_has_texts_labels_and_scores(logged: Logged) -> None:
    table = logged.table("heads")
    assert table["texts"].tolist() == [row[-1] for row in HEADS]
    assert table["label"].tolist() == ["colours", "", "animals"]
    assert table["share"].tolist()[:2] == [0.8, 0.0]
    assert logged.table("judged")["agrees"].tolist() == [1, 0]
    assert logged.table("scores")["measure"].tolist() == list(MEASURES)


def test_the_run_says_of_what_and_by_whom(logged: Logged) -> None:
    (run,) = logged.of("run")
    assert logged.state["name"] == "heads of own: words, judged by file"
    assert (run["run_group"], run["job_type"]) == ("own", "heads")
    assert logged.state["config"]["folder"] == "own__scores__01234567"
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "heads"]
    names = {entry["path"] for entry in artifact["manifest"]["contents"]}
    assert names == {"scores.csv", "heads.csv", "judged.csv", "scores.json"}
