"""`alignbench transform apply` and `list`, and the group that `learn` and `evaluate` belong to as well."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from alignbench.cli.checked import CheckedCommand
from alignbench.errors import DataError, UsageError

transform_app = typer.Typer(
    help="Bring features closer to human similarity.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@transform_app.command(cls=CheckedCommand)
def apply(
    transform: Annotated[str, typer.Option(help="A file (.safetensors, .npz, .npy), or the name of a published one.")],
    features: Annotated[Path, typer.Option(help="Features: .npy, .npz or .safetensors, a row for each picture.")],
    output: Annotated[Path, typer.Option(help="Where to write the transformed ones, in any of these forms.")],
    layer: Annotated[str | None, typer.Option(help="Which layer of the file [default: the only one].")] = None,
    mean: Annotated[float | None, typer.Option(help="Of a .npy transform, which does not hold it.")] = None,
    std: Annotated[float | None, typer.Option(help="Of a .npy transform, which does not hold it.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if it was made for another model or layer.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the output if it is there.")] = False,
) -> None:
    """Transform features that exist already.

    Rows, their order and their names stay; the last line of stdout is the file.
    """
    import numpy as np

    from alignbench.extraction.feature_files import read_features, write_features
    from alignbench.transforms.named import check_fits, resolve

    if output.exists() and not overwrite:
        raise UsageError(f"{output} is there: name another --output, or add --overwrite")
    choice = resolve(transform, mean=mean, std=std)
    plain = read_features(features)
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


@transform_app.command("list", cls=CheckedCommand)
def list_published() -> None:
    """List the published transforms, and for which models they are."""
    from rich.table import Table

    from alignbench.cli.console import print_table
    from alignbench.transforms.published import PUBLISHED

    table = Table(title="Published transforms (gLocal)")
    for column in ("name", "module", "width", "model of `alignbench run`", "remark"):
        table.add_column(column)
    for name, known in PUBLISHED.items():
        models = known.models[0] if known.models else "none: features only"
        remark = "lowers performance downstream" if known.supervised else ""
        table.add_row(name, known.module, str(known.width), models, remark)
    print_table(table)
