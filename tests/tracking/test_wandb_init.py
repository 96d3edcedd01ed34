"""How W&B runs begin: what the environment settles, a server that is not there, and the names of artifacts."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.results.folders import is_complete
from alignbench.tracking.wandb_init import make_artifact
from patience import PATIENCE
from wandb_runs import KEY, PIXELS, check_uploaded, measured, read_logged
from wandb_server import RunServer

DEAD = "http://127.0.0.1:9"  # nothing listens there


def test_the_environment_settles_directory_project_and_group(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "elsewhere").mkdir()
    monkeypatch.setenv("WANDB_DIR", str(home / "elsewhere"))
    monkeypatch.setenv("WANDB_PROJECT", "mine")
    monkeypatch.setenv("WANDB_RUN_GROUP", "ours")
    measured(home / "runs", *PIXELS, "--wandb", "offline")
    assert not (home / "runs" / ".wandb").exists()
    (place,) = (home / "elsewhere").glob("wandb/offline-run-*")
    (run,) = read_logged(place).of("run")
    assert (run["project"], run["run_group"]) == ("mine", "ours")


def test_a_run_that_the_server_does_not_take_is_kept_offline_and_can_be_uploaded(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("API_KEY", KEY), ("BASE_URL", DEAD), ("INIT_TIMEOUT", "1")):
        monkeypatch.setenv(f"WANDB_{name}", value)
    measured(home / "runs", *PIXELS, "--wandb", "online")
    (folder,) = (home / "runs").glob("pixels__*")
    assert is_complete(folder)
    (warning,) = [line for line in capsys.readouterr().err.splitlines() if "warning" in line]
    assert DEAD in warning  # why
    command = shlex.split(warning.partition("to upload it: ")[2])
    server = RunServer()
    with server.serving():
        monkeypatch.setenv("WANDB_BASE_URL", server.address)
        subprocess.run([sys.executable, "-m", *command], check=True, timeout=PATIENCE)
    check_uploaded(server, folder)


# ---------------------------------------------------------------------------------------------------- artifacts


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("clip@turn__things__0123abcd", "clip-turn__things__0123abcd"),
        ("größe 1+1__nights__0123abcd", "gr--e-1-1__nights__0123abcd"),
        ("x" * 200 + "__nights__0123abcd", "x" * 110 + "__nights__0123abcd"),  # W&B takes 128 letters; the end counts
    ],
)
def test_an_artifact_is_called_after_the_folder_in_letters_that_wandb_takes(home: Path, folder: str, name: str) -> None:
    (home / "curve.csv").write_text("model")
    artifact = make_artifact(Path(folder), "layer-curve", {"model": "m"}, [home / "curve.csv"])
    assert (artifact.name, artifact.type, artifact.metadata) == (name, "layer-curve", {"model": "m"})
    assert list(artifact.manifest.entries) == ["curve.csv"]
