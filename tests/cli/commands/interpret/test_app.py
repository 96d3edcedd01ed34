"""`alignbench interpret app` through the command line: it serves until it is told to end, and what it refuses."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from alignbench.cli.main import main
from alignbench.interpret.browser.serving import listen
from browsers import Browsed, browse
from extracted import refused

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def browsed(tmp_path_factory: pytest.TempPathFactory) -> Browsed:
    return browse(tmp_path_factory.mktemp("browsed"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_it_serves_until_a_signal_ends_it(number: signal.Signals, code: int, browsed: Browsed) -> None:
    words = ["--store", browsed.store.folder, "--images", browsed.pictures, "--port", "0"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "alignbench", "interpret", "app", *map(str, words)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        try:
            address = process.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}", address)
            with build_opener(HTTPCookieProcessor()).open(address, timeout=20) as page:
                assert b"<title>Heads" in page.read()
        finally:
            process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == code
    assert out == ""
    token = address.partition("token=")[2]
    assert token not in err
    assert "shapes-clip, 12 pictures: open this address in a browser, and end it here by Ctrl+C" in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "is named by --store, a folder of contributions, or it is --packaged: give one"),
        (("--packaged", "--store", "x"), "give one"),
        (("--packaged", "--images", "x"), "--packaged opens what is packaged"),
        (("--store", "x", "--data-root", "y"), "--data-root is that of a data set: name it by --dataset"),
        (("--store", "no-such-folder", "--port", "0"), "no-such-folder"),
        (("--store", "STORE", "--images", "no-such-folder", "--port", "0"), "--images no-such-folder is not a folder"),
        (
            ("--store", "STORE", "--model", "openai/clip-vit-base-patch33", "--port", "0"),
            "openai/clip-vit-base-patch33",
        ),
        (("--store", "STORE", "--dataset", "shapes-lo", "--port", "0"), "unknown data set 'shapes-lo'"),
        (("--store", "STORE", "--than", "no-such-folder", "--port", "0"), "no-such-folder"),
        (
            ("--store", "STORE", "--host", "203.0.113.7", "--port", "0"),
            "--host 203.0.113.7 is no address of this machine",
        ),
        (("--store", "STORE", "--port", "70000"), "'--port'"),
    ],
)
def test_what_cannot_be_opened_is_one_line(
    words: tuple[str, ...], said: str, browsed: Browsed, capsys: Capture
) -> None:
    given = [str(browsed.store.folder) if word == "STORE" else word for word in words]
    assert said in refused(capsys, ["interpret", "app", *given])


def test_a_port_in_use_and_an_empty_folder_are_one_line(browsed: Browsed, tmp_path: Path, capsys: Capture) -> None:
    order = ["interpret", "app", "--store", str(browsed.store.folder)]
    with listen("127.0.0.1", 0) as place:
        port = place.getsockname()[1]
        assert f"port {port} is in use: choose another by --port" in refused(capsys, [*order, "--port", str(port)])
    line = refused(capsys, [*order, "--images", str(tmp_path), "--port", "0"])
    assert "has 0 of the 12 pictures" in line
    assert main(["interpret", "app", "--help"]) == 0
