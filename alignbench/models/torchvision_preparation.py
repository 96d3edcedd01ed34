"""How pictures are prepared for models of torchvision: the weights' own transform, with the normalisation apart."""

from __future__ import annotations

import json

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional
from torchvision.transforms._presets import ImageClassification

from alignbench.errors import one_line
from alignbench.models.preparation import PixelRecipe, central_square, refuse_thin, unprepared


class TorchvisionPreparation:
    """torchvision's transform `ImageClassification`: resizing and cropping as PIL does it, and its normalisation apart.

    Args:
        preset: The transform.

    Attributes:
        side: Side in pixels of what it makes.
        recipe: What settles the pixels that it makes.
    """

    def __init__(self, preset: ImageClassification) -> None:
        self.preset = preset
        (self.side,), (self._shortest,) = preset.crop_size, preset.resize_size
        resample, rounding = Image.Resampling[preset.interpolation.name], "rounded to even"
        self.recipe = (
            central_square(self.side, resample, rounding)
            if self.side == self._shortest
            else PixelRecipe(
                f"shortest side to {self._shortest}, {resample.name.lower()}, central square of {self.side}, {rounding}"
            )
        )

    def __call__(self, image: Image.Image) -> Tensor:
        """Resize and crop a picture: (3, H, W) uint8.

        Raises:
            PictureError: If nothing would be left of its shorter side; see also `refuse_thin`.
        """
        refuse_thin(image.size, (self._shortest, self._shortest))
        size, preset = image.size, self.preset
        try:
            image = functional.resize(image, preset.resize_size, preset.interpolation, antialias=preset.antialias)
            image = functional.center_crop(image, preset.crop_size)
        except Exception as error:
            raise unprepared(size, one_line(error)) from error
        pixels: Tensor = functional.pil_to_tensor(image)
        return pixels

    def values(self) -> Tensor:
        """Return what normalisation makes of each of the 256 values of a pixel, per channel: (3, 256) float32."""
        greys = torch.arange(256, dtype=torch.uint8).expand(3, 1, 256)
        table = functional.convert_image_dtype(greys, torch.float)
        values: Tensor = functional.normalize(table, self.preset.mean, self.preset.std)
        return values.reshape(3, 256)

    def described(self) -> str:
        """Return everything that settles what the tower is given, as text."""
        preset = self.preset
        return json.dumps([self.recipe.texts, preset.antialias, preset.mean, preset.std])
