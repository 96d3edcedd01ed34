"""Training of PerceptNet on rated pairs: the loss is minus the Pearson correlation of minus distance and rating.

References are split, so that what is held out shares no picture with what is trained on. After every epoch everything
that is needed to go on is written to a checkpoint. The weights kept in the end are those of the epoch with the best
held-out correlation. That choice makes this correlation a little too good: measure the weights on other data.
"""

from __future__ import annotations

import json
import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import version
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn import functional

from alignbench import ModelError, UsageError
from alignbench.files import open_plain, write_whole
from baselines.perceptnet.network import PerceptNet
from baselines.perceptnet.ratings import RatedPairs

_FEWEST: Final = 3  # ratings a batch: two always correlate perfectly
_EVALUATED: Final = 16  # pairs at once where nothing is learned
_REMEDY: Final = "make room, or choose another --output"
_LARGEST: Final = 2**63 - 1


@dataclass(frozen=True)
class PerceptNetRecipe:
    """Settings that, with the pairs, settle the weights.

    Attributes:
        epochs: Number of passes over the pairs.
        batch_size: Number of pairs a step; the last few of an epoch that fill no batch are left out of it.
        rate: Adam's learning rate.
        seed: Seed of the first weights, of the held-out references, and of the order of pairs.
        holdout: Share of the references held out.
    """

    epochs: int
    batch_size: int
    rate: float
    seed: int
    holdout: float

    def checked(self) -> PerceptNetRecipe:
        """Return the recipe if every number is in range.

        Raises:
            UsageError: If not.
        """
        for option, number in (("--epochs", self.epochs), ("--batch-size", self.batch_size)):
            if number > _LARGEST:
                raise UsageError(f"{option} {number} is out of range: it must be below 2^63")
        if self.epochs < 1:
            raise UsageError(f"--epochs {self.epochs} is below 1")
        if self.batch_size < _FEWEST:
            raise UsageError(f"--batch-size {self.batch_size} is below {_FEWEST}, and fewer pairs always correlate")
        if not (self.rate > 0.0 and math.isfinite(self.rate)):
            raise UsageError(f"--lr {self.rate} must be a number above 0")
        if not 0 <= self.seed <= _LARGEST:
            raise UsageError(f"--seed {self.seed} is out of range 0 to 2^63 - 1")
        if not 0.0 < self.holdout < 1.0:
            raise UsageError(f"--holdout {self.holdout} must lie between 0 and 1")
        return self


@dataclass(frozen=True)
class PerceptNetEpoch:
    """How well one epoch went.

    Attributes:
        number: Number of the epoch; 0 for the untrained network.
        training: Mean over batches of the correlation before each step; none for the untrained network.
        held_out: Correlation over all held-out pairs.
    """

    number: int
    training: float | None
    held_out: float


def correlation(distances: Tensor, ratings: Tensor) -> Tensor:
    """Return the Pearson correlation of minus the distances with the ratings, both (n,); 0 where either is constant."""
    return functional.cosine_similarity(distances.mean() - distances, ratings - ratings.mean(), dim=0)


class Training:
    """A training under way.

    Args:
        recipe: Settings of the training.
        training: Pairs to learn from.
        held_out: Pairs to watch, of other references.
        device: `cpu` or `cuda`.
        data: What the pairs were read from (data set, subset, fingerprint), written into checkpoint and weights.
    """

    def __init__(
        self, recipe: PerceptNetRecipe, training: RatedPairs, held_out: RatedPairs, device: str, data: dict[str, str]
    ) -> None:
        self.recipe, self.training, self.held_out, self.device, self.data = recipe, training, held_out, device, data
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(recipe.seed)
            self.network = PerceptNet().to(device)
        self.optimiser = torch.optim.Adam(self.network.parameters(), lr=recipe.rate)
        self.history: list[PerceptNetEpoch] = []
        self.best: dict[str, Tensor] = {}

    def run(self, checkpoint: Path, advanced: Callable[[int], None]) -> Iterator[PerceptNetEpoch]:
        """Train the epochs that are still to do, and hand out each one's record when its checkpoint is written.

        Args:
            checkpoint: File of the checkpoint.
            advanced: Called after every batch with its number of pairs.

        Raises:
            ModelError: If the numbers stop being finite.
            DataError: If a picture cannot be used.
        """
        for number in range(len(self.history), self.recipe.epochs + 1):
            learned = self._learn(number, advanced) if number else None
            epoch = PerceptNetEpoch(number, learned, self._watch(number))
            if not self.history or epoch.held_out > self.best_epoch.held_out:
                self.best = {name: value.detach().cpu().clone() for name, value in self.network.state_dict().items()}
            self.history.append(epoch)
            self._save(checkpoint)
            yield epoch

    @property
    def pairs_to_go(self) -> int:
        """Number of pairs that the epochs still to do will take."""
        size = min(self.recipe.batch_size, len(self.training))
        return (self.recipe.epochs - max(0, len(self.history) - 1)) * (len(self.training) // size * size)

    @property
    def best_epoch(self) -> PerceptNetEpoch:
        """The first epoch with the best held-out correlation."""
        return max(self.history, key=lambda epoch: epoch.held_out)

    def _learn(self, number: int, advanced: Callable[[int], None]) -> float:
        """One epoch; its order is drawn from seed and number alone, so that going on needs no state of a generator."""
        order = np.random.default_rng((self.recipe.seed, number)).permutation(len(self.training))
        size = min(self.recipe.batch_size, len(order))
        correlations = []
        for batch in self.training.some(order[: len(order) // size * size]).batches(size):
            reached = correlation(batch.distances(self.network, self.device), batch.ratings.to(self.device))
            correlations.append(self._finite(reached.item(), number))
            self.optimiser.zero_grad()
            (-reached).backward()
            self.optimiser.step()
            self.network.keep_bounds()
            advanced(size)
        return float(np.mean(correlations))

    def _watch(self, number: int) -> float:
        with torch.inference_mode():
            batches = self.held_out.batches(_EVALUATED)
            distances = torch.cat([batch.distances(self.network, self.device) for batch in batches])
            return self._finite(correlation(distances.cpu(), self.held_out.ratings).item(), number)

    def _finite(self, value: float, number: int) -> float:
        if not math.isfinite(value):
            raise ModelError(f"the numbers of epoch {number} are not finite: choose a lower --lr and another --output")
        return value

    def _settings(self) -> dict[str, str]:
        """What must be the same where a training goes on."""
        given = {"batch size": self.recipe.batch_size, "lr": self.recipe.rate, "seed": self.recipe.seed}
        return self.data | {name: str(value) for name, value in given.items()} | {"holdout": str(self.recipe.holdout)}

    def _save(self, checkpoint: Path) -> None:
        state = {
            "settings": self._settings(),
            "history": [asdict(epoch) for epoch in self.history],
            "network": self.network.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "best": self.best,
        }
        content = BytesIO()  # of a full disk, torch makes an error of its own
        torch.save(state, content)
        write_whole(checkpoint, content.getvalue(), _REMEDY)

    def resume(self, checkpoint: Path) -> None:
        """Go on from a checkpoint.

        Raises:
            ModelError: If it cannot be read.
            UsageError: If it comes from other settings, or from more epochs.
        """
        remedy = "delete it and start without --resume"
        try:
            open_plain(checkpoint).close()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of a file that it then refuses
                state: dict[str, Any] = torch.load(checkpoint, map_location=self.device, weights_only=True)
            settings, history = state["settings"], [PerceptNetEpoch(**epoch) for epoch in state["history"]]
            for name, value in self._settings().items():
                if settings[name] != value:
                    raise UsageError(f"{checkpoint} was made with {name} {settings[name]}, not {value}: {remedy}")
            self.network.load_state_dict(state["network"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.history, self.best = history, {name: value.cpu() for name, value in state["best"].items()}
        except UsageError:
            raise
        except Exception as error:  # a damaged file can raise anything
            raise ModelError(f"{checkpoint} is damaged ({type(error).__name__}): {remedy}") from error
        if self.recipe.epochs < len(history) - 1:
            raise UsageError(f"{checkpoint} holds {len(history) - 1} epochs: set --epochs to that or more")

    def write_weights(self, path: Path) -> None:
        """Write the best weights, with where they come from in the metadata."""
        metadata = self._settings() | {
            "epochs": str(self.recipe.epochs),
            "best epoch": str(self.best_epoch.number),
            "held-out pearson": str(self.best_epoch.held_out),
            "held-out pearson untrained": str(self.history[0].held_out),
            "pairs": json.dumps({"trained": len(self.training), "held out": len(self.held_out)}),
            "objective": "minus the Pearson correlation of minus the distance with the rating",
            "versions": json.dumps({name: version(name) for name in ("alignbench", "torch")}),
            "written": time.strftime("%Y-%m-%d", time.gmtime()),
        }
        write_whole(path, save(self.best, metadata), _REMEDY)
