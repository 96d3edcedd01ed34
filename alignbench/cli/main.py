"""The command line's entry: runs a command, and says in one line what went wrong.

Nothing is imported before signals are heard that could not be imported in a moment.
"""

from __future__ import annotations

import errno
import gc
import os
import select
import signal
import sys
import warnings
from collections.abc import Callable
from contextlib import nullcontext
from functools import cache as cached
from typing import Any, Final

from alignbench.cli import print_error
from alignbench.cli.signals import ENDINGS, Ending, listening
from alignbench.errors import AlignbenchError, AlignbenchWarning, shortened
from alignbench.extraction.leader import is_led

_INTERRUPTED, _UNREAD = 128 + signal.SIGINT, 128 + signal.SIGPIPE
_YOUNG: Final = 50_000  # objects made between two searches for unreachable ones; Python's own 700 suit small programs
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


@cached
def _read_app() -> Callable[..., int | None]:
    """Read the signatures of all commands, once for a process that runs several command lines."""
    from typer.main import get_command

    from alignbench.cli.app import app

    command: Callable[..., int | None] = get_command(app)
    return command


def main(arguments: list[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: Arguments without the program's name; those of the process if none are given.

    Returns:
        The exit code: 0, 1 for a failure while running, 2 for wrong use, 130 when interrupted, 143 when terminated,
        129 when its terminal was closed, 141 when nobody reads its output any more.
    """
    if arguments is None:  # the process is ours: what torch and its like import is a million objects, all of which stay
        gc.set_threshold(_YOUNG, *gc.get_threshold()[1:])
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given
    given = [argument for argument in given if argument != "--debug"]
    heard = nullcontext(Ending()) if is_led() else listening(for_good=arguments is None)
    with warnings.catch_warnings(), heard as ending:
        try:
            ending.arm()
            if not debug:
                warnings.simplefilter("ignore")
            warnings.simplefilter("always", AlignbenchWarning)
            warnings.showwarning = _show_warning
            code = _run(given, debug, ending)
            ending.disarm()
        except KeyboardInterrupt:
            code = _INTERRUPTED
        return _tell_end(ending) if code == _INTERRUPTED else code  # Typer makes an exit of an interruption


def _run(given: list[str], debug: bool, ending: Ending) -> int:
    """Run a command to the end of its output, and say what went wrong."""
    try:
        code = int(_read_app()(args=given, prog_name="alignbench", standalone_mode=False) or 0)
        _flush()
    except (Exception, SystemExit) as error:
        found = error.__context__ if isinstance(error, SystemExit) else error  # Typer and Rich exit for a broken pipe
        if isinstance(error, SystemExit) and found is None:  # and for what a shell asks, to complete a line
            _flush()
            return int(error.code or 0)
        if isinstance(found, BrokenPipeError) and _discard_unread():
            return _UNREAD
        if debug or not isinstance(found, Exception):
            raise
        if ending.number:  # a library that does not know what to do when it is interrupted
            return _INTERRUPTED
        return _explain(_lost_output(found) or found)
    return code


def _tell_end(ending: Ending) -> int:
    """Say that a signal has ended the command, and give the exit code that tells of it."""
    number = signal.Signals(ending.number or signal.SIGINT)
    _print_error(f"{ENDINGS[number]}: finished runs are kept, nothing half-written is left")
    ending.told = True
    exec("")  # Python ends itself by SIGINT if the last text that it ran was interrupted, be it in a dataclass
    return 128 + number


def _flush() -> None:
    """Hand over what was printed, if there is where it goes to."""
    if sys.stdout is not None:
        sys.stdout.flush()


def _lost_output(error: Exception) -> AlignbenchError | None:
    """An error in words of our own where there is no room for what was printed; none if it is another one."""
    if not (isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None):
        return None
    try:
        _flush()
    except OSError:
        _send_nowhere(1)
    return AlignbenchError(f"the output cannot be written ({error.strerror}): make room, or send it elsewhere")


def _discard_unread() -> bool:
    """Discard what goes to a reader that is gone, as in `| head`; whether there is one."""
    poll = select.poll()
    for descriptor in (1, 2):
        poll.register(descriptor, 0)
    unread = [descriptor for descriptor, event in poll.poll(0) if event & (select.POLLERR | select.POLLHUP)]
    for descriptor in unread:
        _send_nowhere(descriptor)
    return bool(unread) or _is_null(1)  # Rich has discarded it already


def _is_null(descriptor: int) -> bool:
    try:
        return os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:  # it is closed
        return False


def _send_nowhere(descriptor: int) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, descriptor)
    os.close(null)


def _explain(error: Exception) -> int:
    """Say in one line what went wrong."""
    if isinstance(error, AlignbenchError):
        _print_error(str(error))
        return error.exit_code
    message = getattr(error, "format_message", None)  # the command line's own: an unknown option, a missing value
    if message is not None:
        if type(error).__name__ == "NoArgsIsHelpError":  # a command that needs another word says which there are
            print(message())
            return 0
        context = getattr(error, "ctx", None)
        remedy = f"see `{context.command_path if context is not None else 'alignbench'} --help`"
        said = shortened(message(), 500)
        _print_error(said if said.endswith("?") else f"{said.rstrip('.')}: {remedy}")
        return 2
    if isinstance(error, OSError) and error.filename is not None:  # a disk that fails, a folder that is closed to us
        _print_error(f"{shortened(error.filename, 300)} cannot be used ({error.strerror}): mend that, or name another")
        return 1
    _print_error(f"unexpected {type(error).__name__}: {' '.join(str(error).split())[:200]} (--debug shows where)")
    return 1


def _print_error(text: str) -> None:
    try:
        print_error(text)
    except OSError:  # a closed terminal, a full disk: it cannot be told
        _send_nowhere(2)


def _show_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    """Print a warning in a line, without the place in the code; replaces `warnings.showwarning`."""
    _print_error(f"{'warning: ' if issubclass(category, AlignbenchWarning) else category.__name__ + ': '}{message}")
