"""The head browser in a real browser: its server in a thread, and visits that hear of every request and complaint."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from alignbench.interpret.browser.serving import address_of, browser_app, doors_of, listen, server_of
from alignbench.interpret.browser.world import HeadWorld

HOST = "127.0.0.1"


@dataclass(frozen=True)
class Served:
    """A head browser that answers.

    Attributes:
        address: Its address with the token.
        world: What is browsed.
        notices: What went wrong in it unexpectedly.
    """

    address: str
    world: HeadWorld
    notices: list[str]

    @property
    def origin(self) -> str:
        return self.address.partition("/?")[0]


@contextmanager
def served(world: HeadWorld) -> Iterator[Served]:
    """Serve a world at a free port until the end."""
    place = listen(HOST, 0)
    notices: list[str] = []
    port = place.getsockname()[1]
    doors = doors_of(HOST, port, notices.append)
    server = server_of(browser_app(world, doors))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield Served(address_of(HOST, port, doors), world, notices)
    finally:
        server.should_exit = True
        thread.join(30)
        place.close()


class Visit:
    """A visitor with a session of his own, and what his page asked and complained of."""

    def __init__(self, browser: Any, server: Served, **options: Any) -> None:
        self.server = server
        self.context = browser.new_context(**options)
        self.tab = self.context.new_page()
        self.tab.set_default_timeout(20_000)
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self.context.on("request", lambda request: self.requests.append(request.url))
        self.tab.on("console", lambda message: self.complaints.append(message.text))
        self.tab.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.tab.goto(server.address)
        self.settled()

    def open(self, **settings: object) -> None:
        """Open a view by its link, as if it were pasted into a new tab."""
        self.tab.goto("about:blank")
        self.tab.goto(f"{self.server.origin}/#{urlencode(settings)}")
        self.settled()

    def settled(self) -> None:
        """Wait until the results that the settings ask are there."""
        self.tab.wait_for_function("() => document.querySelector('#results')?.getAttribute('aria-busy') === 'false'")

    def numbers(self, place: str) -> list[float]:
        """The numbers of a part of the page, with all of their digits."""
        found = self.tab.eval_on_selector_all(f"{place} data", "all => all.map(each => Number(each.value))")
        return list(map(float, found))

    def pictures(self, place: str) -> list[int]:
        """The pictures of a part of the page, by their numbers."""
        script = "all => all.map(each => Number(each.dataset.picture))"
        return list(map(int, self.tab.eval_on_selector_all(f"{place} [data-picture]", script)))

    def text(self, place: str) -> str:
        return str(self.tab.inner_text(place))

    def check(self) -> None:
        """Check that nothing left the machine and nothing went wrong, and leave."""
        foreign = [each for each in self.requests if not each.startswith((self.server.origin + "/", "about:"))]
        self.context.close()
        assert foreign == []
        assert self.complaints == []
        assert self.server.notices == []
