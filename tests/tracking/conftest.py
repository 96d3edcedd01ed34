"""A home of its own for W&B, which is left as it was found, and a server that W&B is logged in to."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from alignbench.tracking.projects import connected
from wandb_projects import ProjectServer, project_server
from wandb_runs import KEY, isolate
from wandb_server import RunServer


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import wandb

    wandb.teardown()
    isolate(monkeypatch, tmp_path / "home")
    yield tmp_path / "home"
    wandb.teardown()


@pytest.fixture
def server(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunServer]:
    server = RunServer()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.address)
    with server.serving():
        yield server


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ProjectServer, Any]]:
    """A server of projects, and what asks it."""
    with (
        pytest.MonkeyPatch.context() as patch,
        project_server(tmp_path_factory.mktemp("home"), patch) as server,
        connected() as api,
    ):
        yield server, api
