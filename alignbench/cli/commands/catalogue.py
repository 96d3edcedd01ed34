"""`alignbench models` and `alignbench datasets`: what can be measured, at which layers, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from alignbench.cli.completion import models as known_names
from alignbench.cli.completion import subsets
from alignbench.cli.options import AsJson, DataRoot, Layers, Protocol, default_root, names_in
from alignbench.cli.options import DataSet as DataSetName
from alignbench.errors import DataError, UsageError

if TYPE_CHECKING:
    from alignbench.models.description import ModelDescription
    from alignbench.plugins import Registry


models_app = typer.Typer(help="List the models and baselines that are known by name.", invoke_without_command=True)
datasets_app = typer.Typer(help="List the data sets, where to get them, and their terms.", invoke_without_command=True)


Family = Annotated[str, typer.Option("--family", metavar="NAME", help="List all models of this family, such as timm.")]
Filter = Annotated[
    str,
    typer.Option("--filter", metavar="GLOB", help="List only models of --family that match, such as 'vit_*dinov2*'."),
]


PaperSubset = Annotated[
    str,
    typer.Option(
        metavar="NAME[,NAME]", help="Subsets, separated by commas [default: the paper's].", autocompletion=subsets
    ),
]


@models_app.callback(invoke_without_command=True)
def models(context: typer.Context, family: Family = "", pattern: Filter = "", as_json: AsJson = False) -> None:
    """List the models and baselines that are known by name."""
    if context.invoked_subcommand is not None:
        return
    if family or pattern:
        _list_family(family, pattern or "*", as_json)
        return
    from alignbench.cli.console import print_json, print_table
    from alignbench.models.listing import known_models

    if as_json:
        print_json(known_models())
        return
    from rich.table import Table

    from alignbench.models.cards import FACTORS, cards
    from alignbench.models.families import FAMILIES
    from alignbench.models.listing import can_list
    from alignbench.models.pair_metrics import METRICS

    table = Table(
        title="Models (any other Hugging Face id or directory of these families works too)", title_justify="left"
    )
    for name in ("model", *(factor.replace("_", " ") for factor in FACTORS)):
        table.add_column(name, overflow="fold")
    for card in cards().values():
        table.add_row(card.name, *(str(card.factors.get(name, "")) for name in FACTORS))
    print_table(table)
    families = _usable(FAMILIES)
    print(f"Model families, as --model FAMILY:...: {', '.join(families.values())}")
    print(f"Baselines: {', '.join(_usable(METRICS).values())}")
    print("--random-init, or random:NAME, builds any of these models with random weights and downloads nothing.")
    print(f"`--family NAME` lists all models of {', '.join(filter(can_list, families))}.")
    print("`alignbench models show NAME` tells the layers of a model.")


def _list_family(family: str, pattern: str, as_json: bool) -> None:
    """Print the names of a family's models, a line for each."""
    from alignbench.cli.console import print_json
    from alignbench.models.listing import names_of_family

    if not family:
        raise UsageError("--filter is for the models of one family: give --family as well")
    names = names_of_family(family, pattern)
    if as_json:
        print_json([{"name": name, "kind": "model", "family": family} for name in names])
    else:
        print("\n".join(names))


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="Model: a name from `alignbench models`, a Hugging Face id, FAMILY:NAME, or a local folder.",
            autocompletion=known_names,
        ),
    ],
    layers: Layers = "all",
    protocol: Protocol = "paper",
    as_json: AsJson = False,
) -> None:
    """Show the layers of a model: depth, tokens and channels.

    Neither weights nor pictures are needed, and nothing is downloaded.
    """
    from dataclasses import asdict

    from alignbench.cli.console import print_json
    from alignbench.models.description import describe

    found = describe(name, names_in(layers), protocol)
    if as_json:
        print_json(asdict(found))
    else:
        _show(found)


def _show(found: ModelDescription) -> None:
    """Print a model's layers, and what else is known of it."""
    from rich.table import Table

    from alignbench.cli.console import print_table

    table = Table(title=found.name, title_justify="left")
    table.add_column("layer", overflow="fold")
    for column in ("depth", "tokens", "channels"):
        table.add_column(column, justify="right")
    table.add_column("module", overflow="fold")
    for layer in found.layers:
        module = f"{layer.module} (what it is given)" if layer.is_input else layer.module
        table.add_row(layer.name, f"{layer.depth:.1f}", f"{layer.tokens:,}", f"{layer.channels:,}", module)
    print_table(table)
    print(f"parameters: {found.parameters:,}; {found.flops / 1e9:.1f} GFLOP a picture")
    print(f"pictures: {found.width} x {found.height} pixels; preparation: {found.preparation}")
    print(f"class token: {'yes' if found.class_token else 'no'}; registers: {found.registers}")
    print(f"projection: {found.projection}")


def _usable(registry: Registry[Any]) -> dict[str, str]:
    """Name everything that can be used as it is shown, plug-ins with their package; warns of those that cannot."""
    packages = {name: registry.plug_in(name) for name in registry.usable()}
    return {name: f"{name} ({package})" if package else name for name, package in packages.items()}


@datasets_app.callback(invoke_without_command=True)
def datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the data sets, where to get them, and their terms."""
    if context.invoked_subcommand is not None:
        return
    from rich.table import Table

    from alignbench.cli.console import print_json, print_table
    from alignbench.datasets import DATASETS
    from alignbench.datasets.listing import known_data_sets

    if as_json:
        print_json(known_data_sets())
        return
    table = Table()
    for name in ("data set", "level", "what it is", "where to get it", "terms", "subsets"):
        table.add_column(name, overflow="fold")
    for name, shown in _usable(DATASETS).items():
        data_set = DATASETS.load(name)
        subsets = ", ".join(s + ("*" if s == data_set.default_subset else "") for s in data_set.subsets)
        table.add_row(shown, data_set.level, data_set.summary, data_set.home, data_set.terms, subsets)
    print_table(table)
    print("* measured by default. `alignbench datasets check NAME --data-root DIR` looks at a download.")


def check(name: DataSetName, data_root: DataRoot = None, subset: PaperSubset = "", as_json: AsJson = False) -> int:
    """Check what is there of a data set, and what is missing."""
    from alignbench.cli.console import print_json
    from alignbench.datasets import DATASETS
    from alignbench.datasets.inventory import describe

    data_set = DATASETS.load(name)
    try:
        inventory = describe(data_set, data_root or default_root(name), names_in(subset))
    except DataError as error:
        raise DataError(f"{error} (source: {data_set.home})") from error
    if as_json:
        print_json({"name": name, "complete": inventory.complete, "lines": inventory.lines})
    else:
        print("\n".join(inventory.lines))
    return 0 if inventory.complete else 1
