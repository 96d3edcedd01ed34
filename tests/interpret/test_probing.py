"""Reading attributes from heads: heads that carry one, two or none, by construction."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench.errors import UsageError
from alignbench.interpret.probing import COLUMNS, probe_heads

RNG = np.random.default_rng(3)
COLOUR, COUNT = RNG.integers(4, size=400), RNG.integers(2, size=400)
ATTRIBUTES: dict[str, list[object]] = {"colour": COLOUR.tolist(), "count": [("one", "two")[value] for value in COUNT]}
MEANS = RNG.normal(size=(4, 16))
NOISE = RNG.normal(size=(400, 16))


def test_a_head_that_carries_one_attribute_is_found_by_it() -> None:
    frame = probe_heads([(5, 0, MEANS[COLOUR] + 0.05 * NOISE), (5, 1, NOISE)], ATTRIBUTES)
    assert tuple(frame.columns) == COLUMNS
    found = frame.set_index(["head", "attribute"])
    assert found.loc[(0, "colour"), "accuracy"] == 1.0
    assert found.loc[(0, "colour"), "share"] > 0.98
    assert found["chance"].tolist() == [0.25, 0.5, 0.25, 0.5]
    for place in [(0, "count"), (1, "colour"), (1, "count")]:
        assert abs(found.loc[place, "accuracy"] - found.loc[place, "chance"]) < 0.1
        assert abs(found.loc[place, "share"]) < 0.02


def test_what_can_be_read_and_what_varies_are_two_things() -> None:
    """The count moves the head little, and can be read of it all the same."""
    line = np.zeros(16)
    line[0] = 1.0
    head = MEANS[COLOUR] * 10.0 + COUNT[:, None] * line + 0.01 * NOISE
    head[:, 0] -= MEANS[COLOUR][:, 0] * 10.0
    found = probe_heads([(1, 0, head)], ATTRIBUTES).set_index("attribute")
    assert found.loc["count", "accuracy"] == 1.0
    assert found.loc["count", "share"] < 0.02
    assert found.loc["colour", "share"] > 0.98


def test_the_share_is_that_of_the_analysis_of_variance() -> None:
    """Of one number a picture: epsilon squared from the F of SciPy's one-way analysis."""
    from scipy.stats import f_oneway

    points = MEANS[COLOUR][:, :1] + NOISE[:, :1]
    f = f_oneway(*(points[value == COLOUR, 0] for value in range(4))).statistic
    between, within = 3.0, 396.0
    wanted = (f - 1.0) * between / (f * between + within)
    share = probe_heads([(1, 0, points)], {"colour": COLOUR.tolist()})["share"][0]
    assert share == pytest.approx(wanted, rel=1e-9)


def test_the_size_of_contributions_changes_nothing() -> None:
    head = MEANS[COLOUR] + NOISE
    whole, small = (probe_heads([(1, 0, head * size)], ATTRIBUTES) for size in (1.0, 1e-6))
    assert np.allclose(whole[["accuracy", "share"]], small[["accuracy", "share"]])


def test_a_head_that_never_varies_tells_nothing() -> None:
    frame = probe_heads([(1, 0, np.ones((400, 3)))], ATTRIBUTES)
    assert frame["accuracy"].tolist() == [0.25, 0.5]
    assert frame["share"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("values", "named"),
    [(["a"] * 400, "two values"), (["a"] * 398 + ["b"] * 2, "5 pictures"), (["a", "b"] * 3, "6 values")],
)
def test_an_attribute_that_cannot_be_read_is_named(values: list[str], named: str) -> None:
    with pytest.raises(UsageError, match=f"(?s)kind.*{named}"):
        probe_heads([(1, 0, NOISE)], {"kind": values})
