"""`alignbench sweep`: every cell of a W&B sweep file, without a server."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from alignbench.cli.completion import sweeps
from alignbench.cli.options import AsJson, Wandb, print_error
from alignbench.errors import AlignbenchError, UsageError

if TYPE_CHECKING:
    from alignbench.sweeps.queue import CellStatus, Queue
    from alignbench.sweeps.runner import Start

# -P: a file in the current folder that is called as a module is not taken for it
_COMMAND: Final = (sys.executable, "-P", "-m", "alignbench.cli.cell_process")
_MOST_LOADERS: Final = 16


def sweep(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="Sweep file of W&B, or the bare name of one that comes along.",
            autocompletion=sweeps,
        ),
    ],
    workers: Annotated[
        int, typer.Option(metavar="N", help="Cells that run at the same time; they share the cores.")
    ] = 1,
    output: Annotated[
        Path, typer.Option(metavar="FOLDER", help="Folder of run folders, and of the sweep's ledger.")
    ] = Path("runs"),
    wandb: Wandb = "auto",
    as_json: AsJson = False,
) -> int:
    """Run every cell of a W&B sweep file, without a server.

    A cell is a run, or the scores of a model's heads. Started again, it does what is not finished. It serves one
    machine: several share a sweep by wandb sweep and wandb agent, which hand out the cells of the same file.
    """
    if workers < 1:
        raise UsageError(f"--workers {workers} is below 1")
    from alignbench.cli.sweep_progress import progress
    from alignbench.cli.swept_commands import swept_commands
    from alignbench.results.folders import check_writable
    from alignbench.sweeps.cells import list_cells
    from alignbench.sweeps.grid import read_sweep
    from alignbench.sweeps.queue import Queue
    from alignbench.sweeps.runner import Runner

    grid = read_sweep(file, swept_commands())
    cells, name = list_cells(grid), grid.path.stem
    mode = _mode(wandb)
    check_writable(output)
    with _usable(output):
        queue = Queue(cells, output, name)
        before = [standing.state == "finished" for standing in queue.standings()]
        workers = max(1, min(workers, before.count(False)))
        queue.enrol()
        with progress(f"{name}: {len(cells)} cells", len(cells), sum(before), workers) as watcher:
            Runner(queue, workers, make_start(queue, name, workers, mode), watcher).run()
    return _report(queue, before, as_json)


def _mode(wandb: str) -> str:
    """Settle whether and how runs are logged, before any starts."""
    from alignbench.tracking.modes import resolve_mode, under_agent

    mode = resolve_mode(wandb)
    if mode != "off" and under_agent():
        raise UsageError("WANDB_RUN_ID names one W&B run, and a sweep makes many: unset it, or choose --wandb off")
    return mode


def make_start(queue: Queue, name: str, workers: int, mode: str) -> Start:
    """Work out how each cell is started: as the sweep file says, in its share of the machine.

    Args:
        queue: The cells of the sweep, and their output folder.
        name: Name of the sweep.
        workers: How many cells run at the same time.
        mode: How runs are logged: `online`, `offline` or `off`.
    """
    from alignbench.cli.swept_commands import swept_commands
    from alignbench.extraction.host import usable_cores
    from alignbench.sweeps.runner import Start, divided

    share = max(1, usable_cores() // workers)
    environment = {"WANDB_RUN_GROUP": f"sweep-{name}", **divided(os.environ, share)}
    environment["PYTHONIOENCODING"] = "utf-8"  # of the log, from which the run folder's name is read
    runs = queue.cells[0].runs
    known = swept_commands()[runs].options
    options = ["--output", str(queue.output), *(["--wandb", mode] if "wandb" in known else [])]
    given = {word.partition("=")[0] for word in queue.cells[0].arguments}
    if workers > 1 and "--loader-workers" not in given:
        options += ["--loader-workers", str(min(share - 1, _MOST_LOADERS))]
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

    table = Table(title=f"{queue.folder.name.removeprefix('.sweep-')}: {len(standings)} cells", title_justify="left")
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
