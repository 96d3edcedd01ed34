"""What takes the place of an ablated part, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.ablation.replacing import drawn_donors, replaced

WHOLE = np.array([[10.0, 1.0], [20.0, 2.0]])
OWN = np.array([[1.0, 1.0], [3.0, 0.0]])
OTHERS = np.array([[4.0, 0.0], [5.0, 6.0], [0.0, 0.0]])


def test_mean_zero_and_another_pictures_part() -> None:
    np.testing.assert_allclose(replaced(WHOLE, OWN, OWN, "mean"), [[11.0, 0.5], [19.0, 2.5]])
    np.testing.assert_allclose(replaced(WHOLE, OWN, OTHERS, "mean"), [[12.0, 2.0], [20.0, 4.0]])
    np.testing.assert_allclose(replaced(WHOLE, OWN, OTHERS, "zero"), [[9.0, 0.0], [17.0, 2.0]])
    drawn = replaced(WHOLE, OWN, OTHERS, "resample", np.array([1, 0]))
    np.testing.assert_allclose(drawn, [[14.0, 6.0], [21.0, 2.0]])
    np.testing.assert_array_equal(WHOLE, [[10.0, 1.0], [20.0, 2.0]])


def test_no_picture_is_given_its_own_part() -> None:
    donors = drawn_donors(5, None, 400, seed=0)
    assert donors.shape == (400, 5)
    for picture in range(5):
        drawn, counts = np.unique(donors[:, picture], return_counts=True)
        assert drawn.tolist() == [other for other in range(5) if other != picture]
        assert counts.min() > 60  # of 100 expected
    from_others = drawn_donors(5, 3, 50, seed=0)
    assert set(from_others.ravel()) == {0, 1, 2}
    assert not np.array_equal(from_others, drawn_donors(5, 3, 50, seed=1))
    with pytest.raises(UsageError, match="there is one picture: give --reference"):
        drawn_donors(1, None, 2, seed=0)
