"""`alignbench interpret`: a command for each stage."""

import typer

interpret_app = typer.Typer(
    help="Describe, label and score a model's attention heads.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
