"""A server of chat completions in a thread, which answers as it is told."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class Answer:
    """What is sent back."""

    body: str = ""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0  # before anything is sent
    drip: float = 0.0  # seconds between two bytes


@dataclass
class ChatServer:
    """A server that runs.

    Attributes:
        url: Its address.
        answers: Makes an answer of a question; it may be exchanged.
        asked: Questions that came, with their headers.
    """

    url: str
    answers: Callable[[dict[str, Any]], Answer]
    asked: list[tuple[dict[str, Any], dict[str, str]]] = field(default_factory=list)


def says(content: Any) -> Answer:
    """A completion whose content is a text, or JSON of it."""
    text = content if isinstance(content, str) else json.dumps(content)
    return Answer(json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}))


def schema_of(question: dict[str, Any]) -> dict[str, Any]:
    """The members that a question asks for."""
    found: dict[str, Any] = question["response_format"]["json_schema"]["schema"]["properties"]
    return found


@contextmanager
def serving(answers: Callable[[dict[str, Any]], Answer]) -> Iterator[ChatServer]:
    """Run a server while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.asked.append((question, dict(self.headers)))
            answer = server.answers(question)
            time.sleep(answer.seconds)
            try:
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                body = answer.body.encode()
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if not answer.drip:
                    self.wfile.write(body)
                for byte in body if answer.drip else b"":
                    self.wfile.write(bytes([byte]))
                    time.sleep(answer.drip)
            except OSError:  # nobody listens any more
                pass

        def log_message(self, *_: Any) -> None:
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listener.daemon_threads = True
    server = ChatServer(f"http://127.0.0.1:{listener.server_address[1]}/v1", answers)
    thread = Thread(target=lambda: listener.serve_forever(0.01), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        listener.shutdown()
        listener.server_close()
