"""The command line: `main` runs the `commands`, each a thin call into the library.

`app` puts the commands together, `signals` are what ends them from outside. `options` are what commands share,
`checked` looks at their values, and `completion` is what a shell offers for them. `console` prints tables, JSON and
status; `working`, `progress` and `sweep_progress` show how far work is. `cell_process` is one cell of a sweep in a
process of its own.
"""

from __future__ import annotations

import sys

from alignbench.errors import printable


def print_error(text: str) -> None:
    """Print a line on stderr that begins with the program's name."""
    print(f"alignbench: {printable(text)}", file=sys.stderr, flush=True)
