"""How W&B runs are logged to disk: what the environment settles, what asks no server, and the names of artifacts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from alignbench.tracking.unlogged import take_up
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk, make_artifact
from patience import PATIENCE
from wandb_runs import KEY, PIXELS, measured, read_logged
from wandb_server import RunServer

pytestmark = pytest.mark.slow

TITLE = RunTitle("a run", "things", "model")


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


def test_a_log_that_is_broken_off_leaves_nothing_to_upload(home: Path) -> None:
    (home / "runs" / "run").mkdir(parents=True)

    def log() -> None:
        with logged_to_disk(home / "runs" / "run", TITLE, {}) as run:
            run.log({"score": 0.5})
            raise OSError("no room")

    with pytest.raises(OSError, match="no room"):
        log()
    assert list((home / "runs" / ".wandb").glob("*run-*")) == []
    assert take_up(home / "runs" / "run") is None


def test_what_goes_to_disk_asks_no_server_anything(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    server = RunServer()
    server.sound = 0
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.address)
    (home / "runs" / "run").mkdir(parents=True)
    code = (  # in a process of its own, because W&B reports how it was used when a process ends
        "from pathlib import Path\n"
        "from alignbench.tracking.modes import silence\n"
        "from alignbench.tracking.wandb_init import RunTitle, logged_to_disk\n"
        "silence()\n"
        "with logged_to_disk(Path('runs/run'), RunTitle('a run', 'things', 'model'), {}) as run: run.log({'score': 1})"
    )
    with server.serving():
        subprocess.run([sys.executable, "-c", code], check=True, timeout=PATIENCE)
        assert not server.stuck.is_set()
    assert len(list((home / "runs" / ".wandb").glob("offline-run-*"))) == 1


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
