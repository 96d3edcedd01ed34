"""Files that are there whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from alignbench.errors import AlignbenchError, one_line


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Where to write a file that comes to its own place when it is whole.

    Args:
        path: Its place; folders on the way are made.

    Yields:
        Another name beside it, with the same ending.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    scratch = path.with_name(f".tmp-{os.getpid()}-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield scratch
        os.replace(scratch, path)
    except OSError as error:
        why = error.strerror or one_line(error)  # a full disk is told by NumPy in words of its own
        raise AlignbenchError(f"{path} cannot be written ({why}): choose another place") from error
    finally:
        with suppress(OSError):
            scratch.unlink()


def write_whole(path: Path, content: bytes) -> None:
    """Write a file of some bytes.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    with whole_file(path) as scratch:
        scratch.write_bytes(content)
