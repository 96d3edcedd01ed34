"""The steps of training, in Lightning's loop: losses, the rate of each step, what is seen on the way, checkpoints."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import lightning
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor

from alignbench.alignet.objective import choice_entropy, last_is_odd, triplet_loss
from alignbench.alignet.towards_start import START, TowardsStart
from alignbench.alignet.training.batches import Batch
from alignbench.alignet.training.checkpoints import Checkpoint
from alignbench.alignet.training.listener import TrainingListener
from alignbench.alignet.training.recipe import Course, StudentRecipe
from alignbench.alignet.training.stopping import Stop
from alignbench.alignet.training.student import Student
from alignbench.alignet.training.validation import COLUMNS as JUDGED
from alignbench.alignet.training.validation import HeldOut
from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError
from alignbench.extraction.distributed import Ranks

_MOMENTS: Final = ("exp_avg", "exp_avg_sq")
_PICTURES: Final = 3
_ONE_HOT, _FLAT = 0.01, 0.99  # shares of log 3: targets of less entropy, or of more, tell little but the odd one
_OTHERS: Final = "the student was judged on other held-out triplets before it was stopped: that is left out of the log"
_VANISHING: Final = 1e-8  # what Adam adds to the size of a gradient: smaller ones make smaller steps


class StudentLoop(lightning.LightningModule):
    """A student, its loss and its optimiser.

    Args:
        student: The student, with theta_0.
        recipe: How it is trained.
        ranks: The processes that train it together.

    Attributes:
        step: Steps that were made, by earlier runs too.
        rows: What was logged.
        first: What was seen at the first step: `target_entropy` in nats, `gradient_norm`, and `gradient_rms`, the root
            of the mean square of all its numbers.
        held_out: Digest of the triplets on which it is judged on the way; empty without any.
    """

    def __init__(self, student: Student, recipe: StudentRecipe, ranks: Ranks) -> None:
        super().__init__()
        self.student, self.recipe, self.ranks = student, recipe, ranks
        self.trained = student.settle_parameters()
        self.step, self.rows, self.first = 0, list[dict[str, float]](), dict[str, float]()
        self.held_out = ""
        self._sums = torch.zeros(3, dtype=torch.float64)  # of losses, of odd ones last, of triplets, since the last row
        self._targets = torch.zeros(2, dtype=torch.float64)  # entropies of the first step's targets, and how many
        self._state: dict[str, dict[str, Tensor]] | None = None
        self._averages = (
            [each.detach().clone() for each in self.trained.values()] if recipe.ema is not None else list[Tensor]()
        )

    # --------------------------------------------------------------------------------------------- steps

    def configure_optimizers(self) -> TowardsStart:
        """Make the optimiser, whose start is now, or that of the run that is gone on with."""
        recipe = self.recipe
        self.optimiser = TowardsStart(self.trained.values(), recipe.learning_rate, decay=recipe.decay)
        if self._state is not None:
            for name, parameter in self.trained.items():
                for kind, value in self.optimiser.state[parameter].items():
                    value.copy_(self._state[kind][name])
            self.optimiser.param_groups[0]["step"] = self.step
            self._state = None
        self._averages = [each.to(self.device) for each in self._averages]
        return self.optimiser

    def training_step(self, batch: Batch | DataError, batch_idx: int) -> Tensor:
        """Return the mean loss of a batch."""
        if isinstance(batch, DataError):
            raise batch
        pixels, teacher = batch
        recipe = self.recipe
        embeddings = self.student(pixels.flatten(0, 1)).unflatten(0, (-1, _PICTURES))
        losses = triplet_loss(embeddings, teacher, recipe.objective, recipe.tau, recipe.normalize)
        with torch.no_grad():
            self._sums = self._added(self._sums, losses, last_is_odd(embeddings))
            if self.step == 0:
                self._targets = self._added(self._targets, choice_entropy(teacher))
        return losses.mean()

    def _added(self, sums: Tensor, *values: Tensor) -> Tensor:
        """Sums, and in the end a count, with the values of some more triplets."""
        added = [value.sum(dtype=torch.float64) for value in values]
        return sums.to(self.device) + torch.stack([*added, added[0].new_tensor(len(values[0]))])

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """Make a step with the rate that its number has."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.recipe.rate(self.step)
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        if self._averages:
            weight = 1 - float(self.recipe.ema or 0)
            torch._foreach_lerp_(self._averages, [each.detach() for each in self.trained.values()], weight)
        self.step += 1

    def on_before_optimizer_step(self, optimizer: Any) -> None:
        """See how the first step begins."""
        if self.step:
            return
        gradients = [each.grad.double() for each in self.trained.values() if each.grad is not None]
        norm = math.sqrt(sum(float(each.square().sum()) for each in gradients))
        entropy, count = self.ranks.add(self._targets).tolist()
        self.first = {
            "target_entropy": entropy / count,
            "gradient_norm": norm,
            "gradient_rms": norm / math.sqrt(sum(each.numel() for each in gradients)),
        }
        if self.ranks.leads:
            warn_of_first_step(self.first, self.recipe.objective)

    # --------------------------------------------------------------------------------------------- state

    def row(self, seconds: float, steps: int) -> dict[str, float]:
        """Average what was seen since the last row, and begin anew; the same on all ranks.

        Args:
            seconds: What these steps took in this run.
            steps: How many of them there were in this run.
        """
        loss, agreed, count = self.ranks.add(self._sums).tolist()
        row = {
            "step": self.step,
            "loss": loss / count,
            "teacher_agreement": agreed / count,
            "learning_rate": self.recipe.rate(self.step - 1),
            "pictures_per_second": steps * self.recipe.batch * _PICTURES / max(seconds, 1e-9),
        }
        self._sums = torch.zeros_like(self._sums)
        self.rows.append(row)
        return row

    def check_finite(self) -> None:
        """Refuse to go on, or to leave a checkpoint, once a loss was no number.

        Raises:
            AlignbenchError: If one was.
        """
        if not torch.isfinite(self._sums).all():
            raise AlignbenchError(
                f"the loss is not finite at step {self.step:,} or shortly before: lower --learning-rate, or use "
                "--precision fp32"
            )

    def checkpoint(self) -> Checkpoint:
        """Return the state, which all ranks ask for together."""
        sums = self.ranks.add(self._sums.clone()).tolist()
        log = {"rows": self.rows, "sums": sums, "first": self.first, "held_out": self.held_out}
        return Checkpoint(self.step, dict(self._tensors()), log)

    def _tensors(self) -> Iterator[tuple[str, Tensor]]:
        for name, parameter in self.trained.items():
            yield f"value/{name}", parameter
            for kind in (START, *_MOMENTS):
                yield f"{kind}/{name}", self.optimiser.state[parameter][kind]
        for name, average in zip(self.trained, self._averages, strict=False):
            yield f"average/{name}", average

    def places(self) -> dict[str, dict[str, Tensor]]:
        """Return where the tensors of a checkpoint go, by kind and name, before the optimiser is made."""
        self._state = {
            kind: {name: torch.zeros_like(each, device="cpu") for name, each in self.trained.items()}
            for kind in (START, *_MOMENTS)
        }
        places: dict[str, dict[str, Tensor]] = {"value": {**self.trained}, **self._state}
        return places | ({"average": dict(zip(self.trained, self._averages, strict=True))} if self._averages else {})

    def go_on(self, checkpoint: Checkpoint) -> None:
        """Take over what a checkpoint says beside its tensors."""
        self.step, self.rows, self.first = checkpoint.step, [*checkpoint.log["rows"]], dict(checkpoint.log["first"])
        if checkpoint.log.get("held_out", "") not in ("", self.held_out):
            if self.ranks.leads:
                warnings.warn(_OTHERS, AlignbenchWarning, stacklevel=2)
            self.rows = [{name: row[name] for name in row if name not in JUDGED} for row in self.rows]
        if self.ranks.leads:  # which alone has what all have seen since the last row
            self._sums = torch.tensor(checkpoint.log["sums"], dtype=torch.float64)

    def starts(self) -> dict[str, Tensor]:
        """Return theta_0, by the names of the parameters."""
        return {name: self.optimiser.state[each][START] for name, each in self.trained.items()}

    def take_average(self) -> None:
        """Put the running average in the place of the parameters, if there is one."""
        with torch.no_grad():
            for parameter, average in zip(self.trained.values(), self._averages, strict=False):
                parameter.copy_(average)


def warn_of_first_step(seen: dict[str, float], objective: str) -> None:
    """Warn where targets or gradients are such that little can be learned; see `StudentLoop.first`."""
    share, size = seen["target_entropy"] / math.log(3), seen["gradient_rms"]
    if objective == "contrastive":  # which has no targets
        text = ""
    elif share < _ONE_HOT:
        text = "is one-hot in effect: its similarities are large for a softmax, as of un-normalised features"
    elif share > _FLAT:
        text = "is flat in effect: its similarities differ too little for a softmax"
    else:
        text = ""
    if text:
        warnings.warn(
            f"the teacher {text} (mean entropy of the targets {seen['target_entropy']:.4f} of {math.log(3):.4f} nats): "
            "label the triplets by another similarity or teacher",
            AlignbenchWarning,
            stacklevel=2,
        )
    if size < _VANISHING:
        warnings.warn(
            f"gradients vanish at the first step (root mean square {size:.1e}, below Adam's epsilon of 1e-8): lower "
            "--temperature",
            AlignbenchWarning,
            stacklevel=2,
        )


@dataclass
class StepWatch(Callback):
    """Looks after steps: the log, checkpoints, and the end.

    Attributes:
        course: How often.
        stop: Whether training is asked to end.
        keep: Leaves a checkpoint; called by all ranks.
        listener: Hears of every step.
        held_out: Triplets on which the student is judged on the way, if there are any.
    """

    course: Course
    stop: Stop
    keep: Callable[[Checkpoint], None]
    listener: TrainingListener
    held_out: HeldOut | None = None
    stopped: bool = False

    def on_train_start(self, trainer: lightning.Trainer, module: lightning.LightningModule) -> None:
        """See `Callback`."""
        assert isinstance(module, StudentLoop)
        if self.held_out is not None and self.held_out.is_lacking(module):
            self.held_out.judge(module)
        self._seen, self._since = module.step, (time.monotonic(), module.step)

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """See `Callback`."""
        assert isinstance(module, StudentLoop)
        if module.step == self._seen:  # the step has further parts
            return
        self._seen, last = module.step, module.step == module.recipe.steps
        self.listener.advanced()
        if module.step == 1:
            self.listener.first_step(module.first)
        self.stopped = self._is_asked(module) and not last
        due = self.held_out is not None and self.held_out.is_due(module)
        ends_row = last or due or module.step % self.course.log_every == 0
        if ends_row:
            module.check_finite()
            began, step = self._since
            row = module.row(time.monotonic() - began, module.step - step)
        if self.stopped or last or module.step % self.course.checkpoint_every == 0:
            module.check_finite()
            self.keep(module.checkpoint())
        if self.held_out is not None and due and not self.stopped:  # which a stopped run does when it goes on
            self.held_out.judge(module)
        if ends_row:
            self._since = (time.monotonic(), module.step)
            self.listener.logged(row)
        if self.stopped:
            self.listener.kept(module.step)
            trainer.should_stop = True

    def _is_asked(self, module: StudentLoop) -> bool:
        """Whether a signal asks any of the ranks to end: all of them end after the same step."""
        asked = self.stop.asked is not None
        if module.ranks.count == 1:
            return asked
        return bool(module.ranks.add(torch.tensor(float(asked), device=module.device)))
