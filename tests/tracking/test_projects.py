"""How a project is named, and what is said when its server cannot be asked."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, UsageError
from alignbench.tracking.projects import NoAnswerError, Project, answering, connected
from wandb_runs import KEY
from wandb_server import RunServer


def test_a_project_is_entity_and_name() -> None:
    assert Project.parse("my-team/align.bench") == Project("my-team", "align.bench")
    assert str(Project("my-team", "alignbench")) == "my-team/alignbench"


@pytest.mark.parametrize(
    "text",
    ["", "alignbench", "a/b/c", "a/", "/b", "../b", "a/..", "https://wandb.ai/a/b", "a/b\n", "a\u0000/b", "a//b"],
)
def test_another_form_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError, match=r"ENTITY/PROJECT.*my-team/alignbench"):
        Project.parse(text)


def test_nothing_is_asked_without_credentials(home: Path) -> None:
    with pytest.raises(UsageError, match=r"`wandb login`"), connected():
        pass


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("WANDB_MODE", "offline", "is offline"),
        ("WANDB_MODE", "disabled", "switched off"),
        ("WANDB_DISABLED", "true", "switched off"),
    ],
)
def test_nothing_is_asked_offline(
    home: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv(name, value)
    with pytest.raises(UsageError, match=rf"{said}.*unset WANDB_MODE"), connected():
        pass


def test_a_network_that_is_not_there_is_said(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"  # nobody listens
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", address)
    monkeypatch.setenv("ALIGNBENCH_WANDB_SECONDS", "1")
    with pytest.raises(NoAnswerError, match=rf"{address} does not answer.*check the network"), connected():
        pass


def test_a_server_that_does_not_take_the_key_is_said(home: Path, server: RunServer) -> None:
    server.sound, server.fault = 0, "deny"
    with pytest.raises(UsageError, match=r"does not take your credentials.*`wandb login --relogin`"), connected():
        pass


def test_what_w_and_b_writes_of_its_own_accord_is_removed(
    home: Path, server: RunServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DIR", str(home / "mine"))
    with connected() as api:
        place = Path(os.environ["WANDB_DIR"])
        assert place.is_dir()
        assert api.default_entity == "someone"
    assert not place.exists()
    assert os.environ["WANDB_DIR"] == str(home / "mine")
    monkeypatch.delenv("WANDB_DIR")
    with connected():
        pass
    assert "WANDB_DIR" not in os.environ


def test_our_own_errors_stay_as_they_are(home: Path) -> None:
    with pytest.raises(AlignbenchError, match=r"^ours$"), answering():
        raise AlignbenchError("ours")
    with pytest.raises(NoAnswerError, match=r"KeyError|'data'"), answering():
        raise KeyError("data")
