"""`alignbench alignet`: a command for each stage."""

import typer

alignet_app = typer.Typer(
    help="Teach a model human similarity, stage by stage (AligNet).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
