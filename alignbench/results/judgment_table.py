"""The table of judgments in a run folder: what is needed to score distances again without the data.

It is written and read column by column, since millions of rows of Python objects would fill gigabytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Indices
from alignbench.datasets.judgment_ids import selected_ids
from alignbench.datasets.judgments import Judgments, Subset

if TYPE_CHECKING:
    import pyarrow

COLUMNS = ("id", "subset", "pairs", "value", "cluster", "stimuli")

_AT_ONCE = 65_536  # texts that are made at the same time


def write_judgments(judgments: Judgments, stimuli: Sequence[str] | NDArray[np.bytes_], path: Path) -> None:
    """Write `judgments.parquet`, one row per (subset, judgment).

    Columns: `id`; `subset`; `pairs`, the indices of its pairs; `value`, the rating, the option that people chose, or
    the share of them who preferred the second; `cluster`, what it belongs to when judgments are resampled; `stimuli`,
    a digest of the images, by which runs on the same pictures are known.

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
        return file.read().to_pandas(types_mapper=in_one_buffer)


def matrix(column: Any) -> Indices:
    """A column of lists of equal length, of Arrow or as `read_table` gives it, (rows, length)."""
    import pyarrow

    lists = column if isinstance(column, pyarrow.ChunkedArray) else pyarrow.array(column)
    if isinstance(lists, pyarrow.ChunkedArray):
        lists = lists.combine_chunks()
    flat = lists.flatten().to_numpy(zero_copy_only=False)
    return np.asarray(flat, dtype=np.int64).reshape(len(lists), -1)
