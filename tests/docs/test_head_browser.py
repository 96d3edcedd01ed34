"""What docs/head_browser.md says: its commands open the page, and its numbers are those of the server."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from alignbench.cli.commands.interpret import app as command
from alignbench.cli.main import main
from alignbench.cli.options import read_options
from alignbench.interpret.browser import packaged, serving, sessions, uploads
from alignbench.interpret.demo import DemoSettings
from browsers import Browsed, browse
from documented import PAGES, ROOT, command_lines

PAGE = PAGES[ROOT / "docs/head_browser.md"]
COMMANDS = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret app")]


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Browsed:
    return browse(tmp_path_factory.mktemp("browsed"))


@pytest.fixture
def worlds(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the page says of each world that a command would serve."""
    found: list[dict[str, Any]] = []

    class Asked:
        def __init__(self, app: Any) -> None:
            self.app = app

        def run(self, sockets: list[Any]) -> None:
            port = sockets[0].getsockname()[1]
            with TestClient(self.app, base_url=f"http://127.0.0.1:{port}") as client:
                assert client.get("/").status_code == 401
                doors = self.app._doors
                assert client.get(serving.address_of("127.0.0.1", port, doors)).status_code == 200
                found.append(client.get("/api/world").json())

    monkeypatch.setattr(serving, "server_of", Asked)
    return found


@pytest.mark.slow
def test_documented_commands_open_the_page(
    worlds: list[dict[str, Any]],
    browsed: Browsed,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    limits = dict.fromkeys(packaged.LIMITS, 12)
    monkeypatch.setattr(packaged, "LIMITS", limits)
    monkeypatch.setattr(packaged, "_SETTINGS", DemoSettings(picks=3, resamples=0, draws=19, splits=1, limits=limits))
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    places = {"pictures": str(browsed.pictures)}
    assert len(COMMANDS) == 3
    for words in COMMANDS:
        given = [str(browsed.store.folder) if "__heads__" in word else places.get(word, word) for word in words]
        assert main([*given, "--port", "0"]) == 0, capsys.readouterr().err
        printed = capsys.readouterr()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", printed.out)
        assert re.search(r"shapes-clip, \d+ pictures: open this address in a browser, and end it here", printed.err)
    assert [world["model"] for world in worlds] == ["shapes-clip"] * 3
    assert all(world["can"]["pictures"] and world["can"]["maps"] and world["can"]["texts"] for world in worlds)
    assert worlds[0]["can"]["people"] == list(packaged.LIMITS)


def test_the_documented_numbers_are_those_of_the_server() -> None:
    text = " ".join(PAGE.split())
    assert (
        f"At most {uploads.MOST_BYTES // 10**6} MB and {uploads.MOST_PIXELS // 10**6} million pixels are read" in text
    )
    assert (sessions._MOST_UPLOADS, serving.MOST_WAITING) == (8, 8)
    assert "keeps its last eight uploads" in text
    assert "Up to eight requests wait for it" in text
    assert f"shapes-clip, {len(packaged.packaged_pictures().names)} pictures" in text
    assert f"{command._PORT} by default" in text


def test_documented_options_are_those_of_the_command() -> None:
    rows = re.findall(r"^\| `--([a-z-]+)", PAGE, flags=re.MULTILINE)
    assert set(rows) | {"packaged", "data-root"} == set(read_options(command.app))
