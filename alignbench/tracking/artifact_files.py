"""The files of a run folder as its artifact lists them, and how they are fetched: no name, size or hash is believed.

An artifact may come from anybody who can log to a project. Its files are taken by the names that a run folder has, none
may be a reference to elsewhere, and what comes is held against the size and the hash that were told of it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from alignbench.errors import AlignbenchError, one_line, shortened
from alignbench.files import open_plain
from alignbench.results.folders import FILES, MORE_FILES
from alignbench.tracking.keys import ARTIFACT_TYPE
from alignbench.tracking.logged_runs import LoggedRun

if TYPE_CHECKING:
    import requests

_KNOWN: Final = (*FILES, *MORE_FILES)
_MOST_FILES: Final = 64  # that an artifact is looked into with
_CHUNK: Final = 1 << 20  # bytes
_MD5: Final = 16  # bytes
_CONNECT_SECONDS, _SILENT_SECONDS = 20.0, 60.0
_RETRIES: Final = 3
_LATER: Final = (429, 500, 502, 503, 504)
_AGAIN: Final = "try it again, and have it logged again if that is of no use"


@dataclass(frozen=True)
class ArtifactFile:
    """A file of an artifact.

    Attributes:
        name: Its name, one that files of a run folder have.
        size: Its size in bytes.
        md5: Its MD5.
    """

    name: str
    size: int
    md5: bytes

    def is_at(self, path: Path) -> bool:
        """Whether a file on disk is this one.

        Raises:
            OSError: If it is there and cannot be read.
        """
        if not path.is_file() or path.stat().st_size != self.size:
            return False
        with open_plain(path) as file:
            return hashlib.file_digest(file, _md5).digest() == self.md5


def find_artifact(run: LoggedRun) -> Any:
    """The newest artifact of a run that holds its run folder.

    Raises:
        AlignbenchError: If it has none.
        Exception: Whatever W&B raises.
    """
    try:
        logged = list(run.remote.logged_artifacts())
    except AssertionError:  # W&B's own, where the upload of one has not ended
        logged = []
    found = [each for each in logged if (each.type, each.state) == (ARTIFACT_TYPE, "COMMITTED")]
    if not found:
        raise AlignbenchError(
            f"run {run.number} has no artifact of its run folder: measure it again where it was measured, with "
            "--overwrite, and see that its upload ends"
        )
    return max(found, key=lambda artifact: str(artifact.created_at))


def read_manifest(artifact: Any, most: int) -> tuple[ArtifactFile, ...]:
    """The files of a run folder that an artifact lists.

    Args:
        artifact: W&B's object.
        most: How many bytes they may have in all.

    Raises:
        AlignbenchError: If it lists anything else, lacks a file, or is larger.
        Exception: Whatever W&B raises.
    """
    if artifact.file_count > _MOST_FILES:
        raise _refused(artifact, f"it holds {artifact.file_count:,} files")
    entries: Mapping[str, Any] = artifact.manifest.entries
    files = tuple(_checked(artifact, name, entry) for name, entry in sorted(entries.items()))
    lacking = [name for name in FILES if name not in {file.name for file in files}]
    if lacking:
        raise AlignbenchError(
            f"{_shown(artifact)} lacks {', '.join(lacking)}, as those of earlier versions do: measure it again where "
            "it was measured, with --overwrite"
        )
    size = sum(file.size for file in files)
    if size > most:
        raise AlignbenchError(
            f"{_shown(artifact)} takes {size / 1e9:,.2f} GB: raise --max-size, which is {most / 1e9:,.2f} GB"
        )
    return files


def _checked(artifact: Any, name: str, entry: Any) -> ArtifactFile:
    """A file of the manifest, if it is one that a run folder has."""
    if name not in _KNOWN or str(entry.path) != name:
        raise _refused(artifact, f"it holds {shortened(name)!a}, which is no file of a run folder")
    if entry.ref is not None:
        raise _refused(artifact, f"its {name} is a reference to elsewhere")
    if entry.size is None:
        raise _refused(artifact, f"its {name} has no size")
    try:
        md5 = base64.b64decode(str(entry.digest), validate=True)
    except (binascii.Error, ValueError):
        md5 = b""
    if len(md5) != _MD5 or entry.extra.get("alg", "MD5") != "MD5":
        raise _refused(artifact, f"its {name} has no MD5")
    return ArtifactFile(name, int(entry.size), md5)


def fetch(artifact: Any, files: tuple[ArtifactFile, ...], folder: Path, advanced: Callable[[int], None]) -> None:
    """Fetch files into a folder.

    Args:
        artifact: W&B's object.
        files: What is fetched.
        folder: An empty folder.
        advanced: Hears how many bytes have come.

    Raises:
        AlignbenchError: If what comes is not what the manifest told of.
        OSError: If it cannot be written.
        Exception: Whatever W&B raises.
    """
    import requests

    places = {str(file.name): str(file.direct_url) for file in artifact.files()}
    with _session() as session:
        for file in files:
            if file.name not in places:
                raise AlignbenchError(f"W&B has no {file.name} of {_shown(artifact)}: {_AGAIN}")
            try:
                _fetch_one(session, places[file.name], file, folder / file.name, advanced)
            except requests.RequestException as error:  # an OSError, which is no fault of the disk
                raise AlignbenchError(f"{file.name} did not come ({one_line(error)}): {_AGAIN}") from error


def _fetch_one(
    session: requests.Session, place: str, file: ArtifactFile, path: Path, advanced: Callable[[int], None]
) -> None:
    digest, size = _md5(), 0
    with session.get(place, stream=True, timeout=(_CONNECT_SECONDS, _SILENT_SECONDS)) as response:
        response.raise_for_status()
        with path.open("xb") as stream:
            for chunk in response.iter_content(_CHUNK):
                size += len(chunk)
                if size > file.size:
                    raise AlignbenchError(f"{file.name} is larger than its {file.size:,} bytes: {_AGAIN}")
                digest.update(chunk)
                stream.write(chunk)
                advanced(len(chunk))
    if size != file.size or digest.digest() != file.md5:
        raise AlignbenchError(f"{file.name} came damaged ({size:,} of {file.size:,} bytes, or another hash): {_AGAIN}")


def _session() -> requests.Session:
    """What fetches files, with the headers that W&B's settings add to every request."""
    import requests
    import wandb
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    session = requests.Session()
    session.headers.update({"Accept-Encoding": "identity", **(wandb.setup().settings.x_extra_http_headers or {})})
    adapter = HTTPAdapter(max_retries=Retry(_RETRIES, backoff_factor=0.5, status_forcelist=_LATER))
    for scheme in ("http://", "https://"):
        session.mount(scheme, adapter)
    return session


def _md5() -> Any:
    return hashlib.md5(usedforsecurity=False)  # what W&B has of its files; nobody is kept out by it


def _refused(artifact: Any, reason: str) -> AlignbenchError:
    return AlignbenchError(f"{_shown(artifact)} is refused ({reason}): see who logged it, and leave it out")


def _shown(artifact: Any) -> str:
    return f"artifact {ascii(shortened(artifact.name))[1:-1]}"
