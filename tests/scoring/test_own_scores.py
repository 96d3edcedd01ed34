"""The score of a level alone, held against those of whole runs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignbench.distances.protocols import CORRECTED, PAPER
from alignbench.scoring.judged_part import JudgedPart
from alignbench.scoring.own_scores import own_measure, own_scores, standard_ranks
from alignbench.scoring.scores import Scoring, score


def choices(kind: str = "choice") -> JudgedPart:
    rng = np.random.default_rng(0)
    human = rng.integers(0, 3, 40).astype(float) if kind == "choice" else rng.random(40)
    options = rng.integers(0, 30, (40, 3 if kind == "choice" else 2))
    return JudgedPart("all", kind, options, human, np.arange(40)[:, None])


@pytest.mark.parametrize("kind", ["choice", "preference"])
def test_choices_have_the_accuracy_of_a_run(kind: str) -> None:
    """Ties among the distances included, which the protocols take differently."""
    distances = np.random.default_rng(1).integers(0, 5, (3, 30)).astype(float)
    part = choices(kind)
    for rules in (PAPER, CORRECTED):
        accuracy = next(found for found in score(part, distances, Scoring(rules)) if found.metric == own_measure(part))
        np.testing.assert_allclose(own_scores(part, distances, rules), accuracy.value)
    if kind == "choice":
        assert (own_scores(part, distances, CORRECTED) > own_scores(part, distances, PAPER)).all()


def test_ratings_have_spearman_s_correlation() -> None:
    """As scipy has it, with ties on both sides."""
    rng = np.random.default_rng(2)
    part = JudgedPart("all", "rating", rng.permutation(50)[:, None], rng.integers(0, 9, 50) / 2.0, np.zeros((50, 1)))
    distances = rng.integers(0, 20, (3, 50)).astype(float)
    expected = [spearmanr(-row[part.options[:, 0]], part.human).statistic for row in distances]
    np.testing.assert_allclose(own_scores(part, distances, PAPER), expected)
    assert own_measure(part) == "spearman"


def test_equal_distances_have_no_correlation() -> None:
    """And no ranks."""
    part = JudgedPart("all", "rating", np.arange(4)[:, None], np.arange(4.0), np.zeros((4, 1)))
    assert np.isnan(own_scores(part, np.ones((1, 4)), PAPER)).all()
    assert np.isnan(standard_ranks(np.ones(3))).all()
