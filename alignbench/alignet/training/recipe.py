"""How a student is trained: the choices that change its numbers, and those that only say how the work is done.

Defaults are those of the public training configuration of AligNet (Jensen-Shannon divergence, temperature 100 with a
head of 1,024, un-normalised, batches of 512 triplets, 100,000 steps); the paper speaks of KL.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Final

from alignbench.alignet.objective import OBJECTIVES
from alignbench.alignet.towards_start import check_rate, warmup_cosine
from alignbench.errors import UsageError, unknown

_HEAD: Final = 1024
_TEMPERATURE: Final = 100.0  # that goes with a head of this width
_WARMUP: Final = 20  # steps of which one is warm-up
PRECISIONS: Final = ("fp32", "bf16")


@dataclass(frozen=True)
class StudentRecipe:
    """What settles the numbers of a student.

    Attributes:
        objective: See `triplet_loss`.
        temperature: What its similarities are divided by; none for 100 times the head's width over 1,024.
        normalize: Whether embeddings are divided by their norms in the loss.
        width: Width of the new head.
        head_only: Whether the head alone is trained.
        learning_rate: The highest rate, see `warmup_cosine`.
        warmup: Steps up to it; none for a twentieth of all.
        steps: Steps in all.
        batch: Triplets of a step, of all processes together.
        decay: Weight of the way back to the start, see `TowardsStart`.
        ema: Decay of a running average of the parameters, which is saved in their place; none for the parameters.
        precision: `fp32`, or `bf16` under autocast; parameters are float32 in both.
        seed: Seed of the head and of the order of triplets.
    """

    objective: str = "jsd"
    temperature: float | None = None
    normalize: bool = False
    width: int = _HEAD
    head_only: bool = False
    learning_rate: float = 3e-5
    warmup: int | None = None
    steps: int = 100_000
    batch: int = 512
    decay: float = 1.0
    ema: float | None = None
    precision: str = "fp32"
    seed: int = 0

    @property
    def tau(self) -> float:
        """The temperature that is used."""
        return _TEMPERATURE * self.width / _HEAD if self.temperature is None else self.temperature

    def rate(self, step: int) -> float:
        """The learning rate of a step, from 0."""
        return warmup_cosine(step, self.learning_rate, self.warmup_steps, self.steps)

    @property
    def warmup_steps(self) -> int:
        """Steps of the warm-up."""
        return self.steps // _WARMUP if self.warmup is None else self.warmup

    def settings(self) -> dict[str, Any]:
        """What goes into the hash of a student."""
        return {**asdict(self), "temperature": self.tau, "warmup": self.warmup_steps}

    def checked(self) -> StudentRecipe:
        """Check that everything in it is possible, and return it.

        Raises:
            UsageError: If it is not; names the option.
        """
        if self.objective not in OBJECTIVES:
            raise unknown("objective", self.objective, OBJECTIVES)
        if self.precision not in PRECISIONS:
            raise unknown("precision of training", self.precision, PRECISIONS)
        for option, count in (("--steps", self.steps), ("--batch-triplets", self.batch), ("--width", self.width)):
            if count < 1:
                raise UsageError(f"{option} {count} is not at least 1")
        for option, value in (("--temperature", self.tau), ("--learning-rate", self.learning_rate)):
            if not 0 < value < math.inf:
                raise UsageError(f"{option} {value:g} is not above 0")
        if not 0 <= self.warmup_steps < self.steps:
            raise UsageError(f"--warmup {self.warmup_steps:,} does not end before --steps {self.steps:,}")
        if self.ema is not None and not 0 < self.ema < 1:
            raise UsageError(f"--ema {self.ema:g} is not between 0 and 1")
        if not 0 <= self.decay < math.inf:
            raise UsageError(f"--decay {self.decay:g} is below 0, or no number")
        check_rate(self.learning_rate, self.decay)
        return self


@dataclass(frozen=True)
class Course:
    """How the work of training is done; of these, only how a step is cut changes rounding.

    Attributes:
        accumulate: Parts in which each process takes its share of a step, one after another, to save memory.
        checkpoint_every: Steps between two checkpoints.
        log_every: Steps between two rows of the log.
        workers: Loader processes of each rank; none for a default.
        devices: Processes on each machine.
        nodes: Machines.
        validate_every: Steps between two looks at held-out triplets; none for as many as between checkpoints.
    """

    accumulate: int = 1
    checkpoint_every: int = 1000
    log_every: int = 50
    workers: int | None = None
    devices: int = 1
    nodes: int = 1
    validate_every: int | None = None

    def checked(self, batch: int) -> Course:
        """Check that everything in it is possible, and return it.

        Args:
            batch: Triplets of a step.

        Raises:
            UsageError: If it is not; names the option.
        """
        named = {
            "--accumulate": self.accumulate,
            "--checkpoint-every": self.checkpoint_every,
            "--log-every": self.log_every,
            "--devices": self.devices,
            "--num-nodes": self.nodes,
            "--validate-every": self.checkpoint_every if self.validate_every is None else self.validate_every,
        }
        for option, count in named.items():
            if count < 1:
                raise UsageError(f"{option} {count} is not at least 1")
        if self.workers is not None and self.workers < 0:
            raise UsageError(f"--loader-workers {self.workers} is below 0")
        parts = self.accumulate * self.devices * self.nodes
        if batch % parts:
            raise UsageError(
                f"--batch-triplets {batch:,} cannot be cut into {parts} equal parts, one for each of {self.devices} "
                f"devices x {self.nodes} machines x {self.accumulate} of --accumulate: choose a multiple of {parts}"
            )
        return self
