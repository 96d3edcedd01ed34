"""The notebooks in `examples/` run from end to end, and show what they say."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest

from run_examples import EXAMPLES, executed

BOOKS = sorted(EXAMPLES.glob("*.ipynb"))


def test_notebooks_are_kept_with_what_they_show() -> None:
    assert len(BOOKS) == 3
    for path in BOOKS:
        book = nbformat.read(path, as_version=4)
        nbformat.validate(book)
        assert all(each.output_type != "error" for cell in book.cells for each in cell.get("outputs", ()))
        assert all(cell.get("execution_count", 1) for cell in book.cells)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("path", BOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_as_many_results_as_are_kept(path: Path) -> None:
    kept, found = nbformat.read(path, as_version=4), executed(path)
    shown = [[each.output_type for each in cell.get("outputs", ())] for cell in kept.cells]
    assert [[each.output_type for each in cell.get("outputs", ())] for cell in found.cells] == shown
    assert any(shown)
