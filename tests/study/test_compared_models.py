"""Pairs of models in one table: the correction over it, what is said of it, and tables without any row."""

from itertools import pairwise
from pathlib import Path

import numpy as np

from alignbench.study.compared_models import COLUMNS, compared_models, corrected_table, difference_row
from factor_grid import made, study_of
from studies import BASE_16, BASE_32, LARGE_14


def test_the_correction_is_holms_over_the_rows(tmp_path: Path) -> None:
    study = study_of(tmp_path, made(BASE_16), made(BASE_32), made(LARGE_14))
    table, notes = compared_models(study, [(BASE_16, BASE_32), (BASE_32, LARGE_14)], ["of my own"])
    assert len(table) == 4
    p = table["p"].to_numpy()
    order = np.argsort(p, kind="stable")
    steps = np.minimum(1.0, np.maximum.accumulate(p[order] * np.arange(4, 0, -1)))
    np.testing.assert_allclose(table["p_holm"].to_numpy()[order], steps)
    off = (table["ci_low"] > 0) | (table["ci_high"] < 0)
    assert table["separable"].tolist() == (off & (table["p_holm"] < 0.05)).tolist()
    assert notes[-1] == "of my own"
    assert any("correction for the 4 rows" in note for note in notes)


def test_a_row_is_the_difference_of_the_values_beside_it(tmp_path: Path) -> None:
    [group] = study_of(tmp_path, made(BASE_16), made(BASE_32)).groups
    keys = [(label, "normalized_euclidean") for label in (BASE_16, BASE_32)]
    row = difference_row(group, keys[0], keys[1], "projection", ("one", "two"))
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
