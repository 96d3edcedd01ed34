"""README, CONTRIBUTING and docs as they stand: pages, blocks of code, command lines."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NAVIGATION = re.findall(r"\b[\w/]+\.md\b", (ROOT / "mkdocs.yml").read_text(encoding="utf-8").partition("\nnav:\n")[2])
WRITTEN = [DOCS / name for name in NAVIGATION if (DOCS / name).exists()]  # in a reader's order; others are made
FILES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *WRITTEN)
MADE = {"reference/commands.md", "reference/changes.md", "extend/contributing.md"}  # by tools/site_pages.py
PAGES = {path: path.read_text(encoding="utf-8") for path in FILES}


def pages(*names: str) -> str:
    """The text of some pages, one after the other."""
    return "\n".join(PAGES[DOCS / name] for name in names)


def blocks(language: str) -> list[str]:
    """All blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", "\n".join(PAGES.values()), flags=re.DOTALL)


def command_lines() -> list[str]:
    """Each once and without its comment, as a reader of README and docs meets them."""
    lines = [line.partition("  #")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return list(dict.fromkeys(lines))


def draw_documented_pictures() -> None:
    """Run the Python of interpret/ablations.md, which leaves the folder `pictures` that the pages of heads look at."""
    (code,) = re.findall(r"```python\n(.*?)```", pages("interpret/ablations.md"), flags=re.DOTALL)
    exec(code, {})
