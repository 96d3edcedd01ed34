"""Scratch folders: held while their writer lives, cleared when it is dead, exchanged with nothing missing between."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError
from alignbench.files import scratch, whole_folder
from alignbench.files.scratch import (
    clear_scratch,
    held_scratch,
    make_path,
    no_empty_folders,
    put_in_place,
    scratch_folder,
)

NAME = "net__nights__01234567"
HERE = socket.gethostname()


def folder(place: Path, content: str, age: float = 0.0) -> Path:
    place.mkdir(parents=True)
    (place / "run.json").write_text(content)
    then = (place / "run.json").stat().st_mtime - age
    os.utime(place, (then, then))
    return place


def killed(code: str, *arguments: Path) -> None:
    """Runs code in a process that dies in it."""
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], timeout=60)
    assert done.returncode == 9


KILLED_WRITER = """
import os, sys
from pathlib import Path
from alignbench.files.scratch import held_scratch
with held_scratch(Path(sys.argv[1]), "01234567") as scratch:
    (scratch / "half").write_text("half")
    os._exit(9)
"""


def test_what_a_dead_process_left_is_cleared_and_what_a_living_one_writes_is_not(tmp_path: Path) -> None:
    killed(KILLED_WRITER, tmp_path)
    [left] = tmp_path.iterdir()
    with held_scratch(tmp_path, "01234567") as mine:
        clear_scratch(tmp_path)
        assert list(tmp_path.iterdir()) == [mine]
    assert list(tmp_path.iterdir()) == []
    assert left.name != mine.name


def test_the_same_host_and_process_id_again_do_not_meet_what_is_left(tmp_path: Path) -> None:
    left = folder(
        scratch_folder(tmp_path, "01234567"), "half"
    )  # as if by a process of this number in another container
    with held_scratch(tmp_path, "01234567") as mine:
        assert mine != left
        assert list(mine.iterdir()) == []
    assert list(tmp_path.iterdir()) == [left]
    clear_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "age", "cleared"),
    [
        (".tmp-01234567-HOST-99999999", 300, True),  # of a version without locks
        (".tmp-01234567-HOST-99999999", 10, False),
        (".tmp-01234567-HOST-OWN", 300, False),
        (".tmp-01234567-elsewhere-99999999", 10**6, False),
        (".tmp-01234567-HOST-7-00000000.00000000", 3600, False),  # of another kernel that is called the same
        (".tmp-01234567-HOST-7-00000000.00000000", 10**6, True),
        (".tmp-01234567-elsewhere-7-00000000.00000000", 10**6, False),
        (".tmp-file-elsewhere-7-BOOT.00000000", 0, True),  # another container under this kernel
        (".tmp-mine", 10**6, False),
    ],
)
def test_what_is_cleared(tmp_path: Path, name: str, age: float, cleared: bool) -> None:
    for word, value in {"HOST": HERE, "OWN": str(os.getpid()), "BOOT": scratch._boot()}.items():
        name = name.replace(word, value)
    folder(tmp_path / name, "half", age)
    clear_scratch(tmp_path)
    assert (tmp_path / name).exists() != cleared


@pytest.mark.parametrize("aside", [f".tmp-old-{NAME}", f".tmp-old-{NAME}-4711"])
def test_what_was_moved_aside_goes_back_unless_there_is_another(tmp_path: Path, aside: str) -> None:
    folder(tmp_path / aside, "old")
    clear_scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    folder(tmp_path / aside, "older")
    clear_scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME / "run.json").read_text() == "old"


KILLED_EXCHANGE = """
import os, sys
from pathlib import Path
from alignbench.files import scratch
rename, moves = Path.rename, []
def moved(source, target):
    moves.append(source)
    if len(moves) == 2:
        os._exit(9)
    return rename(source, target)
Path.rename = moved
scratch._exchange_in_steps(Path(sys.argv[1]), Path(sys.argv[2]))
"""


def test_a_kill_between_two_renames_loses_nothing(tmp_path: Path) -> None:
    old, new = folder(tmp_path / NAME, "old"), folder(scratch_folder(tmp_path, "01234567"), "new")
    killed(KILLED_EXCHANGE, new, old)
    assert not old.exists()
    clear_scratch(tmp_path)
    assert list(tmp_path.iterdir()) == [old]
    assert (old / "run.json").read_text() == "old"


def no_exchange(patch: pytest.MonkeyPatch) -> None:
    patch.setattr("alignbench.files.scratch._NO_EXCHANGE", tuple(range(200)))
    patch.setattr("alignbench.files.scratch._EXCHANGE", 1 << 20)  # no flag of any system


@pytest.mark.parametrize("in_steps", [False, True])
def test_a_folder_takes_the_place_of_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_steps: bool) -> None:
    if in_steps:
        no_exchange(monkeypatch)
    for content in ("first", "second"):
        put_in_place(folder(tmp_path / "scratch", content), tmp_path / NAME, lambda: False)
        assert (tmp_path / NAME / "run.json").read_text() == content
        shutil.rmtree(tmp_path / "scratch", ignore_errors=True)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    put_in_place(folder(tmp_path / "scratch", "third"), tmp_path / NAME, lambda: True)
    assert (tmp_path / NAME / "run.json").read_text() == "second"


@pytest.mark.parametrize("in_steps", [False, True])
def test_many_writers_of_one_folder_all_end_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_steps: bool
) -> None:
    if in_steps:
        no_exchange(monkeypatch)
    failed: list[BaseException] = []

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                work()
            except BaseException as error:
                failed.append(error)

        return run

    def write() -> None:
        for _ in range(10):
            with whole_folder(tmp_path / NAME) as place:
                (place / "run.json").write_text("whole")

    threads = [threading.Thread(target=guarded(write)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    clear_scratch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]
    assert (tmp_path / NAME / "run.json").read_text() == "whole"


def test_folders_that_were_made_for_nothing_go_and_others_stay(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    with no_empty_folders(tmp_path / "old/new/newer"):
        make_path(tmp_path / "old/new/newer")
    assert list((tmp_path / "old").iterdir()) == []
    with pytest.raises(AlignbenchError, match="stop"), whole_folder(tmp_path / "old/new" / NAME):
        raise OSError("stop")
    assert list((tmp_path / "old").iterdir()) == []
    with no_empty_folders(tmp_path / "a/b"):
        make_path(tmp_path / "a/b")
        (tmp_path / "a/kept").touch()
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["kept"]


def test_a_folder_is_made_while_another_process_takes_the_one_above_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mkdir, taken = Path.mkdir, [2]

    def made(path: Path, *arguments: object, **options: object) -> None:
        mkdir(path, *arguments, **options)  # type: ignore[arg-type]
        if path.name == "above" and taken[0]:
            taken[0] -= 1
            path.rmdir()

    monkeypatch.setattr(Path, "mkdir", made)
    with held_scratch(tmp_path / "above", "probe") as held:
        assert held.is_dir()
    assert taken == [0]
