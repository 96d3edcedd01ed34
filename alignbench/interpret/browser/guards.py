"""What is seen to before a request is looked at: who asks, under which name, from which page, and how many at once.

A page of another site can send requests to this machine, and have a name of its own lead here (DNS rebinding); another
user of this machine can reach its loopback. The first are told by the headers that browsers set and pages cannot, the
last lacks the cookie of a session, which only the printed token gives.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from alignbench.errors import one_line
from alignbench.interpret.browser.sessions import Sessions

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
OWN_HEADER: Final = "x-alignbench"
HEADERS: Final[Mapping[str, str]] = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}
_MOST_AT_ONCE: Final = 64
_log = logging.getLogger(__name__)
_FOREIGN: Final = "this page answers its own requests alone"


@dataclass
class Doors:
    """Who is let in.

    Attributes:
        sessions: Whoever has brought the token.
        cookie: Name of the cookie.
        hosts: Names that this machine may be asked under, in small letters.
        any_address: Whether it may be asked under any address too: only a name can lead elsewhere from day to day.
        notice: Hears of what went wrong unexpectedly.
        inside: Requests that are being answered.
    """

    sessions: Sessions
    cookie: str
    hosts: frozenset[str] = LOOPBACK
    any_address: bool = False
    notice: Callable[[str], None] = _log.error
    inside: int = field(default=0, init=False)


class Guarded:
    """An application behind its doors.

    Args:
        app: What answers whoever is let in; it finds the session in `scope["session"]`, or none at the entrance `/`.
        doors: Who is let in.
    """

    def __init__(self, app: ASGIApp, doors: Doors) -> None:
        self._app, self._doors = app, doors

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refused = self._refused(scope)
        if refused is None and self._doors.inside >= _MOST_AT_ONCE:
            refused = answer_error("too many requests at once: try again in a moment", 503)
        if refused is not None:
            await refused(scope, receive, _with_headers(send))
            return
        self._doors.inside += 1
        try:
            await self._app(scope, receive, _with_headers(send))
        except Exception as error:  # which was answered: one request that fails ends nothing
            self._doors.notice(_told(error))
        finally:
            self._doors.inside -= 1

    def _refused(self, scope: Scope) -> Response | None:
        """Why a request is not answered; none if it is."""
        headers = Headers(scope=scope)
        named = headers.getlist("host")
        if len(named) != 1 or not self._is_known(host_of(named[0])):
            return answer_error("this address is not known here: open the one that was printed", 403)
        is_entrance = scope["path"] == "/" and scope["method"] in ("GET", "HEAD")
        if not is_entrance and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            return answer_error(_FOREIGN, 403)
        if scope["method"] not in ("GET", "HEAD"):
            origin = headers.get("origin")
            if (origin is not None and urlsplit(origin).netloc != named[0]) or OWN_HEADER not in headers:
                return answer_error(_FOREIGN, 403)
        secret = cookie_parser(headers.get("cookie", "")).get(self._doors.cookie)
        scope["session"] = None if secret is None else self._doors.sessions.find(secret)
        if scope["session"] is None and not is_entrance:
            return answer_error("this page is not open here: open the address that was printed at the start", 401)
        return None

    def _is_known(self, host: str) -> bool:
        return host in self._doors.hosts or (self._doors.any_address and _is_address(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _told(error: Exception) -> str:
    """What went wrong, and where, in a line."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"unexpected {type(error).__name__}: {one_line(error)}{place}"


def host_of(named: str) -> str:
    """Return the name of a machine as a request has it, without its port; empty if it is none."""
    try:
        return urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return ""


def answer_error(text: str, status: int) -> Response:
    """Make the answer that says in one line what is wrong."""
    headers = {"retry-after": "1"} if status == 503 else None
    return Response(json.dumps({"error": text}), status, headers, "application/json")


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
        await send(message)

    return sent
