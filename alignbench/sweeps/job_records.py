"""Which job of a scheduler has which cell, and how it went: small files in the sweep's folder, whole or not at all.

A cell has up to three. Who submits it writes `KEY.given.json`; its job writes `KEY.begun.json` when it starts, and
`KEY.ended.json` when it knows how the cell ended. A token tells the submissions of one cell apart: a job whose token is
not the given one any more leaves its cell alone, so that whoever submits it anew need not wait for a lost job.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from alignbench.errors import DataError, one_line
from alignbench.files import UNREADABLE, write_whole
from alignbench.files.json_text import Kinds, checked_object, read_json

_GIVEN: Final = ".given.json"
_BEGUN: Final = ".begun.json"
_ENDED: Final = ".ended.json"
_JOB: Final[Mapping[str, Kinds]] = {"token": (str,), "job": (str,)}
_END: Final[Mapping[str, Kinds]] = {
    "token": (str,),
    "folders": (list,),
    "error": (str,),
    "seconds": (float, int),
    "interrupted": (bool,),
}


@dataclass(frozen=True)
class JobRecord:
    """One submission of a cell.

    Attributes:
        token: What tells it from the cell's other submissions.
        job: The scheduler's name for its job; empty while it is not known.
    """

    token: str
    job: str = ""


@dataclass(frozen=True)
class JobEnd:
    """How a cell ended in its job.

    Attributes:
        token: Token of the submission.
        folders: Names of the run folders that it left; none if it failed.
        error: What went wrong, if it failed.
        seconds: How long it took.
        interrupted: Whether the job was told to end before its cell had ended.
    """

    token: str
    folders: tuple[str, ...] = ()
    error: str = ""
    seconds: float = 0.0
    interrupted: bool = False


class JobRecords:
    """The records of a sweep's jobs; each method names a cell by its key.

    Args:
        folder: Folder of the sweep; the records lie in `jobs` in it.

    Raises:
        DataError: If a record cannot be read; every method that reads one may find so.
        AlignbenchError: If one cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "jobs"

    def keys(self) -> set[str]:
        """The cells that were given to jobs and not dropped."""
        return {path.name.removesuffix(_GIVEN) for path in self._folder.glob(f"*{_GIVEN}")}

    def give(self, key: str, record: JobRecord) -> None:
        """Record which submission has a cell; what another one has told of it counts no more."""
        self._write(key + _GIVEN, asdict(record))

    def given(self, key: str) -> JobRecord | None:
        """The submission that has a cell; none if none has."""
        return self._job(key + _GIVEN)

    def begin(self, key: str, record: JobRecord) -> None:
        """Record that a job has started; it then looks whether the cell is given to it."""
        self._write(key + _BEGUN, asdict(record))

    def begun(self, key: str) -> JobRecord | None:
        """The job of a cell that started last; none if none has."""
        return self._job(key + _BEGUN)

    def end(self, key: str, end: JobEnd) -> None:
        """Record how a cell ended."""
        self._write(key + _ENDED, asdict(end))

    def ended(self, key: str, token: str) -> JobEnd | None:
        """How a cell ended in the submission of this token; none if that is not known."""
        found = self._read(key + _ENDED, _END)
        if found is None or found["token"] != token:
            return None
        folders = tuple(found["folders"])
        if any(name in ("", ".", "..") or Path(name).name != name for name in folders):
            raise self._unreadable(key + _ENDED, "its folders are not names of folders")
        return JobEnd(token, folders, found["error"], float(found["seconds"]), found["interrupted"])

    def drop(self, key: str) -> None:
        """Forget the jobs of a cell; the last file to go is the one that gives it."""
        for kind in (_ENDED, _BEGUN, _GIVEN):
            (self._folder / f"{key}{kind}").unlink(missing_ok=True)

    def _job(self, name: str) -> JobRecord | None:
        found = self._read(name, _JOB)
        return None if found is None else JobRecord(found["token"], found["job"])

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        write_whole(self._folder / name, json.dumps(content).encode(), "choose another --output")

    def _read(self, name: str, kinds: Mapping[str, Kinds]) -> Mapping[str, Any] | None:
        """The members of a record; none if there is no such record."""
        try:
            found = checked_object("record", read_json(self._folder / name), kinds)
            lacking = [member for member in kinds if member not in found]
            if lacking:
                raise ValueError(f"it has no {lacking[0]}")
        except FileNotFoundError:
            return None
        except UNREADABLE as error:
            raise self._unreadable(name, one_line(error)) from error
        return found

    def _unreadable(self, name: str, reason: str) -> DataError:
        cell = f"{name.partition('.')[0]}.*"
        return DataError(
            f"{self._folder / name} cannot be read ({reason}): cancel the jobs of this sweep, and remove "
            f"{self._folder / cell}"
        )
