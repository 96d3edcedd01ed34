"""Names in figures stand as they are: Matplotlib takes dollar signs for mathematics and underscores for privacy."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib


@contextmanager
def plain_text() -> Iterator[None]:
    """Have every text that is made inside drawn letter by letter, also where Matplotlib would read mathematics.

    It is a decorator too, for functions that make a figure or write one.
    """
    with matplotlib.rc_context({"text.parse_math": False, "text.usetex": False}):
        yield


def legend_label(name: str) -> str:
    """The label of what is to be in a legend, which leaves out those that begin with an underscore."""
    return f" {name}" if name.startswith("_") else name
