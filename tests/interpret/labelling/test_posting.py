"""Questions over the net: servers that are busy, hang, drip, send elsewhere or refuse; each is one clear line."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from unittest import mock

import pytest

from alignbench.errors import ModelError
from alignbench.interpret.labelling import posting
from alignbench.interpret.labelling.posting import Server
from chat_server import Answer, ChatServer, serving

KEY = "sk-very-secret"


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with serving(lambda question: Answer("well")) as server:
        yield server


def server(running: ChatServer, *answers: Answer, key: str = KEY, seconds: float = 5.0) -> Server:
    """The server, which gives these answers one after the other and then is well."""
    left = list(answers)
    running.answers = lambda question: left.pop(0) if left else Answer("well")
    running.asked.clear()
    return Server(running.url, key, seconds, tries=3, pause=0.001)


def fault(asked: Server) -> str:
    with pytest.raises(ModelError) as caught:
        asked.post({"model": "m"})
    said = str(caught.value)
    assert "\n" not in said
    assert KEY not in said
    assert asked.url in said
    return said


def test_a_question_is_posted_with_the_key(running: ChatServer) -> None:
    assert server(running).post({"model": "m"}) == b"well"
    ((question, headers),) = running.asked
    assert question == {"model": "m"}
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert server(running, key="").post({"model": "m"}) == b"well"
    assert "Authorization" not in running.asked[0][1]
    assert KEY not in repr(server(running))


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_a_server_that_is_busy_is_asked_again(running: ChatServer, status: int) -> None:
    assert server(running, Answer("no", status), Answer("no", status, {"Retry-After": "0"})).post({}) == b"well"
    assert len(running.asked) == 3


def test_a_server_that_stays_busy_is_given_up(running: ChatServer) -> None:
    said = fault(server(running, *[Answer(f"too many of {KEY}", 429)] * 3))
    assert "answers with status 429 (too many of ***) after 3 tries: see whether it is up" in said
    assert len(running.asked) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(f"no {KEY}", 401), "with status 401 (no ***): set ALIGNBENCH_ENDPOINT_KEY to a key of it"),
        (Answer("no", 403), "with status 403 (no): set ALIGNBENCH_ENDPOINT_KEY"),
        (Answer("no\nmodel", 404), "refuses the question with status 404 (no model): see whether --url and --model"),
        (Answer("", 400), "with status 400 (nothing more)"),
        (Answer("", 307, {"Location": "http://127.0.0.1:9/"}), "sends elsewhere (status 307), which is not followed"),
        (Answer("", 302, {"Location": "/other"}), "sends elsewhere (status 302)"),
    ],
)
def test_a_refusal_is_final(running: ChatServer, answer: Answer, words: str) -> None:
    assert words in fault(server(running, answer))
    assert len(running.asked) == 1, "neither asked again nor followed"


@pytest.mark.parametrize("answer", [Answer("late", seconds=2.5), Answer("x" * 60, drip=0.05)], ids=["hangs", "drips"])
def test_a_server_that_takes_too_long_is_given_up(running: ChatServer, answer: Answer) -> None:
    said = fault(server(running, *[answer] * 3, seconds=0.4))
    assert "does not answer within 0.4 s after 3 tries" in said


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
        said = fault(Server(url, KEY, 5.0, 2, 0.001))
    assert "cannot be asked (" in said
    assert "after 2 tries" in said


def test_a_server_that_wants_peace_gets_it(running: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(posting, "time", mock.Mock(sleep=waited.append))
    answers = [Answer("no", 429, {"Retry-After": "7"}), Answer("no", 503, {"Retry-After": "tomorrow"})]
    assert server(running, *answers).post({}) == b"well"
    assert waited == [7.0, 0.002]


def test_an_answer_beyond_measure_is_not_read(running: ChatServer) -> None:
    assert server(running, Answer("x" * 1_000_001)).post({}) == b""
