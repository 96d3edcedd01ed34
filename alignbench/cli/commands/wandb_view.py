"""`alignbench wandb setup`: a saved view of a project on Weights & Biases."""

from __future__ import annotations

from typing import Annotated

import typer

from alignbench.cli.commands.pull import Project
from alignbench.cli.completion import one_of
from alignbench.cli.console import print_status
from alignbench.cli.options import names_in
from alignbench.cli.working import working

wandb_app = typer.Typer(
    help="Set up a project on Weights & Biases.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def setup(
    project: Project,
    name: Annotated[str, typer.Option(metavar="NAME", help="Name of the view.")] = "alignbench",
    group: Annotated[
        str,
        typer.Option(
            metavar="NAME[,NAME]",
            help="Factors or settings to group runs by, separated by commas [default: none].",
            autocompletion=one_of("architecture", "loss", "language", "training_data", "dataset", "label"),
        ),
    ] = "",
) -> None:
    """Save a view of a project, with panels for each level.

    The view shows layer curves beside baselines, best layer and projection, tables, and means of runs that share a
    factor. It replaces a view of the same name, changes made by hand included.
    The last line of stdout is its address.
    """
    from alignbench.tracking.projects import Project, answering, connected
    from alignbench.tracking.saved_view import make_view, save_view

    named = Project.parse(project)
    view = make_view(named, name, names_in(group))
    with working(f"saving a view of {named}"), connected() as api, answering():
        address, is_anew = save_view(api, view, named)
    print_status(f"the view '{name}' of {named} was {'made anew' if is_anew else 'added'}")
    print(address)
