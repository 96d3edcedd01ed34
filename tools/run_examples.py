"""Execute the notebooks in `examples/`, each in a folder of its own, and keep what they show.

python tools/run_examples.py [FOLDER]
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import nbformat
from nbclient import NotebookClient

EXAMPLES = Path(__file__).parent.parent / "examples"


def executed(path: Path) -> nbformat.NotebookNode:
    """Return a notebook as it is after every cell has run, in an empty folder.

    Raises:
        CellExecutionError: If a cell fails.
    """
    book = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        NotebookClient(book, timeout=600, resources={"metadata": {"path": folder}}).execute()
    for cell in book.cells:
        cell.metadata.pop("execution", None)  # when it ran is another time each time
        if "outputs" in cell:  # warnings of libraries name places on the machine
            cell.outputs = [each for each in cell.outputs if each.get("name") != "stderr"]
    return book


if __name__ == "__main__":
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else EXAMPLES
    for source in sorted(EXAMPLES.glob("*.ipynb")):
        nbformat.write(executed(source), target / source.name)
