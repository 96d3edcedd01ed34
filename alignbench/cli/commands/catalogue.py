"""`alignbench models` and `alignbench datasets`: lists of what can be measured, and on what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from alignbench.cli.options import AsJson, DataRoot, Subset, default_root, names_in
from alignbench.cli.options import DataSet as DataSetName
from alignbench.errors import DataError

if TYPE_CHECKING:
    from alignbench.plugins import Registry


datasets_app = typer.Typer(help="List the data sets: where to get them, on which terms.", invoke_without_command=True)


def models(as_json: AsJson = False) -> None:
    """List the models and baselines that are known by name."""
    from alignbench.cli.console import print_json, print_table
    from alignbench.models.listing import known_models

    if as_json:
        print_json(known_models())
        return
    from rich.table import Table

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
    packages = {name: registry.plug_in(name) for name in registry.usable()}
    return {name: f"{name} ({package})" if package else name for name, package in packages.items()}


@datasets_app.callback(invoke_without_command=True)
def datasets(context: typer.Context, as_json: AsJson = False) -> None:
    """List the data sets: where to get them, on which terms."""
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


def check(name: DataSetName, data_root: DataRoot = None, subset: Subset = "", as_json: AsJson = False) -> int:
    """Say what of a data set is there, and what is missing."""
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
