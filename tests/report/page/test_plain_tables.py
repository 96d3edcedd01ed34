"""Tables and numbers in words: what is missing, true, tiny or large."""

import numpy as np
import pandas as pd
import pytest

from alignbench.report.page.plain_tables import number, plain, spoken_p


def test_a_table_is_told_column_by_column() -> None:
    frame = pd.DataFrame(
        {"model_name": ["a", None], "n": [1_234, 5], "value": [0.12345, np.nan], "p_corrected": [0.0001, 0.04]}
    ).assign(separable=[True, False])
    found = plain(frame)
    assert found.columns == ("model name", "n", "value", "p corrected", "separable")
    assert found.numeric == (False, True, True, True, False)
    assert found.rows == (("a", "1,234", "0.123", "<0.001", "yes"), ("-", "5", "-", "0.040", "no"))


@pytest.mark.parametrize(("value", "said"), [(0.0, "<0.001"), (0.0004, "<0.001"), (0.0006, "0.001"), (np.nan, "-")])
def test_small_p_values_are_bounded(value: float, said: str) -> None:
    assert spoken_p(value) == said


def test_numbers_have_a_sign_where_it_is_asked_for() -> None:
    assert (number(0.25), number(0.25, "+"), number(-1.0), number(np.inf)) == ("0.250", "+0.250", "-1.000", "-")
