"""`alignbench models` and `alignbench datasets`: lists of what can be measured, and on what."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.checked import CheckedCommand
from alignbench.cli.options import default_root, names_in
from alignbench.errors import AlignbenchWarning, DataError, UsageError

if TYPE_CHECKING:
    from alignbench.plugins import Registry


datasets_app = typer.Typer(help="List the data sets: where to get them, on which terms.", invoke_without_command=True)


def models() -> None:
    """List the models and baselines that are known by name."""
    from rich.table import Table

    from alignbench.cli.console import print_table
    from alignbench.models.cards import FACTORS, cards
    from alignbench.models.families import FAMILIES
    from alignbench.models.pair_metrics import METRICS

    table = Table(
        title="Models (any other Hugging Face id or directory of these families works too)", title_justify="left"
    )
    for name in ("model", *(factor.replace("_", " ") for factor in FACTORS)):
        table.add_column(name, overflow="fold")
    for card in cards().values():
        table.add_row(card.name, *(str(value) for value in card.factors.values()))
    print_table(table)
    print(f"Model families, as --model FAMILY:...: {', '.join(_usable(FAMILIES).values())}")
    print(f"Baselines: {', '.join(_usable(METRICS).values())}")
    print("--random-init, or random:NAME, builds any of these models with random weights and downloads nothing.")


def _usable(registry: Registry[Any]) -> dict[str, str]:
    """Name everything that can be used as it is shown, plug-ins with their package; warns of those that cannot."""
    shown = {}
    for name in registry.names():
        package = registry.plug_in(name)
        try:
            if package:
                registry.load(name)
        except UsageError as error:
            warnings.warn(str(error), AlignbenchWarning, stacklevel=2)
        else:
            shown[name] = f"{name} ({package})" if package else name
    return shown


@datasets_app.callback(invoke_without_command=True)
def datasets(context: typer.Context) -> None:
    """List the data sets: where to get them, on which terms."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from alignbench.cli.console import print_table
    from alignbench.datasets import DATASETS

    table = Table()
    for name in ("data set", "level", "what it is", "where to get it", "terms", "subsets"):
        table.add_column(name, overflow="fold")
    for name, shown in _usable(DATASETS).items():
        data_set = DATASETS.load(name)
        subsets = ", ".join(s + ("*" if s == data_set.default_subset else "") for s in data_set.subsets)
        table.add_row(shown, data_set.level, data_set.summary, data_set.home, data_set.terms, subsets)
    print_table(table)
    print("* measured by default. `alignbench datasets check NAME --data-root DIR` looks at a download.")


@datasets_app.command(cls=CheckedCommand)
def check(
    name: Annotated[str, typer.Argument(help="Name of the data set.")],
    data_root: Annotated[Path | None, typer.Option(help="Its folder [default: $ALIGNBENCH_DATA/NAME].")] = None,
    subset: Annotated[str, typer.Option(help="Subsets, separated by commas [default: the paper's].")] = "",
) -> int:
    """Say what of a data set is there, and what is missing."""
    from alignbench.datasets import DATASETS
    from alignbench.datasets.inventory import describe

    data_set = DATASETS.load(name)
    try:
        inventory = describe(data_set, data_root or default_root(name), names_in(subset))
    except DataError as error:
        raise DataError(f"{error} (source: {data_set.home})") from error
    print("\n".join(inventory.lines))
    return 0 if inventory.complete else 1
