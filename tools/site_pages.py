"""Pages of the documentation site that are made of what is elsewhere: commands, CONTRIBUTING.md and CHANGELOG.md.

MkDocs calls `on_files` for mkdocs.yml. A page that is made cannot be out of date.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from typer.main import get_command

from alignbench.cli.app import app

ROOT = Path(__file__).parents[1]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    for page, text in (
        ("reference/commands.md", commands()),
        ("reference/changes.md", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")),
        ("extend/contributing.md", contributing()),
    ):
        files.append(File.generated(config, page, content=text))
    return files


def contributing() -> str:
    """CONTRIBUTING.md, whose links are those of a page in `extend/`."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    return text.replace("](docs/", "](../")


def commands() -> str:
    """What `--help` says of every command."""
    shown = "\n\n".join(told(path, command) for path, command in walk("alignbench", get_command(app)))
    return f"# Commands\n\nThis is what `--help` says of each.\n\n{shown}\n"


def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that runs something, with what is typed for it; groups have commands of their own.

    Typer has its own copy of click, or that of the environment, as its version will have it: their types are not named.
    """
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(f"{path} {name}", below)
    if not hasattr(command, "commands"):
        yield path, command


def told(path: str, command: Any) -> str:
    """A section: what a command does, then its arguments and options."""
    context = command.make_context(path, [], resilient_parsing=True)
    rows = [row for each in command.params if (row := row_of(each, context))]
    table = "\n".join(["| argument or option | what it is |", "|---|---|", *rows]) if rows else ""
    return f"## {path}\n\n{paragraphs(command.help or '')}\n\n{table}"


def row_of(parameter: Any, context: Any) -> str:
    """A row of the table; empty for what is not shown."""
    if getattr(parameter, "hidden", False) or "--help" in parameter.opts:
        return ""
    name, text = parameter.get_help_record(context) or (
        parameter.human_readable_name,
        getattr(parameter, "help", "") or "",
    )
    return f"| `{cell(name)}` | {cell(text)} |"


def cell(text: str) -> str:
    """Text of a table's cell: one line, with bars and brackets as they are."""
    return re.sub(r"\s+", " ", text).replace("|", "\\|").replace("<", "&lt;").strip()


def paragraphs(text: str) -> str:
    """A command's help without the marks that click knows."""
    return text.replace("\b", "").replace("\f", "").strip()
