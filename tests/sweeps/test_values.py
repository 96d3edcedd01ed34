"""What no option of any command can be given is refused in a line that names it, and everything else is let through."""

from __future__ import annotations

import pytest

from alignbench.errors import UsageError
from alignbench.sweeps.values import Value, check_value


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "--it is empty: give it a value"),
        (" \u3000", "--it is empty"),
        ("a\nb", "'a b' holds a line break"),
        ("a\0b", "'a?b' holds a line break or another control character"),
        ("a\x1b[2J", "control character"),
        ("a\tb", "control character"),
        ("a\u2028b", "holds a line break"),
        ("a\x85b", "holds a line break"),
        ("a/b\udcff/c", "'a/b?/c' is no text in UTF-8: rename what it names"),
        ("\ud800", "'?' is no text in UTF-8"),
        ("a" * 256, "longer than a file's name"),
        ("ü" * 128, "longer than a file's name"),
        (f"folder/{'a' * 256}/b", "begins with 'aaaa"),
        ("a/" * 2048, "4,095 in all"),
        (float("nan"), "--it nan is no finite number"),
        (float("inf"), "--it inf is no finite number"),
        (float("-inf"), "--it -inf is no finite number"),
        (float("1e400"), "no finite number"),
        (2**63, "--it 9223372036854775808 is out of range: it must be below 2^63"),
        (-(2**63), "out of range"),
        (10**30, "out of range"),
        (10**300, "out of range"),
        (10**4000, "out of range"),
    ],
)
def test_what_nothing_can_use_is_refused_in_a_short_line(value: Value, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_value("--it", value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


@pytest.mark.parametrize(
    "value",
    [
        *("a", "-", "a b", "模型/ü", "👩‍🔬", "a" * 255, "ü" * 127, ",".join(["a" * 99] * 40), "a/" * 2047),
        *(0, -1, 2**63 - 1, 1 - 2**63, 0.0, 1e300, -1.5, True),
    ],
)
def test_everything_else_is_let_through(value: Value) -> None:
    check_value("--it", value)


def test_an_empty_text_is_let_through_where_it_may_be() -> None:
    check_value("--it", "", may_be_empty=True)
    with pytest.raises(UsageError, match="control character"):
        check_value("--it", "\n", may_be_empty=True)
