"""What a name of a model of torchvision stands for: an architecture, a preparation, and weights.

    torchvision:NAME            the weights that torchvision has as its default
    torchvision:NAME/WEIGHTS    other weights of torchvision, such as IMAGENET1K_V1
    torchvision:NAME/FILE       weights in a local file
    DIR                         a folder of weights that names its model, see `named_weights`

A file's pictures are prepared as for torchvision's default weights of the architecture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from torchvision import models
from torchvision.transforms._presets import ImageClassification

from alignbench.errors import ModelError, UsageError, did_you_mean, unknown
from alignbench.models.named_weights import named_weights
from alignbench.models.torch_cache import cached_path, torch_weights

PREFIX: Final = "torchvision:"


@dataclass(frozen=True)
class TorchvisionSource:
    """What a name stands for.

    Attributes:
        name: As given.
        architecture: Name of the model in torchvision.
        weights: Weights of torchvision; where a file has them, those whose preparation is taken.
        file: A local file of weights, if they are in one.
    """

    name: str
    architecture: str
    weights: Any
    file: Path | None = None

    def preset(self) -> ImageClassification:
        """Make torchvision's own transform of pictures for the weights."""
        preset = self.weights.transforms()
        if type(preset) is not ImageClassification:
            raise UsageError(f"{self.name} prepares pictures by {type(preset).__name__}, which is not supported")
        return preset

    def needs_download(self) -> bool:
        """Whether the weights have to be downloaded to torch's cache."""
        return self.file is None and not cached_path(self.weights.url).is_file()

    def weights_file(self) -> Path:
        """Find the file of the weights, downloading it where needed.

        Raises:
            ModelError: See `torch_weights`.
        """
        return torch_weights(self.name, self.weights.url) if self.file is None else self.file


@cache
def architectures() -> tuple[str, ...]:
    """Names of torchvision's classifiers of pictures."""
    return tuple(models.list_models(module=models))


def resolve(name: str) -> TorchvisionSource:
    """Find what a name stands for; nothing is downloaded or built.

    Args:
        name: A name in one of the forms in the head of this module.

    Raises:
        UsageError: If torchvision has no such model or no such weights of it; names the nearest.
        ModelError: If a file is not there.
    """
    architecture, slash, rest = (named_weights(name) or name).removeprefix(PREFIX).partition("/")
    if architecture not in architectures():
        raise unknown("model of torchvision", architecture, architectures())
    known = models.get_model_weights(architecture)
    if not slash:
        return TorchvisionSource(name, architecture, known.DEFAULT)
    if rest in known.__members__:
        return TorchvisionSource(name, architecture, known[rest])
    if Path(rest).is_file():
        return TorchvisionSource(name, architecture, known.DEFAULT, Path(rest))
    if Path(rest).suffix or "/" in rest:
        raise ModelError(f"there is no file {rest}: check the path of the weights of {PREFIX}{architecture}")
    hint = did_you_mean(rest, known.__members__) or f"there are {', '.join(known.__members__)}"
    raise UsageError(f"torchvision has no weights '{rest}' of {architecture}: {hint}; or name a file of weights")
