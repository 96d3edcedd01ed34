"""A small world that the tests of the head browser look at."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from browsers import Browsed, Visited, browse, visiting


@pytest.fixture(scope="session")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Browsed:
    """Twelve pictures, what heads say of them, and texts and labels of these heads."""
    return browse(tmp_path_factory.mktemp("browsed"))


@pytest.fixture
def visitor(browsed: Browsed) -> Iterator[Visited]:
    """Whoever has brought the token."""
    with visiting(browsed.world) as visited:
        yield visited
