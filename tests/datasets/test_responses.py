"""Who gave each answer, and how long it took."""

import numpy as np

from alignbench.datasets.responses import Responses


def test_answers_are_taken_by_place_mask_and_slice() -> None:
    responses = Responses(np.array([4, 2, 7]), np.array([0.5, np.nan, 2.0]))
    for places in (np.array([2, 0]), np.array([True, False, True]), slice(None, None, 2)):
        taken = responses.taken(places)
        assert sorted(taken.participants) == [4, 7]
        assert sorted(taken.seconds) == [0.5, 2.0]
    assert responses.taken(np.array([2, 0])).participants.tolist() == [7, 4]
