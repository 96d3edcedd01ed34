"""A home of its own for W&B, which is left as it was found."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wandb_runs import isolate


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    import wandb

    wandb.teardown()
    isolate(monkeypatch, tmp_path / "home")
    yield tmp_path / "home"
    wandb.teardown()
