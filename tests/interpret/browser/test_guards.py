"""Who is let in: by the name of the machine, the page that asks, the cookie, and how many there are."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send

from alignbench.interpret.browser.guards import HEADERS, Doors, Guarded, host_of
from alignbench.interpret.browser.sessions import Sessions

OWN = {"x-alignbench": "1"}


async def inner(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["path"] == "/fails":
        raise KeyError("/home/ann/secret")
    await JSONResponse({"in": scope["session"] is not None})(scope, receive, send)


def visitor(base: str = "http://localhost:7865", cookie: bool = True, **doors: Any) -> TestClient:
    entrance = Doors(Sessions(), "alignbench-7865", **doors)
    client = TestClient(Guarded(inner, entrance), base_url=base, raise_server_exceptions=False)
    if cookie:
        client.cookies.set("alignbench-7865", entrance.sessions.begin(entrance.sessions.token) or "")
    return client


@pytest.mark.parametrize(
    ("named", "status"),
    [
        ("localhost:7865", 200),
        ("LOCALHOST", 200),
        ("localhost:1", 200),  # a tunnel of ssh has a port of its own
        ("127.0.0.1:7865", 200),
        ("[::1]:7865", 200),
        ("evil.example", 403),
        ("evil.example:7865", 403),
        ("localhost.evil.example", 403),
        ("127.0.0.1.evil.example", 403),
        ("evil.example@localhost", 200),  # the name of the machine is what stands behind
        ("localhost@evil.example", 403),
        ("10.0.0.7", 403),
        ("0.0.0.0", 403),
        ("", 403),
        ("[::1", 403),
        ("localhost/../evil", 200),
    ],
)
def test_the_machine_is_asked_under_a_name_of_its_own(named: str, status: int) -> None:
    assert visitor().get("/api/x", headers={"host": named}).status_code == status


def test_with_any_address_names_are_still_those_of_the_machine() -> None:
    client = visitor(hosts=frozenset({"localhost", "desk"}), any_address=True)
    for named, status in (("10.0.0.7:1", 200), ("[fe80::1]", 200), ("desk", 200), ("evil.example", 403)):
        assert client.get("/api/x", headers={"host": named}).status_code == status


def test_two_hosts_in_one_request_are_refused() -> None:
    headers = [(b"host", b"localhost"), (b"host", b"evil.example")]
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(dict(message))

    async def receive() -> Any:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": headers}
    asyncio.run(Guarded(inner, Doors(Sessions(), "c"))(scope, receive, send))
    assert sent[0]["status"] == 403


@pytest.mark.parametrize(
    ("method", "path", "headers", "status"),
    [
        ("GET", "/api/x", {}, 200),
        ("GET", "/api/x", {"sec-fetch-site": "same-origin"}, 200),
        ("GET", "/api/x", {"sec-fetch-site": "none"}, 200),
        ("GET", "/api/x", {"sec-fetch-site": "cross-site"}, 403),
        ("GET", "/picture", {"sec-fetch-site": "same-site"}, 403),  # another port of this machine
        ("GET", "/", {"sec-fetch-site": "cross-site"}, 200),  # a link in somebody's notes
        ("POST", "/", {**OWN, "sec-fetch-site": "cross-site"}, 403),
        ("POST", "/api/x", OWN, 200),
        ("POST", "/api/x", {}, 403),
        ("POST", "/api/x", {**OWN, "origin": "http://localhost:7865"}, 200),
        ("POST", "/api/x", {**OWN, "origin": "http://localhost:9999"}, 403),
        ("POST", "/api/x", {**OWN, "origin": "http://evil.example"}, 403),
        ("POST", "/api/x", {**OWN, "origin": "null"}, 403),
        ("DELETE", "/api/x", {}, 403),
        ("OPTIONS", "/api/x", {"origin": "http://evil.example"}, 403),
    ],
)
def test_only_the_page_itself_asks(method: str, path: str, headers: dict[str, str], status: int) -> None:
    answer = visitor().request(method, path, headers=headers)
    assert answer.status_code == status
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_without_the_cookie_only_the_entrance_answers() -> None:
    client = visitor(cookie=False)
    assert client.get("/").json() == {"in": False}
    for path in ("/api/x", "/app/main.js", "/picture", "//", "/?", "/x/.."):
        answer = client.get(path)
        assert answer.status_code in (200, 401)
        assert (answer.status_code == 401) or answer.json() == {"in": False}
    client.cookies.set("alignbench-1", "x")
    client.cookies.set("alignbench-7865", "x")
    assert client.get("/api/x").status_code == 401
    assert "open the address that was printed" in client.get("/api/x").json()["error"]


def test_every_answer_has_the_headers_that_keep_a_page_to_itself() -> None:
    client = visitor()
    for answer in (client.get("/"), client.get("/api/x", headers={"host": "evil"}), client.post("/api/x")):
        assert {name: answer.headers[name] for name in HEADERS} == dict(HEADERS)
        policy = answer.headers["content-security-policy"]
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        assert "http" not in policy


def test_what_fails_is_heard_and_the_next_is_answered() -> None:
    heard: list[str] = []
    client = visitor(notice=heard.append)
    client.get("/fails")
    (line,) = heard
    assert line.startswith("unexpected KeyError: '/home/ann/secret' (test_guards.py:")
    assert client.get("/api/x").status_code == 200


def test_of_very_many_at_once_some_are_told_that_it_is_busy_and_all_are_answered() -> None:
    async def many() -> list[int]:
        held = asyncio.Event()

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            await held.wait()
            await JSONResponse({})(scope, receive, send)

        doors = Doors(Sessions(), "c")
        app, found = Guarded(slow, doors), []

        async def visit() -> None:
            async def send(message: Any) -> None:
                if message["type"] == "http.response.start":
                    found.append(message["status"])

            async def receive() -> Any:
                return {"type": "http.request"}

            headers = [(b"host", b"localhost")]
            await app({"type": "http", "method": "GET", "path": "/", "headers": headers}, receive, send)

        visits = [asyncio.ensure_future(visit()) for _ in range(200)]
        await asyncio.sleep(0)
        held.set()
        await asyncio.gather(*visits)
        assert doors.inside == 0
        await visit()
        return found

    found = asyncio.run(many())
    assert (found.count(200), found.count(503)) == (65, 136)
    assert found[-1] == 200


def test_web_sockets_are_closed() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    asyncio.run(Guarded(inner, Doors(Sessions(), "c"))({"type": "websocket", "headers": []}, receive, send))
    assert sent == [{"type": "websocket.close", "code": 1008}]


def test_the_name_of_a_machine_is_read_without_its_port() -> None:
    assert [host_of(each) for each in ("A:1", "[::1]:1", "a", ":1", "[x", "a:b:c")] == ["a", "::1", "a", "", "", "a"]
