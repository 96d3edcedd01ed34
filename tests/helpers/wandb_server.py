"""Stand-ins on loopback for W&B's server: the few calls that its clients make, and no other."""

from __future__ import annotations

import itertools
import json
import math
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any
from urllib.parse import unquote

import yaml

ENTITY, SWEEP = "someone", "sweep1"
PROJECT = {"id": "1", "name": "alignbench", "entity": {"id": "1", "name": ENTITY}}


class StandIn(ThreadingHTTPServer):
    """Listens on a free port, and keeps what it is sent.

    Attributes:
        calls: Names of the GraphQL operations that it was asked for.
        uploads: Bytes of the files that it was sent, by path.
        streamed: Lines that it was sent while a run went on, by the name of their file.
        sound: How many requests it answers well; after that it does with each as `fault` says.
        fault: One of `FAULTS`.
        stuck: Whether it has met a request with its fault.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.calls: list[str] = []
        self.uploads: dict[str, bytes] = {}
        self.streamed: dict[str, list[Any]] = {}
        self.sound = math.inf
        self.fault = "hang"
        self.stuck = threading.Event()
        self.ended = threading.Event()
        self._requests = itertools.count()

    def is_at_fault(self) -> bool:
        """Whether this request is one of those that meet its fault."""
        if next(self._requests) < self.sound:
            return False
        self.stuck.set()
        return True

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @contextmanager
    def serving(self) -> Iterator[None]:
        thread = threading.Thread(target=self.serve_forever, daemon=True)
        thread.start()
        try:
            yield
        finally:
            self.ended.set()
            self.shutdown()
            thread.join()
            self.server_close()

    def take(self, path: str, body: bytes) -> dict[str, Any]:
        """What a request gives, after what it sent is kept."""
        if path == "/graphql":
            asked = json.loads(body)
            operation = "".join(re.findall(r"^\s*(?:query|mutation)\s+(\w+)", asked["query"], re.MULTILINE))
            self.calls.append(operation)
            return {"data": self.answer(operation, asked.get("variables") or {})}
        if path.endswith("/file_stream"):
            for name, sent in json.loads(body).get("files", {}).items():
                self.streamed.setdefault(name, []).extend(map(json.loads, sent["content"]))
        elif path.startswith("/storage/"):
            self.uploads[path.removeprefix("/storage/")] = body
        return {}

    def give(self, path: str) -> bytes | None:
        """The bytes of a file that it was sent; none if it has no such file."""
        return self.uploads.get(path.removeprefix("/storage/"))

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What a GraphQL operation gives; here, who is asking."""
        viewer = {"id": "1", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}
        return {"viewer": viewer} if operation in ("Viewer", "GetDefaultEntity") else {}


class RunServer(StandIn):
    """Takes runs with their files and artifacts.

    Attributes:
        run: What the run was begun with.
        committed: Names of the artifacts that were uploaded to the end.
    """

    def __init__(self) -> None:
        super().__init__()
        self.run: dict[str, Any] = {}
        self.committed: list[str] = []

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        sent = variables.get("input", {})
        match operation:
            case "UpsertBucket":
                self.run = self.run or variables
                bucket = {"id": "1", "name": variables["name"], "config": "{}", "project": PROJECT}
                return {"upsertBucket": {"bucket": bucket, "inserted": True}}
            case "CreateRunFiles":
                files = [{"name": name, "uploadUrl": f"{self.address}/storage/{name}"} for name in variables["files"]]
                return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": files}}
            case "ArtifactType":
                return {"project": {"artifact": None}}
            case "CreateArtifact":
                artifact = {"id": sent["artifactCollectionName"], "state": "PENDING", "artifactSequence": {"id": "1"}}
                return {"createArtifact": {"artifact": artifact}}
            case "CreateArtifactManifest":
                name = variables["artifactID"]
                return {"createArtifactManifest": {"artifactManifest": {"id": name, "file": self._file(name, name)}}}
            case "CreateArtifactFiles":
                edges = [{"node": self._file(one["artifactID"], one["name"])} for one in sent["artifactFiles"]]
                return {"createArtifactFiles": {"files": {"edges": edges}}}
            case "CommitArtifact":
                self.committed.append(variables["artifactID"])
                return {"commitArtifact": {"artifact": {"id": variables["artifactID"], "digest": ""}}}
        return super().answer(operation, variables)

    def _file(self, artifact: str, name: str) -> dict[str, Any]:
        address = f"{self.address}/storage/{artifact}/{name}"
        about = {"id": name, "name": name, "displayName": name, "artifact": {"id": artifact}}
        return {**about, "uploadUrl": address, "uploadHeaders": [], "storagePath": "", "uploadMultipartUrls": None}


class SweepServer(StandIn):
    """Takes one sweep, hands out some cells of its grid one at a time, and then has the agent stop.

    Attributes:
        grid: All cells of the sweep that it was sent, as W&B enumerates them: names sorted, the last one's values
            changing fastest.
        runs: The cells that it has handed out, by the run id that it gave them.
        stopping: Whether it has the agent kill its run and stop.
    """

    def __init__(self, wanted: Sequence[int]) -> None:
        """Have cells ready.

        Args:
            wanted: Numbers of the cells to hand out, in turn.
        """
        super().__init__()
        self.grid: list[dict[str, Any]] = []
        self.runs: dict[str, Mapping[str, Any]] = {}
        self.stopping = False
        self._config = ""
        self._waiting = list(wanted)

    def answer(self, operation: str, variables: dict[str, Any]) -> dict[str, Any]:
        match operation:
            case "UpsertSweep":
                self._config = variables["config"]
                self._enumerate()
                return {"upsertSweep": {"sweep": {"name": SWEEP, "project": PROJECT}, "configValidationWarnings": []}}
            case "SweepWithRuns":
                sweep = {"id": "1", "name": SWEEP, "state": "RUNNING", "config": self._config, "runs": {"edges": []}}
                return {"project": {"sweep": sweep}}
            case "CreateAgent":
                return {"createAgent": {"agent": {"id": "agent1"}}}
            case "Heartbeat":
                commands = self._commands(json.loads(variables["runState"]))
                return {"agentHeartbeat": {"agent": {"id": "agent1"}, "commands": json.dumps(commands)}}
        return super().answer(operation, variables)

    def _enumerate(self) -> None:
        parameters = sorted(yaml.safe_load(self._config)["parameters"].items())
        values = [given.get("values") or [given["value"]] for _, given in parameters]
        self.grid = [dict(zip([name for name, _ in parameters], cell, strict=True)) for cell in product(*values)]

    def _commands(self, running: dict[str, bool]) -> list[dict[str, Any]]:
        if self.stopping or not (running or self._waiting):
            return [{"type": "exit"}]
        if running:
            return []
        cell, name = self.grid[self._waiting.pop(0)], f"run{len(self.runs)}"
        self.runs[name] = cell
        args = {parameter: {"value": value} for parameter, value in cell.items()}
        return [{"type": "run", "run_id": name, "program": yaml.safe_load(self._config)["program"], "args": args}]


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def do_POST(self) -> None:
        if self.server.is_at_fault():
            FAULTS[self.server.fault](self)
            return
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        content = json.dumps(self.server.take(unquote(self.path), body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_PUT = do_POST

    def do_GET(self) -> None:
        if self.server.is_at_fault():
            FAULTS[self.server.fault](self)
            return
        content = self.server.give(unquote(self.path))
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        with suppress(OSError):  # it has heard enough
            self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def hang(self) -> None:
        """Never answer."""
        self.server.ended.wait()
        self.close_connection = True

    def trickle(self) -> None:
        """Answer a letter at a time, without an end."""
        self._head(200, 1_000_000)
        with suppress(OSError):  # nobody listens any more
            while not self.server.ended.wait(0.1):
                self.wfile.write(b" ")
                self.wfile.flush()

    def drop(self) -> None:
        """Close the connection without an answer."""
        self.connection.close()
        self.close_connection = True

    def fail(self) -> None:
        """Answer that something is wrong with the server, for which clients try again."""
        self._head(500, 0)

    def refuse(self) -> None:
        """Answer that the request is wrong, for which clients do not try again."""
        self._head(400, 0)

    def deny(self) -> None:
        """Answer that nobody with such a key may ask."""
        self._head(401, 0)

    def _head(self, status: int, length: int) -> None:
        self.rfile.read(int(self.headers["Content-Length"] or 0))  # of a GET, nothing
        self.send_response(status)
        self.send_header("Content-Length", str(length))
        self.end_headers()


FAULTS = {kind: getattr(_Handler, kind) for kind in ("hang", "trickle", "drop", "fail", "refuse", "deny")}
