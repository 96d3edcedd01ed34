"""A sign on a terminal that something is being done, and for how long."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from alignbench.cli.console import print_status

if TYPE_CHECKING:
    from rich.progress import Progress


def sign(text: str) -> Progress:
    """What shows on a terminal that something is being done, and for how long; elsewhere it shows nothing."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    shown = Progress(
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        redirect_stdout=False,  # which may go to a file
        disable=not console.is_terminal,
    )
    shown.add_task(text, total=None)
    return shown


@contextmanager
def working(text: str) -> Iterator[Callable[[str], None]]:
    """Show on a terminal what is being done, and for how long, until it is; elsewhere nothing is shown.

    Args:
        text: What is being done, e.g. `reading the runs`.

    Yields:
        A function that says a line on stderr. From then on nothing more is shown: what the line tells of may show its
        own progress, as a download does.
    """
    shown = sign(text)

    def notice(line: str) -> None:
        shown.stop()
        print_status(line)

    with shown:
        yield notice
