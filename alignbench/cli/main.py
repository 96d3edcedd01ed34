"""The command line's entry: runs a command, and says in one line what went wrong."""

from __future__ import annotations

import os
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache as cached
from typing import Annotated, Any

import typer
from typer.main import get_command

from alignbench.cli.commands import (
    cache,
    catalogue,
    compare,
    demo,
    evaluate,
    extract,
    learn,
    plan,
    report,
    reproduce,
    run,
    sweep,
    transform,
)
from alignbench.cli.options import print_error
from alignbench.errors import AlignbenchError, AlignbenchWarning

app = typer.Typer(
    name="alignbench",
    help="How close is a model's idea of 'looks alike' to people's, and at which depth?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_analyses = (compare.compare, reproduce.reproduce, report.report)
for _command in (run.run, demo.demo, sweep.sweep, plan.plan, *_analyses, catalogue.models, extract.extract):
    app.command()(_command)
catalogue.datasets_app.command()(cache.cache)
app.add_typer(catalogue.datasets_app, name="datasets")
transform.transform_app.command()(learn.learn)
transform.transform_app.command()(evaluate.evaluate)
app.add_typer(transform.transform_app, name="transform")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (with any command).")] = False,
) -> None:
    """How close is a model's idea of 'looks alike' to people's, and at which depth?"""


_INTERRUPTED, _TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM


@cached
def _read_app() -> Callable[..., int | None]:
    """Read the signatures of all commands, once for a process that runs several command lines."""
    command: Callable[..., int | None] = get_command(app)
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Arguments without the program's name; those of the process if none are given.

    Returns:
        The exit code: 0, 1 for a failure while running, 2 for wrong use, 130 when interrupted, 143 when terminated.
    """
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    with warnings.catch_warnings():
        if not debug:
            warnings.simplefilter("ignore")
        warnings.simplefilter("always", AlignbenchWarning)
        warnings.showwarning = _show_warning
        with _terminated_as_interrupted() as terminated:
            try:
                code = int(_read_app()(args=given, prog_name="alignbench", standalone_mode=False) or 0)
            except KeyboardInterrupt:
                code = _INTERRUPTED
            except Exception as error:  # of a library too that does not know what to do when it is terminated
                if debug:
                    raise
                code = _INTERRUPTED if terminated else _explain(error)
    if code == _INTERRUPTED:  # Typer makes an exit of an interruption
        how, code = ("terminated", _TERMINATED) if terminated else ("interrupted", _INTERRUPTED)
        print_error(f"{how}: finished runs are kept, nothing half-written is left")
    return code


@contextmanager
def _terminated_as_interrupted() -> Iterator[list[int]]:
    """Have SIGTERM, by which schedulers and containers stop a process, do what Ctrl-C does; gives those received.

    Where someone handles it already, or in another than the main thread, it is left to them.
    """
    received: list[int] = []
    process = os.getpid()

    def interrupt(number: int, _: object) -> None:
        if os.getpid() != process:  # what was forked here ends as it would without this
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        received.append(number)
        raise KeyboardInterrupt

    ours = threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    if ours:
        signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _explain(error: Exception) -> int:
    """Say in one line what went wrong."""
    if isinstance(error, AlignbenchError):
        print_error(str(error))
        return error.exit_code
    message = getattr(error, "format_message", None)  # the command line's own: an unknown option, a missing value
    if message is not None:
        if type(error).__name__ == "NoArgsIsHelpError":  # a command that needs another word says which there are
            print(message())
            return 0
        print_error(" ".join(message().split()) or "see alignbench --help")
        return 2
    print_error(f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]} (--debug shows where)")
    return 1


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning in a line, without the place in the code; replaces `warnings.showwarning`."""
    print_error(f"{'warning: ' if issubclass(category, AlignbenchWarning) else category.__name__ + ': '}{message}")
