"""Tables of features: which column names the pictures, and what is no number."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.io import savemat

from alignbench.errors import DataError
from alignbench.extraction.feature_tables import read_matlab, read_named_table, read_text_array

ROWS = np.array([[0.5, -2.0], [3.0, 1e-3]])


def _write(path: Path, frame: pd.DataFrame, **options: object) -> Path:
    if path.suffix == ".parquet":
        frame.to_parquet(path, **options)  # type: ignore[call-overload]
    else:
        frame.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", **options)  # type: ignore[call-overload]
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
@pytest.mark.parametrize("column", ["file_name", "image", "concept", "whatever"])
def test_names_are_in_a_column_called_so_or_in_the_first(suffix: str, column: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"one": ROWS[:, 0], column: ["001", "NA"], "two": ROWS[:, 1]})
    if column == "whatever":
        frame = frame[["whatever", "one", "two"]]
    names, numbers = read_named_table(_write(tmp_path / f"it{suffix}", frame, index=False))
    assert names == ("001", "NA")
    np.testing.assert_array_equal(numbers, ROWS)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_names_may_be_the_index_that_pandas_writes(suffix: str, tmp_path: Path) -> None:
    frame = pd.DataFrame(ROWS, index=["ice", "lamp"], columns=["one", "two"])
    names, numbers = read_named_table(_write(tmp_path / f"it{suffix}", frame))
    assert names == ("ice", "lamp")
    np.testing.assert_array_equal(numbers, ROWS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("image,a,b\nx,1,red\ny,2,blue\n", "the column 'b' holds other things than numbers"),
        (",image,a\n0,x,1\n1,y,2\n", "the column '' has no name"),
        ("Unnamed: 0,image,a\n0,x,1\n1,y,2\n", "the column 'Unnamed: 0' has no name"),
        ("image,concept,a\nx,y,1\n", "has the columns image and concept: leave the one"),
        ("image\nx\n", "has 1 column: it needs one of names"),
        ("image,a,b\nx,1,True\ny,2,False\n", "'b' holds other things than numbers"),
    ],
)
def test_what_is_no_table_of_features_is_said(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text(text)
    with pytest.raises(DataError, match=re.escape(said)):
        read_named_table(tmp_path / "it.csv")


@pytest.mark.parametrize("text", ["", "image,a,a\nx,1,2\n", "image,a\nx,1,2\ny,3\n", "image,a\nx,1,2\ny,3,4\n"])
def test_what_pandas_would_mend_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text(text)
    with pytest.raises((ValueError, pd.errors.ParserWarning)):
        read_named_table(tmp_path / "it.csv")


def test_an_empty_field_is_not_finite(tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text("image,a,b\nx,1,\ny,2,3\n")
    _, numbers = read_named_table(tmp_path / "it.csv")
    np.testing.assert_array_equal(numbers, [[1, np.nan], [2, 3]])


def test_numbers_where_names_belong_are_refused_in_parquet(tmp_path: Path) -> None:
    pd.DataFrame(ROWS, columns=["one", "two"]).to_parquet(tmp_path / "it.parquet")
    with pytest.raises(DataError, match="the column one holds no names"):
        read_named_table(tmp_path / "it.parquet")


def test_lines_of_different_lengths_are_refused(tmp_path: Path) -> None:
    (tmp_path / "it.txt").write_text("1 2\n3 4\n")
    np.testing.assert_array_equal(read_text_array(tmp_path / "it.txt"), [[1, 2], [3, 4]])
    (tmp_path / "it.txt").write_text("1 2\n3\n")
    with pytest.raises(ValueError, match="columns"):
        read_text_array(tmp_path / "it.txt")


NAMES = ("a/x.png", "y.jpg")


def test_a_matlab_file_has_one_variable_or_one_for_each_picture(tmp_path: Path) -> None:
    maps = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    for values in (ROWS, maps):
        savemat(tmp_path / "it.mat", {"features": values})
        np.testing.assert_array_equal(read_matlab(tmp_path / "it.mat", NAMES), values)
        savemat(tmp_path / "it.mat", {"y": values[1], "a/x": values[0]})
        np.testing.assert_array_equal(read_matlab(tmp_path / "it.mat", NAMES), values)


@pytest.mark.parametrize(
    ("variables", "names", "said"),
    [
        ({"a/x": ROWS[0], "y": ROWS[1], "z": ROWS[1]}, NAMES, "holds 1 variables that are of no picture (z)"),
        ({"a/x": ROWS[0]}, NAMES, "holds none of 1 pictures (y)"),
        ({"features": ROWS, "others": ROWS}, NAMES, "holds 2 variables that are of no picture (features, others)"),
        ({"a/x": ROWS[0], "y": ROWS[1, :1]}, NAMES, "pictures have features of different shapes"),
        ({"y": ROWS[0]}, ("y.png", "y.jpg"), "names pictures without their endings"),
    ],
)
def test_other_variables_are_said(
    variables: dict[str, np.ndarray], names: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    savemat(tmp_path / "it.mat", variables)
    with pytest.raises(DataError, match=re.escape(said)):
        read_matlab(tmp_path / "it.mat", names)
