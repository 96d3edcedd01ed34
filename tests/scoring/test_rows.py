"""The rows of a curve: one for each subset, distance, layer and metric, which say where they belong."""

import numpy as np
import pytest

from alignbench.distances.protocols import CORRECTED
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.rows import Measured, score_rows
from alignbench.scoring.scores import Scoring
from reference_scores import shared_agreement

LAYERS, DEPTHS = ("layer_0", "projection"), (2.5, 100.0)


def part(name: str, rows: slice, breakdown: bool) -> JudgedPart:
    """Some of 48 odd-one-out choices among 40 pairs, each of 8 triplets six times."""
    rng = np.random.default_rng(4)
    options = np.array([rng.choice(40, 3, replace=False) for _ in range(8)])[np.arange(48) % 8]
    human, clusters = rng.integers(0, 3, 48).astype(float), (np.arange(48) % 8)[:, None]
    return JudgedPart(name, "choice", options[rows], human[rows], clusters[rows], breakdown)


def test_rows_say_where_they_belong() -> None:
    distances = np.random.default_rng(5).integers(1, 9, (2, 40)) / 8.0
    curves = {"cosine": distances, "euclidean": distances[::-1]}
    measured = Measured("model", "by hand", "high", "corrected", "mean", LAYERS, DEPTHS, curves)
    parts = [part("all", slice(None), False), part("votes_07", slice(0, None, 3), True)]
    frame, intervals = score_rows(measured, iter(parts), Scoring(CORRECTED))
    assert set(intervals) == {"all", "votes_07"}
    assert set(frame.loc[frame["subset"] == "votes_07", "metric"]) == {"accuracy"}
    assert frame.groupby("subset").size()["votes_07"] == 2 * 2
    assert set(frame["model"]) | set(frame["dataset"]) | set(frame["level"]) == {"model", "by hand", "high"}
    assert set(frame["protocol"]) == {"corrected"}
    for row in frame.itertuples():
        curve = curves[row.distance][LAYERS.index(row.layer)]
        assert row.depth == dict(zip(LAYERS, DEPTHS, strict=True))[row.layer]
        assert row.tokens == {"layer_0": "mean", "projection": ""}[row.layer]
        of = parts[row.subset == "votes_07"]
        assert (row.n, row.n_clusters) == (len(of.human), len(set(of.clusters[:, 0])))
        if row.metric == "accuracy":
            right = shared_agreement(curve[of.options], of.human.tolist())
            assert row.value == pytest.approx(right.mean())


def test_a_breakdown_without_a_score_has_no_rows() -> None:
    measured = Measured("model", "d", "low", "paper", "all", LAYERS, DEPTHS, {"cosine": np.arange(8.0).reshape(2, 4)})
    alike = JudgedPart("distortion_01", "rating", np.arange(4)[:, None], np.ones(4), np.arange(4)[:, None], True)
    frame, intervals = score_rows(measured, [alike], Scoring())
    assert frame.empty
    assert not intervals
