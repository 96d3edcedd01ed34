"""`alignbench wandb setup` saves a view, says where it is, and refuses in one line what cannot be."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from alignbench.cli.main import main
from command_bench import Outcome
from wandb_projects import PATH, ProjectServer, project_server


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ProjectServer]:
    with project_server(tmp_path / "home", monkeypatch) as server:
        yield server


def setup(capsys: pytest.CaptureFixture[str], *arguments: str) -> Outcome:
    capsys.readouterr()
    code = main(["wandb", "setup", *arguments])
    return Outcome(code, *capsys.readouterr(), Path("nowhere"))


def test_the_view_is_saved_once_and_its_address_is_the_last_line(
    server: ProjectServer, capsys: pytest.CaptureFixture[str]
) -> None:
    first = setup(capsys, PATH, "--name", "my view", "--group", "architecture,loss")
    assert first.code == 0
    assert first.err == f"the view 'my view' of {PATH} was added\n"
    assert first.out.startswith(f"{server.address}/{PATH}?nw=")
    again = setup(capsys, PATH, "--name", "my view")
    assert (again.code, again.out) == (0, first.out)
    assert again.err == f"the view 'my view' of {PATH} was made anew\n"
    assert [view["displayName"] for view in server.views] == ["my view"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["alignbench"], ["ENTITY/PROJECT"]),
        (["someone/other"], ["knows no project someone/other"]),
        ([PATH, "--name", "\N{ROCKET}"], ["does not take the view", "--name"]),
    ],
)
def test_wrong_use_is_one_line(
    server: ProjectServer, capsys: pytest.CaptureFixture[str], arguments: list[str], words: list[str]
) -> None:
    setup(capsys, *arguments).complained(2, *words)
    assert server.views == []


def test_without_the_extra_it_says_how_to_install_it(
    server: ProjectServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "wandb_workspaces.workspaces", None)
    setup(capsys, PATH).complained(2, "pip install 'alignbench[workspaces]'")


def test_offline_and_without_credentials_it_says_what_to_do(
    server: ProjectServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    setup(capsys, PATH).complained(2, "W&B is offline here", "unset WANDB_MODE")
    monkeypatch.delenv("WANDB_MODE")
    monkeypatch.delenv("WANDB_API_KEY")
    setup(capsys, PATH).complained(2, "`wandb login`")
