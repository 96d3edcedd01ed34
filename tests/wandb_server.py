"""A stand-in on loopback for W&B's server: the few calls that `wandb sweep` and `wandb agent` make, and no other."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import product
from typing import Any

import yaml

ENTITY, SWEEP = "someone", "sweep1"


class SweepServer(ThreadingHTTPServer):
    """Takes one sweep, hands out some cells of its grid one at a time, and then has the agent stop.

    Attributes:
        grid: All cells of the sweep that it was sent, as W&B enumerates them: names sorted, the last one's values
            changing fastest.
        runs: The cells that it has handed out, by the run id that it gave them.
        calls: Names of the GraphQL operations that it was asked for.
        stopping: Whether it has the agent kill its run and stop.
    """

    daemon_threads = True

    def __init__(self, wanted: Sequence[int]) -> None:
        """Listen on a free port.

        Args:
            wanted: Numbers of the cells to hand out, in turn.
        """
        super().__init__(("127.0.0.1", 0), _Handler)
        self.config = ""
        self.grid: list[dict[str, Any]] = []
        self.runs: dict[str, Mapping[str, Any]] = {}
        self.calls: list[str] = []
        self.stopping = False
        self._waiting = list(wanted)

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
            self.shutdown()
            thread.join()
            self.server_close()

    def answer(self, query: str, variables: dict[str, Any]) -> dict[str, Any]:
        """What a GraphQL operation gives."""
        operation = "".join(re.findall(r"^\s*(?:query|mutation)\s+(\w+)", query))
        self.calls.append(operation)
        match operation:
            case "UpsertSweep":
                return self._take(variables)
            case "SweepWithRuns":
                sweep = {"id": "1", "name": SWEEP, "state": "RUNNING", "config": self.config, "runs": {"edges": []}}
                return {"project": {"sweep": sweep}}
            case "CreateAgent":
                return {"createAgent": {"agent": {"id": "agent1"}}}
            case "Heartbeat":
                commands = self._commands(json.loads(variables["runState"]))
                return {"agentHeartbeat": {"agent": {"id": "agent1"}, "commands": json.dumps(commands)}}
        return {"viewer": {"id": "1", "entity": ENTITY, "username": ENTITY, "flags": "{}", "teams": {"edges": []}}}

    def _take(self, variables: dict[str, Any]) -> dict[str, Any]:
        self.config = variables["config"]
        parameters = sorted(yaml.safe_load(self.config)["parameters"].items())
        values = [given.get("values") or [given["value"]] for _, given in parameters]
        self.grid = [dict(zip([name for name, _ in parameters], cell, strict=True)) for cell in product(*values)]
        project = {"id": "1", "name": variables["projectName"], "entity": {"id": "1", "name": variables["entityName"]}}
        return {"upsertSweep": {"sweep": {"name": SWEEP, "project": project}, "configValidationWarnings": []}}

    def _commands(self, running: dict[str, bool]) -> list[dict[str, Any]]:
        if self.stopping or not (running or self._waiting):
            return [{"type": "exit"}]
        if running:
            return []
        cell, name = self.grid[self._waiting.pop(0)], f"run{len(self.runs)}"
        self.runs[name] = cell
        args = {parameter: {"value": value} for parameter, value in cell.items()}
        return [{"type": "run", "run_id": name, "program": yaml.safe_load(self.config)["program"], "args": args}]


class _Handler(BaseHTTPRequestHandler):
    server: SweepServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"] or 0))
        answer = {}
        if self.path == "/graphql":
            asked = json.loads(body)
            answer = {"data": self.server.answer(asked["query"], asked.get("variables") or {})}
        content = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""
