"""README, CONTRIBUTING and docs as they stand: pages, blocks of code, command lines."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))
PAGES = {path: path.read_text(encoding="utf-8") for path in FILES}


def blocks(language: str) -> list[str]:
    """All blocks of code in a language."""
    return re.findall(rf"```{language}\n(.*?)```", "\n".join(PAGES.values()), flags=re.DOTALL)


def command_lines() -> list[str]:
    """Each once and without its comment, as a reader of README and docs meets them."""
    lines = [line.partition("  #")[0].strip() for block in blocks("bash") for line in block.splitlines()]
    return list(dict.fromkeys(lines))
