"""The command line: `main` runs the `commands`, each a thin call into the library.

`app` puts the commands together, `signals` are what ends them from outside. `options` are what commands share,
`console` prints tables and status, `progress` shows how far work is, and `cell_process` is one cell of a sweep in a
process of its own.
"""

from __future__ import annotations

import sys

from alignbench.errors import printable


def print_error(text: str) -> None:
    """Print a line on stderr that begins with the program's name."""
    print(f"alignbench: {printable(text)}", file=sys.stderr, flush=True)
