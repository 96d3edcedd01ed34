"""Tables in Markdown, as GitHub and Pandoc read them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_MARKS = re.compile(r"([\\`*_\[\]<>|~$&#])")


def markdown_table(told: str, columns: Sequence[tuple[str, bool]], rows: Iterable[Sequence[str]]) -> str:
    """A paragraph and a table below it.

    Args:
        told: The paragraph.
        columns: Name of each column, and whether it holds numbers, which stand at the right.
        rows: Cells of each row.
    """
    lines = [
        [escape_markdown(name) for name, _ in columns],
        ["---:" if numbers else "---" for _, numbers in columns],
        *([escape_markdown(cell) for cell in row] for row in rows),
    ]
    return "\n".join([escape_markdown(told), "", *(f"| {' | '.join(cells)} |" for cells in lines), ""])


def escape_markdown(text: str) -> str:
    """A text in one line that stands as it is, whatever marks it holds."""
    return _MARKS.sub(r"\\\1", " ".join(text.split()))
