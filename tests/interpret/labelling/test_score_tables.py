"""Intervals and p-values of scores, on numbers whose quantiles and ranks are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.interpret.labelling.measures import BETTER
from alignbench.interpret.labelling.score_tables import score_rows


def frame(values: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(dict.fromkeys(BETTER, values), dtype=np.float64)


def test_intervals_are_the_middle_of_the_draws_and_p_counts_what_is_as_good() -> None:
    ours, values = dict.fromkeys(BETTER, 0.8), np.empty(0)
    table = score_rows(ours, frame(np.linspace(0, 1, 1001)), frame(np.linspace(0, 1, 11))).set_index("measure")
    assert (table["low"] == 0).all(), "0.025 less the bias of 0.3"
    assert (table["high"].drop("entropy") == 1).all(), "1.575 is more than a share can be"
    assert table.loc["entropy", "high"] == pytest.approx(2 * 0.8 - 0.025 + 0.3)
    lower = score_rows(dict.fromkeys(BETTER, 0.3), frame(np.linspace(0.4, 0.5, 1001)), frame(values[:0]))
    assert lower["low"].to_numpy() == pytest.approx(np.zeros(len(BETTER)), abs=1e-12), "0.6 - 0.4975 - 0.15"
    assert lower["high"].to_numpy() == pytest.approx(np.full(len(BETTER), 0.4975 + 0.15))
    near = score_rows(dict.fromkeys(BETTER, 0.44), frame(np.linspace(0.4, 0.5, 1001)), frame(values[:0]))
    assert near["low"].to_numpy() == pytest.approx(np.full(len(BETTER), 0.88 - 0.4975 - 0.01)), "mirrored at the score"
    assert near["high"].to_numpy() == pytest.approx(np.full(len(BETTER), 0.4975 + 0.01))
    assert table["baseline"].to_numpy() == pytest.approx(np.full(len(BETTER), 0.5))
    assert table.loc["association_all", "p"] == pytest.approx(4 / 12)  # 0.8, 0.9, 1 and ours
    assert table.loc["entangled", "p"] == pytest.approx(10 / 12)  # less of it is better
    assert np.isnan(table.loc["ccs_moderate", "p"]), "neither more nor less of it is better"


def test_what_is_not_known_counts_nowhere() -> None:
    values = np.array([np.nan, 0.2, 0.4, np.nan])
    table = score_rows(dict.fromkeys(BETTER, 0.4), frame(values), frame(values)).set_index("measure")
    assert table.loc["unique", "low"] == pytest.approx(0.205 - 0.1)
    assert table.loc["unique", "high"] == pytest.approx(0.595 + 0.1)
    assert table.loc["unique", "baseline"] == pytest.approx(0.3)
    assert table.loc["unique", "p"] == pytest.approx(2 / 3)
    unknown = score_rows(dict.fromkeys(BETTER, np.nan), frame(values[:0]), frame(values)).set_index("measure")
    assert unknown[["low", "high", "p"]].isna().all(axis=None)
