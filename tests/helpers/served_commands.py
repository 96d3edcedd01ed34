"""The command of the head browser within this process: it is started, visited, and ended by a signal."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPConnection
from signal import Signals
from urllib.parse import urlsplit

import pytest
import uvicorn

from alignbench.cli.main import main
from alignbench.interpret.browser import serving
from alignbench.interpret.browser.guards import Doors, Guarded
from patience import PATIENCE, wait_for
from terminal_signals import as_in_a_terminal


@dataclass(frozen=True)
class Answer:
    """What a server answers.

    Attributes:
        status: Its number.
        text: What it says.
        cookie: The cookie that it gives, without what stands beside it; empty if it gives none.
    """

    status: int
    text: str
    cookie: str


def asked(address: str, cookie: str = "") -> Answer:
    """Ask for an address, once and without following anything."""
    parts = urlsplit(address)
    connection = HTTPConnection(str(parts.hostname), parts.port, timeout=PATIENCE)
    try:
        where = f"{parts.path}?{parts.query}" if parts.query else parts.path
        connection.request("GET", where, headers={"cookie": cookie} if cookie else {})
        answer = connection.getresponse()
        given = (answer.getheader("set-cookie") or "").partition(";")[0]
        return Answer(answer.status, answer.read().decode(), given)
    finally:
        connection.close()


def served_until(
    arguments: list[str], ending: Signals, visit: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> int:
    """Run a command that serves, visit its address from another thread, and end it by a signal.

    Args:
        arguments: The command line, without the program's name.
        ending: The signal.
        visit: Takes the address with the token once there are answers.
        monkeypatch: Tells of the address.

    Returns:
        The exit code.
    """
    addresses: list[str] = []
    servers: list[uvicorn.Server] = []
    failed: list[BaseException] = []
    over = threading.Event()
    address_of, server_of = serving.address_of, serving.server_of

    def told(host: str, port: int, doors: Doors) -> str:
        addresses.append(address_of(host, port, doors))
        return addresses[0]

    def made(app: Guarded) -> uvicorn.Server:
        servers.append(server_of(app))
        return servers[0]

    def visited() -> None:
        try:
            wait_for(lambda: over.is_set() or (servers and servers[0].started))
            if not over.is_set():
                visit(addresses[0])
        except BaseException as error:
            failed.append(error)
        finally:
            if not over.is_set():
                os.kill(os.getpid(), ending)

    with monkeypatch.context() as patched, as_in_a_terminal():
        patched.setattr(serving, "address_of", told)
        patched.setattr(serving, "server_of", made)
        thread = threading.Thread(target=visited)
        thread.start()
        try:
            code = main(arguments)
        finally:
            over.set()
            thread.join(PATIENCE)
    if failed:
        raise failed[0]
    return code
