"""The commands, put together: `app` is what the command line's entry runs."""

from __future__ import annotations

from typing import Annotated

import typer

from alignbench.cli.checked import CheckedCommand
from alignbench.cli.commands import (
    cache,
    catalogue,
    compare,
    demo,
    evaluate,
    extract,
    learn,
    plan,
    report,
    reproduce,
    run,
    sweep,
    transform,
)

app = typer.Typer(
    name="alignbench",
    help="How close is a model's idea of 'looks alike' to people's, and at which depth?",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
_analyses = (compare.compare, reproduce.reproduce, report.report)
for _command in (run.run, demo.demo, sweep.sweep, plan.plan, *_analyses, catalogue.models, extract.extract):
    app.command(cls=CheckedCommand)(_command)
catalogue.datasets_app.command(cls=CheckedCommand)(cache.cache)
app.add_typer(catalogue.datasets_app, name="datasets")
transform.transform_app.command(cls=CheckedCommand)(learn.learn)
transform.transform_app.command(cls=CheckedCommand)(evaluate.evaluate)
app.add_typer(transform.transform_app, name="transform")


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error (with any command).")] = False,
) -> None:
    """How close is a model's idea of 'looks alike' to people's, and at which depth?"""
