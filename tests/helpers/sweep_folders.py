"""Makes what a sweep leaves in an output folder, by plain file operations."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from alignbench.sweeps.cells import SweepCell
from alignbench.sweeps.locks import Holder

WHOLE = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet", "curve.png", "curve.svg")


def make_cell(number: int) -> SweepCell:
    return SweepCell({"seed": number}, ("--model=pixels", f"--seed={number}"), f"seed {number}")


def make_run(output: Path, name: str) -> str:
    """A run folder that counts as whole, and its name."""
    (output / name).mkdir(parents=True)
    for file in WHOLE:
        (output / name / file).write_text("")
    return name


def make_lock(path: Path, *processes: int, host: str = "elsewhere", age: float = 0.0) -> None:
    """A lock as some process would have left it so many seconds ago, by the clock of its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    here = host == socket.gethostname()
    world = Holder.here().world if here else ""
    path.write_text(json.dumps({"host": host, "world": world, "processes": processes}))
    refreshed = path.stat().st_mtime - age
    os.utime(path, (refreshed, refreshed))


def dead_process() -> int:
    """The id of a process that is no more."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid
