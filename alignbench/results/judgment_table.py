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
from alignbench.datasets.judgments import Judgments, Subset, subjects_of
from alignbench.datasets.responses import Responses

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("id", "subset", "pairs", "value", "cluster", "stimuli")
_ERROR = "error"  # of mean ratings, where it is known
_OBJECTS = "objects"  # of judgments whose clusters are others, where they are known
_SUBJECTS = "subjects"  # what each subject said, where it is known
_PARTICIPANT, _SECONDS = "participant", "seconds"  # who judged, and how long it took, where that is known
_FURTHER = (_ERROR, _OBJECTS, _SUBJECTS, _PARTICIPANT, _SECONDS)

_AT_ONCE = 65_536  # texts that are made at the same time


def write_judgments(judgments: Judgments, stimuli: Sequence[str] | NDArray[np.bytes_], path: Path) -> None:
    """Write `judgments.parquet`, one row per (subset, judgment).

    Columns: `id`; `subset`; `pairs`, the indices of its pairs; `value`, the rating, the option that people chose, or
    the share of them who preferred the second; `cluster`, what it belongs to when judgments are resampled; `stimuli`,
    a digest of the images, by which runs on the same pictures are known; `error`, the standard error of a mean rating,
    where these are known; `objects`, where a subset has objects beside its clusters; `subjects`, what each subject
    said, where that is known, with NaN where one did not judge; and `participant` and `seconds`, a number for who
    judged and how long it took, where that is known, with NaN for a time that is not.

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
    further: dict[str, Any] = {}
    if judgments.rating_errors is not None:
        further[_ERROR] = judgments.rating_errors[rows]
    if any(each.objects is not None for each in (*judgments.subsets, *judgments.parts)):
        none = np.empty((len(rows), 0), dtype=np.int64)
        further[_OBJECTS] = _lists(none if subset.objects is None else subset.objects)
    if judgments.subject_ratings is not None:
        further[_SUBJECTS] = _lists(judgments.subject_ratings[rows])
    if judgments.responses is not None:
        answers = judgments.responses.taken(rows)
        further |= {_PARTICIPANT: answers.participants, _SECONDS: answers.seconds}
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


def _lists(matrix: Indices | Floats) -> pyarrow.ListArray:
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

    def are_numbers(kind: pyarrow.DataType) -> bool:
        return bool(types.is_list(kind) and types.is_floating(kind.value_type))

    def is_number(kind: pyarrow.DataType) -> bool:
        return bool(types.is_integer(kind) or types.is_floating(kind))

    expected = {"value": is_number, _ERROR: is_number, **dict.fromkeys(("pairs", "cluster", _OBJECTS), is_indices)}
    expected |= {_SUBJECTS: are_numbers, _PARTICIPANT: types.is_integer, _SECONDS: types.is_floating}
    for name in (name for name in (*COLUMNS, *_FURTHER) if name in table.schema.names):
        column = table[name]
        if not expected.get(name, is_text)(column.type):
            raise ValueError(f"its column {name} is of another type than ours")
        inner = [
            part
            for part in column.chunks
            if expected.get(name) in (is_indices, are_numbers) and part.flatten().null_count
        ]
        if column.null_count or inner:
            raise ValueError(f"its column {name} has gaps")


def matrix(column: Any) -> Indices:
    """A column of lists of indices of equal length, of Arrow or as `read_table` gives it, (rows, length)."""
    return _matrix(column).astype(np.int64)


def ratings_of_subjects(column: Any) -> Floats | None:
    """What each subject said of judgments, (n, subjects), from their column; none if nobody said anything."""
    return subjects_of(_matrix(column).astype(np.float64))


def subjects_in(table: pd.DataFrame) -> Floats | None:
    """The same of a table of judgments, see `read_table`; none if it has no such column."""
    return ratings_of_subjects(table[_SUBJECTS]) if _SUBJECTS in table else None


def _matrix(column: Any) -> NDArray[Any]:
    import pyarrow

    lists = column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.array(column)
    if isinstance(lists, pyarrow.ChunkedArray):
        lists = lists.combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat).reshape(len(lists), -1)


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
        subject_ratings: What each subject said, (n, subjects), where that is known.
        responses: Who made each judgment, and how long it took, where that is known.
    """

    human: Floats
    clusters: Indices
    options: Indices
    digest: str
    errors: Floats | None = None
    objects: Indices | None = None
    subject_ratings: Floats | None = None
    responses: Responses | None = None


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
        each = ratings_of_subjects(rows[_SUBJECTS]) if _SUBJECTS in rows.schema.names else None
        digest, answers = _digest(human, rows, each), _responses_of(rows)
        found[subset] = SubsetJudgments(human, clusters, options, digest, errors, objects, each, answers)
    return found


def _responses_of(rows: pyarrow.Table) -> Responses | None:
    """Who made some judgments, and how long it took; none if that was not written."""
    if not {_PARTICIPANT, _SECONDS} <= {*rows.schema.names}:
        return None
    return Responses(*(rows[name].to_numpy() for name in (_PARTICIPANT, _SECONDS)))


def _digest(human: Floats, rows: pyarrow.Table, each: Floats | None) -> str:
    """Digest of what people, and where it is known each subject, said of what, a part of the texts at a time."""
    digest = hashlib.sha256(human.tobytes() if each is None else human.tobytes() + each.tobytes())
    for column in ("id", "stimuli"):
        for start in range(0, len(human), _AT_ONCE):
            texts = rows[column].slice(start, _AT_ONCE).to_pylist()
            digest.update(("\0" * (start > 0) + "\0".join(texts)).encode())
    return digest.hexdigest()
