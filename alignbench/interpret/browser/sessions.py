"""Visitors of the page: who has brought the token has a session, which keeps the pictures that were uploaded in it."""

from __future__ import annotations

import hmac
import secrets
import threading
from collections import OrderedDict
from typing import Final

from alignbench.interpret.browser.uploads import Upload

_MOST_SESSIONS: Final = 64
_MOST_UPLOADS: Final = 8


class VisitorSession:
    """What belongs to one visitor: the last few uploads, in memory."""

    def __init__(self) -> None:
        self._uploads: OrderedDict[str, Upload] = OrderedDict()
        self._lock = threading.Lock()

    def keep(self, upload: Upload) -> str:
        """Keep an upload, and forget the oldest where there are too many; returns what it goes by."""
        name = secrets.token_urlsafe(9)
        with self._lock:
            self._uploads[name] = upload
            while len(self._uploads) > _MOST_UPLOADS:
                self._uploads.popitem(last=False)
        return name

    def upload(self, name: str) -> Upload | None:
        """Return an upload of this session; none if there is no such one, or it is forgotten."""
        with self._lock:
            return self._uploads.get(name)


class Sessions:
    """All sessions, of which those that were not used for longest are forgotten where there are too many.

    Attributes:
        token: What stands in the printed address.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(32)
        self._sessions: OrderedDict[str, VisitorSession] = OrderedDict()
        self._lock = threading.Lock()

    def begin(self, token: str) -> str | None:
        """Begin a session for whoever has the token; returns the secret that goes into the cookie, or none."""
        if not hmac.compare_digest(token.encode(), self.token.encode()):
            return None
        secret = secrets.token_urlsafe(32)
        with self._lock:
            self._sessions[secret] = VisitorSession()
            while len(self._sessions) > _MOST_SESSIONS:
                self._sessions.popitem(last=False)
        return secret

    def find(self, secret: str) -> VisitorSession | None:
        """Return the session of a cookie, if there is one."""
        with self._lock:
            found = self._sessions.get(secret)
            if found is not None:
                self._sessions.move_to_end(secret)
            return found
