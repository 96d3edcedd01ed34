"""Which runs of a project are taken: the newest finished one of each run folder, of those that are wanted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, UsageError
from alignbench.tracking.logged_runs import LoggedRun, Selection, check_folder_name, newest_of_each, read_runs
from alignbench.tracking.projects import Project, connected
from wandb_projects import KeptRun, ProjectServer, project_server
from wandb_server import ENTITY

PROJECT = Project(ENTITY, "alignbench")
FOLDER = "pixels__tid2013__0123abcd"


def run_of(number: str, **about: object) -> LoggedRun:
    config = {"run_folder": FOLDER, "label": "pixels", "dataset": "tid2013"}
    plain = LoggedRun(number, "finished", f"2026-01-0{number}", "", frozenset(), config)
    return replace(plain, **about)


def test_the_newest_finished_run_of_a_folder_is_taken_and_it_is_said() -> None:
    other = run_of("5", config={"run_folder": "ssim__tid2013__0123abcd"})
    runs = [run_of("2"), run_of("3"), run_of("1"), run_of("4", state="crashed"), other, run_of("6", config={})]
    chosen, (line,) = newest_of_each(runs, PROJECT)
    assert [run.number for run in chosen] == ["3", "5"]
    assert line.startswith(f"{FOLDER}: 3 finished runs")
    assert "(3, 2026-01-03)" in line


@pytest.mark.parametrize(
    ("runs", "said"),
    [
        ([], "no run of someone/alignbench has finished.*it has no runs"),
        ([run_of("1", state="running"), run_of("2", state="crashed")], "1 running, 1 crashed"),
        ([run_of("1", config={"folder": "a"})], "1 finished run.*is of a run folder.*`alignbench run`"),
    ],
)
def test_a_project_without_runs_to_take_is_refused(runs: list[LoggedRun], said: str) -> None:
    with pytest.raises(AlignbenchError, match=said):
        newest_of_each(runs, PROJECT)


def test_runs_are_chosen_by_sweep_tag_label_and_data_set() -> None:
    runs = [
        run_of("1", sweep="abc"),
        run_of("2", tags=frozenset({"paper", "old"})),
        run_of("3", config={"label": "ssim", "dataset": "nights"}),
    ]
    for selection, expected in (
        (Selection(), "123"),
        (Selection(sweep="abc"), "1"),
        (Selection(sweep="someone/alignbench/abc"), "1"),
        (Selection(tag="paper"), "2"),
        (Selection(label="pixels"), "12"),
        (Selection(dataset="nights"), "3"),
        (Selection(dataset="tid2013", tag="old"), "2"),
    ):
        assert "".join(run.number for run in selection.choose(runs)) == expected


def test_what_no_run_has_is_refused_with_what_some_have() -> None:
    runs = [run_of("1", sweep="abcdefgh")]
    with pytest.raises(UsageError, match=r"unknown --sweep 'abcdefgx': did you mean abcdefgh?"):
        Selection(sweep="abcdefgx").choose(runs)
    with pytest.raises(UsageError, match=r"valid: pixels"):
        Selection(label="zzz").choose(runs)
    with pytest.raises(UsageError, match=r"none of these runs has a tag: leave out --tag"):
        Selection(tag="paper").choose(runs)


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "../x__tid2013__0123abcd", "/x__tid2013__0123abcd", "a/b__tid2013__0123abcd"),
        *(".x__tid2013__0123abcd", "x__tid2013", "x__tid2013__0123abcd\n", "a\\b__tid2013__0123abcd"),
        *("a\0b__tid2013__0123abcd", f"{'x' * 300}__tid2013__0123abcd", "x__tid2013__0123abcd/.."),
    ],
)
def test_a_name_that_is_none_of_a_run_folder_is_refused(name: str) -> None:
    with pytest.raises(AlignbenchError, match=r"no name of a run folder"):
        check_folder_name(name)


def test_names_of_run_folders_are_taken() -> None:
    for name in (FOLDER, "openai--clip@random-0__nights__00000000", "größe__things__deadbeef"):
        check_folder_name(name)


# --------------------------------------------------------------------------------------------------- the server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectServer]:
    with project_server(tmp_path / "home", monkeypatch) as server:
        yield server


def test_all_pages_are_read(server: ProjectServer) -> None:
    for number in range(5):
        config = {"run_folder": FOLDER, "label": f"model {number}"}
        server.runs[f"run{number}"] = KeptRun(
            f"run{number}", config, "finished", "abc", ["paper"], f"2026-01-0{number}"
        )
    with connected() as api:
        runs = read_runs(api, PROJECT)
    assert server.calls.count("Runs") == 3
    assert [run.number for run in runs] == [f"run{number}" for number in range(5)]
    assert {(run.sweep, run.tags, run.state, run.folder) for run in runs} == {
        ("abc", frozenset({"paper"}), "finished", FOLDER)
    }


def test_a_project_that_the_server_does_not_know_is_refused(server: ProjectServer) -> None:
    with connected() as api, pytest.raises(UsageError, match=r"knows no project someone/other: check the name"):
        read_runs(api, Project(ENTITY, "other"))
