"""The folder of triplets that are drawn and not labelled yet: `sampling.json`, `names.json`, `triplets.npy`."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.labelled_triplets import STAGE as LABELS
from alignbench.alignet.labelled_triplets import TRIPLETS, LabelledTriplets, check_triplets
from alignbench.alignet.picture_groups import PictureGroups
from alignbench.alignet.sampling import SamplingOptions, sample_triplets, small_groups
from alignbench.alignet.stage_folders import (
    is_stage,
    map_rows,
    new_array,
    read_names,
    read_record,
    write_names,
    write_record,
)
from alignbench.errors import DataError, counted
from alignbench.extraction.feature_forms import few
from alignbench.files import whole_folder
from alignbench.results.folders import folder_of
from alignbench.results.run_folder import run_hash

SAMPLING: Final = "sampling"


@dataclass(frozen=True)
class SamplingJob:
    """What triplets are drawn from, and how.

    Attributes:
        groups: The pictures, and the cluster or class of each.
        count: How many triplets.
        options: How they are drawn.
        output: Folder of the folders of stages.
        overwrite: Whether a finished one is made again.
    """

    groups: PictureGroups
    count: int
    options: SamplingOptions
    output: Path
    overwrite: bool = False

    def settings(self) -> dict[str, Any]:
        """Return everything that can change a triplet."""
        grouped = hashlib.sha256("\n".join(self.groups.names).encode())
        grouped.update(np.ascontiguousarray(self.groups.numbers, dtype="<i4").tobytes())
        return {**asdict(self.options), "count": self.count, "groups": grouped.hexdigest(), **self.groups.settings}


def draw_triplets(job: SamplingJob) -> tuple[Path, bool]:
    """Draw triplets, and leave the folder of the stage.

    Args:
        job: What they are drawn from, and how.

    Returns:
        The folder, and whether it had been finished before.

    Raises:
        UsageError: If the rule is unknown, or fewer than one is asked for.
        DataError: If the groups cannot give any.
        AlignbenchError: If they cannot be written; a disk without room for them is told of before.
    """
    options, groups, settings = job.options.checked(), job.groups, job.settings()
    folder = job.output / folder_of(options.rule, "triplets", run_hash(settings))
    if is_stage(folder, SAMPLING) and not job.overwrite:
        return folder, True
    small = small_groups(groups.numbers, options.rule)
    details = {
        "pictures": len(groups.names),
        "groups": len(np.unique(groups.numbers)),
        "too_small": [groups.labels[number] for number in small.tolist()],
    }
    sample_triplets(groups.numbers, 1, options, groups.labels)  # refuses what gives none before room is claimed
    with whole_folder(folder) as scratch:
        into = new_array(scratch / TRIPLETS, np.int32, (max(job.count, 1), 3))
        sample_triplets(groups.numbers, job.count, options, groups.labels, into)
        write_names(scratch, groups.names)
        write_record(scratch, SAMPLING, settings, details)
    return folder, False


@dataclass(frozen=True)
class SampledTriplets:
    """Triplets of pictures, whose labels there are do not count.

    Attributes:
        names: Names of the pictures.
        triplets: Three numbers of names each, (n, 3) int32.
        settings: How they were drawn, as far as that is known.
        path: Where they come from, for messages.
    """

    names: tuple[str, ...]
    triplets: NDArray[np.int32]
    settings: dict[str, Any]
    path: Path

    @classmethod
    def open(cls, path: Path) -> SampledTriplets:
        """Open triplets and see that each names three pictures; those of a folder stay on the disk.

        Args:
            path: A folder that `alignbench alignet sample` made, or `label`, or a published `.npz`.

        Raises:
            DataError: If there is none, it cannot be read, or a row names no picture, or one twice.
        """
        if path.suffix == ".npz" or is_stage(path, LABELS):
            labelled = LabelledTriplets.open(path)
            told = labelled.record["settings"]
            found = cls(labelled.names, labelled.triplets, told.get("triplets", told), path)
        else:
            record = read_record(path, SAMPLING)
            found = cls(read_names(path), map_rows(path / TRIPLETS, np.int32, 3), record["settings"], path)
        if not len(found.triplets):
            raise DataError(f"{path} holds no triplets: draw some by `alignbench alignet sample`")
        check_triplets(path, found.triplets, len(found.names))
        return found

    def digest(self) -> str:
        """SHA-256 over names and numbers."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        for start in range(0, len(self.triplets), 1 << 20):
            digest.update(np.ascontiguousarray(self.triplets[start : start + (1 << 20)], dtype="<i4").tobytes())
        return digest.hexdigest()


def said_small(small: list[str]) -> str:
    """Say which groups have too few pictures for the rule; empty if none has."""
    return f"too few pictures to draw from in {counted(len(small), 'group')} ({few(small)})" if small else ""
