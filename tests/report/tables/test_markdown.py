"""What is in a Markdown table stands as it is: another reader of Markdown gives the texts back."""

import html
import re

import pytest

from alignbench.report.tables.markdown import escape_markdown, markdown_table

HOSTILE = (
    "a_b*c",
    "x|y",
    "`z`",
    "[link](http://nowhere)",
    "<b>",
    "back\\slash",
    "$1 & #2 ~3~",
    "two\nlines",
    "plain-1.0",
)


def read_back(text: str) -> str:
    """A text of Markdown without its escapes, by CommonMark's rule: a backslash before a mark is that mark."""
    return html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text))


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_comes_back(text: str) -> None:
    assert read_back(escape_markdown(text)) == " ".join(text.split())


def test_every_row_has_as_many_cells_as_the_head() -> None:
    rows = [[text, "0.500"] for text in HOSTILE]
    text = markdown_table("What it is_.", [("model | name", False), ("score", True)], rows)
    told, blank, *lines = text.splitlines()
    assert (told, blank) == (r"What it is\_.", "")
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    assert {len(row) for row in cells} == {2}
    assert cells[1] == ["---", "---:"]
    assert [read_back(row[0]) for row in cells[2:]] == [" ".join(text.split()) for text in HOSTILE]
    assert read_back(cells[0][0]) == "model | name"
