"""`alignbench transform apply` and `list`, and the group that `learn` and `evaluate` belong to as well."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from alignbench.cli.completion import transforms
from alignbench.cli.options import AsJson, check_output
from alignbench.errors import DataError, UsageError
from alignbench.files import ARRAY_FILES

transform_app = typer.Typer(
    help="Bring features closer to human similarity by transforms.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def apply(
    transform: Annotated[
        str,
        typer.Option(
            metavar="TRANSFORM",
            help="Transform: a file (.safetensors, .npz, .npy), one of `transform list`, or published (the model's).",
            autocompletion=transforms,
        ),
    ],
    features: Annotated[
        Path,
        typer.Option(metavar="FILE", help="File of features, one row per picture: .npy, .npz or .safetensors."),
    ],
    output: Annotated[
        Path,
        typer.Option(metavar="FILE", help="File to write the transformed features to: .npy, .npz or .safetensors."),
    ],
    layer: Annotated[
        str | None, typer.Option(metavar="NAME", help="Layer in the file of features [default: the only one].")
    ] = None,
    mean: Annotated[
        float | None,
        typer.Option(metavar="NUMBER", help="Mean that a .npy transform subtracts; its file does not hold it."),
    ] = None,
    std: Annotated[
        float | None,
        typer.Option(
            metavar="NUMBER", help="Standard deviation that a .npy transform divides by; its file does not hold it."
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Use the transform even if it was made for another model or layer.")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output file if it exists.")] = False,
) -> None:
    """Apply a transform to a file of features.

    Rows keep their order and their names. The last line of stdout is the file.
    """
    import numpy as np

    from alignbench.extraction.feature_files import read_features, write_features
    from alignbench.transforms.named import check_fits, resolve

    if output.exists() and not overwrite:
        raise UsageError(f"{output} is there: name another --output, or add --overwrite")
    check_output(output, ARRAY_FILES)
    plain = read_features(features)
    choice = resolve(transform, model=plain.origin.get("model"), mean=mean, std=std)
    name = plain.layer(layer)
    if not force:
        check_fits(choice, plain, name)
    with np.errstate(over="ignore", invalid="ignore"):
        aligned = choice.transform.apply(plain.arrays[name])
    if not np.isfinite(aligned).all():
        raise DataError(
            f"{choice.name} makes numbers of {features} that are not finite: its mean, std or weights are not those of "
            "such features"
        )
    write_features(output, plain.with_transformed(name, aligned, choice.name))
    print(output)


def list_published(as_json: AsJson = False) -> None:
    """List the published transforms and their models."""
    from rich.table import Table

    from alignbench.cli.console import print_json, print_table
    from alignbench.transforms.published import PUBLISHED

    if as_json:
        print_json([{"name": name, **asdict(known)} for name, known in PUBLISHED.items()])
        return
    table = Table(title="Published transforms (gLocal)")
    for column in ("name", "module", "width", "model of `alignbench run`", "pictures", "remark"):
        table.add_column(column)
    for name, known in PUBLISHED.items():
        pictures = "--resize published" if known.cropped else "its own"
        remark = "lowers performance downstream" if known.supervised else ""
        table.add_row(name, known.module, str(known.width), known.models[0], pictures, remark)
    print_table(table)
    print("--transform published takes the one of the model, whatever it is called.")
