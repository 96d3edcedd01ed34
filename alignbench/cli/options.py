"""Options that several commands share, how their texts are read, and how commands complain."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

import typer

from alignbench.cli import print_error as print_error
from alignbench.cli.completion import data_sets, models, one_of, subsets, transforms
from alignbench.errors import UsageError, shortened
from alignbench.files import check_place
from alignbench.sweeps.values import Option, check_value

_FOLDER, _NAMES = "FOLDER", "NAME[,NAME]"

Model = Annotated[
    str,
    typer.Option(
        metavar="MODEL",
        help="Model: a name from `alignbench models`, a Hugging Face id, FAMILY:NAME, or a local folder.",
        autocompletion=models,
    ),
]
DataSets = Annotated[
    str,
    typer.Option(
        metavar=_NAMES,
        help="Data sets, separated by commas; `alignbench datasets` lists them.",
        autocompletion=data_sets,
    ),
]
DataSet = Annotated[
    str, typer.Argument(metavar="NAME", help="Data set: a name from `alignbench datasets`.", autocompletion=data_sets)
]
DataRoot = Annotated[
    Path | None, typer.Option(metavar=_FOLDER, help="Folder of the data set [default: $ALIGNBENCH_DATA/NAME].")
]
Subset = Annotated[
    str,
    typer.Option(
        metavar=_NAMES, help="Subsets, separated by commas [default: those of the protocol].", autocompletion=subsets
    ),
]
Tokens = Annotated[
    str,
    typer.Option(
        metavar="VIEW",
        help="Tokens of a layer: all, cls (class token) or mean (of the patch tokens).",
        autocompletion=one_of("all", "cls", "mean"),
    ),
]
Protocol = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Protocol: paper (as the published scripts measure) or corrected (held-out means, shared ties).",
        autocompletion=one_of("paper", "corrected"),
    ),
]
Resize = Annotated[
    str,
    typer.Option(
        metavar="WAY",
        help="Resizing: checkpoint (its own), squash (whole picture to a square) or published (for a published "
        "transform).",
        autocompletion=one_of("checkpoint", "squash", "published"),
    ),
]
Layers = Annotated[
    str,
    typer.Option(
        metavar=_NAMES,
        help="Layers, separated by commas: names, modules, all (the usual ones) or blocks (every block).",
        autocompletion=one_of("all", "blocks", "projection"),
    ),
]
Similarity = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        help="Similarity that decides which picture is the odd one out: cosine, euclidean or dot.",
        autocompletion=one_of("cosine", "euclidean", "dot"),
    ),
]
BatchSize = Annotated[str, typer.Option(metavar="N", help="Images per batch, or auto: chosen by speed on this device.")]
Precision = Annotated[
    str,
    typer.Option(
        metavar="TYPE",
        help="Precision of the model: fp32, bf16 or fp16.",
        autocompletion=one_of("fp32", "bf16", "fp16"),
    ),
]
Accelerator = Annotated[
    str,
    typer.Option(
        metavar="KIND",
        help="Device to compute on: cpu, cuda, or auto (cuda if there is one).",
        autocompletion=one_of("auto", "cpu", "cuda"),
    ),
]
LoaderWorkers = Annotated[
    int | None,
    typer.Option(metavar="N", help="Processes that read images [default: one fewer than there are cores]."),
]
RandomInit = Annotated[
    bool,
    typer.Option(
        "--random-init",
        help="Use random weights, drawn with --seed; names from `alignbench models` then need no download.",
    ),
]
PixelCacheFolder = Annotated[
    str,
    typer.Option(
        metavar=_FOLDER,
        help="Folder of prepared pictures that runs share, or off [default: ~/.cache/alignbench/pixels].",
    ),
]
PixelCacheSize = Annotated[str, typer.Option(metavar="SIZE", help="Size limit of that folder, such as 500MB.")]
FeatureMemory = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Features that each process holds at a time; if more are needed, layers take several passes.",
    ),
]
MeasuredTransform = Annotated[
    str,
    typer.Option(
        metavar="TRANSFORM",
        help="Measure a layer after this transform too: a file, one of `transform list`, or published (the model's).",
        autocompletion=transforms,
    ),
]
Limit = Annotated[
    int | None, typer.Option(metavar="N", help="Use only the first N judgments of each subset [default: all].")
]
Triplets = Annotated[
    str, typer.Option(metavar="NAME", help="Data set of odd-one-out triplets.", autocompletion=data_sets)
]
TrainingSubset = Annotated[
    str,
    typer.Option(
        metavar=_NAMES,
        help="Subsets of triplets to learn from, separated by commas [default: trainset].",
        autocompletion=subsets,
    ),
]
Folds = Annotated[int, typer.Option(metavar="N", help="Folds of objects for cross-validation.")]
Lambda = Annotated[float, typer.Option("--lambda", metavar="WEIGHT", help="Weight of the penalty.")]
LearningRate = Annotated[float, typer.Option(metavar="RATE", help="Learning rate of the optimiser.")]
Optimiser = Annotated[
    str, typer.Option(metavar="NAME", help="Optimiser: adam or sgd.", autocompletion=one_of("adam", "sgd"))
]
Bias = Annotated[bool, typer.Option("--bias/--no-bias", help="Learn a bias too, or only a matrix.")]
Epochs = Annotated[int, typer.Option(metavar="N", help="Largest number of epochs.")]
Patience = Annotated[int, typer.Option(metavar="N", help="Stop after N epochs without a lower held-out loss.")]
BatchTriplets = Annotated[int, typer.Option(metavar="N", help="Triplets per step.")]
Trials = Annotated[
    int, typer.Option(metavar="N", help="Trials of a hyper-parameter search at each layer; 0 for no search.")
]
LearningSeed = Annotated[
    int,  # scikit-learn and Optuna take 32 bits, and trials of a search count on from it
    typer.Option(metavar="N", help="Seed of folds, batches and random weights.", min=0, max=2**31 - 1),
]
Wandb = Annotated[
    str,
    typer.Option(
        metavar="MODE",
        help="Log to Weights & Biases: online, offline, off; auto: as W&B is set up, offline without a login.",
        autocompletion=one_of("auto", "online", "offline", "off"),
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on stdout instead of tables.")]


def names_in(text: str) -> tuple[str, ...]:
    """Split comma-separated names; a name that is there twice counts once."""
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def data_sets_in(text: str, data_root: Path | None) -> tuple[str, ...]:
    """Split comma-separated names of data sets.

    Raises:
        UsageError: If there is no name, or a folder is given for several.
    """
    names = names_in(text)
    if not names:
        raise UsageError("--dataset is empty: see `alignbench datasets`")
    if data_root is not None and len(names) > 1:
        raise UsageError(
            "--data-root goes with one data set; with several, set ALIGNBENCH_DATA to the folder that holds them"
        )
    return names


def parse_bytes(text: str) -> int:
    """Read a size such as `4GB`, `500MB` or `2GiB` as a number of bytes.

    Raises:
        UsageError: If it is no size, or one of more than 64 bits.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?\s*", text, re.ASCII | re.IGNORECASE)
    if match is None:
        raise UsageError(f"'{shortened(text)}' is not a size: write for instance 4GB or 500MB")
    base = 1024 if match[3] else 1000
    size = float(match[1]) * base ** " kmgt".index(match[2].lower() or " ")
    check_value("the size", size)
    return int(size)


def parse_batch_size(text: str) -> int | Literal["auto"]:
    """Read a batch size: a number of images, or `auto`.

    Raises:
        UsageError: If it is neither; whether the number is possible is checked with the cell.
    """
    return "auto" if text == "auto" else whole_number("--batch-size", text, "neither a number nor auto: give 16, say")


def whole_number(option: str, text: str, otherwise: str) -> int:
    """Read a whole number of an option that takes other texts too.

    Args:
        option: Name of the option.
        text: What was given.
        otherwise: What the text is if it is no whole number.

    Raises:
        UsageError: If it is none, or one of more than 64 bits.
    """
    try:
        number = int(text.encode("ascii"))  # Python's int alone takes the digits of every script
    except ValueError as error:
        raise UsageError(f"{option} {shortened(text)} is {otherwise}") from error
    check_value(option, number)
    return number


def check_output(path: Path | None, endings: Sequence[str], option: str = "--output") -> None:
    """Refuse a file that could not be written in the end; nothing is left of the attempt.

    Args:
        path: The file; nothing is looked at if none was given.
        endings: The endings that it may have, such as `.csv`, in whatever letter case.
        option: The option that named it.

    Raises:
        UsageError: If it has another ending.
        AlignbenchError: If something else is there, or if the file or its folder cannot be written to.
    """
    if path is None:
        return
    if path.suffix.lower() not in endings:
        wanted = " or ".join(filter(None, (", ".join(endings[:-1]), endings[-1])))
        raise UsageError(f"{option} {path} has no ending that tells what to write: use {wanted}")
    check_place(path, f"choose another {option}")


def default_root(name: str) -> Path | None:
    """The usual folder of a data set, `$ALIGNBENCH_DATA/NAME`; none without that variable, or for packaged sets."""
    from alignbench.datasets import DATASETS

    base = os.environ.get("ALIGNBENCH_DATA")
    if base:
        check_value("$ALIGNBENCH_DATA", base)
    return DATASETS.load(name).usual_root() if base else None


def read_options(command: Callable[..., Any]) -> dict[str, Option]:
    """Read the options of a command from its annotations, by their names without the leading hyphens.

    Args:
        command: The function of the command, with annotations such as `Annotated[int, typer.Option(...)]`.
    """
    options, defaults = {}, inspect.signature(command).parameters
    for parameter, annotation in get_type_hints(command, include_extras=True).items():
        if parameter == "return":
            continue
        # `Annotated[int | None, typer.Option()]`, or a bare type
        kind, *extras = get_args(annotation) if hasattr(annotation, "__metadata__") else (annotation,)
        # a name that stands alone is kept as the default, which an annotation cannot have
        named = [
            word for extra in extras for word in (getattr(extra, "default", ""), *getattr(extra, "param_decls", ()))
        ]
        name = next((word[2:] for word in map(str, named) if word.startswith("--")), parameter.replace("_", "-"))
        kinds = {kind, *get_args(kind)}
        takes: Literal["flag", "number", "text"] = "flag" if bool in kinds else "number" if int in kinds else "text"
        options[name] = Option(name, takes, may_be_empty=defaults[parameter].default == "")
    return options
