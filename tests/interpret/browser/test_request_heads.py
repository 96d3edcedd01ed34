"""A connection is not kept for a request whose head never ends; one that asks is not ended."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from alignbench.interpret.browser import request_heads
from browsed_pages import HOST, Served, served
from browsers import Browsed
from patience import PATIENCE
from served_commands import asked


@pytest.fixture
def server(browsed: Browsed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setattr(request_heads, "HEAD_SECONDS", 0.5)
    with served(browsed.world) as found:
        yield found


def connected(server: Served) -> socket.socket:
    return socket.create_connection((HOST, int(server.origin.rpartition(":")[2])), PATIENCE)


def upload_head(server: Served, length: int) -> tuple[bytes, str]:
    cookie = asked(server.address).cookie
    head = f"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nX-Alignbench: 1\r\nCookie: {cookie}\r\n"
    return f"{head}Content-Length: {length}\r\n\r\n".encode(), cookie


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHo", b"GET / HTTP/1.1\r\nHost: localhost\r\n"])
def test_a_head_that_does_not_end_is_not_waited_for(server: Served, begun: bytes) -> None:
    with connected(server) as place:
        place.sendall(begun)
        assert place.recv(100) == b"", "it was closed"
    assert asked(f"{server.origin}/").status == 401
    assert server.notices == []


def test_neither_is_a_second_one_after_an_answer(server: Served) -> None:
    with connected(server) as place:
        place.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert place.recv(100_000).startswith(b"HTTP/1.1 401")
        place.sendall(b"GET / HTTP/1.1\r\nHo")
        while place.recv(100_000):
            pass


def test_a_request_whose_head_was_there_is_not_ended(server: Served) -> None:
    head, _ = upload_head(server, 4)
    with connected(server) as place:
        place.sendall(head)
        place.settimeout(1.5)  # longer than a head is waited for
        with pytest.raises(TimeoutError):
            place.recv(100)
        place.sendall(b"none")
        place.settimeout(PATIENCE)
        assert place.recv(100_000).startswith(b"HTTP/1.1 400")


def test_an_upload_that_is_cut_off_is_no_fault_of_the_server(server: Served) -> None:
    head, cookie = upload_head(server, 4000)
    with connected(server) as place:
        place.sendall(head + b"abc")
    assert asked(f"{server.origin}/api/busy", cookie).status == 200
    assert server.notices == []
