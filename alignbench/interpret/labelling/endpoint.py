"""The labeller `endpoint`: a chat model behind any server that speaks as OpenAI's chat completions do."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

from alignbench.errors import ModelError, UsageError, shortened
from alignbench.files.json_text import parse_json
from alignbench.interpret.labelling.answers import answer_key, keep_answer, kept_answer
from alignbench.interpret.labelling.labeller import LabellerRequest
from alignbench.interpret.labelling.local_chat import chat_identity
from alignbench.interpret.labelling.posting import Server
from alignbench.interpret.labelling.questions import ChatLabeller, ChatQuestion, Message, list_question

KEY: Final = "ALIGNBENCH_ENDPOINT_KEY"
_CHOICE: Final = "answer"
_AGREEING: Final = "about"
_LONGEST: Final = 86_400  # seconds
T = TypeVar("T")


class EndpointChat:
    """A chat model behind a server, at temperature 0 and with answers of a JSON schema. Answers are kept on disk.

    Args:
        server: The server.
        model: The model's name there.
    """

    def __init__(self, server: Server, model: str) -> None:
        self._server, self._model = server, model

    @property
    def identities(self) -> frozenset[str]:
        """See `Labeller`."""
        return frozenset({chat_identity(self._model)})

    @property
    def settings(self) -> Mapping[str, Any]:
        """See `Labeller`."""
        return {"model": self._model}

    def choose(self, question: ChatQuestion) -> tuple[int, float]:
        """Choose an answer; how far it is ahead is not known."""
        schema = {_CHOICE: {"type": "string", "enum": list(question.choices)}}

        def chosen(found: Mapping[str, Any]) -> int:
            return question.choices.index(found[_CHOICE])

        return self._ask(question.messages, schema, chosen), float("nan")

    def agreeing(self, text: str, labels: Sequence[str]) -> list[bool]:
        """Say of each label whether a text is about it: one question for all of them."""
        schema = {_AGREEING: {"type": "array", "items": {"type": "string", "enum": list(labels)}}}

        def listed(found: Mapping[str, Any]) -> list[bool]:
            about = found[_AGREEING]
            if not isinstance(about, list) or not all(each in labels for each in about):
                raise ValueError(f"{_AGREEING} is no list of labels")
            return [label in about for label in labels]

        return self._ask((Message("user", list_question(text, labels)),), schema, listed)

    def _ask(
        self, messages: Sequence[Message], members: Mapping[str, Any], read: Callable[[Mapping[str, Any]], T]
    ) -> T:
        """Return what `read` makes of the answer, which raises an error for an answer of another schema."""
        schema = {
            "type": "object",
            "properties": dict(members),
            "required": list(members),
            "additionalProperties": False,
        }
        question = {
            "model": self._model,
            "messages": [{"role": each.role, "content": each.content} for each in messages],
            "temperature": 0,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
        }
        key = answer_key(question)
        known = kept_answer(key)
        if known is not None:
            try:
                return read(_members(known, members))
            except (ValueError, TypeError):  # of somebody else's making: it is asked for anew
                pass
        said = _content(self._server, self._server.post(question))
        try:
            found = read(_members(said, members))
        except (ValueError, TypeError) as error:
            raise ModelError(
                f"{self._server.url} answers other than its JSON schema asks ({self._server.shown(said, 60)}): give a "
                "model and a server that follow response_format"
            ) from error
        keep_answer(key, said)
        return found


def _members(said: str, members: Mapping[str, Any]) -> Mapping[str, Any]:
    """The members of an answer, which has those that are asked for and no others.

    Raises:
        ValueError: If it is none.
    """
    found = parse_json(said)
    if not isinstance(found, dict) or found.keys() != members.keys():
        raise ValueError("it has other members")
    return found


def _content(server: Server, reply: bytes) -> str:
    """What the model says, in a reply of the server.

    Raises:
        ModelError: If the reply is none of chat completions.
    """
    try:
        content = parse_json(reply)["choices"][0]["message"]["content"]
        if not isinstance(content, str):
            raise TypeError("it is no text")
    except (ValueError, TypeError, LookupError) as error:
        shown = server.shown(reply.decode(errors="replace"), 60)
        raise ModelError(
            f"{server.url} answers what is no chat completion ({shown}): give the address before /chat/completions of "
            "a server that is OpenAI-compatible"
        ) from error
    return content


def make(request: LabellerRequest) -> ChatLabeller:
    """Make the labeller of a request. Its key, if it needs one, is in the environment.

    Raises:
        UsageError: If there is no address or no model, if either or the key is none, or the request has what it has no
            use for.
    """
    request.only("endpoint", "model", "url", "examples")
    if not 0 < request.timeout <= _LONGEST:
        raise UsageError(f"--timeout {request.timeout:g}: give seconds above 0, and at most {_LONGEST:,}")
    chat = EndpointChat(Server(checked_address(request.url), api_key(), request.timeout), request.model)
    return ChatLabeller(chat, request.properties, request.examples)


def checked_address(url: str) -> str:
    """Return an address without a slash at its end.

    Raises:
        UsageError: If it is none of http or https, or has a name, a password or a query.
    """
    try:
        parts = urlsplit(url)
        is_plain = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_plain, parts = False, urlsplit("")
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(f"--url has a name, a password or a query in it: leave them out, and give a key by {KEY}")
    if not is_plain or not url.isascii() or not url.isprintable() or " " in url:
        raise UsageError(f"--url {shortened(url)} is no address: give one as http://localhost:8000/v1")
    return url.rstrip("/")


def api_key() -> str:
    """Return the key of the environment; empty if there is none.

    Raises:
        UsageError: If it could stand in no header.
    """
    key = os.environ.get(KEY, "").strip()
    if not key.isascii() or not key.isprintable() or " " in key:
        raise UsageError(f"{KEY} holds what is no key: set it to the key alone")
    return key
