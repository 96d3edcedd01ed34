"""Errors and warnings speak Python when Python calls, and the command line's words otherwise."""

from __future__ import annotations

import ast
import inspect
import re
import warnings
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from pathlib import Path

import pytest

import alignbench
from alignbench.api import measuring
from alignbench.api.curves import MeasuredCurve
from alignbench.api.loading import load
from alignbench.api.words import Argument, arguments_of, in_python, measuring_arguments, python_words, speaks_python
from alignbench.cli.commands.run import run as run_command
from alignbench.cli.options import read_options
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.measurement.cell import Cell
from alignbench.study import answers
from alignbench.transforms.published import align
from documented import ROOT

OPTION = re.compile(r"(?<![\w-])--([a-z][a-z-]*)")
COMMANDS = {  # rooms and modules whose errors only a command meets, and the options of those commands
    "cli": "",
    "sweeps": "",
    "tracking/modes": "wandb",
    "tracking/artifact_files": "max-size",
    "tracking/logged_runs": "label, sweep, tag",
    "tracking/saved_view": "name",
    "extraction/feature_files": "layer",
    "transforms/named": "force, mean, std",
    "transforms/learning": "folds, layers, local-images, trials",
    "transforms/evaluation/leakage": "in-sample",
    "interpret": (
        "against, anew, by, classes, columns, compare, count, draws, dtype, examples, group, host, images, judge, "
        "label, labels, layers, measure, metadata, permutations, picks, picture, port, protocol, random, rank, "
        "reference, resamples, splits, template, text, texts, than, than-group, timeout, together, transform, twins, "
        "url, way, why"
    ),
    "alignet/soft_targets": "dimensions, draws, fewest-judgments, pseudo-count, targets",
    "alignet/embedding_training": "targets",
    "alignet/training": (
        "accumulate, batch-triplets, checkpoint-every, decay, ema, head-only, learning-rate, log-every, steps, "
        "temperature, validate-every, validation, warmup, width"
    ),
    "alignet/triplet_order": "batch-triplets",
    "alignet/teacher_features": "layer, output, teacher, tokens",
    "alignet/picture_groups": "labels",
    "alignet/plan": "images, iterations, pixel-cache-size, triplets",
    "alignet/evaluation": "after, before, head, hierarchy, images, labelled, shift, shots, teacher, triplets",
}


KNOWN = {
    option: argument
    for function in (measuring.measure, measuring.run, load, answers.compare, align, MeasuredCurve.plot)
    for option, argument in arguments_of(function).items()
}


def options_in(path: Path) -> Iterator[tuple[str, str]]:
    """Each option that a text in a module names, docstrings and what stands in backquotes apart, and the text."""
    source = path.read_text(encoding="utf-8")
    if not OPTION.search(source):
        return
    tree = ast.parse(source)
    documented = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            for found in OPTION.finditer(re.sub(r"`[^`]*`", "", node.value)):
                yield found[1], node.value


@cache
def named_options() -> list[tuple[str, str, str]]:
    """Module, option and text of each option that some text of the package names, those of commands alone apart."""
    found = []
    for path in sorted((ROOT / "alignbench").rglob("*.py")):
        name = path.relative_to(ROOT / "alignbench").with_suffix("").as_posix()
        if name.startswith(("cli/", "sweeps/", "api/")):
            continue
        own = next((options for room, options in COMMANDS.items() if name.startswith(room)), "")
        found += [(name, option, text) for option, text in options_in(path) if option not in own.split(", ")]
    return found


def test_every_option_that_an_error_names_is_an_argument() -> None:
    """So is each that will be written: an option that Python does not have belongs into `COMMANDS`, with its room."""
    named = named_options()
    assert len(named) > 50
    unknown = [f"{module}: --{option} in {text!r}" for module, option, text in named if option not in KNOWN]
    assert not unknown, "\n".join(unknown)


@pytest.mark.parametrize("text", sorted({text for _, _, text in named_options()}))
def test_no_text_keeps_an_option(text: str) -> None:
    said = in_python(text, KNOWN)
    own = " ".join(COMMANDS.values()).replace(",", "").split()
    left = [name for name in OPTION.findall(re.sub(r"`[^`]*`", "", said)) if name not in own]
    assert not left
    assert in_python(said, KNOWN) == said


def test_options_of_the_command_are_the_fields_of_a_cell() -> None:
    """But for what the command alone has: twins in a row, the log, and how it prints."""
    options = set(read_options(run_command)) - {"seeds", "wandb", "json"}
    assert set(measuring_arguments()) == options
    assert {each.name for each in measuring_arguments().values()} == {
        *(each.name for each in fields(Cell)),
        *("output", "overwrite"),
    }
    assert "overwrite" in inspect.signature(measuring.run).parameters, "`output` is one of its places, by name too"
    flags = {name for name, option in read_options(run_command).items() if option.takes == "flag"} - {"json"}
    assert flags == {name for name, each in measuring_arguments().items() if each.is_flag}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "x needs --data-root DIR (or $X/x): see `run --limit`",
            "x needs `data_root=DIR` (or $X/x): see `run --limit`",
        ),
        ("measure it again with --overwrite", "measure it again with `overwrite=True`"),
        ("--distance normalized_euclidean,euclidean", '`distances=("normalized_euclidean", "euclidean")`'),
        ("with --distance all", 'with `distances=("normalized_euclidean", "euclidean", "cosine")`'),
        ("goes with --precision bf16 or fp16", 'goes with `precision="bf16"` or `"fp16"`'),
        ("or --precision is too low", "or `precision` is too low"),
        ("--devices 8: this machine has 2", "`devices=8`: this machine has 2"),
        ("raise --pixel-cache-size to 3.1GB", "raise `pixel_cache_size` to 3.1GB"),
        ("runs/openai--limit, a--limit, /--limit", "runs/openai--limit, a--limit, /--limit"),
        ("--limitless --no-such", "--limitless --no-such"),
        ("(--subset, --limit)", "(`subsets`, `limit`)"),
    ],
)
def test_options_are_said_as_arguments(text: str, said: str) -> None:
    assert in_python(text, measuring_arguments()) == said
    assert in_python(said, measuring_arguments()) == said


def test_an_argument_of_the_function_goes_before_a_field() -> None:
    def ask(distance: str = "", strict: bool = False) -> None:
        """Nothing."""

    arguments = arguments_of(ask)
    assert arguments["distance"] == Argument("distance")
    assert in_python("--distance all, --strict", arguments) == '`distance="all"`, `strict=True`'


def test_errors_and_warnings_speak_python_only_while_python_calls() -> None:
    def fail() -> None:
        warnings.warn("see --limit", AlignbenchWarning, stacklevel=1)
        raise DataError("measure it again with --overwrite")

    with pytest.warns(AlignbenchWarning, match="^see `limit`$"), pytest.raises(DataError, match="`overwrite=True`"):
        speaks_python(fail)()
    with pytest.warns(AlignbenchWarning, match="^see --limit$"), pytest.raises(DataError, match="--overwrite"):
        fail()
    with python_words():
        inner = UsageError("--seed 7")
        outer = UsageError(f"not so ({inner})")
    assert str(outer) == "not so (`seed=7`)"
    assert str(UsageError("--seed 7")) == "--seed 7"


def test_whatever_is_public_and_can_be_called_speaks_python(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"^tid2013 needs `data_root=DIR`"):
        alignbench.measure("pixels", "tid2013")
    with pytest.raises(DataError, match=r"is not a folder: check `data_root`$"):
        alignbench.measure("pixels", "tid2013", data_root=tmp_path / "gone")
    with pytest.raises(UsageError, match=r"leave out `random_init=True`$"):
        alignbench.run(Cell("pixels", "shapes-low", random_init=True), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(alignbench.AlignbenchError, match=r"choose another with `output`$"):
        alignbench.run(Cell("pixels", "shapes-low"), tmp_path / "file" / "runs")
