"""Features in tables that people and other tools write: `.csv`, `.tsv`, `.parquet`; thingsvision's `.txt` and `.mat`.

They are read whole: a table of 26,107 x 768 numbers takes 0.2 GB.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.datasets.matrix_files import variables
from alignbench.errors import DataError, shortened
from alignbench.files import open_plain

if TYPE_CHECKING:
    import pandas as pd

NAME_COLUMNS: Final = ("file_name", "image", "concept")
SEPARATORS: Final = {".csv": ",", ".tsv": "\t"}
_UNNAMED: Final = re.compile(r"|Unnamed: \d+")  # the second is what pandas calls a column without a name
_PICTURE: Final = re.compile(r"\.(eps|jpg|jpeg|png|PNG|tif|tiff)$")  # endings that thingsvision takes off in a .mat
_SHOWN: Final = 3


def read_named_table(path: Path) -> tuple[tuple[str, ...], NDArray[Any]]:
    """Read a table with a row for each picture: its name in one column, numbers in all others.

    The names are in the column `file_name`, `image` or `concept` if there is one, else in the first.

    Args:
        path: `.csv`, `.tsv` or `.parquet`.

    Returns:
        The names, and the numbers, (n, channels).

    Raises:
        DataError: If two columns could be that of the names or have one name, or one holds anything but numbers.
        ValueError: If it is no such table; and other errors of pandas'.
    """
    table = _parquet(path) if path.suffix == ".parquet" else _text_table(path)
    if not len(table):
        raise DataError(f"{path} has no rows: write one for each picture")
    column = _name_column(path, [str(name) for name in table.columns])
    named = table.iloc[:, column]
    if not all(isinstance(name, str) for name in named):
        name = shortened(table.columns[column])
        raise DataError(f"{path}: the column {name} holds no names: put them into a column file_name")
    numbers = table.drop(columns=table.columns[column])
    for name, kind in zip(numbers.columns, numbers.dtypes, strict=True):
        if getattr(kind, "kind", "O") not in "fiu" or _UNNAMED.fullmatch(str(name)):
            what = "has no name" if _UNNAMED.fullmatch(str(name)) else "holds other things than numbers"
            raise DataError(
                f"{path}: the column {shortened(repr(str(name)))} {what}: leave names in one column, called file_name, "
                "image or concept, and nothing but features in all others"
            )
    return tuple(named), numbers.to_numpy()


def _text_table(path: Path) -> pd.DataFrame:
    import pandas as pd

    how: dict[str, Any] = {"sep": SEPARATORS[path.suffix], "encoding": "utf-8-sig", "index_col": False}
    with open_plain(path) as file, warnings.catch_warnings():
        warnings.simplefilter("error", pd.errors.ParserWarning)  # a row that is too long would lose its end
        columns = pd.read_csv(file, nrows=1, header=None, dtype=str, keep_default_na=False, **how).iloc[0].tolist()
        if len(set(columns)) < len(columns):
            raise ValueError("two columns have one name")
        names = _name_column(path, columns)
        file.seek(0)
        blanks = {column: [""] for place, column in enumerate(columns) if place != names}
        # a concept may be called nan or NA
        return pd.read_csv(
            *(file,),
            names=columns,
            header=0,
            dtype={columns[names]: str},
            keep_default_na=False,
            na_values=blanks,
            low_memory=False,
            **how,
        )


def _parquet(path: Path) -> pd.DataFrame:
    import pandas as pd

    open_plain(path).close()
    table = pd.read_parquet(path)
    return table if isinstance(table.index, pd.RangeIndex) else table.reset_index()


def _name_column(path: Path, columns: Sequence[str]) -> int:
    """The place of the column that holds the names."""
    named = [place for place, column in enumerate(columns) if column in NAME_COLUMNS]
    if len(named) > 1:
        both = " and ".join(columns[place] for place in named)
        raise DataError(f"{path} has the columns {both}: leave the one that names the pictures")
    if len(columns) < 2:
        raise DataError(f"{path} has {len(columns)} column: it needs one of names, and one or more of features")
    return named[0] if named else 0


def read_text_array(path: Path) -> NDArray[Any]:
    """Read numbers in columns, a row a line, (n, channels).

    Raises:
        ValueError: If they are none, or lines are of different lengths.
    """
    with open_plain(path) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is refused by its shape
        return np.loadtxt(file, ndmin=2)


def read_matlab(path: Path, names: Sequence[str]) -> NDArray[Any]:
    """Read a `.mat` as thingsvision writes it: a variable `features`, or one for each picture, called after its file.

    Args:
        path: The file.
        names: Names of the pictures, in order.

    Returns:
        (n, ...).

    Raises:
        DataError: If it holds neither, or pictures have features of different shapes.
    """
    found = variables(path)
    if set(found) == {"features"}:
        return np.asarray(found["features"])
    rows = {_PICTURE.sub("", name): name for name in names}
    if len(rows) < len(names):
        raise DataError(f"{path} names pictures without their endings, which makes two alike: save them as .npy")
    others = [name for name in found if name not in rows]
    lacking = [name for name in rows if name not in found]
    if others or lacking:
        some = ", ".join(map(shortened, (others or lacking)[:_SHOWN]))
        fault = f"{len(others):,} variables that are of no picture" if others else f"none of {len(lacking):,} pictures"
        raise DataError(
            f"{path} holds {fault} ({some}): it holds one variable features, or one for each name of file_names.txt"
        )
    arrays = [np.asarray(found[name]) for name in rows]
    if len({array.shape for array in arrays}) > 1:
        raise DataError(f"{path}: pictures have features of different shapes: save one array a layer, as .npy")
    stacked = np.stack(arrays)
    return stacked[:, 0] if stacked.ndim == 3 and stacked.shape[1] == 1 else stacked  # MATLAB has no vectors
