"""How a transform is learned, as data."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from alignbench.errors import UsageError, unknown

OBJECTIVES: Final = ("naive", "global", "glocal", "soft")
OPTIMISERS: Final = ("adam", "sgd")
PENALTIES: Final = ("frobenius", "identity")
_LARGEST: Final = 1e30  # of what is multiplied in float32


@dataclass(frozen=True)
class Recipe:
    """How a transform is learned; the defaults are the authors'.

    Attributes:
        objective: `naive`, `global`, `glocal` or `soft`; see `losses`.
        lam: Weight of the penalty.
        alpha: Weight of the local term (gLocal).
        tau: Temperature of the local term.
        learning_rate: Learning rate of the optimiser.
        optimiser: `adam`, or `sgd` with momentum 0.9.
        penalty: Penalty of the weights, `frobenius` or `identity`; none for the objective's own.
        bias: Whether the transform has a bias.
        triplets: Number of triplets of a batch.
        images: Number of images of a batch of the local term.
        epochs: Largest number of epochs.
        fewest_epochs: Smallest number of epochs.
        patience: Epochs without a lower held-out loss after which it stops.
        clip: Largest norm of the gradient.
        raw_local: Compatibility with the released code: features of the local term are not standardised.
        seed: Seed of the start and the order of batches.
    """

    objective: str = "glocal"
    lam: float = 0.1
    alpha: float = 0.1
    tau: float = 1.0
    learning_rate: float = 1e-3
    optimiser: str = "adam"
    penalty: str | None = None
    bias: bool = True
    triplets: int = 256
    images: int = 1024
    epochs: int = 100
    fewest_epochs: int = 20
    patience: int = 15
    clip: float = 1.0
    raw_local: bool = False
    seed: int = 0

    def checked(self) -> Recipe:
        """The recipe with its own penalty, if everything in it is possible.

        Raises:
            UsageError: If something in it is not.
        """
        if self.objective not in OBJECTIVES:
            raise unknown("objective", self.objective, OBJECTIVES)
        if self.optimiser not in OPTIMISERS:
            raise unknown("optimiser", self.optimiser, OPTIMISERS)
        positive = {"tau": self.tau, "learning rate": self.learning_rate, "gradient clip": self.clip}
        positive |= {"triplets a batch": self.triplets, "epochs": self.epochs, "patience": self.patience}
        for name, value in positive.items():
            if not 0 < value < float("inf"):
                raise UsageError(f"{name} {value} is not above 0")
        if not 0 <= self.lam < float("inf"):
            raise UsageError(f"lambda {self.lam} is below 0")
        for name, value in (positive | {"lambda": self.lam}).items():
            if isinstance(value, float) and value > _LARGEST:
                raise UsageError(f"{name} {value} is out of range: give {_LARGEST:g} at most")
        local = {"alpha": self.alpha, "tau": self.tau, "raw local": self.raw_local}
        given = [name for name, value in local.items() if value != getattr(Recipe, name.replace(" ", "_"))]
        if self.objective != "glocal" and given:
            raise UsageError(f"{given[0]} is of the local term, which {self.objective} has not: leave it out")
        if not 0 <= self.alpha < 1:
            raise UsageError(f"alpha {self.alpha} is not in 0 to 1, without 1")
        if self.images < 3:
            raise UsageError(f"{self.images} images a batch have no local structure: use 3 at least")
        own = "frobenius" if self.objective == "naive" else "identity"
        if self.penalty not in (None, *PENALTIES):
            raise unknown("penalty", str(self.penalty), PENALTIES)
        return replace(self, penalty=self.penalty or own)
