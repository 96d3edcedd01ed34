"""A home of its own for W&B, which is left as it was found, and a server that W&B is logged in to."""

from collections.abc import Iterator
from pathlib import Path

import pytest

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
