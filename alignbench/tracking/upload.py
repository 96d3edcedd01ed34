"""Uploads what is logged to disk: W&B's own `wandb sync`, in a process that is not waited for longer than is agreed.

W&B itself waits for a server that answers no more for as long as it takes. What it has not uploaded stays on disk.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import IO, Final

from alignbench.errors import AlignbenchError, UsageError, shortened

SECONDS: Final = "ALIGNBENCH_WANDB_SECONDS"  # the variable for how long an upload may take
_SECONDS: Final = 45.0
_INIT_SECONDS: Final = 30.0  # until a server that takes no run is given up
_END_SECONDS: Final = 3.0  # in which processes that are killed end
# -P: a file in the current folder that is called as a module is not taken for it
_COMMAND: Final = (sys.executable, "-P", "-m", "alignbench.tracking.sync_process")
_TAKEN: Final = "View run"  # W&B says where, as soon as the server has the run
_PROBLEM: Final = re.compile(r"wandb: ERROR (?:\[[^]]*\] )?(.*)")
_NOTHING: Final = "<no message>"


def upload_seconds() -> float:
    """How long an upload may take: 45 seconds, or what `ALIGNBENCH_WANDB_SECONDS` says.

    Raises:
        UsageError: If that is no number above 0.
    """
    given = os.environ.get(SECONDS, "")
    if not given:
        return _SECONDS
    try:
        seconds = float(given)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise UsageError(f"{SECONDS} is '{shortened(given)}': give a number of seconds above 0, or unset it")
    return seconds


def upload(place: Path, seconds: float) -> None:
    """Upload a run that is logged to disk; nothing that was started goes on afterwards.

    Args:
        place: W&B's folder of the run.
        seconds: How long it may take; a server that has not taken the run within 30 seconds (or `WANDB_INIT_TIMEOUT`)
            is given up before.

    Raises:
        AlignbenchError: If it was not uploaded to its end; the text is why, and `wandb sync` can upload it again.
    """
    import wandb

    address = wandb.setup().settings.base_url
    first = min(seconds, float(os.environ.get("WANDB_INIT_TIMEOUT") or _INIT_SECONDS))
    end = monotonic() + seconds
    with _syncing(place, address) as (process, said):
        ended = _has_ended(process, first)
        if not ended and any(_TAKEN in line for line in said):
            ended, first = _has_ended(process, end - monotonic()), seconds
    if not ended:
        raise AlignbenchError(f"{address} did not take it within {first:g} s")
    markers = [file.with_name(f"{file.name}.synced") for file in place.glob("*.wandb")]
    problems = [found[1] for found in map(_PROBLEM.match, said) if found is not None]
    if process.returncode == 0 and not problems and markers and all(marker.exists() for marker in markers):
        return
    for marker in markers:  # W&B leaves them after most errors too, and `wandb sync` would pass over the run
        marker.unlink(missing_ok=True)
    why = next((problem for problem in problems if problem and problem != _NOTHING), "it was refused")
    raise AlignbenchError(f"{address}: {shortened(why, 200)}")


@contextmanager
def _syncing(place: Path, address: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """The process that uploads, and the lines that it has said; both are whole once it has ended."""
    process = subprocess.Popen(
        [*_COMMAND, str(place)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=_environment(place, address),
        encoding="utf-8",
        errors="replace",
        start_new_session=True,  # the terminal's Ctrl-C is for this process, which ends the other
    )
    assert process.stdout is not None
    assert process.stdin is not None
    said: list[str] = []
    reader = Thread(target=_read, args=(process.stdout, said), daemon=True)
    reader.start()
    try:
        yield process, said
    finally:
        process.kill()
        process.wait()
        reader.join(_END_SECONDS)  # W&B's own process has the other end of this pipe, and ends by itself
        process.stdin.close()


def _read(stream: IO[str], said: list[str]) -> None:
    with stream:
        said.extend(stream)


def _has_ended(process: subprocess.Popen[str], seconds: float) -> bool:
    try:
        process.wait(max(0.0, seconds))
    except subprocess.TimeoutExpired:
        return False
    return True


def _environment(place: Path, address: str) -> dict[str, str]:
    """The environment of the process that uploads: it speaks, goes online, and says that this program is logged."""
    import wandb

    settings = {
        "WANDB_BASE_URL": address,
        "WANDB_DIR": str(place.parent.parent),  # its own logs lie beside the run
        "WANDB_MODE": "online",
        "WANDB_PROGRAM": wandb.setup().settings.program or "",
        "WANDB_QUIET": "false",
        "WANDB_SILENT": "false",
        "PYTHONIOENCODING": "utf-8",
    }
    inherited = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # that of this process
    return inherited | {name: value for name, value in settings.items() if value}
