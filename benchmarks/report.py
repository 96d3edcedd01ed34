"""The report of a whole study: seconds from the command line to the page, and its size.

    python benchmarks/report.py [--folder DIR] [--rounds 3]

Makes run folders of the paper's seven models and six baselines on its three data sets (39 runs, as many judgments as
the paper has; kept in `--folder` and used again from there), and reports on them in a process of its own.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

RUNS = 39


def make(folder: Path) -> None:
    """Write the run folders, unless they are there."""
    sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "helpers"))
    from studies import WHOLE, write_study

    if len(list(folder.glob("*/run.json"))) < RUNS:
        write_study(folder, sizes=WHOLE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = given.folder or Path(scratch) / "runs"
        page = Path(scratch) / "report.html"
        make(folder)
        command = [sys.executable, "-m", "alignbench", "report", str(folder), "--output", str(page)]
        for _ in range(given.rounds):
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            print(f"{RUNS} runs: {time.perf_counter() - start:.1f} s, {page.stat().st_size / 1e6:.2f} MB", flush=True)


if __name__ == "__main__":
    main()
