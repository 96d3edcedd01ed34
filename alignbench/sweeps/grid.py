"""A sweep file of Weights & Biases, read as the list of cells that its grid holds.

W&B's server is what enumerates a grid when `wandb agent` runs it. Here the same file gives the same cells, in the same
order and with the same command lines, so that a sweep can be run without a server. Only what means the same without one
is taken; everything else is refused in a line that says so.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from alignbench.errors import AlignbenchError, DataError, UsageError, one_line, shortened, unknown
from alignbench.files import open_plain
from alignbench.files.yaml_text import load_yaml
from alignbench.sweeps.shipped import find_sweep
from alignbench.sweeps.values import Option, Value, check_value
from alignbench.sweeps.wandb_command import COMMAND, command_line, split_line

_SEARCHES: Final = ("random", "bayes", "custom")
_FOLLOWED: Final = ("method", "parameters", "command", "program")
_SHOWN: Final = ("name", "description", "project", "entity", "metric", "apiVersion", "kind")  # W&B's alone
_OF_SERVER: Final = ("run_cap", "early_terminate", "scheduler", "controller", "metrics", "job", "image_uri", "settings")
_REQUIRED: Final = ("model", "dataset")
_MOST_CELLS: Final = 10_000  # weeks of work: more is a slip
_NO_BOOLEANS: Final = "${args_no_boolean_flags}"


@dataclass(frozen=True)
class SweptCommand:
    """A command of alignbench whose options a sweep may vary.

    Attributes:
        options: Its options, by name: what parameters can be.
        check: Refuses a cell that the command would refuse without looking at data or weights.
    """

    options: Mapping[str, Option]
    check: Callable[[Mapping[str, Value]], None]


@dataclass(frozen=True)
class Sweep:
    """A grid of cells.

    Attributes:
        path: Its file.
        runs: The command of alignbench that its cells run, e.g. `run` or `interpret align`.
        command: `command` of the file, with macros such as `${env}`.
        program: `program` of the file.
        cells: Value of each parameter, by name, in the order in which W&B enumerates them: names sorted, the last
            name's values changing fastest, values in the order of the file.
    """

    path: Path
    runs: str
    command: tuple[str, ...]
    program: str
    cells: tuple[Mapping[str, Value], ...]

    def command_line(self, cell: Mapping[str, Value]) -> list[str]:
        """The command line that W&B's agent would start for a cell."""
        return command_line(self.command, self.program, cell)

    def arguments(self, cell: Mapping[str, Value]) -> list[str]:
        """The arguments of the command for a cell, those that W&B's agent would give."""
        return split_line(self.command_line(cell), [self.runs])[1]


def read_sweep(source: str | Path, commands: Mapping[str, SweptCommand]) -> Sweep:
    """Read a sweep file and check it.

    Args:
        source: Path of a file, or the bare name of a sweep that comes with the package.
        commands: The commands of alignbench that cells may run, e.g. `run` or `interpret align`.

    Raises:
        DataError: If the file is not there or is no sweep file.
        UsageError: If it asks for what only a server can do, or for something unknown; names the nearest.
        ModelError: If a file that a model's name gives is not there.
    """
    path = find_sweep(source)
    try:
        return _make_sweep(path, _load_mapping(path), commands)
    except AlignbenchError as error:
        raise type(error)(f"{path}: {error}") from error


def _load_mapping(path: Path) -> Mapping[Any, Any]:
    """Load the file, which must hold a mapping."""
    try:
        with open_plain(path) as file:
            text = file.read().decode("utf-8")
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise DataError(f"is not YAML ({one_line(error)})") from error
    content = load_yaml(text)
    if not isinstance(content, dict):
        raise DataError("is not a sweep file: at its top must be method, command and parameters")
    return content


def _make_sweep(path: Path, content: Mapping[Any, Any], commands: Mapping[str, SweptCommand]) -> Sweep:
    """Make a sweep of a file's content, key by key, refusing what cannot be followed."""
    from alignbench.sweeps.validate import check_cells

    for key in content:
        if key in _OF_SERVER:
            raise UsageError(f"{key} is for W&B's server: remove it, or run the sweep with wandb sweep and wandb agent")
        if key not in (*_FOLLOWED, *_SHOWN):
            raise unknown("key", str(key), (*_FOLLOWED, *_SHOWN))
    _check_method(content.get("method"))
    command = _check_command(content.get("command"))
    program = str(content.get("program") or "")
    check_value("its program", program, may_be_empty=True)
    runs, _ = split_line(command_line(command, program, {}), commands)
    options = commands[runs].options
    parameters = _read_parameters(content.get("parameters"), options)
    count = math.prod(map(len, parameters.values()))
    if count > _MOST_CELLS:
        raise UsageError(f"its grid has {count:,} cells, above {_MOST_CELLS:,}: give fewer values, or several files")
    cells = tuple(_enumerate_cells(parameters))
    sweep = Sweep(path, runs, command, program, cells)
    flags = [name for name in cells[0] if options[name].takes == "flag"]
    if flags and _NO_BOOLEANS not in command:
        raise UsageError(f"parameter {flags[0]} is a flag: command must have {_NO_BOOLEANS}, as in {COMMAND}")
    given = {word.partition("=")[0].removeprefix("--") for word in sweep.arguments(cells[0])}
    for name in (*_REQUIRED, *cells[0]):
        if name not in given and options[name].takes != "flag":
            remedy = f"write command: {COMMAND}" if name in cells[0] else "add it to parameters"
            raise UsageError(f"its command lines have no --{name}: {remedy}")
    check_cells(cells, commands[runs].check)
    return sweep


def _check_method(method: object) -> None:
    if method in _SEARCHES:
        raise UsageError(f"method {method} needs W&B's server: run it with wandb sweep and wandb agent, or use grid")
    if method is None:
        raise DataError("has no method: write method: grid")
    if method != "grid":
        raise unknown("method", str(method), ("grid", *_SEARCHES))


def _check_command(command: object) -> tuple[str, ...]:
    if not isinstance(command, list) or not all(isinstance(word, str) for word in command):
        raise DataError(f"its command must be a list of words: write command: {COMMAND}")
    for word in command:
        check_value("a word of its command", word, may_be_empty=True)
    return tuple(command)


def _read_parameters(content: object, options: Mapping[str, Option]) -> dict[str, list[Value]]:
    """Read the values of each parameter, each once, with the names sorted."""
    if not isinstance(content, dict) or not content:
        raise DataError("has no parameters: write parameters, with model and dataset")
    for name in content:
        if name not in options:
            raise unknown("parameter", str(name), options)
    return {name: _read_values(options[name], content[name]) for name in sorted(content)}


def _read_values(option: Option, content: object) -> list[Value]:
    """Read the values of a parameter, in the order of the file; one that is there twice counts once, as for W&B."""
    name = option.name
    if not isinstance(content, dict):
        raise DataError(f"parameter {name} must have value: ... or values: [...] below it")
    if "parameters" in content:
        raise UsageError(f"parameter {name} has parameters below it: an option has none, write value or values")
    repeated = {"distribution"} if content.get("distribution") in ("categorical", "constant") else set()
    keys = set(content) - repeated  # such a distribution says no more than value or values do
    if keys not in ({"value"}, {"values"}):
        raise UsageError(
            f"parameter {name} has {shortened(', '.join(map(str, content))) or 'nothing'}: a grid has value or values"
        )
    values = content["values"] if "values" in keys else [content["value"]]
    if not isinstance(values, list) or not values:
        raise DataError(f"parameter {name} has no list of values: write values: [...] with one at least")
    return list(dict.fromkeys(_check_value(option, value) for value in values))


def _check_value(option: Option, value: object) -> Value:
    """Refuse a value that would not reach the command line as it was meant."""
    name, shown = option.name, shortened(repr(value))
    if value is None:
        raise UsageError(f"parameter {name} has an empty value (null): write one, or leave the parameter out")
    if not isinstance(value, (str, int, float)):
        raise UsageError(f"parameter {name} has the value {shown}: write text or a number, no list, mapping or date")
    if isinstance(value, bool) and option.takes != "flag":
        raise UsageError(f"parameter {name} takes no true or false (as YAML reads yes, no, on and off too): quote it")
    if option.takes == "flag" and not isinstance(value, bool):
        raise UsageError(f"parameter {name} is a flag and has the value {shown}: write true or false")
    if option.takes == "number" and not isinstance(value, int):
        raise UsageError(f"parameter {name} has the value {shown}: write a whole number, without quotes")
    check_value(f"parameter {name}", value, option.may_be_empty)
    return value


def _enumerate_cells(parameters: Mapping[str, list[Value]]) -> Iterable[Mapping[str, Value]]:
    """Go through all combinations of values, the last parameter's fastest."""
    for values in itertools.product(*parameters.values()):
        yield dict(zip(parameters, values, strict=True))
