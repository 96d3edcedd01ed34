"""A base student of a world: a small vision transformer that tells its leaves apart, and learned nothing of its tree.

It is trained on pictures in which every leaf has a favourite background, size and position. What it learns is good
locally (which leaf) and poor globally (which superordinate kind), as contrastive models are, so that there is something
to be taught. `tools/train_shapes_levels.py` makes `shapes-levels-vit`, which comes with the package, with it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from torch import Tensor, nn

from alignbench.datasets.leaf_drawing import SIDE
from alignbench.datasets.levels_world import LEAVES, LeafImages, LevelsWorld
from alignbench.errors import UsageError
from alignbench.files import make_folder, whole_folder

if TYPE_CHECKING:
    from transformers import ViTConfig, ViTModel

WIDTH: Final = 64
DEPTH: Final = 4
PATCH: Final = 4
_MEAN = _STD = 0.5
_DECAY: Final = 0.05
_LONGEST_GRADIENT: Final = 1.0


@dataclass(frozen=True)
class Pretraining:
    """How a base student is trained.

    Attributes:
        steps: Number of steps.
        batch: Pictures a step.
        rate: Highest learning rate.
        each: Different pictures of each leaf.
        seed: Seed of the weights and of the order of pictures.
    """

    steps: int = 2_000
    batch: int = 64
    rate: float = 1.5e-3
    each: int = 300
    seed: int = 0

    def checked(self) -> Pretraining:
        """The same, if it is possible.

        Raises:
            UsageError: If a number is below 1, or the rate is not above 0.
        """
        for name in ("steps", "batch", "each"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} of a pretraining is below 1")
        if not (self.rate > 0.0 and math.isfinite(self.rate)):
            raise UsageError(f"rate {self.rate} of a pretraining is not above 0")
        return self


@dataclass(frozen=True, eq=False)
class BaseStudent:
    """A trained base student.

    Attributes:
        model: The transformer; its class token after the last norm is what it says of a picture.
        classifier: Makes of that a number for each leaf.
    """

    model: ViTModel
    classifier: nn.Linear

    @torch.inference_mode()
    def accuracy(self, images: LeafImages) -> float:
        """Return for which share of some pictures it names the right leaf."""
        right = [
            (self.classifier(class_tokens(self.model, pixels)).argmax(dim=1) == leaves).float()
            for pixels, leaves in zip(tensor_of(images).split(256), torch.tensor(images.leaves).split(256), strict=True)
        ]
        return float(torch.cat(right).mean())

    def save(self, folder: Path) -> None:
        """Write the transformer and the preparation of pictures in the format of transformers.

        Args:
            folder: Whole or not at all; an old one is replaced.

        Raises:
            AlignbenchError: If it cannot be written.
        """
        from transformers import ViTImageProcessor

        side = {"height": SIDE, "width": SIDE}
        processor = ViTImageProcessor(size=side, image_mean=[_MEAN] * 3, image_std=[_STD] * 3, resample=3)
        make_folder(folder.parent)
        with whole_folder(folder) as scratch:
            self.model.save_pretrained(scratch)
            processor.save_pretrained(scratch)


def student_config() -> ViTConfig:
    """Return the configuration of a base student."""
    from transformers import ViTConfig

    return ViTConfig(
        hidden_size=WIDTH,
        num_hidden_layers=DEPTH,
        num_attention_heads=4,
        intermediate_size=2 * WIDTH,
        image_size=SIDE,
        patch_size=PATCH,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )


def pretrain(
    world: LevelsWorld, how: Pretraining, heard: Callable[[int, float], None] = lambda step, loss: None
) -> BaseStudent:
    """Train a base student to name the leaf of a picture.

    The loss is the cross-entropy over the 64 leaves, the optimiser AdamW (weight decay 0.05), and the rate rises to its
    highest over the first tenth of the steps and falls to 0 by half a cosine.

    Args:
        world: The world; it learns of all leaves, held-out ones too, as models in use have seen everything.
        how: How long, and with which seed.
        heard: Is told the number of each step, from 1, and its loss.

    Raises:
        UsageError: If that is impossible.
    """
    from transformers import ViTModel

    how = how.checked()
    images = world.pictures("pretraining", how.each)
    pixels, leaves = tensor_of(images), torch.tensor(images.leaves)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(how.seed)
        model, classifier = ViTModel(student_config(), add_pooling_layer=False), nn.Linear(WIDTH, LEAVES)
    parameters = [*model.parameters(), *classifier.parameters()]
    optimiser = torch.optim.AdamW(parameters, lr=how.rate, weight_decay=_DECAY)
    rng = np.random.default_rng((how.seed, world.seed))
    for step in range(1, how.steps + 1):
        for group in optimiser.param_groups:
            group["lr"] = how.rate * _share_of_rate(step, how.steps)
        chosen = torch.from_numpy(rng.integers(len(leaves), size=how.batch))
        loss = nn.functional.cross_entropy(classifier(_tokens(model, pixels[chosen])), leaves[chosen])
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, _LONGEST_GRADIENT)
        optimiser.step()
        heard(step, float(loss.detach()))
    return BaseStudent(model.eval(), classifier)


def _share_of_rate(step: int, steps: int) -> float:
    """Which share of the highest rate a step has: from 1 of them up to all, and down to 0 at the end."""
    rising = max(1, steps // 10)
    return step / rising if step <= rising else 0.5 + 0.5 * math.cos(math.pi * (step - rising) / (steps - rising))


def tensor_of(images: LeafImages) -> Tensor:
    """Draw pictures as the model takes them.

    Returns:
        Pixels from -1 to 1, (n, 3, 32, 32) float32.
    """
    drawn = np.stack([np.asarray(images.open(index)) for index in range(len(images.chosen))])
    return (torch.from_numpy(drawn).permute(0, 3, 1, 2).float() / 255.0 - _MEAN) / _STD


def _tokens(model: ViTModel, pixels: Tensor) -> Tensor:
    tokens: Tensor = model(pixel_values=pixels).last_hidden_state[:, 0]
    return tokens


@torch.inference_mode()
def class_tokens(model: ViTModel, pixels: Tensor) -> Tensor:
    """Return the class token after the last norm, (n, 64).

    Args:
        model: The transformer.
        pixels: Pixels, see `tensor_of`.
    """
    return torch.cat([_tokens(model, part) for part in pixels.split(256)])
