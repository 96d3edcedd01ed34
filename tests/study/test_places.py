"""Places of a curve at which runs are compared, for towers, baselines and scores that are not there."""

import numpy as np
import pytest

from alignbench.study.places import at_best, at_projection

LAYERS = ("layer_0", "layer_1", "layer_1_aligned", "projection", "projection_aligned")
SCORES = np.array([[0.5, 0.9], [0.6, 0.2], [0.95, 0.95], [0.8, 0.1], [0.99, 0.99]])  # itself, and one resample


def test_the_projection_is_the_last_layer_as_the_model_has_it() -> None:
    scores, layer = at_projection(LAYERS, SCORES)
    assert (scores.tolist(), layer) == ([0.8, 0.1], "projection")
    assert at_projection(LAYERS[:2], SCORES[:2])[1] == "layer_1", "a tower without one stands with its last layer"


def test_the_best_is_chosen_again_in_each_resample_and_named_after_the_whole() -> None:
    scores, layer = at_best(LAYERS, SCORES)
    assert (scores.tolist(), layer) == ([0.6, 0.9], "layer_1")


def test_a_baseline_stands_everywhere_with_its_one_score() -> None:
    for place in (at_best, at_projection):
        scores, layer = place(("image",), SCORES[:1])
        assert (scores.tolist(), layer) == ([0.5, 0.9], "image")


def test_of_two_that_are_equally_high_the_first_is_named() -> None:
    assert at_best(("layer_0", "layer_1"), np.full((2, 2), 0.5))[1] == "layer_0"


@pytest.mark.parametrize("missing", ["one", "all"])
def test_a_layer_without_a_score_is_not_the_best(missing: str) -> None:
    scores = SCORES[:2].copy()
    scores[0 if missing == "one" else slice(None)] = np.nan
    values, layer = at_best(("layer_0", "layer_1"), scores)
    if missing == "one":
        assert (values.tolist(), layer) == ([0.6, 0.2], "layer_1")
    else:
        assert np.isnan(values).all()
        assert layer == "", "no layer is the best of none"
