"""A named pipe where a file belongs is never opened: whoever opened it would wait for ever."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from alignbench.errors import AlignbenchError
from readers import READERS

pytestmark = pytest.mark.slow

FILES = [(name, file) for name, reader in READERS.items() for file in reader.files]


class Pipe:
    """A named pipe, and a process that frees whoever opens it: libraries keep the threads of theirs from running."""

    def __init__(self, path: Path, other_name: Path) -> None:
        path.unlink(missing_ok=True)
        os.mkfifo(path)
        os.link(path, other_name)  # the reader may put a file in its place, or take the folder away
        self._said, saying = os.pipe()
        self._child = os.fork()
        if not self._child:
            while True:
                os.close(os.open(other_name, os.O_WRONLY))  # waits until someone opens it to read
                os.write(saying, b"!")
        os.close(saying)

    def end(self) -> bool:
        """End the process; whether anybody had opened the pipe."""
        os.kill(self._child, signal.SIGKILL)
        os.waitpid(self._child, 0)
        with open(self._said, "rb") as said:
            return bool(said.read())


@pytest.mark.parametrize(("name", "file"), FILES)
def test_pipes_are_not_opened(name: str, file: str, tmp_path: Path) -> None:
    reader = READERS[name]
    reader.make(tmp_path / "it")
    pipe = Pipe(tmp_path / "it" / file, tmp_path / "the-same")
    said = ""
    try:
        reader.read(tmp_path / "it", file)
    except AlignbenchError as error:
        said = str(error)
    finally:
        opened = pipe.end()
    assert not opened, said
    assert "\n" not in said
