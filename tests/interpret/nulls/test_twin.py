"""Beyond a twin of random weights: one component by scipy, and how often an untrained one is taken for more."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from alignbench.interpret.nulls.twin import beyond_twin


def test_p_of_one_component_is_that_of_a_further_observation() -> None:
    """The prediction interval of normal samples: t over s sqrt(1 + 1/n), with n - 1 degrees of freedom."""
    untrained = np.random.default_rng(0).normal(0.4, 0.05, (12, 1))
    t = (0.5 - untrained.mean()) / (untrained.std(ddof=1) * np.sqrt(1 + 1 / 12))
    p = beyond_twin(np.array([0.5]), untrained, np.array([0]))
    assert p[0] == pytest.approx(stats.t.sf(t, 11), abs=0.01)


def test_a_head_that_learned_is_found_in_its_layer() -> None:
    """Its score is usual in another layer."""
    rng = np.random.default_rng(1)
    groups = np.repeat([0, 1], 16)
    twins = np.where(groups == 0, 0.4, 0.7) + 0.01 * rng.standard_normal((2, 32))
    scores = np.where(groups == 0, 0.4, 0.7) + 0.01 * rng.standard_normal(32)
    scores[3] = 0.7
    p = beyond_twin(scores, twins, groups)
    assert p[3] < 1e-6
    assert (np.delete(p, 3) > 0.05).all()


def test_of_too_few_untrained_scores_nothing_is_known() -> None:
    """An MLP has one in each twin, and a score that is the same in all says nothing; of the others p is as without."""
    groups = np.array([0, 0, 0, 1, 2])
    scores = np.array([0.5, 0.6, np.nan, 0.9, 0.9])
    twins = np.array([[0.4, 0.5, 0.45, 0.4, 0.3], [0.42, 0.46, np.nan, 0.5, 0.3]])
    p = beyond_twin(scores, twins, groups)
    assert np.isfinite(p).tolist() == [True, True, False, False, False]
    np.testing.assert_allclose(p[:2], beyond_twin(scores[:3], twins[:, :3], groups[:3])[:2], atol=0.03)
    third = np.concatenate([twins, [[0.41, 0.44, 0.4, 0.45, 0.3]]])
    assert np.isfinite(beyond_twin(scores, third, groups)).tolist() == [True, True, False, True, False]


def test_an_untrained_component_is_taken_for_more_once_in_twenty() -> None:
    """Of 60 models that are twins themselves."""
    rng = np.random.default_rng(2)
    groups = np.concatenate([np.repeat(np.arange(3), 8), np.arange(3, 6)])
    found = 0
    for _ in range(60):
        scores, *twins = rng.standard_normal((5, 27)) * (1 + groups) + groups
        found += bool((beyond_twin(scores, np.array(twins), groups) <= 0.05).any())
    assert 1 <= found <= 10  # 3 are expected, and 99.9 % of such samples lie here
