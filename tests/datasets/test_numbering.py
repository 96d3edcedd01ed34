"""Numbers of things against NumPy's sorting functions."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from alignbench.datasets.numbering import numbered_rows, renumbered


@given(st.integers(1, 12), st.integers(0, 20), st.integers(0, 2**31))
def test_renumbered_indices_are_places_among_what_is_named(count: int, rows: int, seed: int) -> None:
    indices = np.random.default_rng(seed).integers(0, count, (rows, 2))
    named, places = renumbered(indices, count)
    expected, inverse = np.unique(indices, return_inverse=True)
    np.testing.assert_array_equal(named, expected)
    np.testing.assert_array_equal(places, inverse.reshape(indices.shape))


@given(st.integers(1, 3), st.integers(1, 4), st.integers(0, 30), st.integers(0, 2**31))
def test_rows_share_a_number_exactly_where_they_are_equal(columns: int, values: int, rows: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).integers(0, values, (rows, columns))
    found = numbered_rows(drawn).tolist()
    first = {row: number for number, row in enumerate(dict.fromkeys(map(tuple, drawn.tolist())))}
    assert found == [first[tuple(row)] for row in drawn.tolist()]


def test_rows_of_many_values_keep_apart() -> None:
    rows = np.array([[2_000_000, 1_999_999, 0], [2_000_000, 0, 1_999_999], [1_999_999, 2_000_000, 0]] * 2)
    assert numbered_rows(rows).tolist() == [0, 1, 2, 0, 1, 2]
