"""The student's optimiser, Adam with a decay to where training started, and its learning rate at each step.

    theta <- theta - lr [Adam(gradient) + decay (theta - theta_0)]

AdamW (Loshchilov and Hutter, 2019) with theta_0 in the place of 0: nothing is exempt from the decay.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, overload

import torch
from torch import Tensor
from torch.optim import Optimizer

from alignbench.errors import UsageError

START: Final = "start"  # key of theta_0 in the state of a parameter
_MOST: Final = 2.0  # lr x decay; beyond it each step leads further away than the one before


class TowardsStart(Optimizer):
    """Adam, and a decoupled decay of every parameter to the value that it has now.

    theta_0 is in the state, and so in `state_dict`: a run that is resumed has the start of the first one. A parameter
    without a gradient counts as one whose gradient is zero: it is drawn to its start as well.

    Args:
        params: Parameters, or groups of them, with their values at the start.
        lr: Learning rate.
        betas: Decay of the averages of gradients and of their squares.
        eps: What the root of the squares' average is increased by.
        decay: Weight of the way back to the start.

    Raises:
        UsageError: If one of these is out of range, or lr x decay is above 2.
    """

    def __init__(
        self,
        params: Iterable[Tensor] | Iterable[dict[str, Any]],
        lr: float,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        decay: float = 1.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "decay": decay, "step": 0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters; their values now are their start."""
        super().add_param_group(param_group)
        added = self.param_groups[-1]
        _check(added)
        for parameter in added["params"]:
            value = parameter.detach()
            self.state[parameter] = {
                START: value.clone(),
                "exp_avg": torch.zeros_like(value),
                "exp_avg_sq": torch.zeros_like(value),
            }

    @overload
    def step(self, closure: None = None) -> None: ...

    @overload
    def step(self, closure: Callable[[], float]) -> float: ...

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Make one step.

        Args:
            closure: Computes the loss and the gradients anew.

        Raises:
            UsageError: If lr x decay has become more than 2.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            _check(group)
            self._step(group)
        return loss

    def _step(self, group: dict[str, Any]) -> None:
        parameters: list[Tensor] = group["params"]
        if not parameters:
            return
        gradients = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
        states = [self.state[each] for each in parameters]
        starts, means, squares = ([state[key] for state in states] for key in (START, "exp_avg", "exp_avg_sq"))
        group["step"] += 1
        first, second = group["betas"]
        torch._foreach_lerp_(means, gradients, 1 - first)
        torch._foreach_mul_(squares, second)
        torch._foreach_addcmul_(squares, gradients, gradients, 1 - second)
        bounds = torch._foreach_sqrt(squares)
        torch._foreach_div_(bounds, math.sqrt(1 - second ** group["step"]))
        torch._foreach_add_(bounds, group["eps"])
        # interpolation, since theta - (theta - theta_0) is not theta_0 in floating point
        torch._foreach_lerp_(parameters, starts, group["lr"] * group["decay"])
        torch._foreach_addcdiv_(parameters, means, bounds, -group["lr"] / (1 - first ** group["step"]))


def _check(group: Mapping[str, Any]) -> None:
    """Refuse what would not be an optimiser."""
    for name in ("lr", "eps", "decay"):
        if not 0 <= group[name] < math.inf:
            raise UsageError(f"{name} is {group[name]:g}: give a number that is not below 0")
    if not all(0 <= beta < 1 for beta in group["betas"]):
        raise UsageError(f"betas are {group['betas']}: each is at least 0 and below 1")
    check_rate(group["lr"], group["decay"])


def check_rate(lr: float, decay: float) -> None:
    """Refuse a learning rate and a decay whose product is above 2.

    Raises:
        UsageError: If it is; says why.
    """
    if lr * decay > _MOST:
        raise UsageError(
            f"a learning rate of {lr:g} times a decay of {decay:g} is {lr * decay:g}: above {_MOST:g} every step would "
            "lead further from the start than the one before; lower one of them"
        )


def warmup_cosine(step: int, peak: float = 3e-5, warmup: int = 5000, total: int = 100_000) -> float:
    """Return the learning rate of a step: from 0 up to the peak in a straight line, then down to 0 by half a cosine.

    It is 0 at step 0, `peak` at step `warmup`, and 0 from step `total` on. Of the step alone: nothing of a training
    loop is asked.

    Args:
        step: Number of steps that were made before, from 0.
        peak: The highest rate.
        warmup: Step of the peak; 0 starts there.
        total: Step from which on it is 0.

    Raises:
        UsageError: If the warm-up does not end before the total, or something is negative.

    Examples:
        >>> from alignbench.alignet import warmup_cosine
        >>> [warmup_cosine(step, peak=1.0, warmup=2, total=4) for step in (0, 1, 2, 4)]
        [0.0, 0.5, 1.0, 0.0]
    """
    if not (0 <= warmup < total and step >= 0 and peak >= 0):
        raise UsageError(
            f"a warm-up of {warmup:,} of {total:,} steps to a rate of {peak:g}, at step {step:,}: the warm-up ends "
            "before the last step, and nothing is below 0"
        )
    if step < warmup:
        return peak * step / warmup
    done = min(step - warmup, total - warmup) / (total - warmup)
    return peak * (1 + math.cos(math.pi * done)) / 2
