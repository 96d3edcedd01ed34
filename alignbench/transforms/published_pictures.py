"""Pictures as they were prepared for the published transforms, where that is not as the model's own code does it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from PIL import Image
from torch import Tensor

from alignbench.errors import UsageError
from alignbench.transforms.named import published_for
from alignbench.transforms.published import CROPPED, PUBLISHED


def published_pictures(model: str, prepare: Callable[[Image.Image], Tensor]) -> Callable[[Image.Image], Tensor]:
    """Give the preparation of pictures for which a model's published transform was learned.

    thingsvision has one preparation for all models of which it knows no other: torchvision's for classifiers, to the
    last bit. Its colours are ImageNet's, in which a model's own must agree, because pixels are normalised by the tower.

    Args:
        model: Name of the model, as `load_tower` takes it.
        prepare: Its own preparation, which says by `values` how it normalises pixels.

    Returns:
        The one to take, which is the model's own where the transform was learned on that.

    Raises:
        UsageError: If no transform is published for the model, or it takes pictures of another size or other colours.
    """
    if not PUBLISHED[published_for(model)].cropped:
        return prepare
    from torchvision.transforms._presets import ImageClassification

    from alignbench.models.torchvision_preparation import TorchvisionPreparation

    cropped = TorchvisionPreparation(ImageClassification(crop_size=224, resize_size=256))
    side = int(prepare(Image.new("RGB", (64, 64))).shape[-1])
    if side != cropped.side:
        raise UsageError(
            f"{model} takes pictures of {side} pixels, and its published transform is of {cropped.side} ({CROPPED}): "
            "leave out --resize published"
        )
    own = getattr(prepare, "values", None)
    if own is None or not torch.allclose(own(), cropped.values(), rtol=0.0, atol=1e-5):
        raise UsageError(
            f"{model} normalises pixels by other colours than ImageNet's, of which its published transform is: leave "
            "out --resize published"
        )
    return cropped
