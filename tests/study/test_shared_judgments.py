"""What two run folders share, and which may not be put side by side, in folders that are made up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.results.stored_run import StoredRun
from alignbench.study.shared_judgments import Side, check_comparable, fitted_apart, read_side, shared_judgments
from factor_grid import made
from studies import BASE_16, BASE_32, Made, write_made

COSINE = ("cosine",)


def side(root: Path, model: str = BASE_16, dataset: str = "nights", **changes: object) -> Side:
    one = replace(made(model, dataset, {"nights": "middle", "tid2013": "low"}[dataset], distances=COSINE), **changes)
    return read_side(write_made(one, root))


def test_a_side_has_the_curves_and_judgments_of_its_folder(tmp_path: Path) -> None:
    found = side(tmp_path, protocol="corrected")
    stored = StoredRun(found.stored.folder)
    assert (found.label, found.layers) == (BASE_16, stored.layers)
    assert len(found.judgments) == len(pd.read_parquet(found.stored.folder / "judgments.parquet"))
    pairs = np.array([[3, 1], [0, 2]])
    judged = found.judged(pairs)
    np.testing.assert_array_equal(np.stack(list(judged.distances)), found.distances["cosine"])
    assert (judged.kind, judged.share_ties) == ("choice", True)
    np.testing.assert_array_equal(judged.options, pairs)
    assert not side(tmp_path / "paper").judged(pairs).share_ties


def test_judgments_of_both_come_with_the_pairs_of_each(tmp_path: Path) -> None:
    first = side(tmp_path).judgments
    second = first.iloc[::-1][:20].assign(pairs=[[row, row + 1] for row in range(20)])
    found = shared_judgments(first, second)
    assert set(found["id"]) == set(second["id"])
    for row in found.itertuples():
        assert list(row.pairs) == list(first.loc[first["id"] == row.id, "pairs"].iloc[0])
        assert list(row.pairs_second) == list(second.loc[second["id"] == row.id, "pairs"].iloc[0])
    assert shared_judgments(first, second.assign(id="another")).empty


@pytest.mark.parametrize("column", ["value", "stimuli"])
def test_judgments_that_differ_are_refused(tmp_path: Path, column: str) -> None:
    first = side(tmp_path).judgments
    second = first.copy()
    second.loc[second.index[:2], column] = 1.0 - second["value"] if column == "value" else "another picture"
    name = first["id"].iloc[0]
    with pytest.raises(
        DataError, match=f"^the runs saw different data: 2 of {len(first)} shared .*{name}.*on one copy"
    ):
        shared_judgments(first, second)


def test_runs_that_may_not_be_compared(tmp_path: Path) -> None:
    first = side(tmp_path)
    check_comparable(first, side(tmp_path / "other", BASE_32))
    check_comparable(first, side(tmp_path / "corrected", protocol="corrected"))
    with pytest.raises(DataError, match=r"^the runs are on nights and tid2013, and share no judgments$"):
        check_comparable(first, side(tmp_path, BASE_32, "tid2013"))
    with pytest.raises(UsageError, match=r"^the runs differ in both model .* and protocol .*measure both by one"):
        check_comparable(first, side(tmp_path / "both", BASE_32, protocol="corrected"))
    elsewhere = side(tmp_path / "copy", BASE_32, settings={"data_fingerprint": "f" * 64})
    with pytest.raises(DataError, match=r"^the runs saw different data \(fingerprints 0{8} and f{8}\): measure both"):
        check_comparable(first, elsewhere)


def test_a_run_that_does_not_say_what_it_is_cannot_be_compared(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nothing"):
        read_side(tmp_path / "nothing")


@pytest.mark.parametrize(("name", "apart"), [("cosine", False), ("normalized_euclidean", True)])
def test_only_normalised_distances_are_fitted(tmp_path: Path, name: str, apart: bool) -> None:
    runs = [
        StoredRun(write_made(Made(BASE_16, "nights", 40, lambda *_: 0.7, (name,), settings=fitted), tmp_path / number))
        for number, fitted in (("1", {"calibration_fingerprint": "a"}), ("2", {"calibration_fingerprint": "b"}))
    ]
    assert fitted_apart(*runs) == apart
    assert not fitted_apart(runs[0], runs[0])
