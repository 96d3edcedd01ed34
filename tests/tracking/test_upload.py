"""What is on disk is uploaded, or given up in time whatever the server does, and can be uploaded later as before."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import wandb

from alignbench.errors import AlignbenchError, UsageError
from alignbench.tracking.modes import silence
from alignbench.tracking.upload import SECONDS, upload, upload_seconds
from alignbench.tracking.wandb_init import RunTitle, logged_to_disk
from patience import PATIENCE
from wandb_runs import KEY, isolate, processes_naming
from wandb_server import RunServer

pytestmark = pytest.mark.slow

HISTORY = "wandb-history.jsonl"


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """W&B's folder of a small run that is logged to disk."""
    wandb.teardown()
    root = tmp_path_factory.mktemp("logged")
    (root / "run").mkdir()
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, root / "home")
        silence()
        with logged_to_disk(root / "run", RunTitle("a run", "things", "model"), {"seed": 3}) as run:
            run.log({"score": 0.5})
        yield Path(run.settings.sync_dir)
        wandb.teardown()


@pytest.fixture
def place(home: Path, logged: Path) -> Path:
    """A copy of it of its own."""
    return Path(shutil.copytree(logged, home / "runs" / ".wandb" / logged.name))


def test_a_run_is_uploaded_with_its_scores(
    place: Path, server: RunServer, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    wandb.setup()
    monkeypatch.setenv("WANDB_SERVICE", "that of this process, which must not be used")
    (Path.cwd() / "wandb.py").write_text("raise SystemExit('not this one')")
    upload(place, PATIENCE)
    (step,) = server.streamed[HISTORY]
    assert step["score"] == 0.5
    assert server.run["displayName"] == "a run"
    assert "sync_process" not in server.run["program"], "what is logged is the program that measured"
    assert capfd.readouterr() == ("", "")
    server.streamed.clear()
    upload(place, PATIENCE)  # W&B knows that it has done so
    assert server.streamed == {}


def test_a_server_that_is_not_there_is_given_up_in_time(
    place: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    with pytest.raises(AlignbenchError, match=r"http://127\.0\.0\.1:9 did not take it within 0\.2 s"):
        upload(place, 0.2)
    assert processes_naming(place) == []
    monkeypatch.setenv("WANDB_INIT_TIMEOUT", "0.1")
    with pytest.raises(AlignbenchError, match=r"within 0\.1 s"):
        upload(place, PATIENCE)
    assert capfd.readouterr() == ("", "")


def test_an_error_is_told_and_the_run_can_be_uploaded_again(place: Path, server: RunServer) -> None:
    server.fault, server.sound = "refuse", 2  # the run is taken by then, and what follows is not
    with pytest.raises(AlignbenchError, match=f"{server.address}: Fatal error while uploading data"):
        upload(place, PATIENCE)
    server.sound = float("inf")
    server.streamed.clear()  # of which some may have been taken before the fault
    upload(place, PATIENCE)
    assert [step["score"] for step in server.streamed[HISTORY]] == [0.5]


def test_a_run_that_is_refused_outright_is_told(place: Path, server: RunServer) -> None:
    server.fault, server.sound = "refuse", 0
    with pytest.raises(AlignbenchError, match=f"{server.address}: "):
        upload(place, PATIENCE)
    assert list(place.glob("*.synced")) == []


@pytest.mark.parametrize(("fault", "sound"), [("hang", 0), ("hang", 3), ("trickle", 1), ("drop", 3), ("fail", 2)])
def test_a_server_that_answers_no_more_is_given_up_in_time(
    place: Path, server: RunServer, capfd: pytest.CaptureFixture[str], fault: str, sound: int
) -> None:
    server.fault, server.sound = fault, sound
    began = time.monotonic()
    with pytest.raises(AlignbenchError, match="did not take it within 3 s"):
        upload(place, 3.0)
    assert time.monotonic() - began < 3.0 + 5.0  # the end of processes included
    assert processes_naming(place) == []
    assert capfd.readouterr() == ("", "")
    server.sound = float("inf")
    server.streamed.clear()
    subprocess.run([sys.executable, "-m", "wandb", "sync", str(place)], check=True, timeout=PATIENCE)
    assert [step["score"] for step in server.streamed[HISTORY]] == [0.5]


@pytest.mark.parametrize("text", ["soon", "0", "-3", "nan", "inf"])
def test_a_limit_that_is_none_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(SECONDS, text)
    with pytest.raises(UsageError, match=f"{SECONDS} is '{text}'"):
        upload_seconds()


def test_an_upload_takes_less_than_a_minute_unless_the_environment_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(SECONDS, raising=False)
    assert upload_seconds() == 45
    monkeypatch.setenv(SECONDS, "1.5")
    assert upload_seconds() == 1.5
