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
    """What `--help` says of every command: a table of all by group, then a section each."""
    groups: dict[str, list[tuple[str, Any]]] = {}
    for path, command in walk("alignbench", get_command(app)):
        groups.setdefault(path.rpartition(" ")[0], []).append((path, command))
    examples = documented()
    index, sections = [], []
    for group, below in groups.items():
        title = "Measure and compare" if group == "alignbench" else f"{group} ..."
        links = ", ".join(f"[{path.rpartition(' ')[2]}](#{path.replace(' ', '-')})" for path, _ in below)
        index.append(f"| {title} | {links} |")
        sections += [f"## {title}", *(told(path, command, examples) for path, command in below)]
    table = "\n".join(["| group | commands |", "|---|---|", *index])
    return "\n\n".join(["# Commands", table, "This is what `--help` says of each.", *sections]) + "\n"


def documented() -> dict[str, tuple[str, Path]]:
    """Examples of commands: each line of a page that calls alignbench, and the page, in a reader's order."""
    lines: dict[str, tuple[str, Path]] = {}
    names = re.findall(r"\b[\w/]+\.md\b", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2])
    for page in (path for name in names if (path := ROOT / "docs" / name).exists()):
        text = page.read_text(encoding="utf-8")
        title = "Start" if page.name == "index.md" else text.partition("\n")[0].removeprefix("# ")
        for block in re.findall(r"^```bash\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE):
            for line in block.splitlines():
                lines.setdefault(line.partition("  #")[0].strip(), (title, page.relative_to(ROOT / "docs")))
    return lines


def example(path: str, command: Any, examples: dict[str, tuple[str, Path]]) -> str:
    """The first line of the documentation that calls a command, and where it stands; or that of its help."""
    for line, (title, page) in examples.items():
        if f"{line} ".startswith(f"{path} "):
            return f"```bash\n{line}\n```\n\nFrom [{title}](../{page.as_posix()})."
    line = (command.epilog or "").partition("alignbench ")
    return f"```bash\n{line[1]}{line[2]}\n```" if line[1] else ""


def walk(path: str, command: Any) -> Iterator[tuple[str, Any]]:
    """Every command that runs something, with what is typed for it; groups have commands of their own.

    Typer has its own copy of click, or that of the environment, as its version will have it: their types are not named.
    """
    for name, below in getattr(command, "commands", {}).items():
        if not below.hidden:
            yield from walk(f"{path} {name}", below)
    if not hasattr(command, "commands"):
        yield path, command


def told(path: str, command: Any, examples: dict[str, tuple[str, Path]]) -> str:
    """A section: what a command does, an example, then its arguments and options."""
    context = command.make_context(path, [], resilient_parsing=True)
    rows = [row for each in command.params if (row := row_of(each, context))]
    table = "\n".join(["| argument or option | what it is |", "|---|---|", *rows]) if rows else ""
    parts = (f"### {path}", paragraphs(command.help or ""), example(path, command, examples), table)
    return "\n\n".join(part for part in parts if part)


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
