"""Scores against the size of models: exact p-values by hand, and what six models can decide."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from alignbench.errors import DataError, UsageError
from alignbench.interpret.labelling.trend import TREND, read_models, trend, trends, verdict
from score_folders import write_scores

STUDY = [144, 144, 144, 144, 384, 384]  # four of size B, two of size L


def by_hand(sizes: list[float], values: list[float]) -> float:
    """Share of the orders whose rank correlation is at least ours."""
    x, y = (stats.rankdata(each) for each in (sizes, values))
    ours = sum(a * b for a, b in zip(x, y, strict=True))
    found = [sum(a * b for a, b in zip(x, order, strict=True)) >= ours - 1e-9 for order in permutations(y)]
    return float(np.mean(found))


@pytest.mark.parametrize(
    "values", [[0.1, 0.2, 0.3, 0.4, 0.5, 0.6], [0.5, 0.2, 0.3, 0.4, 0.45, 0.1], [0.1, 0.1, 0.3, 0.3, 0.2, 0.5]]
)
@pytest.mark.parametrize("sizes", [STUDY, [1, 2, 3, 4, 5, 6]])
def test_p_is_the_share_of_all_orders(sizes: list[float], values: list[float]) -> None:
    found = trend("association_all", np.array(sizes, float), np.array(values))
    assert found.p == pytest.approx(by_hand(sizes, values))
    assert found.correlation == pytest.approx(stats.spearmanr(sizes, values).statistic)
    assert found.is_exact


def test_six_models_of_two_sizes_cannot_decide() -> None:
    found = trend("association_all", np.array(STUDY, float), np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
    assert found.p == found.least == pytest.approx(1 / 15)
    said = verdict([found])
    assert "6 models cannot decide it at 5 %: 6 models of these sizes give no p below 0.0667" in said


def test_models_of_different_sizes_can() -> None:
    sizes = np.arange(6.0)
    rising = trend("association_all", sizes, sizes)
    assert rising.p == rising.least == pytest.approx(1 / 720)
    falling = trend("ccs_high", sizes, -sizes)
    assert falling.p == 1
    assert "yes, by association_all (p at most 0.025" in verdict([rising, falling])
    assert "not shown (p at most 0.05" in verdict([falling])
    many = trend("association_all", np.arange(12.0), np.arange(12.0))
    assert not many.is_exact
    assert many.p == many.least == pytest.approx(1 / 20_001)


def test_scores_of_which_less_is_better_turn_their_sign(tmp_path: Path) -> None:
    folders = [write_scores(tmp_path / f"{number}", f"m{number}", number + 1, number / 10) for number in range(5)]
    found = {each.measure: each for each in trends(read_models(folders))}
    assert set(found) == set(TREND)
    assert found["association_mean"].p == pytest.approx(1 / 120)
    assert found["entangled"].p == 1
    assert found["entangled"].correlation == pytest.approx(1), "it rises, which is worse"


def test_nothing_is_said_of_what_is_the_same_for_all() -> None:
    same = trend("ccs_high", np.array([1.0, 1.0, 1.0]), np.array([0.1, 0.2, 0.3]))
    assert np.isnan(same.p)
    assert "Nothing can be said" in verdict([same])
    assert np.isnan(trend("ccs_high", np.array([1.0, 2.0]), np.array([0.1, 0.2])).p), "two models"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"labeller": "other"}, "differ in labeller and cannot be compared: score both alike"),
        ({"judge": "other"}, "differ in judge"),
        ({"span": {"texts": "e"}}, "differ in texts or picks"),
        ({"span": {"picks": 5}}, "differ in texts or picks"),
        ({"images": "j"}, "differ in images"),
        ({"layers": [*range(1, 13)]}, "differ in the layers whose heads are scored"),
    ],
)
def test_scores_that_were_made_otherwise_are_refused(change: dict[str, Any], said: str, tmp_path: Path) -> None:
    folders = [write_scores(tmp_path / f"{number}", f"m{number}", number + 1, 0.1) for number in range(3)]
    other = write_scores(tmp_path / "other", "m9", 9, 0.1, **change)
    with pytest.raises(DataError, match=said):
        read_models([*folders, other])


def test_the_last_layers_of_models_of_different_depths_are_compared(tmp_path: Path) -> None:
    small, *others = ([1, 2, 3], [9, 10, 11, 12], [21, 22, 23, 24])
    folders = [
        write_scores(tmp_path / f"{number}", f"m{number}", number + 1, 0.1, layers=layers)
        for number, layers in enumerate((small, *others))
    ]
    assert len(read_models(folders)) == 3


def test_few_and_doubled_models_are_refused(tmp_path: Path) -> None:
    folders = [write_scores(tmp_path / f"{number}", f"m{number}", number + 1, 0.1) for number in range(3)]
    with pytest.raises(UsageError, match="--compare names 2 folders: give those of three models at least"):
        read_models(folders[:2])
    with pytest.raises(UsageError, match="--compare names m0 twice: give one folder of each model"):
        read_models([*folders, folders[0]])
    with pytest.raises(DataError, match=r"holds no scores.json and its tables"):
        read_models([*folders, tmp_path])
