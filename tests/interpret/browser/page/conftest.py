"""A store of the packaged world with all that lies beside it, and a browser for the tests of a module."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from alignbench.interpret.browser.world import BrowserJob, HeadWorld, open_world
from browsed_pages import Served, Visit, served
from browsed_worlds import write_browsed
from pages import chromium


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> HeadWorld:
    store = write_browsed(tmp_path_factory.mktemp("browsed"))
    (twin,) = store.folder.parent.glob("*random-0__heads__*")
    return open_world(BrowserJob(store.folder, than=twin))


@pytest.fixture(scope="module")
def server(world: HeadWorld) -> Iterator[Served]:
    with served(world) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    yield from chromium()


Visiting = Callable[..., Visit]


@pytest.fixture
def visit(browser: Any, server: Served) -> Iterator[Visiting]:
    """Visits of the page, each of which is checked at the end."""
    opened: list[Visit] = []

    def begin(**options: Any) -> Visit:
        opened.append(Visit(browser, server, **options))
        return opened[-1]

    yield begin
    for each in opened:
        each.check()
