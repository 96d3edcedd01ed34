"""Whether a run is logged and where to, by what is asked for, the environment and the credentials; nobody is asked."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.cli.main import main
from alignbench.errors import UsageError
from alignbench.tracking.modes import resolve_mode
from patience import PATIENCE
from wandb_runs import KEY, PIXELS


@pytest.mark.parametrize(
    ("asked", "environment", "mode"),
    [
        ("auto", {}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY}, "online"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "offline"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "disabled"}, "off"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"}, "online"),
        ("auto", {"WANDB_MODE": "dryrun"}, "offline"),
        ("online", {"WANDB_API_KEY": KEY, "WANDB_MODE": "offline"}, "online"),
        ("offline", {"WANDB_API_KEY": KEY}, "offline"),
        ("offline", {"WANDB_MODE": "disabled"}, "offline"),
        ("off", {"WANDB_API_KEY": KEY, "WANDB_MODE": "online"}, "off"),
        ("online", {"WANDB_API_KEY": KEY, "RANK": "1", "LOCAL_RANK": "1", "SLURM_PROCID": "3"}, "online"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_DISABLED": "true"}, "off"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_DISABLED": "1", "WANDB_MODE": "online"}, "off"),
        ("auto", {"WANDB_API_KEY": KEY, "WANDB_DISABLED": "False"}, "online"),
        ("offline", {"WANDB_DISABLED": "true"}, "offline"),
        ("auto", {"RANK": "0", "LOCAL_RANK": "0", "NODE_RANK": "0"}, "offline"),
    ],
)
def test_what_a_mode_comes_to(
    home: Path, monkeypatch: pytest.MonkeyPatch, asked: str, environment: dict[str, str], mode: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve_mode(asked) == mode
    assert os.environ.get("WANDB_MODE") == environment.get("WANDB_MODE")


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ({}, "offline"),
        ({"RANK": "0", "LOCAL_RANK": "0", "SLURM_PROCID": "0"}, "offline"),
        *(({name: "1"}, "off") for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK")),
    ],
)
def test_of_several_processes_the_first_alone_logs(
    home: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], mode: str
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert resolve_mode("auto", processes=2) == mode
    assert resolve_mode("auto", processes=1) == "offline"


@pytest.mark.parametrize(("said", "mode"), [("disabled", "off"), ("offline", "offline"), ("online", "online")])
@pytest.mark.parametrize("place", ["wandb/settings", "config/settings"], ids=["of the folder", "of the user"])
def test_files_of_settings_are_followed(
    home: Path, monkeypatch: pytest.MonkeyPatch, place: str, said: str, mode: str
) -> None:
    (home / place).parent.mkdir(parents=True)
    (home / place).write_text(f"[default]\nmode = {said}\n")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert resolve_mode("auto") == mode
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert resolve_mode("auto") == "offline", "the environment goes first"


def test_online_goes_before_files_of_settings(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "wandb").mkdir()
    (home / "wandb" / "settings").write_text("[default]\nmode = disabled\n")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    assert resolve_mode("online") == "online"


def test_settings_that_cannot_be_read_are_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "soon")
    with pytest.raises(UsageError, match="cannot read its settings"):
        resolve_mode("auto")


def test_credentials_in_netrc_are_found(home: Path) -> None:
    (home / "netrc").write_text(f"machine api.wandb.ai\n  login user\n  password {KEY}\n")
    assert resolve_mode("auto") == "online"


@pytest.mark.parametrize(
    ("asked", "environment", "words"),
    [
        ("sometimes", {}, "auto"),
        ("auto", {"WANDB_MODE": "ofline"}, "did you mean offline"),
        ("auto", {"WANDB_MODE": "online"}, "wandb login"),
        ("online", {}, "wandb login"),
        ("auto", {"WANDB_API_KEY": "short"}, "WANDB_API_KEY"),
        ("offline", {"ALIGNBENCH_WANDB_SECONDS": "soon"}, "ALIGNBENCH_WANDB_SECONDS is 'soon'"),
    ],
)
def test_a_mode_that_cannot_be_is_refused_before_anything_is_measured(
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    asked: str,
    environment: dict[str, str],
    words: str,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert main(["run", *PIXELS, "--wandb", asked]) == UsageError.exit_code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert words in said.err
    assert not (home / "runs").exists()


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_is_ever_asked(home: Path, terminal: bool) -> None:
    code = (
        "from alignbench.tracking.modes import resolve_mode\n"
        "from alignbench.errors import UsageError\n"
        "print(resolve_mode('auto'))\n"
        "try: resolve_mode('online')\n"
        "except UsageError: print('refused')"
    )
    leader, follower = pty.openpty()
    stream = follower if terminal else subprocess.DEVNULL
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], stdin=stream, stdout=subprocess.PIPE, stderr=stream, timeout=PATIENCE
        )
    finally:
        os.close(follower)
        os.close(leader)
    assert done.returncode == 0
    assert done.stdout.split() == [b"offline", b"refused"]
