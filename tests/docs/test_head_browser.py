"""What docs/interpret/browser.md says: its commands are started as they stand and visited; its table is theirs."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from alignbench.cli.commands.interpret import app as command
from alignbench.cli.main import main
from alignbench.interpret.browser.uploads import MOST_BYTES, MOST_PIXELS
from documented import PAGES, command_lines, draw_documented_pictures, pages
from served_commands import asked, served_until

PAGE = pages("interpret/browser.md")
COMMANDS = [shlex.split(line)[1:] for line in command_lines() if line.startswith("alignbench interpret app")]


@pytest.mark.slow
def test_documented_commands_serve_the_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    draw_documented_pictures()
    assert main(["interpret", "decompose", "--model", "shapes-clip", "--images", "pictures"]) == 0
    store = capsys.readouterr().out.splitlines()[-1]
    assert [words[2] for words in COMMANDS] == ["--packaged", "--store"]
    for words in COMMANDS:
        seen: list[int] = []

        def visit(address: str, seen: list[int] = seen) -> None:
            root = address.partition("?")[0]
            cookie = asked(address).cookie
            assert asked(root, cookie).status == 200
            seen.append(json.loads(asked(f"{root}api/world", cookie).text)["pictures"])

        order = [store if "__heads__" in word else word for word in words]
        assert served_until([*order, "--port", "0"], signal.SIGINT, visit, monkeypatch) == 130
        shown = capsys.readouterr()
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n", shown.out)
        if "--packaged" in words:
            said = f"shapes-clip, {seen[0]} pictures: open this address in a browser, and end it here by Ctrl+C"
            assert said in shown.err
            assert said in PAGE
            stages = re.findall(r"^([\w-]+): [\d.]+ s$", shown.err, flags=re.MULTILINE)
            assert stages == re.findall(r"^([\w-]+): [\d.]+ s$", PAGE, flags=re.MULTILINE)


def test_all_other_commands_are_run_by_the_tests_of_their_own_pages() -> None:
    lines = [line for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
    others = [line for line in lines if not line.startswith(("alignbench interpret app", "ssh "))]
    assert len(others) == 5
    for line in others:
        assert any(f"{line}\n" in text for page, text in PAGES.items() if page.name != "browser.md"), line


def test_the_port_is_the_same_everywhere() -> None:
    assert {int(port) for port in re.findall(r"\b78\d\d\b", PAGE)} == {command._PORT}


def test_the_table_has_all_options(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["interpret", "app", "--help"]) == 0
    options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out)) - {"--help"}
    rows = "\n".join(line for line in PAGE.splitlines() if line.startswith("| `--"))
    assert set(re.findall(r"--[a-z-]+", rows.replace("`interpret", ""))) == options


def test_the_limits_are_those_of_the_server() -> None:
    assert f"{MOST_BYTES // 10**6} MB and {MOST_PIXELS // 10**6} million pixels" in PAGE
