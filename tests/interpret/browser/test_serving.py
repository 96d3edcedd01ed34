"""The server: where it listens, whom it answers under which name, and its application over real connections."""

from __future__ import annotations

import signal
import socket
import threading
from typing import Any

import pytest

from alignbench.errors import UsageError
from alignbench.interpret.browser.guards import LOOPBACK
from alignbench.interpret.browser.serving import address_of, browser_app, doors_of, listen, server_of
from browsed_pages import served
from browsers import OWN, Browsed, Visited
from patience import PATIENCE
from served_commands import asked
from terminal_signals import as_in_a_terminal

TOKEN_LETTERS = 43


def quiet(text: str) -> None:
    raise AssertionError(text)


def test_it_answers_over_a_connection_and_only_with_the_token(browsed: Browsed) -> None:
    with served(browsed.world) as found:
        assert asked(f"{found.origin}/").status == 401
        assert asked(f"{found.origin}/api/world").status == 401
        entered = asked(found.address)
        assert (entered.status, entered.text) == (303, "")
        assert '"pictures":12' in asked(f"{found.origin}/api/world", entered.cookie).text.replace(" ", "")
        assert asked(f"{found.origin}/api/world", f"{entered.cookie}x").status == 401
        assert found.notices == []
    with pytest.raises(ConnectionRefusedError):
        asked(found.address)


def test_nothing_is_logged_and_the_doors_count_who_is_inside(browsed: Browsed) -> None:
    config = server_of(browser_app(browsed.world, doors_of("127.0.0.1", 80, quiet))).config
    assert (config.access_log, config.proxy_headers, config.server_header) == (False, False, False)
    assert config.limit_concurrency is None, "uvicorn would answer in plain text"
    assert config.ws == "none"


def test_a_port_is_free_or_refused() -> None:
    with listen("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        assert port > 0
        with pytest.raises(UsageError, match=f"^port {port} is in use: choose another by --port, or 0 for any"):
            listen("127.0.0.1", port)
    with listen("127.0.0.1", port) as again:
        assert again.getsockname() == ("127.0.0.1", port)


def test_a_port_that_is_kept_from_users_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    def kept(*given: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(socket.socket, "bind", kept, raising=False)
    with pytest.raises(UsageError, match=r"^port 80 is kept from users: choose one above 1023 by --port$"):
        listen("127.0.0.1", 80)


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1", "a" * 64 + ".b", "x y"])
def test_a_host_that_is_none_of_this_machine_is_refused(host: str) -> None:
    with pytest.raises(UsageError, match="is no address of this machine: leave it out, or give one"):
        listen(host, 0)


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "localhost"), ("::1", "[::1]"), ("box.lan", "box.lan")],
)
def test_the_address_holds_the_token_and_names_the_host(host: str, shown: str) -> None:
    doors = doors_of(host, 7000, quiet)
    address = address_of(host, 7000, doors)
    assert address == f"http://{shown}:7000/?token={doors.sessions.token}"
    assert len(doors.sessions.token) == TOKEN_LETTERS
    assert doors.hosts == LOOPBACK | {host}
    assert not doors.any_address
    assert doors.cookie == "alignbench-7000"
    assert doors_of(host, 7000, quiet).sessions.token != doors.sessions.token


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_any_address_is_shown_by_the_name_of_the_machine(host: str) -> None:
    doors = doors_of(host, 7000, quiet)
    assert doors.any_address
    assert socket.gethostname().lower() in doors.hosts
    assert address_of(host, 7000, doors).startswith(f"http://{socket.gethostname()}:7000/?token=")


@pytest.mark.parametrize(
    ("address", "status", "said"),
    [
        ("/api/nothing", 404, "there is nothing at this address"),
        ("/api/search", 400, "analysis is missing: give it"),
        ("/api/world?x=1", 400, "x is nothing that can be asked: leave it out"),
        (f"/api/world?{'x' * 900}=1", 400, "is nothing that can be asked: leave it out"),
        ("/api/pictures?start=1_0", 400, "start takes a whole number from 0, in the digits 0 to 9"),
        ("/api/search?analysis=property", 400, "Property needs “Picture” (picture): choose one"),
    ],
)
def test_what_is_wrong_is_said_in_words_of_the_page(address: str, status: int, said: str, visitor: Visited) -> None:
    answer = visitor.client.get(address)
    assert answer.status_code == status
    (line,) = answer.json().values()
    assert said in line
    assert len(line) < 200
    assert "--" not in line


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS"])
def test_an_address_that_is_asked_in_another_way_says_so(method: str, visitor: Visited) -> None:
    answer = visitor.client.request(method, "/api/world", headers=OWN)
    assert (answer.status_code, answer.json()["error"]) == (
        405,
        "this address is asked in another way: by GET, and by POST for an upload",
    )


def test_an_interruption_while_a_request_is_answered_is_not_lost() -> None:
    async def interrupted(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await send({"type": "lifespan.shutdown.complete"})
            return
        signal.raise_signal(signal.SIGINT)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"answered"})

    answers: list[str] = []
    with as_in_a_terminal(), listen("127.0.0.1", 0) as place:
        before = signal.getsignal(signal.SIGINT)
        address = f"http://127.0.0.1:{place.getsockname()[1]}/"
        thread = threading.Thread(target=lambda: answers.append(asked(address).text))
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            server_of(interrupted).run(sockets=[place])  # type: ignore[arg-type]
        thread.join(PATIENCE)
        assert signal.getsignal(signal.SIGINT) is before
    assert answers == ["answered"]
