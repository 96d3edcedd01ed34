"""A data set as the registry offers it: what it is, where to get it, and how its judgments are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from alignbench.datasets.judgments import Judgments, Kind
from alignbench.errors import DataError, UsageError


@dataclass(frozen=True)
class Corrected:
    """How the corrected protocol measures a data set.

    Attributes:
        subsets: Measured by default.
        calibration: Subset whose pairs m[c] is fitted on; none to leave out each cluster (reference image) in turn.
        fewest_votes: Judgments that fewer people made are left out.
    """

    subsets: tuple[str, ...]
    calibration: str | None = None
    fewest_votes: int = 0


@dataclass(frozen=True)
class DataSet:
    """A data set that the registry can offer.

    Attributes:
        name: e.g. `nights`.
        level: `low`, `middle` or `high`.
        kind: `rating`, `choice` or `preference`.
        summary: One line: what it is.
        home: Where to get it.
        terms: Under which terms.
        default_subset: The paper's.
        subsets: All subset names, or patterns of them.
        read: Judgments of the named subsets below a root (none for packaged sets). Does not look into the images.
        packaged: Whether it needs no files.
        complete: How many judgments the whole default subset has; none where that is not fixed.
        common_side: Side in pixels to which images are brought for pair metrics (PIL, bicubic), for sets whose images
            differ in size; none where they are compared at their native size.
        corrected: How the corrected protocol measures it; none if it cannot.
        published_ceiling: The noise ceiling that its authors give, for subsets without repeated judgments.
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


def root_folder(name: str, root: Path | None) -> Path:
    """The folder of a data set on disk.

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
