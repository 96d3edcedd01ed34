"""How long `alignbench sweep` takes to see that all of a sweep's cells are finished.

    python benchmarks/finished_sweep.py [--sweep all] [--rounds 5]

Makes the state that a finished sweep leaves, through the sweep's own queue and ledger, with run folders that hold empty
files of the right names. Then times the whole command, from its start to its end, in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from alignbench.cli.swept_commands import swept_commands
from alignbench.results.folders import FILES
from alignbench.sweeps import read_sweep
from alignbench.sweeps.cells import list_cells
from alignbench.sweeps.queue import Queue


def finish_sweep(name: str, output: Path) -> int:
    """Leave what a finished sweep does in an output folder; how many cells it has."""
    sweep = read_sweep(name, swept_commands())
    queue = Queue(list_cells(sweep), output, sweep.path.stem)
    queue.enrol()
    while (taken := queue.take()) is not None:
        folder = output / f"{taken.cell.name.replace('/', '--').replace(', ', '__')}__{taken.cell.key[:8]}"
        folder.mkdir()
        for file in FILES:
            (folder / file).touch()
        queue.finish(taken, (folder.name,), 1.0)
    return len(queue.cells)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sweep", default="all")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with TemporaryDirectory() as place:
        output = Path(place) / "runs"
        cells = finish_sweep(arguments.sweep, output)
        command = [sys.executable, "-m", "alignbench", "sweep", arguments.sweep, "--output", str(output)]
        for _ in range(arguments.rounds):
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            print(f"{cells} finished cells: {time.perf_counter() - begun:.2f} s", flush=True)


if __name__ == "__main__":
    main()
