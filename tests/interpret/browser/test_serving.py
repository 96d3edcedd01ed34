"""A real server at a real port: raw requests, very many at once, ports that are taken, and the names it goes by."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.browser.serving import address_of, doors_of, listen
from browsed_pages import Served, served
from browsers import Browsed

ENDING = "\r\n\r\n"


@pytest.fixture(scope="module")
def server(browsed: Browsed) -> Iterator[Served]:
    with served(browsed.world) as found:
        yield found


def port_of(server: Served) -> int:
    return int(server.origin.rpartition(":")[2])


def raw(server: Served, request: str, body: bytes = b"") -> tuple[int, str]:
    """The status and all of the answer to a request, byte for byte as it is given."""
    with socket.create_connection(("127.0.0.1", port_of(server)), 20) as line:
        line.sendall(request.encode("latin-1") + body)
        answer = b""
        while piece := line.recv(65_536):
            answer += piece
    return int(answer.split()[1]), answer.decode("latin-1")


def cookie_of(server: Served) -> str:
    token = server.address.partition("token=")[2]
    _, answer = raw(server, f"GET /?token={token} HTTP/1.1\r\nHost: localhost\r\nConnection: close{ENDING}")
    (line,) = [line for line in answer.splitlines() if line.lower().startswith("set-cookie")]
    return line.partition(": ")[2].partition(";")[0]


@pytest.mark.parametrize(
    ("target", "status"),
    [
        *[
            ("/api/world", 200),
            ("/app/../../serving.py", 404),
            ("/app/..%2f..%2fserving.py", 404),
            ("//etc/passwd", 404),
        ],
        *[
            ("/../../../../etc/passwd", 404),
            ("/app/%00", 404),
            ("/%2e%2e/%2e%2e/etc/passwd", 404),
            ("/app/....//x", 404),
        ],
        *[("/picture?number=../../etc/passwd", 400), ("/picture?number=0%00", 400), ("/crop?picture=/etc/passwd", 400)],
    ],
)
def test_no_path_in_a_request_leads_to_a_file(target: str, status: int, server: Served) -> None:
    head = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie_of(server)}\r\nConnection: close{ENDING}"
    found, answer = raw(server, head)
    assert found == status
    assert "root:" not in answer
    assert "import " not in answer


def test_nothing_is_said_of_the_server_and_nothing_is_let_in_by_other_names(server: Served) -> None:
    cookie = cookie_of(server)
    _, answer = raw(server, f"GET /api/busy HTTP/1.1\r\nHost: [::1]:9\r\nCookie: {cookie}\r\nConnection: close{ENDING}")
    names = {line.partition(":")[0].lower() for line in answer.partition(ENDING)[0].splitlines()[1:]}
    assert not names & {"server", "date", "x-powered-by", "access-control-allow-origin"}
    for host in ("Host: evil.example", "Host: localhost\r\nHost: evil.example", "X: no host"):
        status, _ = raw(server, f"GET /api/busy HTTP/1.1\r\n{host}\r\nCookie: {cookie}\r\nConnection: close{ENDING}")
        assert status in (400, 403)
    old = raw(server, f"GET /api/busy HTTP/1.0\r\nCookie: {cookie}{ENDING}")
    assert old[0] == 403


@pytest.mark.parametrize(
    "headers",
    [
        "X-Alignbench: 1\r\nOrigin: http://evil.example",
        "X-Alignbench: 1\r\nSec-Fetch-Site: cross-site",
        "Origin: null",
        "X: 1",
    ],
)
def test_posts_of_other_sites_are_refused_before_they_are_read(headers: str, server: Served) -> None:
    head = (
        f"POST /api/upload HTTP/1.1\r\nHost: localhost\r\nCookie: {cookie_of(server)}\r\nConnection: close\r\n{headers}"
    )
    status, answer = raw(server, f"{head}\r\nContent-Length: 10000000{ENDING}")
    assert status == 403
    assert "this page answers its own requests alone" in answer


def test_of_a_thousand_requests_at_once_each_is_answered_or_told_that_it_is_busy(server: Served) -> None:
    head = f"Host: localhost\r\nCookie: {cookie_of(server)}\r\nConnection: close{ENDING}"
    targets = [
        "/api/search?analysis=picture&picture=1",
        "/api/search?analysis=attention&picture=2",
        "/picture?number=3",
        "/api/world",
    ]
    together = threading.Barrier(50)

    def visit(number: int) -> int:
        if number < 50:
            together.wait(20)
        return raw(server, f"GET {targets[number % len(targets)]} HTTP/1.1\r\n{head}")[0]

    with ThreadPoolExecutor(50) as pool:
        found = list(pool.map(visit, range(1000)))
    assert set(found) <= {200, 503}
    assert 200 in found
    status, answer = raw(server, f"GET /api/busy HTTP/1.1\r\n{head}")
    assert status == 200
    assert json.loads(answer.partition(ENDING)[2])["waiting"] == 0
    assert server.notices == []


def test_a_port_that_is_taken_is_a_line_with_a_remedy() -> None:
    with listen("127.0.0.1", 0) as place:
        port = place.getsockname()[1]
        with pytest.raises(UsageError, match=f"port {port} is in use: choose another by --port, or 0"):
            listen("127.0.0.1", port)
    for host in ("203.0.113.7", "no such host", "x" * 300):
        with pytest.raises(UsageError, match=r"--host .* is no address of this machine"):
            listen(host, 0)


def test_an_address_names_the_host_and_the_token() -> None:
    def shown(host: str) -> str:
        doors = doors_of(host, 7865, print)
        return address_of(host, 7865, doors).replace(doors.sessions.token, "T")

    assert shown("127.0.0.1") == "http://127.0.0.1:7865/?token=T"
    assert shown("::1") == "http://[::1]:7865/?token=T"
    assert shown("Desk") == "http://Desk:7865/?token=T"
    assert shown("0.0.0.0") == f"http://{socket.gethostname()}:7865/?token=T"
    doors = doors_of("Desk", 1, print)
    assert (doors.cookie, doors.any_address) == ("alignbench-1", False)
    assert {"localhost", "127.0.0.1", "::1", "desk"} == doors.hosts
    assert doors_of("0.0.0.0", 1, print).any_address
    assert socket.gethostname().lower() in doors_of("::", 1, print).hosts
