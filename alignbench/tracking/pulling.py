"""Run folders made again from what W&B has of them: each whole or not at all, and none over another."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from alignbench.errors import AlignbenchError, DataError, one_line
from alignbench.files import whole_folder
from alignbench.results.folders import is_complete
from alignbench.results.run_folder import folder_name
from alignbench.results.stored_run import StoredRun
from alignbench.tracking.artifact_files import ArtifactFile, fetch, find_artifact, read_manifest
from alignbench.tracking.logged_runs import LoggedRun, check_folder_name

_ELSEWHERE: Final = "move it away, or choose another --output"


@dataclass(frozen=True)
class Pulled:
    """What became of a run.

    Attributes:
        folder: Its folder.
        bytes: How many bytes were fetched; none where the folder was there before.
    """

    folder: Path
    bytes: int | None


@dataclass(frozen=True)
class Puller:
    """Fetches run folders.

    Attributes:
        output: The folder that they go to.
        most: How many bytes one may have.
        planned: Hears the name of a folder that is about to be fetched, and its size.
        advanced: Hears how many bytes have come.
    """

    output: Path
    most: int
    planned: Callable[[str, int], None] = lambda name, size: None
    advanced: Callable[[int], None] = lambda size: None

    def pull(self, run: LoggedRun) -> Pulled:
        """Fetch the folder of a run, unless it is there.

        Raises:
            AlignbenchError: If what W&B has is no whole run folder, the place is taken by another, or it cannot be
                written.
            Exception: Whatever W&B and the network raise.
        """
        name = run.folder
        check_folder_name(name)
        folder = self.output / name
        artifact = find_artifact(run)
        files = read_manifest(artifact, self.most)
        if os.path.lexists(folder):
            _check_same(folder, files, run)
            return Pulled(folder, None)
        size = sum(file.size for file in files)
        self.planned(name, size)
        with whole_folder(folder, keep=lambda: os.path.lexists(folder)) as scratch:
            fetch(artifact, files, scratch, self.advanced)
            _check_whole(scratch, name)
        _check_same(folder, files, run)  # another process may have put its own there meanwhile
        return Pulled(folder, size)


def _check_same(folder: Path, files: tuple[ArtifactFile, ...], run: LoggedRun) -> None:
    """Refuse a folder that is there and holds something else than the files of a run."""
    try:
        others = [file.name for file in files if not file.is_at(folder / file.name)]
    except OSError as error:
        raise AlignbenchError(f"{folder} is there and cannot be read ({one_line(error)}): {_ELSEWHERE}") from error
    if others:
        said = f"other content than run {run.number} ({', '.join(others)})"
        raise AlignbenchError(f"{folder} is there with {said}, and is left as it is: {_ELSEWHERE}")


def _check_whole(scratch: Path, name: str) -> None:
    """Refuse files that are not the run folder that their name says: it ends in the hash of the settings."""
    stored = StoredRun(scratch)
    try:
        record, _, _ = stored.record, stored.curve, stored.layers
        stored.judgments(record.settings.subset)
        is_named = folder_name(record.label, record.settings) == name
    except DataError as error:
        said = str(error).replace(str(scratch), name).partition(": measure it again")[0]
        raise AlignbenchError(f"what W&B has of it is no whole run ({said}): measure it again") from error
    if not is_named or not is_complete(scratch):
        raise AlignbenchError(f"what W&B has under {name} is another run: see who logged it, and leave it out")
