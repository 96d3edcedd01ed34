"""A chat model behind a server: what it is sent, what of its answers is taken, and that answers are kept."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from alignbench.errors import ModelError, UsageError
from alignbench.interpret.labelling import posting
from alignbench.interpret.labelling.endpoint import KEY, api_key, checked_address
from alignbench.interpret.labelling.labeller import HeadTexts, Labeller, LabellerRequest, make_labeller
from chat_server import Answer, ChatServer, says, schema_of, serving

PROPERTIES = {"colours": ("red",), "animals": ("dog",)}
HEADS = [HeadTexts(1, 0, ("red", "blue")), HeadTexts(1, 1, ("cup",))]
SECRET = "sk-very-secret"


def ruled(question: dict[str, Any]) -> Answer:
    """Colours where red is in the question."""
    is_red = "red" in question["messages"][-1]["content"]
    if "answer" in schema_of(question):
        return says({"answer": "colours" if is_red else "none of these"})
    return says({"about": ["colours"] if is_red else []})


@pytest.fixture(scope="module")
def running() -> Iterator[ChatServer]:
    with serving(ruled) as server:
        yield server


@pytest.fixture
def server(running: ChatServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ChatServer:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(KEY, SECRET)
    running.answers = ruled
    running.asked.clear()
    return running


def labeller(server: ChatServer, model: str = "some/Chat") -> Labeller:
    return make_labeller("endpoint", LabellerRequest(PROPERTIES, model=model, url=f"{server.url}/", timeout=5.0))


def test_labels_and_judgments_come_by_a_schema_at_temperature_0(server: ChatServer) -> None:
    made = labeller(server)
    assert [each.label for each in made.label(HEADS)] == ["colours", ""]
    assert made.judge(("red", "cup"), ("animals", "colours")).tolist() == [[False, True], [False, False]]
    question, headers = server.asked[0]
    assert question["temperature"] == 0
    assert question["model"] == "some/Chat"
    assert schema_of(question) == {"answer": {"type": "string", "enum": ["colours", "animals", "none of these"]}}
    assert question["response_format"]["json_schema"]["strict"] is True
    assert headers["Authorization"] == f"Bearer {SECRET}"
    assert schema_of(server.asked[2][0])["about"]["items"]["enum"] == ["animals", "colours"]
    assert made.identities == {"chat model chat"}
    assert SECRET not in json.dumps(dict(made.settings))


def test_answers_are_kept_by_question_and_model_and_the_key_is_not(server: ChatServer, tmp_path: Path) -> None:
    labeller(server).label(HEADS)
    labeller(server).label(HEADS)
    assert len(server.asked) == 2
    labeller(server, "another").label(HEADS)
    assert len(server.asked) == 4
    kept = list((tmp_path / "cache/answers").iterdir())
    assert len(kept) == 4
    assert all(SECRET not in path.read_text() for path in kept)
    for path in kept:
        path.write_text(json.dumps({"key": path.stem, "answer": "spoilt"}))
    assert [each.label for each in labeller(server).label(HEADS)] == ["colours", ""]
    assert len(server.asked) == 6, "what no answer is asked for anew"


@pytest.mark.parametrize(
    "content",
    [
        "nonsense",
        "",
        "[]",
        {"answer": "plants"},
        {"answer": 7},
        {"answer": ["colours"]},
        {"label": "colours"},
        {"answer": "colours", "why": "red"},
    ],
)
def test_nonsense_and_other_schemas_are_one_line_and_not_kept(
    content: object, server: ChatServer, tmp_path: Path
) -> None:
    server.answers = lambda question: says(content)
    with pytest.raises(ModelError, match=r"answers other than its JSON schema asks \(.*\): give a model") as caught:
        labeller(server).label(HEADS)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "cache").exists()
    assert len(server.asked) == 1


@pytest.mark.parametrize("content", [{"about": "colours"}, {"about": ["plants"]}, {"about": [1]}, {"about": [[]]}, {}])
def test_judgments_of_another_schema_are_one_line(content: object, server: ChatServer) -> None:
    server.answers = lambda question: says(content)
    with pytest.raises(ModelError, match="answers other than its JSON schema asks"):
        labeller(server).judge(("red",), ("colours", "animals"))


@pytest.mark.parametrize(
    "body",
    [
        "<html>",
        "[]",
        "{}",
        '{"choices": []}',
        '{"choices": [{"message": {"content": null}}]}',
        '{"choices": 1}',
        f'"{SECRET}"',
    ],
)
def test_what_is_no_completion_is_one_line(body: str, server: ChatServer) -> None:
    server.answers = lambda question: Answer(body)
    with pytest.raises(ModelError, match=r"answers what is no chat completion .*: give the address before") as caught:
        labeller(server).label(HEADS)
    assert SECRET not in str(caught.value)


def test_a_server_that_fails_and_recovers_is_asked_again(server: ChatServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(posting, "time", mock.Mock())
    left = [Answer("", 429), Answer("", 500)]
    server.answers = lambda question: left.pop() if left else ruled(question)
    assert [each.label for each in labeller(server).label(HEADS)] == ["colours", ""]
    assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "is no address: give one as http"),
        ("file:///etc/passwd", "is no address"),
        ("ftp://x/v1", "is no address"),
        ("http://", "is no address"),
        ("http://x:port/v1", "is no address"),
        ("http://x /v1", "is no address"),
        ("http://me:secret@x/v1", "has a name, a password or a query in it"),
        ("http://x/v1?key=secret", "has a name, a password or a query in it"),
    ],
)
def test_addresses_that_are_none_are_refused(url: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        checked_address(url)
    assert "secret" not in str(caught.value)
    assert checked_address("https://x/v1/") == "https://x/v1"


def test_keys_that_are_none_are_refused_without_showing_them(monkeypatch: pytest.MonkeyPatch) -> None:
    for key in ("two words", "a\nb", "ä"):
        monkeypatch.setenv(KEY, key)
        with pytest.raises(UsageError, match=f"{KEY} holds what is no key: set it to the key alone") as caught:
            api_key()
        assert key not in str(caught.value)
    monkeypatch.setenv(KEY, " k\n")
    assert api_key() == "k"
    monkeypatch.delenv(KEY)
    assert api_key() == ""


def test_what_is_needed_is_named() -> None:
    for request, said in (
        (LabellerRequest({}, url="http://x"), "endpoint needs --model"),
        (LabellerRequest({}, model="m"), "endpoint needs --url"),
        (LabellerRequest({}, model="m", url="http://x", timeout=0), "--timeout 0: give seconds above 0"),
        (LabellerRequest({}, model="m", url="http://x", timeout=float("nan")), "--timeout nan: give seconds above 0"),
    ):
        with pytest.raises(UsageError, match=said):
            make_labeller("endpoint", request)
