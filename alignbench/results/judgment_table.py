"""The table of judgments in a run folder: what is needed to score distances again without the data.

It is written and read column by column, since millions of rows of Python objects would fill gigabytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgment_ids import selected_ids
from alignbench.datasets.judgments import Judgments, Subset

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("id", "subset", "pairs", "value", "cluster", "stimuli")
_ERROR = "error"  # of mean ratings, where it is known
_OBJECTS = "objects"  # of judgments whose clusters are others, where they are known
_FURTHER = (_ERROR, _OBJECTS)

_AT_ONCE = 65_536  # texts that are made at the same time


def write_judgments(judgments: Judgments, stimuli: Sequence[str] | NDArray[np.bytes_], path: Path) -> None:
    """Write `judgments.parquet`, one row per (subset, judgment).

    Columns: `id`; `subset`; `pairs`, the indices of its pairs; `value`, the rating, the option that people chose, or
    the share of them who preferred the second; `cluster`, what it belongs to when judgments are resampled; `stimuli`,
    a digest of the images, by which runs on the same pictures are known; `error`, the standard error of a mean rating,
    where these are known; and `objects`, where a subset has objects beside its clusters.

    Args:
        judgments: What people said.
        stimuli: The digest of each judgment.
        path: The file.
    """
    import pyarrow
    from pyarrow import parquet

    digests = np.asarray(stimuli, dtype=np.bytes_)
    parts = [_rows(judgments, subset, digests) for subset in (*judgments.subsets, *judgments.parts)]
    parquet.write_table(pyarrow.concat_tables(parts), path)


def _rows(judgments: Judgments, subset: Subset, digests: NDArray[np.bytes_]) -> pyarrow.Table:
    import pyarrow

    text, rows = pyarrow.large_string(), subset.rows
    ids = selected_ids(judgments.ids, rows)
    further = {} if judgments.rating_errors is None else {_ERROR: judgments.rating_errors[rows]}
    if any(each.objects is not None for each in (*judgments.subsets, *judgments.parts)):
        none = np.empty((len(rows), 0), dtype=np.int64)
        further[_OBJECTS] = _lists(none if subset.objects is None else subset.objects)
    return pyarrow.table(
        {
            "id": pyarrow.chunked_array(
                [list(ids[start : start + _AT_ONCE]) for start in range(0, len(ids), _AT_ONCE)], type=text
            ),
            "subset": pyarrow.repeat(pyarrow.scalar(subset.name, text), len(rows)),
            "pairs": _lists(judgments.judged[rows]),
            "value": judgments.human[rows],
            "cluster": _lists(subset.clusters),
            "stimuli": pyarrow.array(digests[rows]).cast(text),
        }
        | further
    )


def _lists(matrix: Indices) -> pyarrow.ListArray:
    """The rows of a matrix as lists."""
    import pyarrow

    rows, length = matrix.shape
    ends = np.arange(rows + 1, dtype=np.int32) * np.int32(length)
    return pyarrow.ListArray.from_arrays(ends, np.ascontiguousarray(matrix).reshape(-1))


def read_table(path: Path) -> pd.DataFrame:
    """All of `judgments.parquet`; lists stay in one buffer, for `matrix`."""
    import pyarrow
    from pyarrow import parquet

    def in_one_buffer(kind: pyarrow.DataType) -> pd.ArrowDtype | None:
        return pd.ArrowDtype(kind) if pyarrow.types.is_list(kind) else None

    with parquet.ParquetFile(path) as file:
        table = file.read()
    _check(table)
    return table.to_pandas(types_mapper=in_one_buffer)


def _check(table: pyarrow.Table) -> None:
    """Refuse a table whose columns are not there, are of other types than ours, or have gaps.

    Raises:
        ValueError: If one is; names the column.
    """
    from pyarrow import types

    lacking = [name for name in COLUMNS if name not in table.schema.names]
    if lacking:
        raise ValueError(f"it lacks {', '.join(sorted(lacking))}")

    def is_text(kind: pyarrow.DataType) -> bool:
        return bool(types.is_string(kind) or types.is_large_string(kind))

    def is_indices(kind: pyarrow.DataType) -> bool:
        return bool(types.is_list(kind) and types.is_integer(kind.value_type))

    def is_number(kind: pyarrow.DataType) -> bool:
        return bool(types.is_integer(kind) or types.is_floating(kind))

    expected = {"value": is_number, _ERROR: is_number, **dict.fromkeys(("pairs", "cluster", _OBJECTS), is_indices)}
    for name in (name for name in (*COLUMNS, *_FURTHER) if name in table.schema.names):
        column = table[name]
        if not expected.get(name, is_text)(column.type):
            raise ValueError(f"its column {name} is of another type than ours")
        inner = [part for part in column.chunks if expected.get(name) is is_indices and part.flatten().null_count]
        if column.null_count or inner:
            raise ValueError(f"its column {name} has gaps")


def matrix(column: Any) -> Indices:
    """A column of lists of equal length, of Arrow or as `read_table` gives it, (rows, length)."""
    import pyarrow

    lists = column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.array(column)
    if isinstance(lists, pyarrow.ChunkedArray):
        lists = lists.combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.int64).reshape(len(lists), -1)


def objects_of(column: Any) -> Indices | None:
    """The objects of judgments, (n, m), from their column; none where it has none."""
    found = matrix(column)
    return found if found.size else None


@dataclass(frozen=True, eq=False)
class SubsetJudgments:
    """The judgments of one subset, in the order of their ids or of the file.

    Attributes:
        human: The rating, the option that people chose, or the share of them who preferred the second, (n,).
        clusters: What is resampled, (n, m).
        options: Pairs of each judgment among the distances of its run, (n, k).
        digest: Equal for runs whose people saw and said the same.
        errors: Standard errors of mean ratings, (n,), where they are known.
        objects: See `Subset.objects`.
    """

    human: Floats
    clusters: Indices
    options: Indices
    digest: str
    errors: Floats | None = None
    objects: Indices | None = None


def read_subsets(path: Path, subsets: Sequence[str], by_id: bool = True) -> dict[str, SubsetJudgments]:
    """The judgments of some subsets of a `judgments.parquet`, by subset.

    Args:
        path: The file.
        subsets: Names of the subsets.
        by_id: Whether they are in the order of their ids, which runs share, and not of the file.

    Raises:
        ValueError: If it lacks a column or a subset.
        Exception: Whatever Arrow makes of a file that it cannot read.
    """
    import pyarrow.compute as pc
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        table = file.read(columns=[name for name in (*COLUMNS, *_FURTHER) if name in file.schema_arrow.names])
    _check(table)
    found = {}
    for subset in subsets:
        rows = table.filter(pc.equal(table["subset"], subset))
        rows = (rows.sort_by("id") if by_id else rows).combine_chunks()
        if not rows.num_rows:
            raise ValueError(f"it lacks subset {subset}")
        human = rows["value"].to_numpy().astype(np.float64)
        clusters, options = (matrix(rows[column]) for column in ("cluster", "pairs"))
        if not np.isfinite(human).all() or options.min(initial=0) < 0:
            raise ValueError(f"subset {subset} has a value or a pair that cannot be")
        errors = rows[_ERROR].to_numpy().astype(np.float64) if _ERROR in rows.schema.names else None
        objects = objects_of(rows[_OBJECTS]) if _OBJECTS in rows.schema.names else None
        found[subset] = SubsetJudgments(human, clusters, options, _digest(human, rows), errors, objects)
    return found


def _digest(human: Floats, rows: pyarrow.Table) -> str:
    """Digest of what people said of what, a part of the texts at a time."""
    digest = hashlib.sha256(human.tobytes())
    for column in ("id", "stimuli"):
        for start in range(0, len(human), _AT_ONCE):
            texts = rows[column].slice(start, _AT_ONCE).to_pylist()
            digest.update(("\0" * (start > 0) + "\0".join(texts)).encode())
    return digest.hexdigest()
