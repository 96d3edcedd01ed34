"""`alignbench interpret app` through the command line: what it serves, how it ends, and what it refuses."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from PIL import Image

from alignbench.cli.commands.interpret import app as command
from alignbench.cli.main import main
from alignbench.interpret.store import HeadStore, StoreShape
from browsers import browsed_heads, write_pictures
from head_stores import fill_store, random_contributions
from served_commands import asked, served_until
from terminal_signals import as_in_a_terminal

Capture = pytest.CaptureFixture[str]
TOKEN = re.compile(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{43}\n")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("pictures"), 4)


@pytest.fixture(scope="module")
def store(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> HeadStore:
    return browsed_heads(tmp_path_factory.mktemp("heads"), pictures)


def words(store: HeadStore, *further: object) -> list[str]:
    return ["interpret", "app", "--store", str(store.folder), *map(str, further)]


def entered(address: str) -> None:
    """Go in as a browser does, and see that nobody gets in without the token."""
    root = address.partition("?")[0]
    for refused in (root, f"{root}?token=x", f"{address[:-1]}", f"{root}api/world", f"{root}app/main.js"):
        answer = asked(refused)
        assert (answer.status, answer.cookie) == (401, "")
    answer = asked(address)
    assert (answer.status, answer.cookie.partition("=")[0]) == (303, f"alignbench-{urlsplit(address).port}")
    assert '<div id="grid">' in asked(root, answer.cookie).text
    world = json.loads(asked(f"{root}api/world", answer.cookie).text)
    assert (world["model"], world["pictures"], world["can"]["pictures"]) == ("shapes-clip", 4, True)


@pytest.mark.parametrize(
    ("ending", "code", "said"),
    [(signal.SIGINT, 130, "interrupted"), (signal.SIGTERM, 143, "terminated"), (signal.SIGHUP, 129, "hung up")],
)
def test_it_serves_whoever_has_the_token_until_a_signal_ends_it(
    ending: signal.Signals,
    code: int,
    said: str,
    store: HeadStore,
    pictures: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Capture,
) -> None:
    order = words(store, "--images", pictures, "--port", 0)
    assert served_until(order, ending, entered, monkeypatch) == code
    shown = capsys.readouterr()
    assert TOKEN.fullmatch(shown.out)
    first, last = shown.err.splitlines()
    assert first == "shapes-clip, 4 pictures: open this address in a browser, and end it here by Ctrl+C"
    assert last.startswith(f"alignbench: {said}: ")


@pytest.mark.slow
@pytest.mark.parametrize(("ending", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_process_of_its_own_serves_and_ends_quietly(
    ending: signal.Signals, code: int, store: HeadStore, pictures: Path
) -> None:
    order = [sys.executable, "-m", "alignbench", *words(store, "--images", pictures, "--port", 0)]
    with (
        as_in_a_terminal(),
        subprocess.Popen(order, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            address = process.stdout.readline()
            assert TOKEN.fullmatch(address)
            entered(address.strip())
            process.send_signal(ending)
            out, err = process.communicate()
        finally:
            process.kill()
    assert (process.returncode, out) == (code, "")
    assert len(err.splitlines()) == 2


def test_the_port_is_the_documented_one_unless_it_is_chosen(capsys: Capture) -> None:
    assert main(["interpret", "app", "--help"]) == 0
    assert f"[default: {command._PORT}; " in " ".join(capsys.readouterr().out.split())
    assert command._PORT == 7865


def test_what_cannot_be_done_is_said_and_the_rest_is_served(
    store: HeadStore, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def without_pictures(address: str) -> None:
        root = address.partition("?")[0]
        cookie = asked(address).cookie
        can = json.loads(asked(f"{root}api/world", cookie).text)["can"]
        assert (can["pictures"], can["maps"], can["texts"]) == (False, False, True)
        found = json.loads(asked(f"{root}api/search?analysis=property&picture=1&count=2", cookie).text)
        assert len(found["groups"][0]["items"]) == 2

    assert served_until(words(store, "--port", 0), signal.SIGINT, without_pictures, monkeypatch) == 130
    assert "alignbench: pictures are not shown: name their folder with --images\n" in capsys.readouterr().err


def changed(tmp_path: Path, pictures: Path, store: HeadStore) -> list[str]:
    root = write_pictures(tmp_path / "changed", 4)
    Image.new("RGB", (64, 64)).save(root / "02.png")
    return words(store, "--images", root)


def empty(tmp_path: Path, pictures: Path, store: HeadStore) -> list[str]:
    (tmp_path / "empty").mkdir()
    return words(store, "--images", tmp_path / "empty")


def no_store(tmp_path: Path, pictures: Path, store: HeadStore) -> list[str]:
    (tmp_path / "empty").mkdir()
    return ["interpret", "app", "--store", str(tmp_path / "empty")]


def of_another_model(tmp_path: Path, pictures: Path, store: HeadStore) -> list[str]:
    shape = StoreShape(pictures=3, blocks=2, layers=(2,), heads=2, width=4, dtype="fp32")
    other = fill_store(tmp_path / "own__heads__0", shape, random_contributions(3, 5, 4), ["a.png", "b.png", "c.png"])
    return words(other, "--model", "shapes-clip")


def than_of_other_pictures(tmp_path: Path, pictures: Path, store: HeadStore) -> list[str]:
    other = browsed_heads(tmp_path / "heads", write_pictures(tmp_path / "others", 4, seed=8))
    return words(store, "--than", other.folder)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (changed, r"pictures of \S+ have changed since \S+ was made of them: give those .* by --images"),
        (empty, r"\S+ has 0 of the 4 pictures of \S+, and lacks 02.png: give the folder .* by --images"),
        (no_store, r"\S+empty"),
        (of_another_model, r"\S+ is of another model than shapes-clip: name its model with --model"),
        (than_of_other_pictures, r".*pictures"),
    ],
)
def test_what_does_not_belong_together_is_refused(
    made: object, said: str, tmp_path: Path, pictures: Path, store: HeadStore, capsys: Capture
) -> None:
    assert callable(made)
    assert main([*made(tmp_path, pictures, store), "--port", "0"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "", "nothing is served"
    assert re.match(rf"alignbench: {said}", shown.err)
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ([], "--store FOLDER and --packaged say what is opened: give one of them"),
        (["--packaged", "--store", "x"], "--store FOLDER and --packaged say what is opened: give one of them"),
        *(
            (
                ["--packaged", option, "x"],
                "--packaged goes alone: leave out --model, --images, --than, --transform, --dataset and",
            )
            for option in ("--model", "--images", "--than", "--transform", "--dataset", "--data-root")
        ),
        (
            ["--store", "x", "--data-root", "y"],
            "--data-root is the folder of a data set: name the data set with --dataset",
        ),
        (["--store", "x", "--host", "nowhere.invalid"], "--host nowhere.invalid is no address of this machine"),
        (["--store", "x", "--host", "192.0.2.1"], "--host 192.0.2.1 is no address of this machine"),
        (["--store", "x", "--port", "65536"], "--port"),
        (["--store", "x", "--port", "-1"], "--port"),
    ],
)
def test_wrong_use_is_one_line(order: list[str], said: str, capsys: Capture) -> None:
    assert main(["interpret", "app", *order]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert said in " ".join(shown.err.split())


def test_a_port_in_use_is_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["interpret", "app", "--packaged", "--port", str(port)]) == 2
    said = capsys.readouterr().err
    assert said == f"alignbench: port {port} is in use: choose another by --port, or 0 for any that is free\n"
    assert not (tmp_path / "cache").exists()
