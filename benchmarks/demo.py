"""What `alignbench demo` costs in CPU seconds: all of it, until it prints its first curve, and what they go to.

    python benchmarks/demo.py [--rounds 3] [--threads 1]

Each round runs the whole command in a process of its own, into an empty folder. CPU seconds (user and system, all
threads) depend less than the clock on what else a machine does. A timer of the CPU interrupts the process every 5 ms
and books the time since its last interruption under what is running: imports, the network, distances, scenes, scores,
figures. The median of the rounds is printed.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Final, TextIO

_EVERY: Final = 0.005  # CPU seconds
_PARTS: Final = (  # what the innermost frame of a stack that is one of these works for
    ("imports", ("<frozen importlib._bootstrap>",)),
    ("figures", ("/report/figures/",)),
    ("distances", ("/distances/", "/extraction/pair_extraction.py")),
    ("network", ("/alignbench/models/",)),
    ("judgments and scenes", ("/datasets/",)),
    ("scores", ("/scoring/", "/statistics/")),
)
TOTAL, FIRST, OTHER = "all", "until the first curve", "other"


class Meter:
    """Books the CPU time of this process under what it goes to."""

    def __init__(self) -> None:
        self.spent: Counter[str] = Counter()
        self.last = time.process_time()

    def start(self) -> None:
        """Interrupt the process regularly from now on."""
        signal.signal(signal.SIGPROF, self.book)
        signal.setitimer(signal.ITIMER_PROF, _EVERY, _EVERY)

    def book(self, _: int, frame: FrameType | None) -> None:
        """Book the time since the last interruption under what was interrupted."""
        now = time.process_time()
        self.spent[part_of(frame)] += now - self.last
        self.last = now

    def stop(self) -> dict[str, float]:
        """Interrupt it no more, and return CPU seconds by part."""
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        return {**self.spent, TOTAL: time.process_time()}


def part_of(frame: FrameType | None) -> str:
    """What the innermost frame that says so works for."""
    while frame is not None:
        path = frame.f_code.co_filename.replace(os.sep, "/")
        for part, places in _PARTS:
            if any(place in path for place in places):
                return part
        frame = frame.f_back
    return OTHER


class _Noting:
    """A stream that notes the CPU time at which something is written to it first."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self.first = 0.0

    def write(self, text: str) -> int:
        """Note the time, and write."""
        self.first = self.first or time.process_time()
        return self.stream.write(text)

    def __getattr__(self, name: str) -> object:
        return getattr(self.stream, name)


def measure(output: Path) -> dict[str, float]:
    """Run the demo in this process, and return CPU seconds by part."""
    meter, stdout = Meter(), _Noting(sys.stdout)
    sys.stdout = stdout  # type: ignore[assignment]
    meter.start()
    from alignbench.cli.main import main as alignbench

    sys.argv[1:] = ["demo", "--output", str(output)]
    code = alignbench()
    sys.stdout = stdout.stream
    if code:
        raise SystemExit(code)
    return {**meter.stop(), FIRST: stdout.first}


def measured_apart(threads: int) -> dict[str, float]:
    """Run `measure` in a process of its own, which compiles nothing to bytecode that is compiled already."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"OMP_NUM_THREADS": str(threads), "WANDB_MODE": "offline"}
    with TemporaryDirectory() as place:
        command = [sys.executable, __file__, "--here", place]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
        found: dict[str, float] = json.loads((Path(place) / "spent.json").read_text())
        return found


def main(given: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--here", help=argparse.SUPPRESS)
    arguments = parser.parse_args(given)
    if arguments.here:
        spent = measure(Path(arguments.here) / "demo")
        (Path(arguments.here) / "spent.json").write_text(json.dumps(spent))
        return
    from workload import machine

    rounds = []
    for number in range(arguments.rounds):
        rounds.append(measured_apart(arguments.threads))
        print(
            f"round {number + 1}: {rounds[-1][TOTAL]:.1f} s of CPU time, {rounds[-1][FIRST]:.1f} s {FIRST}", flush=True
        )
    print(machine())
    middle = {name: statistics.median(each.get(name, 0.0) for each in rounds) for name in set().union(*rounds)}
    for name in (TOTAL, FIRST, *(part for part, _ in _PARTS), OTHER):
        print(f"{name}: {middle.get(name, 0.0):.1f} s ({middle.get(name, 0.0) / middle[TOTAL]:.0%})")


if __name__ == "__main__":
    main()
