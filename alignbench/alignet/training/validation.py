"""Held-out triplets on which a student is judged while it is trained; nothing of the student depends on them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.objective import last_is_odd, triplet_loss
from alignbench.alignet.training.batches import RowBatches, batch_loader
from alignbench.errors import AlignbenchError, DataError, counted
from alignbench.extraction.loader import Loading, OrderedImages

if TYPE_CHECKING:
    from alignbench.alignet.training.loop import StudentLoop

COLUMNS: Final = ("validation_loss", "validation_agreement")
_BLOCK: Final = 1 << 20  # triplets that are looked at at once


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Triplets that a student is not trained on.

    Attributes:
        pictures: Their pictures, prepared, by the numbers that the triplets have for them.
        triplets: The triplets, with numbers of those pictures.
        every: Steps from one time to the next.
        at_once: Triplets that each process takes at once.
        loading: How pictures are read.
    """

    pictures: OrderedImages[Tensor]
    triplets: LabelledTriplets
    every: int
    at_once: int
    loading: Loading

    def is_due(self, loop: StudentLoop) -> bool:
        """Whether the step that was just made, or was the last before a stop, is one after which it is judged."""
        return loop.step > 0 and (loop.step % self.every == 0 or loop.step == loop.recipe.steps)

    def is_lacking(self, loop: StudentLoop) -> bool:
        """Whether it is due, and was not done before the run was stopped."""
        last = loop.rows[-1] if loop.rows else {}
        return self.is_due(loop) and last.get("step") == loop.step and COLUMNS[0] not in last

    def judge(self, loop: StudentLoop) -> None:
        """Put mean loss and agreement with the teacher on all of them into the last row; all ranks call it together.

        The student is what it would be saved as: with a running average, that.

        Raises:
            AlignbenchError: If a picture is damaged, or a loss is not finite.
        """
        ranks, recipe = loop.ranks, loop.recipe
        own = np.arange(ranks.number, len(self.triplets.triplets), ranks.count)
        batches = RowBatches(self.pictures, self.triplets, own, self.at_once)
        sums = torch.zeros(3, dtype=torch.float64, device=loop.device)
        with ranks.together(), torch.no_grad(), _averaged(loop), batch_loader(batches, self.loading) as loader:
            for batch in loader:
                if isinstance(batch, DataError):
                    raise batch
                pixels, teacher = (part.to(loop.device) for part in batch)
                with torch.autocast(loop.device.type, torch.bfloat16, enabled=recipe.precision == "bf16"):
                    embeddings = loop.student(pixels.flatten(0, 1)).unflatten(0, (-1, 3))
                    losses = triplet_loss(embeddings, teacher, recipe.objective, recipe.tau, recipe.normalize)
                agreed = last_is_odd(embeddings)
                sums += torch.stack(
                    [losses.sum(dtype=torch.float64), agreed.sum(dtype=torch.float64), sums.new_tensor(len(losses))]
                )
        loss, agreement, count = ranks.add(sums).tolist()
        if not np.isfinite(loss):
            raise AlignbenchError(
                f"the loss of the validation triplets is not finite at step {loop.step:,}: lower --learning-rate, or "
                "use --precision fp32"
            )
        loop.rows[-1].update(zip(COLUMNS, (loss / count, agreement / count), strict=True))


@contextmanager
def _averaged(loop: StudentLoop) -> Iterator[None]:
    """Have the running average in the place of the parameters, if there is one, and give these back bit by bit."""
    own = [each.detach().clone() for each in loop.trained.values()] if loop.recipe.ema is not None else []
    loop.take_average()
    try:
        yield
    finally:
        for parameter, value in zip(loop.trained.values(), own, strict=False):
            parameter.copy_(value)


def refuse_repeated(training: LabelledTriplets, held_out: LabelledTriplets) -> None:
    """Refuse held-out triplets that are trained on, in whatever order their pictures stand.

    Args:
        training: Triplets that a student is trained on.
        held_out: Those on which it is judged; pictures of one name are one picture.

    Raises:
        DataError: If there are any; says how many.
    """
    place = {name: number for number, name in enumerate(held_out.names)}
    numbers = np.array([place.get(name, -1) for name in training.names], dtype=np.int32)
    wanted, found = _sets(held_out.triplets), np.zeros(len(held_out.triplets), dtype=np.bool_)
    for start in range(0, len(training.triplets), _BLOCK):
        rows = numbers[training.triplets[start : start + _BLOCK]]
        found |= np.isin(wanted, _sets(rows[(rows >= 0).all(axis=1)]))
    if found.any():
        raise DataError(
            f"the student is trained on {int(found.sum()):,} of the {counted(len(found), 'triplet')} of --validation "
            f"{held_out.path}: leave out such triplets, or sample others"
        )


def _sets(triplets: NDArray[np.int32]) -> NDArray[Any]:
    """Each triplet as one value, whatever the order of its pictures."""
    return np.ascontiguousarray(np.sort(triplets, axis=1)).view(np.dtype((np.void, 12))).reshape(-1)
