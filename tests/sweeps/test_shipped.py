"""Sweep files that come with the package are found by their bare names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.sweeps import find_sweep, shipped_sweeps
from sweep_files import FOLDER, NAMES, refused_sweep

# ------------------------------------------------------------------------------------------- the files themselves


def test_every_file_is_tested() -> None:
    assert sorted(path.stem for path in FOLDER.iterdir()) == sorted(NAMES) == list(shipped_sweeps())


# -------------------------------------------------------------------------------------------------- where they are


def test_bare_name_finds_the_file_that_comes_with_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_sweep("activation").read_bytes() == (FOLDER / "activation.yaml").read_bytes()
    Path("activation").write_text("mine\n")
    assert find_sweep("activation") == Path("activation")


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ("arhcitecture", UsageError, ["unknown sweep 'arhcitecture'", "did you mean architecture"]),
        ("nowhere.yaml", DataError, ["nowhere.yaml", "architecture"]),
        ("no/where", DataError, ["no/where", "architecture"]),
        (".", DataError, ["folder"]),
        ("/dev/null", DataError, ["/dev/null", "a device, where a file belongs"]),
    ],
)
def test_file_that_is_not_there_is_refused(source: str, kind: type[AlignbenchError], words: list[str]) -> None:
    refused_sweep(source, kind, *words)


@pytest.mark.parametrize("name", ["mine.yaml", "mine"])
def test_a_pipe_is_called_what_it_is(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    refused_sweep(tmp_path / name, DataError, "a named pipe, where a file belongs")
