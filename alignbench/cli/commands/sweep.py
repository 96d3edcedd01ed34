"""`alignbench sweep`: every cell of a W&B sweep file, without a server, on this machine or as jobs of Slurm."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import sweeps
from alignbench.cli.options import AsJson, Wandb, print_error
from alignbench.cli.slurm_options import CpusPerCell, GpusPerCell, JobsAtOnce, Partition, TimeLimit, read_resources
from alignbench.errors import AlignbenchError, UsageError, counted

if TYPE_CHECKING:
    from alignbench.sweeps.array_runner import ArrayRunner
    from alignbench.sweeps.queue import CellStatus, Queue
    from alignbench.sweeps.runner import Start, Watcher
    from alignbench.sweeps.slurm_jobs import Resources

# -P: a file in the current folder that is called as a module is not taken for it
_COMMAND: Final = (sys.executable, "-P", "-m", "alignbench.cli.cell_process")
_MOST_LOADERS: Final = 16


def sweep(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Sweep file of W&B, or the name of a packaged one, such as architecture.",
            autocompletion=sweeps,
        ),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Cells that run at the same time and share the cores of this machine [default: 1]."
        ),
    ] = None,
    slurm: Annotated[
        bool, typer.Option("--slurm", help="Submit the cells to Slurm as one array job, and follow it.")
    ] = False,
    partition: Partition = None,
    gpus_per_cell: GpusPerCell = None,
    cpus_per_cell: CpusPerCell = None,
    time: TimeLimit = None,
    array_parallelism: JobsAtOnce = None,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder to write run folders to, and the record of the sweep.")
    ] = Path("runs"),
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> int:
    """Run every cell of a W&B sweep file, without a server.

    A cell is a run, or the scores of a model's heads. Started again, the command runs the cells that are not finished.
    The cells run on this machine or, with --slurm, on a cluster. Jobs of Slurm go on when the command is stopped.
    To share a sweep among machines without Slurm, give the same file to `wandb sweep`, and start `wandb agent` on each.
    """
    if workers is not None and workers < 1:
        raise UsageError(f"--workers {workers} is below 1: give 1 or more")
    if workers is not None and slurm:
        raise UsageError("--workers is for this machine: with --slurm, --array-parallelism bounds how many cells run")
    given = {
        "--partition": partition,
        "--gpus-per-cell": gpus_per_cell,
        "--cpus-per-cell": cpus_per_cell,
        "--time": time,
        "--array-parallelism": array_parallelism,
    }
    resources = read_resources(given, slurm)
    from alignbench.cli.swept_commands import swept_commands
    from alignbench.results.folders import check_writable
    from alignbench.sweeps.cells import list_cells
    from alignbench.sweeps.grid import read_sweep
    from alignbench.sweeps.queue import Queue

    grid = read_sweep(file, swept_commands())
    cells, mode = list_cells(grid), _mode(wandb)
    check_writable(output)
    with _usable(output):
        queue = Queue(cells, output, grid.path.stem)
        before = [standing.state == "finished" for standing in queue.standings()]
        if resources is None:
            _run_here(queue, mode, workers or 1)
        else:
            _run_on_slurm(queue, mode, resources)
    return _report(queue, before, as_json)


def _run_here(queue: Queue, mode: str, workers: int) -> None:
    """Run the cells on this machine, unless jobs of Slurm have some of them."""
    from alignbench.extraction.host import usable_cores
    from alignbench.sweeps.job_records import JobRecords
    from alignbench.sweeps.runner import Runner

    unfinished = _unfinished(queue)
    with_jobs = JobRecords(queue.folder).keys().intersection(unfinished)
    if with_jobs:
        raise UsageError(
            f"{counted(len(with_jobs), 'cell')} of {queue.name} may have jobs of Slurm: follow them with --slurm, or "
            f"`scancel --name {_job_name(queue)}` and remove {queue.folder / 'jobs'}"
        )
    workers = max(1, min(workers, len(unfinished)))
    start = make_start(queue, mode, usable_cores() // workers, shared=workers > 1)
    queue.enrol()
    with _progress(queue, workers) as watcher:
        Runner(queue, workers, start, watcher).run()


def _run_on_slurm(queue: Queue, mode: str, resources: Resources) -> None:
    """Have Slurm run the cells, and follow them."""
    from alignbench.sweeps.array_runner import ArrayRunner
    from alignbench.sweeps.slurm_jobs import Slurm

    unfinished = len(_unfinished(queue))
    scheduler = Slurm(queue.folder, _job_name(queue), resources)
    processes = max(1, resources.gpus)  # of a cell, each with its GPU
    start = make_start(queue, mode, resources.cpus // processes, shared=True, devices=processes)
    with _progress(queue, min(resources.at_once or unfinished, unfinished)) as watcher:
        runner = ArrayRunner(queue, scheduler, start, resources.minutes, watcher)
        with _said_when_left(queue, runner):
            runner.run()


@contextmanager
def _said_when_left(queue: Queue, runner: ArrayRunner) -> Iterator[None]:
    """Say what becomes of the jobs when the command is interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        if runner.open:
            print_error(
                f"{counted(runner.open, 'job')} of Slurm may go on: the same command follows what is there, and "
                f"`scancel --name {_job_name(queue)}` ends it"
            )
        raise


def _job_name(queue: Queue) -> str:
    """Name of the array job of a sweep, without what a shell would read."""
    return "alignbench-" + re.sub(r"[^\w.-]+", "-", queue.name)


def _unfinished(queue: Queue) -> list[str]:
    """The keys of the cells that are not finished."""
    return [standing.cell.key for standing in queue.standings() if standing.state != "finished"]


def _progress(queue: Queue, at_once: int) -> AbstractContextManager[Watcher]:
    """Show how the cells go."""
    from alignbench.cli.sweep_progress import progress

    count = len(queue.cells)
    return progress(f"{queue.name}: {count} cells", count, count - len(_unfinished(queue)), at_once)


def _mode(wandb: str) -> str:
    """Settle whether and how runs are logged, before any starts."""
    from alignbench.tracking.modes import resolve_mode, under_agent

    mode = resolve_mode(wandb)
    if mode != "off" and under_agent():
        raise UsageError("WANDB_RUN_ID names one W&B run, and a sweep makes many: unset it, or choose --wandb off")
    return mode


def make_start(queue: Queue, mode: str, share: int, shared: bool, devices: int = 1) -> Start:
    """Work out how each cell is started: as the sweep file says, in its share of a machine.

    Args:
        queue: The cells of the sweep, and their output folder.
        mode: How runs are logged: `online`, `offline` or `off`.
        share: Cores of each of its processes.
        shared: Whether others have a share of the machine too.
        devices: Number of processes that share a cell, unless the sweep file says it.
    """
    from alignbench.cli.swept_commands import swept_commands
    from alignbench.sweeps.runner import Start, divided

    share = max(1, share)
    environment = {"WANDB_RUN_GROUP": f"sweep-{queue.name}", **divided(os.environ, share)}
    environment["PYTHONIOENCODING"] = "utf-8"  # of the log, from which the run folder's name is read
    runs = queue.cells[0].runs
    known = swept_commands()[runs].options
    options = ["--output", str(queue.output), *(["--wandb", mode] if "wandb" in known else [])]
    given = {word.partition("=")[0] for word in queue.cells[0].arguments}
    if shared and "--loader-workers" not in given:
        options += ["--loader-workers", str(min(share - 1, _MOST_LOADERS))]
    if devices > 1 and "--devices" not in given:
        options += ["--devices", str(devices)]
    return Start((*_COMMAND, *runs.split()), tuple(options), environment)


@contextmanager
def _usable(output: Path) -> Iterator[None]:
    """Turn a failure to write the ledger, the locks or the logs into an error of one line."""
    try:
        yield
    except OSError as error:
        what = f"{error.filename or output} cannot be used ({error.strerror})"
        raise AlignbenchError(f"{what}: make room or see to its permissions, or choose another --output") from error


def _report(queue: Queue, before: list[bool], as_json: bool) -> int:
    """Print how it stands with every cell, and the output folder on the last line; returns the exit code."""
    from alignbench.cli.console import print_json

    standings = queue.standings()
    failed = sum(standing.state == "failed" for standing in standings)
    if as_json:
        print_json([_described(queue, *each) for each in zip(standings, before, strict=True)])
    else:
        _print_standings(queue, standings, before)
    if failed:
        print_error(f"{failed} of {len(standings)} cells failed: the same command tries them again")
    if not as_json:
        print(queue.output)
    return 0 if all(standing.state == "finished" for standing in standings) else 1


def _described(queue: Queue, standing: CellStatus, was_finished: bool) -> dict[str, object]:
    """How it stands with a cell, for programs."""
    cell, attempt = standing.cell, standing.attempt
    return {
        "cell": cell.name,
        "state": standing.state,
        "finished_before": was_finished,
        "seconds": attempt.seconds if attempt is not None and standing.state == "finished" else None,
        "folders": list(attempt.folders) if attempt is not None and standing.state == "finished" else [],
        "error": attempt.error if attempt is not None and standing.state == "failed" else None,
        "log": queue.folder / cell.log,
    }


def _print_standings(queue: Queue, standings: Sequence[CellStatus], before: list[bool]) -> None:
    from rich.table import Table

    from alignbench.cli.console import print_table

    table = Table(title=f"{queue.name}: {len(standings)} cells", title_justify="left")
    for column in ("cell", "state", "seconds", "run folder, or what went wrong"):
        table.add_column(column, overflow="fold", justify="right" if column == "seconds" else "left")
    for standing, was in zip(standings, before, strict=True):
        table.add_row(*_row(queue, standing, was))
    print_table(table)


def _row(queue: Queue, standing: CellStatus, was_finished: bool) -> tuple[str, str, str, str]:
    """Name, state, seconds, and run folders or error of a cell."""
    cell, attempt = standing.cell, standing.attempt
    if attempt is not None and standing.state == "finished":
        state = "was finished" if was_finished else "finished"
        return cell.name, state, f"{attempt.seconds:.0f}", "\n".join(attempt.folders)
    if attempt is not None and standing.state == "failed":
        return cell.name, "failed", "", f"{attempt.error} ({queue.folder / cell.log})"
    return cell.name, "running in another process" if standing.state == "elsewhere" else "waiting", "", ""
