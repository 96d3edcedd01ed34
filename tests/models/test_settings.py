"""Values of configurations are of their own types and within bounds, or are named with what they should be."""

from typing import Any

import pytest

from alignbench.errors import ModelError
from alignbench.models.settings import (
    BLOCKS,
    EMPTY,
    NULL,
    OBJECT,
    SIDE,
    TEXT,
    TRUTH,
    Allowed,
    check_settings,
    either,
    listed,
    mapped,
    number,
    one_of,
    positive,
    whole,
)

NAN, INFINITE = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("kind", "fitting", "others"),
    [
        (whole(5), [1, 5], [0, 6, -1, 10**30, 1.0, True, "1", None, [1]]),
        (whole(5, 0), [0], [-1, False]),
        (number(1), [0, 0.0, 0.5, 1], [-1e-9, 1.1, NAN, INFINITE, True, "0.5", None]),
        (positive(1), [1e-300, 1], [0, 0.0, -0.5, 2, NAN, INFINITE, True, "0.5"]),
        (TRUTH, [True, False], [0, 1, "true", "false", None, []]),
        (TEXT, ["", "gelu"], [1, None, ["gelu"]]),
        (OBJECT, [{}], [[], None, "x"]),
        (EMPTY, [None, {}, [], 0, False], [{"0": [1]}, 1, True, "x"]),
        (one_of("a", "b"), ["a"], ["c", "", None, ["a"], {}]),
        (listed(number(1), 3), [[0, 0.5, 1]], [[0, 1], [0, 1, 2], [0, 1, "1"], "abc", 0.5]),
        (mapped(SIDE), [{}, {"height": 8192, "longest": None}], [{"height": 8193}, {"height": "8"}, 8]),
        (either(SIDE, NULL), [3, None], [0, False]),
        (BLOCKS, [48], [100_000]),
    ],
)
def test_a_kind_is_of_its_values_alone(kind: Allowed, fitting: list[Any], others: list[Any]) -> None:
    for value in fitting:
        check_settings("it", {"key": value}, {"key": kind})
    for value in others:
        with pytest.raises(ModelError, match=r"^it cannot be followed \(its key is .*, and not .*\): correct it"):
            check_settings("it", {"key": value}, {"key": kind})


def test_a_value_is_shown_in_one_short_line_with_its_type() -> None:
    check_settings("it", {"other": "anything"}, {"key": TRUTH})
    with pytest.raises(ModelError, match=r'its key is "false", and not true or false\)'):
        check_settings("it", {"key": "false"}, {"key": TRUTH})
    with pytest.raises(ModelError) as refused:
        check_settings("it", {"key": "long\n" * 10_000}, {"key": TRUTH})
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 300
