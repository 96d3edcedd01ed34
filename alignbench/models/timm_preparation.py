"""How pictures are prepared for models of timm: timm's own transform for evaluation, with the normalisation apart."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import torch
from PIL import Image
from timm.data.config import resolve_data_config
from timm.data.transforms import MaybeToTensor
from timm.data.transforms_factory import create_transform
from torch import Tensor
from torchvision.transforms import CenterCrop, Compose, Normalize, Resize
from torchvision.transforms.functional import convert_image_dtype, normalize

from alignbench.errors import UsageError, one_line
from alignbench.models.preparation import PixelRecipe, central_square, refuse_thin, squashed, unprepared


class TimmPreparation:
    """timm's transform for evaluation (`create_transform`): what it does to a PIL picture, and its normalisation apart.

    Args:
        name: The model's name, for messages.
        settings: What timm says of how pictures are prepared for it (`pretrained_cfg`).

    Attributes:
        size: Height and width in pixels of what it makes.
        recipe: What settles the pixels that it makes.

    Raises:
        UsageError: If pictures are no RGB pictures there, or its transform is of another kind.
    """

    def __init__(self, name: str, settings: dict[str, Any]) -> None:
        resolve: Any = resolve_data_config
        config = resolve(pretrained_cfg=settings)
        channels, *self.size = config["input_size"]
        if channels != 3:
            raise UsageError(f"{name} takes pictures of {channels} channels: choose a model that takes RGB pictures")
        *resizing, to_tensor, last = create_transform(**config, is_training=False).transforms
        if not (isinstance(to_tensor, MaybeToTensor) and isinstance(last, Normalize)):
            raise UsageError(f"{name} prepares pictures in a way that is not supported: choose another model")
        self._resizing = Compose(resizing)
        self._mean, self._std = (torch.as_tensor(each).tolist() for each in (last.mean, last.std))
        self._covered = [math.floor(side / config["crop_pct"]) for side in self.size]
        self.recipe = self._recipe(resizing, config)

    def _recipe(self, resizing: list[Any], config: dict[str, Any]) -> PixelRecipe:
        (height, width), mode, resample = self.size, config["crop_mode"], config["interpolation"]
        filtered, shortest = Image.Resampling[resample.upper()], self._covered[0]
        if [type(each) for each in resizing] == [Resize, CenterCrop] and height == width:
            if mode == "squash" and shortest == height:
                return squashed(width, height, filtered)
            if mode == "center" and shortest == height:
                return central_square(height, filtered, "rounded to even")
            if mode == "center":
                text = f"shortest side to {shortest}, {resample}, central square of {height}, rounded to even"
                return PixelRecipe(text)
        border = f", border {[round(255 * level) for level in self._mean]}" if mode == "border" else ""
        first = " x ".join(map(str, reversed(self._covered)))
        return PixelRecipe(f"timm's {mode}, {first} to {width} x {height}, {resample}{border}")

    def __call__(self, image: Image.Image) -> Tensor:
        """Resize and crop a picture: (3, H, W) uint8.

        Raises:
            PictureError: If nothing would be left of its shorter side; see also `refuse_thin`.
        """
        refuse_thin(image.size, (self._covered[1], self._covered[0]))
        try:
            prepared = self._resizing(image)
        except Exception as error:
            raise unprepared(image.size, one_line(error)) from error
        return torch.from_numpy(np.array(prepared)).permute(2, 0, 1).contiguous()

    def values(self) -> Tensor:
        """Return what normalisation makes of each of the 256 values of a pixel, per channel: (3, 256) float32."""
        greys = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
        values: Tensor = normalize(convert_image_dtype(greys, torch.float), self._mean, self._std)
        return values.reshape(3, 256)

    def described(self) -> str:
        """Return everything that settles what the tower is given, as text."""
        return json.dumps([self.recipe.texts, self._mean, self._std])
