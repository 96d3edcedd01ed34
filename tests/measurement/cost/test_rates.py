"""Rates of a machine, as its ranks share them."""

import pytest

from alignbench.measurement.cost.estimate import Machines, estimate
from alignbench.measurement.cost.rates import Rates
from plans import MEMORY, SLOW, TOY, chain


def test_on_one_kind_of_core_decoding_comes_on_top() -> None:
    rates = Rates(100.0, 10.0, {".png": 2.0}, 4.0, same_cores=True, link=1000.0, origin="made up")
    assert rates.shared_by(2) == Rates(50.0, 5.0, {".png": 2.0}, 2.0, same_cores=True, link=1000.0, origin="made up")
    assert SLOW.shared_by(2) == SLOW
    found = estimate(TOY, chain(6), Machines(1, 1, 2, MEMORY, rates))
    assert found.first_seconds == pytest.approx(6 * 50 / 100.0 + 6 / 2.0 / 4.0)
    assert found.cached_seconds == pytest.approx(3.0)
    given = estimate(TOY, chain(6), Machines(1, 1, 2, MEMORY, rates.with_images(12.0, 50)))
    assert given.forward_seconds == pytest.approx(0.5)
