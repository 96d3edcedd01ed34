"""The optimiser against NumPy in float64, and its rate against the formula of optax."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch

from alignbench.alignet.towards_start import START, TowardsStart, warmup_cosine
from alignbench.errors import UsageError


def _parameters(*shapes: tuple[int, ...], dtype: torch.dtype = torch.float64) -> list[torch.nn.Parameter]:
    rng = np.random.default_rng(3)
    return [torch.nn.Parameter(torch.tensor(rng.normal(size=shape), dtype=dtype)) for shape in shapes]


def _gradient(step: int, shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng([step, *shape]).normal(size=shape)


def _make_step(optimiser: TowardsStart, step: int) -> None:
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.tensor(_gradient(step, tuple(parameter.shape)), dtype=parameter.dtype)
    optimiser.step()


def test_steps_are_those_of_the_formula() -> None:
    parameters = _parameters((4, 3), (5,))
    optimiser = TowardsStart(parameters, 0.05, betas=(0.8, 0.95), eps=1e-3, decay=2.0)
    for parameter in parameters:
        start = theta = parameter.detach().numpy().copy()
        mean = square = np.zeros_like(theta)
        wanted = []
        for step in range(1, 11):
            gradient = _gradient(step, theta.shape)
            mean = 0.8 * mean + 0.2 * gradient
            square = 0.95 * square + 0.05 * gradient**2
            adam = (mean / (1 - 0.8**step)) / (np.sqrt(square / (1 - 0.95**step)) + 1e-3)
            theta = theta - 0.05 * (adam + 2.0 * (theta - start))
            wanted.append(theta)
        parameter.wanted = wanted  # type: ignore[attr-defined]
    for step in range(1, 11):
        _make_step(optimiser, step)
        for parameter in parameters:
            found = parameter.detach().numpy()
            np.testing.assert_allclose(found, parameter.wanted[step - 1], rtol=0, atol=1e-10)  # type: ignore[attr-defined]


def test_without_decay_it_is_adam() -> None:
    ours, theirs = _parameters((6, 2)), _parameters((6, 2))
    optimiser = TowardsStart(ours, 0.01, decay=0.0)
    adam = torch.optim.Adam(theirs, 0.01)
    for step in range(1, 6):
        _make_step(optimiser, step)
        theirs[0].grad = torch.tensor(_gradient(step, (6, 2)))
        adam.step()
    torch.testing.assert_close(ours[0], theirs[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_step_of_rate_times_decay_one_leads_back_exactly(dtype: torch.dtype) -> None:
    (parameter,) = _parameters((100,), dtype=dtype)
    start = parameter.detach().clone()
    optimiser = TowardsStart([parameter], 0.1, decay=10.0)
    with torch.no_grad():
        parameter.add_(torch.randn(100, dtype=dtype, generator=torch.Generator().manual_seed(0)) * 1e3)
    parameter.grad = torch.zeros_like(parameter)
    optimiser.step()
    assert torch.equal(parameter.detach(), start)


def test_a_parameter_without_a_gradient_is_drawn_to_its_start_too() -> None:
    (parameter,) = _parameters((8,))
    start = parameter.detach().clone()
    optimiser = TowardsStart([parameter], 0.25, decay=1.0)
    with torch.no_grad():
        parameter.add_(4.0)
    optimiser.step()
    torch.testing.assert_close(parameter.detach(), start + 3.0)


def test_the_start_is_in_the_state_and_goes_on_from_there() -> None:
    ours = _parameters((4,), (3, 2))
    optimiser = TowardsStart([{"params": ours[:1]}, {"params": ours[1:], "lr": 0.02, "decay": 0.5}], 0.05)
    for step in range(1, 4):
        _make_step(optimiser, step)
    kept = copy.deepcopy(optimiser.state_dict())
    resumed = [torch.nn.Parameter(parameter.detach().clone()) for parameter in ours]
    again = TowardsStart([{"params": resumed[:1]}, {"params": resumed[1:]}], 1.0)
    assert not torch.equal(again.state[resumed[0]][START], optimiser.state[ours[0]][START])  # they have moved
    again.load_state_dict(kept)
    assert [group["lr"] for group in again.param_groups] == [0.05, 0.02]
    for step in range(4, 7):
        _make_step(optimiser, step)
        _make_step(again, step)
    for ours_now, theirs in zip(ours, resumed, strict=True):
        assert torch.equal(ours_now, theirs)
        assert torch.equal(again.state[theirs][START], optimiser.state[ours_now][START])


def test_a_closure_computes_the_gradients() -> None:
    (parameter,) = _parameters((2,))
    optimiser = TowardsStart([parameter], 0.1, decay=0.0)

    def closure() -> float:
        optimiser.zero_grad()
        loss = (parameter**2).sum()
        loss.backward()
        return float(loss.detach())

    before = float((parameter.detach() ** 2).sum())
    assert optimiser.step(closure) == pytest.approx(before)
    assert float((parameter.detach() ** 2).sum()) < before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"lr": 0.3, "decay": 7.0}, "is 2.1: above 2 every step would lead further from the start"),
        ({"lr": -1.0}, "lr is -1"),
        ({"lr": 0.1, "decay": math.nan}, "decay is nan"),
        ({"lr": 0.1, "betas": (0.9, 1.0)}, "betas are"),
    ],
)
def test_other_options_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TowardsStart(_parameters((2,)), **options)  # type: ignore[arg-type]


def test_a_rate_that_becomes_too_high_is_refused() -> None:
    optimiser = TowardsStart(_parameters((2,)), 1.0, decay=2.0)
    optimiser.param_groups[0]["lr"] = 1.1
    with pytest.raises(UsageError, match="above 2"):
        optimiser.step()


def _optax(step: int, peak: float, warmup: int, total: int) -> float:
    """optax.warmup_cosine_decay_schedule(0, peak, warmup, total, 0), by its documentation."""
    if step < warmup:
        return 0.0 + (peak - 0.0) * (step / warmup)
    count = min(step - warmup, total - warmup)
    return peak * 0.5 * (1 + math.cos(math.pi * count / (total - warmup)))


@pytest.mark.parametrize("step", [0, 1, 2500, 4999, 5000, 5001, 52_500, 99_999, 100_000, 200_000])
def test_the_rate_is_that_of_optax(step: int) -> None:
    assert warmup_cosine(step) == pytest.approx(_optax(step, 3e-5, 5000, 100_000), rel=1e-12, abs=1e-20)


def test_the_rate_at_its_corners() -> None:
    assert warmup_cosine(0) == 0.0
    assert warmup_cosine(2500) == pytest.approx(1.5e-5)
    assert warmup_cosine(5000) == 3e-5
    assert warmup_cosine(52_500) == pytest.approx(1.5e-5)  # half of the way down
    assert warmup_cosine(100_000) == pytest.approx(0.0, abs=1e-20)
    assert warmup_cosine(0, warmup=0, total=10) == 3e-5
    assert sum(warmup_cosine(step) for step in range(100_000)) == pytest.approx(1.5, rel=1e-4)


@pytest.mark.parametrize("options", [{"warmup": 10, "total": 10}, {"warmup": -1}, {"step": -1}, {"peak": -1.0}])
def test_another_rate_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="warm-up"):
        warmup_cosine(**{"step": 1, **options})  # type: ignore[arg-type]
