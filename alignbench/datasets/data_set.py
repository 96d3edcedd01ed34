"""A data set as the registry offers it: what it is, where to get it, and how its judgments are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from alignbench.datasets.judgments import Judgments, Kind
from alignbench.errors import DataError, UsageError


@dataclass(frozen=True)
class Corrected:
    """How the corrected protocol measures a data set.

    Attributes:
        subsets: The subsets that are measured by default.
        calibration: The subset on whose pairs m[c] is fitted; none to leave out each cluster (reference image) in turn.
        fewest_votes: Judgments that fewer people made than this are left out.
        counts: Where some are left out, how many judgments of a subset remain as published, as far as that is known.
    """

    subsets: tuple[str, ...]
    calibration: str | None = None
    fewest_votes: int = 0
    counts: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSet:
    """A data set that the registry can offer.

    Attributes:
        name: Name in the registry and on the command line, e.g. `nights`.
        level: Level of abstraction: `low`, `middle` or `high`.
        kind: What people gave: a `rating`, a `choice` or a `preference`.
        summary: One line that says what it is.
        home: Where it can be had.
        terms: Terms under which it can be used.
        default_subset: The subset that the paper measures.
        subsets: Names of all subsets, or patterns of them.
        read: Reads the judgments of the named subsets below a root (none for packaged sets), without opening images.
        packaged: Whether it comes with the package and needs no files.
        complete: Number of judgments of the default subset as published; none where that is not fixed.
        common_side: Side in pixels to which images are brought for pair metrics (PIL, bicubic), for sets whose images
            differ in size; none where they are compared at their native size.
        corrected: How the corrected protocol measures it; none if it cannot.
        published_ceiling: The noise ceiling that its authors give, for subsets without repeated judgments.
        counts: Numbers of judgments of other subsets as published, as far as they are known.
        concept: Gives the concept that a picture stands for, by the picture's name, where each has one picture.
        ceiling_note: Why there is no noise ceiling where none is found, and what would give one.
    """

    name: str
    level: str
    kind: Kind
    summary: str
    home: str
    terms: str
    default_subset: str
    subsets: tuple[str, ...]
    read: Callable[[Path | None, tuple[str, ...]], Judgments]
    packaged: bool = False
    complete: int | None = None
    common_side: int | None = None
    corrected: Corrected | None = None
    published_ceiling: float | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    ceiling_note: str = ""
    concept: Callable[[str], str] | None = None

    def published_counts(self, protocol: str) -> dict[str, int]:
        """Return how many judgments of a subset a protocol scores as published, by the subsets of which it is known."""
        if protocol == "corrected" and self.corrected is not None and self.corrected.fewest_votes:
            return dict(self.corrected.counts)
        default = {} if self.complete is None else {self.default_subset: self.complete}
        return default | dict(self.counts)

    def usual_root(self) -> Path | None:
        """Return its usual folder, `$ALIGNBENCH_DATA/NAME`; none for packaged sets, or without that variable."""
        base = os.environ.get("ALIGNBENCH_DATA")
        return Path(os.path.expanduser(base)) / self.name if base and not self.packaged else None

    def is_there(self, folder: Path | None) -> bool:
        """Say whether there is something in a folder, or it needs none."""
        try:
            return self.packaged or (folder is not None and folder.is_dir() and any(folder.iterdir()))
        except OSError:  # a folder that may not be looked into is of no use
            return False


def root_folder(name: str, root: Path | None) -> Path:
    """Return the folder of a data set once it is seen to hold something.

    Args:
        name: Name of the data set.
        root: The folder as the user gave it.

    Raises:
        UsageError: If none was given.
        DataError: If it is not there or is empty.
    """
    if root is None:
        raise UsageError(
            f"{name} needs --data-root DIR (or $ALIGNBENCH_DATA/{name}); `alignbench datasets` says where to get it"
        )
    if not root.is_dir():
        raise DataError(f"data root {root} of {name} is not a folder: check --data-root")
    if not any(root.iterdir()):
        raise DataError(f"data root {root} of {name} is empty: see `alignbench datasets` for the download")
    return root
