"""Names of heads, there and back, and what is none."""

from __future__ import annotations

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.head_names import heads_named, read_heads


def test_names_are_read_and_written() -> None:
    assert read_heads("5.3, 6.0,5.3") == ((5, 3), (6, 0))
    assert heads_named(((5, 3), (6, 0))) == "5.3,6.0"
    assert heads_named(()) == ""


@pytest.mark.parametrize("text", ["5", "5.x", "-5.1", "5.3.1", "5.1²"])
def test_what_names_no_head_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="names no heads: write layer and head of each, as in"):
        read_heads(text)


def test_nothing_is_no_group() -> None:
    with pytest.raises(UsageError, match="--group is empty"):
        read_heads(" , ")
