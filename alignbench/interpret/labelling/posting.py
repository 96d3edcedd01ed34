"""Posts questions to a server: with a time-out for the whole answer, tries again, and a key that nobody sees."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPException
from queue import Empty, SimpleQueue
from threading import Thread
from typing import IO, Any, Final
from urllib.error import HTTPError, URLError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from alignbench.errors import ModelError, one_line, shortened

_AGAIN: Final = (408, 425, 429, 500, 502, 503, 504)
_FORBIDDEN: Final = (401, 403)
_MOST: Final = 1_000_000  # bytes of an answer
_LONGEST_PAUSE: Final = 60.0


class _NoRedirects(HTTPRedirectHandler):
    """Follows nothing: a key is for the address that was given."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """See `HTTPRedirectHandler`; none says that nothing is followed."""
        return


@dataclass(frozen=True)
class _Reply:
    """What came back: a status, or 0 and what went wrong on the way."""

    status: int
    body: bytes = b""
    fault: str = ""
    pause: float | None = None


@dataclass(frozen=True)
class Server:
    """A server of chat completions.

    Attributes:
        url: Its address, without `/chat/completions`.
        key: Its key; empty for none.
        seconds: How long an answer may take, from the connection to its last byte.
        tries: How often it is asked while it is busy, failing or silent.
        pause: Seconds before the second try, twice as many before each further one; a server may say how many.
    """

    url: str
    key: str = field(default="", repr=False)
    seconds: float = 60.0
    tries: int = 4
    pause: float = 1.0

    def post(self, question: Mapping[str, Any]) -> bytes:
        """Ask, and return the answer of a server that is well.

        Raises:
            ModelError: If there is none after all tries, or the server refuses the question.
        """
        reply = _Reply(0)
        for number in range(self.tries):
            if number:
                pause = self.pause * 2 ** (number - 1) if reply.pause is None else reply.pause
                time.sleep(min(pause, _LONGEST_PAUSE))
            reply = self._patiently(question)
            if reply.status == 200:
                return reply.body
            if reply.status and reply.status not in _AGAIN:
                raise ModelError(f"{self.url} {self._refusal(reply)}")
        what = reply.fault or f"answers with status {reply.status} ({self._said(reply)})"
        raise ModelError(f"{self.url} {what} after {self.tries} tries: see whether it is up, or give another --url")

    def shown(self, text: str, most: int = 100) -> str:
        """Return a text of the server that a message can hold, without the key."""
        return shortened(text.replace(self.key, "***") if self.key else text, most)

    def _said(self, reply: _Reply) -> str:
        return self.shown(reply.body.decode(errors="replace")) or "nothing more"

    def _refusal(self, reply: _Reply) -> str:
        if 300 <= reply.status < 400:
            return f"sends elsewhere (status {reply.status}), which is not followed: give the address itself to --url"
        said = f"refuses the question with status {reply.status} ({self._said(reply)})"
        if reply.status in _FORBIDDEN:
            return f"{said}: set ALIGNBENCH_ENDPOINT_KEY to a key of it"
        return f"{said}: see whether --url and --model are right"

    def _patiently(self, question: Mapping[str, Any]) -> _Reply:
        """Ask once. What takes too long goes on by itself, unheard: no time-out of a socket holds for a slow drip."""
        heard: SimpleQueue[_Reply] = SimpleQueue()
        Thread(target=lambda: heard.put(self._ask(question)), daemon=True).start()
        try:
            return heard.get(timeout=self.seconds)
        except Empty:
            return _Reply(0, fault=f"does not answer within {self.seconds:g} s")

    def _ask(self, question: Mapping[str, Any]) -> _Reply:
        headers = {"Content-Type": "application/json", "Accept": "application/json", "User-Agent": "alignbench"}
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        request = Request(f"{self.url}/chat/completions", json.dumps(question).encode(), headers, method="POST")
        late = 2.0 * self.seconds  # when nobody listens any more, so that silence has one name
        try:
            with build_opener(_NoRedirects).open(request, timeout=late) as answer:
                return _Reply(answer.status, _read(answer))
        except HTTPError as error:
            with error:
                return _Reply(error.code, _read(error), pause=_seconds(error.headers.get("Retry-After", "")))
        except (URLError, HTTPException, OSError, ValueError) as error:
            reason = getattr(error, "reason", None)
            why = one_line(reason) if isinstance(reason, BaseException) else one_line(error)
            return _Reply(0, fault=f"cannot be asked ({self.shown(why)})")


def _read(answer: IO[bytes]) -> bytes:
    try:
        body = answer.read(_MOST + 1)
    except (HTTPException, OSError):
        return b""
    return body if len(body) <= _MOST else b""


def _seconds(said: str) -> float | None:
    """Seconds that a server wants to be left alone for; none if it says none."""
    try:
        found = float(said)
    except ValueError:
        return None
    return found if 0 <= found < 1e6 else None
