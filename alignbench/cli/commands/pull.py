"""`alignbench pull`: run folders made again from what was logged to Weights & Biases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from alignbench.cli.completion import data_sets
from alignbench.cli.console import print_status
from alignbench.cli.options import parse_bytes, print_error
from alignbench.cli.working import working
from alignbench.errors import AlignbenchError, counted

if TYPE_CHECKING:
    from alignbench.tracking.logged_runs import LoggedRun
    from alignbench.tracking.pulling import Puller

Project = Annotated[str, typer.Argument(metavar="ENTITY/PROJECT", help="Project on Weights & Biases.")]


def pull(
    project: Project,
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder to write run folders to.")] = Path("runs"),
    sweep: Annotated[str, typer.Option(metavar="ID", help="Fetch only runs of this sweep [default: all].")] = "",
    tag: Annotated[str, typer.Option(metavar="TAG", help="Fetch only runs with this tag [default: all].")] = "",
    label: Annotated[
        str, typer.Option(metavar="LABEL", help="Fetch only runs of the model with this label [default: all].")
    ] = "",
    dataset: Annotated[
        str,
        typer.Option(metavar="NAME", help="Fetch only runs on this data set [default: all].", autocompletion=data_sets),
    ] = "",
    max_size: Annotated[str, typer.Option(metavar="SIZE", help="Size limit of one run folder, such as 500MB.")] = "4GB",
) -> int:
    """Fetch run folders from Weights & Biases.

    For each folder the newest finished run is fetched. A folder that exists already is left as it is.
    The last line of stdout is the folder that they are in.
    """
    from alignbench.results.folders import check_writable
    from alignbench.tracking import projects
    from alignbench.tracking.logged_runs import Selection, newest_of_each, read_runs

    named, most = projects.Project.parse(project), parse_bytes(max_size)
    check_writable(output)
    with projects.connected() as api:
        with working(f"reading the runs of {named}"), projects.answering():
            runs = read_runs(api, named)
        chosen, lines = newest_of_each(Selection(sweep, tag, label, dataset).choose(runs), named)
        for line in lines:
            print_status(line)
        failed = _pull_all(chosen, output, most)
    print(output)
    return 1 if failed else 0


def _pull_all(runs: list[LoggedRun], output: Path, most: int) -> int:
    """Fetch runs one after another, say what became of them, and return how many failed."""
    from alignbench.tracking.projects import NoAnswerError, answering

    sizes: list[int | None] = []
    left = list(runs)
    with _puller(output, most) as puller:
        while left:
            run = left.pop(0)
            try:
                with answering():
                    sizes.append(puller.pull(run).bytes)
            except NoAnswerError as error:
                print_error(f"{run.folder}: {error}")
                break
            except AlignbenchError as error:
                print_error(f"{run.folder}: {error}")
    fetched = [size for size in sizes if size is not None]
    failed = len(runs) - len(sizes)
    print_status(
        f"{counted(len(runs), 'run folder')}: {len(fetched):,} fetched ({sum(fetched) / 1e6:,.1f} MB), "
        f"{len(sizes) - len(fetched):,} there before, {failed:,} failed"
        + (f", of which {len(left):,} were not tried" if left else "")
    )
    return failed


@contextmanager
def _puller(output: Path, most: int) -> Iterator[Puller]:
    """What fetches, with a bar of bytes on a terminal and a line for each folder elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from alignbench.tracking.pulling import Puller

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)

        def planned(name: str, size: int) -> None:
            bar.reset(task, description=name, total=size)
            if not console.is_terminal:
                print_status(f"fetching {name} ({size / 1e6:,.1f} MB)")

        yield Puller(output, most, planned, lambda size: bar.advance(task, size))
