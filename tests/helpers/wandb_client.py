"""`wandb sweep` and `wandb agent` themselves, against a stand-in for the server."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from contextlib import suppress
from pathlib import Path

import pytest

from patience import PATIENCE
from wandb_runs import KEY, isolate
from wandb_server import ENTITY, SweepServer


def swept_by_clients(server: SweepServer, patch: pytest.MonkeyPatch, home: Path, file: Path) -> tuple[str, str]:
    """Has `wandb sweep` send a file and `wandb agent` run what the server hands out, below a home of their own.

    Returns:
        What the two printed. W&B's own folders are in `wandb` below the home.
    """
    isolate(patch, home)
    patch.delenv("WANDB_SILENT")
    for name, value in (("BASE_URL", server.address), ("API_KEY", KEY), ("ENTITY", ENTITY), ("MODE", "offline")):
        patch.setenv(f"WANDB_{name}", value)
    patch.setenv("PATH", os.pathsep.join((sysconfig.get_path("scripts"), os.environ["PATH"])))
    made = _client(server, home / "sweep.txt", "sweep", str(file))
    (path,) = re.findall(r"wandb agent (\S+)", made)
    return made, _client(server, home / "agent.txt", "agent", path)


def _client(server: SweepServer, output: Path, *arguments: str) -> str:
    """What a command of W&B prints; in any case neither it nor a run that it started goes on afterwards."""
    with output.open("w") as stream:
        command = [sys.executable, "-m", "wandb", *arguments]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=subprocess.STDOUT)
    code = None
    try:
        code = process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if code is None:
            server.stopping = True  # an agent asks every 5 s, kills its runs and ends
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)
            process.kill()
    assert code == 0, f"wandb {arguments[0]} ended with {code}: {output.read_text()}"
    return output.read_text()
