"""The inventory of a data set: what of it is on disk, and which pictures are missing or damaged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from alignbench.datasets.data_set import DataSet
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Subset
from alignbench.datasets.numbering import numbered_rows

_SHOWN = 10


@dataclass(frozen=True)
class Inventory:
    """What is there of a data set.

    Attributes:
        lines: The lines to show.
        complete: Whether every picture that the judgments name is there and can be read.
    """

    lines: tuple[str, ...]
    complete: bool


def describe(data_set: DataSet, root: Path | None, subsets: tuple[str, ...]) -> Inventory:
    """Count what a data set has, and find what it lacks.

    Args:
        data_set: The data set.
        root: Its folder; none for a packaged set.
        subsets: Subsets to count; empty for the default one.

    Raises:
        DataError: If the judgments themselves are missing or malformed.
    """
    judgments = data_set.read(root, subsets or (data_set.default_subset,))
    unit = "ratings" if data_set.kind == "rating" else "triplets"
    lines = [f"{data_set.name}: {data_set.summary}"]
    for subset in judgments.subsets:
        columns = judgments.judged[subset.rows]
        distinct = len(np.unique(numbered_rows(np.sort(columns, axis=1))))
        repeated = f" ({distinct:,} distinct)" if distinct < len(columns) else ""
        lines.append(f"subset {subset.name}: {len(columns):,} {unit}{repeated}{_unlike_published(data_set, subset)}")
    if data_set.ceiling_note and judgments.rating_errors is None:
        lines.append(f"no noise ceiling: {data_set.ceiling_note}")
    lines.append(f"{len(judgments.pairs):,} distinct pairs of {len(judgments.images.names):,} images")
    faults = judgments.images.faults() if isinstance(judgments.images, FileImages) else []
    if faults:
        lines.append(f"{len(faults):,} images are missing or unreadable:")
        lines += [f"  {fault}" for fault in faults[:_SHOWN]]
        lines += [f"  ... and {len(faults) - _SHOWN:,} more"] if len(faults) > _SHOWN else []
        lines.append(f"get them from {data_set.home}")
    else:
        lines.append("every image is there and can be read")
    lines.append(f"source: {data_set.home}; terms: {data_set.terms}")
    return Inventory(tuple(lines), complete=not faults)


def _unlike_published(data_set: DataSet, subset: Subset) -> str:
    """Say that a subset has fewer or more judgments than its authors published; empty if it has as many."""
    here = len(subset.rows)
    published = data_set.published_counts("paper").get(subset.name, here)
    if here == published:
        return ""
    return f", {'fewer' if here < published else 'more'} than the {published:,} that were published"
