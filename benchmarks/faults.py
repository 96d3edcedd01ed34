"""Files that are damaged at random and commands that are killed: how many trials, and in how many all was well.

    python -m benchmarks.faults [--mutations 5000] [--kills 100] [--only NAME]

Files: every reader of the project reads sound files with one to three random edits in them. All is well if the file is
read, or refused by an error of the project's own in one line. Readers run in a process of their own, which a damaged
file could end, with at most 16 GB of memory; a file that takes more than 10 s counts as a fault.

Kills: a command is killed by SIGKILL just before something that it does to a file, at moments spread evenly over all of
them. All is well if nothing half-written is to be seen, nothing finished is lost, and the command, run again, leaves
what it would have left, and nothing else.
"""

from __future__ import annotations

import argparse
import os
import random
import resource
import sys
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures import TimeoutError as StillRunningError
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

HELPERS = Path(__file__).parents[1] / "tests" / "helpers"
sys.path[:0] = [str(HELPERS), str(HELPERS.parents[1])]
CHUNK = 250  # files that are read before it is asked how far it is
SLOW, HUNG = 10.0, 600.0  # seconds for one file, and for a chunk
MEMORY = 16 * 2**30


@dataclass
class Tally:
    """Trials of one kind.

    Attributes:
        tried: How many.
        faults: What was wrong, each with the trial that shows it.
    """

    tried: int = 0
    faults: list[str] = field(default_factory=list)


def edited(contents: dict[str, bytes], seed: str) -> tuple[str, bytes]:
    """A file's name, and its content after one to three edits, drawn from a seed."""
    from mutations import KINDS, Edit, mutate

    rng = random.Random(seed)
    file = rng.choice(sorted(contents))
    kinds = sorted(KINDS)
    edits = [Edit(rng.choice(kinds), rng.random(), rng.getrandbits(32)) for _ in range(rng.choice((1, 1, 2, 3)))]
    return file, mutate(contents[file], edits)


def read_chunk(name: str, numbers: range) -> list[str]:
    """Read files of some numbers, in a process of its own, and say what was wrong."""
    from readers import READERS, Sound

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    faults = []
    with tempfile.TemporaryDirectory() as scratch:
        sound = Sound(READERS[name], Path(scratch) / "it")
        for number in numbers:
            file, content = edited(sound.contents, f"{name} {number}")
            began = time.monotonic()
            found = sound.fault(file, content)
            if not found and time.monotonic() - began > SLOW:
                found = f"took {time.monotonic() - began:.0f} s"
            if found:
                faults.append(f"{number}, {file}: {found}")
    return faults


def try_files(name: str, mutations: int) -> Tally:
    """Read damaged files with one reader."""
    tally = Tally()
    chunks = [range(start, min(start + CHUNK, mutations)) for start in range(0, mutations, CHUNK)]
    while chunks:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            for numbers in list(chunks):
                chunks.remove(numbers)
                tally.tried += len(numbers)
                try:
                    tally.faults += pool.submit(read_chunk, name, numbers).result(HUNG)
                except (BrokenProcessPool, StillRunningError) as error:
                    tally.faults.append(f"{numbers}: the process ended or hung ({type(error).__name__})")
                    for process in list(pool._processes.values()):
                        process.kill()
                    break
    return tally


def try_kills(name: str, kills: int, inputs: Path, root: Path) -> Tally:
    """Kill one command at moments spread evenly over all that it does to files."""
    from kill_scenarios import SCENARIOS, Trial

    trial = Trial(SCENARIOS[name], inputs, root)
    moments = trial.whole.moments
    chosen = sorted({index * len(moments) // kills for index in range(kills)})
    tally = Tally()
    for index in chosen:
        tally.tried += 1
        try:
            trial.kill(moments[index])
        except AssertionError as error:
            tally.faults.append(f"{moments[index]}: {error}")
    return tally


def print_rows(kind: str, tallies: dict[str, Tally]) -> None:
    """Print a table of Markdown, and the first faults of each row."""
    print(f"| {kind} | tried | held |\n|---|--:|--:|")
    for name, tally in tallies.items():
        print(f"| {name} | {tally.tried:,} | {tally.tried - len(tally.faults):,} |")
    for name, tally in tallies.items():
        for fault in tally.faults[:5]:
            print(f"{name}: {' '.join(fault.split())[:400]}", file=sys.stderr)


def main() -> int:
    """Run the trials; 1 if any fault was found."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--mutations", type=int, default=5000, help="Damaged files for each reader.")
    parser.add_argument("--kills", type=int, default=100, help="Kills in all.")
    parser.add_argument("--only", action="append", help="A reader, or a command that is killed; may be repeated.")
    given = parser.parse_args()
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1", WANDB_MODE="disabled")
    from kill_scenarios import SCENARIOS, make_inputs
    from readers import READERS

    files, killed = ([name for name in table if name in (given.only or table)] for table in (READERS, SCENARIOS))
    if given.only and (wrong := set(given.only) - {*files, *killed}):
        parser.error(f"unknown: {', '.join(wrong)}; there are {', '.join([*READERS, *SCENARIOS])}")
    tallies: dict[str, dict[str, Tally]] = {"reader": {}, "command": {}}
    for name in files if given.mutations else ():
        tallies["reader"][name] = try_files(name, given.mutations)
        print(f"{name}: {len(tallies['reader'][name].faults)} faults", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["ALIGNBENCH_CACHE"] = str(Path(scratch) / "cache")
        if given.kills and killed:
            make_inputs(Path(scratch) / "inputs")
        shares = [
            given.kills * (place + 1) // len(killed) - given.kills * place // len(killed)
            for place in range(len(killed))
        ]
        for place, (name, share) in enumerate(zip(killed, shares, strict=True)):
            if share:
                tallies["command"][name] = try_kills(name, share, Path(scratch) / "inputs", Path(scratch) / str(place))
                print(f"{name}: {len(tallies['command'][name].faults)} faults", file=sys.stderr, flush=True)
    for kind, rows in tallies.items():
        if rows:
            print_rows(kind, rows)
    return int(any(tally.faults for rows in tallies.values() for tally in rows.values()))


if __name__ == "__main__":
    sys.exit(main())
