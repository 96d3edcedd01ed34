"""Pairs of models in one table: the correction over it, what is said of it, and tables without any row."""

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from alignbench.statistics.paired import PairedDifference
from alignbench.study.compared_models import COLUMNS, Uncorrected, compared_models, corrected_table, difference_row
from factor_grid import made, study_of
from studies import BASE_16, BASE_32, LARGE_14

ABOUT = (
    "dataset",
    "level",
    "protocol",
    "subset",
    "distance",
    "first",
    "second",
    "n",
    "n_clusters",
    "interval",
    "part",
    "way",
)


def test_intervals_and_p_are_corrected_for_the_rows_and_agree(tmp_path: Path) -> None:
    study = study_of(tmp_path, made(BASE_16), made(BASE_32), made(LARGE_14))
    table, notes = compared_models(study, [(BASE_16, BASE_32), (BASE_32, LARGE_14)], ["of my own"])
    assert len(table) == 4
    np.testing.assert_allclose(table["p_corrected"], np.minimum(1.0, 4 * table["p"]))
    off = (table["corrected_low"] > 0) | (table["corrected_high"] < 0)
    assert table["separable"].tolist() == off.tolist() == (table["p_corrected"] < 0.05).tolist()
    assert (table["corrected_low"] < table["ci_low"]).all()
    assert (table["corrected_high"] > table["ci_high"]).all()
    assert notes[-1] == "of my own"
    assert any("corrected for the 4 rows" in note for note in notes)


def test_a_row_is_the_difference_of_the_values_beside_it(tmp_path: Path) -> None:
    [group] = study_of(tmp_path, made(BASE_16), made(BASE_32)).groups
    keys = [(label, "normalized_euclidean") for label in (BASE_16, BASE_32)]
    asked = difference_row(group, keys[0], keys[1], "projection", ("one", "two"))
    row = corrected_table([asked]).loc[0]
    scores = [scores[-1, 0] for scores in group.scores(keys)]
    assert (row["first"], row["second"], row["place"]) == ("one", "two", "projection")
    np.testing.assert_allclose(
        [row["value_first"], row["value_second"], row["difference"]], [*scores, scores[0] - scores[1]]
    )


def test_nothing_to_compare_is_an_empty_table(tmp_path: Path) -> None:
    assert list(corrected_table([]).columns) == list(COLUMNS)
    study = study_of(tmp_path, made(BASE_16), made(BASE_32, protocol="corrected"))
    table, notes = compared_models(study, list(pairwise((BASE_16, BASE_32))), [])
    assert table.empty
    assert any("not compared" in note for note in notes)


def test_one_stray_resample_does_not_hide_what_is_clearly_separable() -> None:
    """A bootstrap's p of twice two in 1,001 would stand at 0.068 in 17 rows, 8 standard errors away from 0."""
    error, stray = 0.025, 2 * 2 / 1001
    smallest = (1.959964 + 0.841621) * error
    found = PairedDifference("layer", 50.0, 0.7, 0.5, "", "", 0.2, 0.15, 0.25, stray, smallest, math.inf)
    table = corrected_table([Uncorrected(dict.fromkeys(ABOUT), (-1.0, 1.0), lambda _: [found])] * 17)
    reach = 1.959964 + 0.15 / error  # where a normal interval around the difference would end at 0
    assert table["p_corrected"].to_numpy() == pytest.approx(17 * math.erfc(reach / math.sqrt(2)), rel=1e-4)
    ends = 0.15 - (2.973821 - 1.959964) * error, 0.25 + (2.973821 - 1.959964) * error  # 1 - 0.025 / 17
    assert tuple(table.loc[0, ["corrected_low", "corrected_high"]]) == pytest.approx(ends, abs=1e-5)
    assert table["separable"].all()


def test_a_corrected_interval_ends_where_a_difference_can_be_no_larger() -> None:
    found = PairedDifference("layer", 50.0, 0.7, 0.5, "", "", 0.2, -0.9, 1.0, 0.6, 0.6, 30.0)
    ends = {
        limits: corrected_table([Uncorrected(dict.fromkeys(ABOUT), limits, lambda _: [found])] * 9).loc[0]
        for limits in ((-1.0, 1.0), (-2.0, 2.0))
    }
    assert (ends[-1.0, 1.0]["corrected_low"], ends[-1.0, 1.0]["corrected_high"]) == (-1.0, 1.0)
    assert -2.0 < ends[-2.0, 2.0]["corrected_low"] < -1.0
