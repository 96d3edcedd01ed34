"""Numbers of a table come back to the last digit, texts as they are."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.results.csv_table import read_csv_table

HARD_TEXTS = ["007", "1e5", "NA", "nan", "", 'say "so", twice', "Größe\nin zwei Zeilen", "-0.0"]


def written(path: Path, **columns: object) -> Path:
    pd.DataFrame(columns).to_csv(path, index=False)
    return path


def test_numbers_come_back_to_the_last_digit(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    # a converter that rounds the last digit misses about a third of these
    values = [*(rng.random(3_000) * 10.0 ** rng.integers(-300, 300, 3_000)), 5e-324, 1.7976931348623157e308, 0.1 + 0.2]
    path = written(tmp_path / "table.csv", value=values)
    assert read_csv_table(path, ())["value"].tolist() == values


def test_texts_stay_texts(tmp_path: Path) -> None:
    path = written(tmp_path / "table.csv", name=HARD_TEXTS, count=range(len(HARD_TEXTS)))
    frame = read_csv_table(path, ["name"])
    assert frame["name"].tolist() == HARD_TEXTS
    assert frame["count"].tolist() == list(range(len(HARD_TEXTS)))


def test_an_empty_field_is_a_gap_where_there_may_be_one(tmp_path: Path) -> None:
    path = written(tmp_path / "table.csv", low=[0.5, math.nan])
    low = read_csv_table(path, (), gaps=["low"])["low"].tolist()
    assert low[0] == 0.5
    assert math.isnan(low[1])


@pytest.mark.parametrize("field", ["", "high", "0.5 0.6", "0,5", "NA"])
def test_what_is_no_number_is_refused_where_a_number_belongs(tmp_path: Path, field: str) -> None:
    path = written(tmp_path / "table.csv", value=[0.5, field], low=[0.5, 0.25])
    with pytest.raises(ValueError, match="column 'value' holds what is no number"):
        read_csv_table(path, (), gaps=["low"])


@pytest.mark.filterwarnings("error")
def test_reading_warns_of_nothing(tmp_path: Path) -> None:
    assert len(read_csv_table(written(tmp_path / "table.csv", value=[1.5]), ())) == 1


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n1,2,3\n", b"a\n\xff\xfe\n"])
def test_what_is_no_table_is_a_value_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "table.csv").write_bytes(content)
    with pytest.raises(ValueError):  # noqa: PT011 - each version of pandas says it in other words
        read_csv_table(tmp_path / "table.csv", ["a"])


def test_a_file_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_csv_table(tmp_path / "table.csv", ())


@pytest.mark.parametrize(("text", "reason"), [("True", "what is no number"), ("inf", "not finite"), ("-1e999", "not")])
def test_what_is_no_count_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    (tmp_path / "t.csv").write_text(f"n,score\n{text},inf\n")
    with pytest.raises(ValueError, match=f"column 'n' holds .*{reason}"):
        read_csv_table(tmp_path / "t.csv", (), gaps=("score",))
