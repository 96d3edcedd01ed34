"""How pictures are prepared for models of open_clip: its own transform, with the normalisation apart."""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np
import torch
from open_clip.transform import MaybeToTensor, Normalize, PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor

from alignbench.errors import ModelError, one_line
from alignbench.models.normalisation import check_order
from alignbench.models.openclip_layers import UNFIT
from alignbench.models.openclip_names import OpenClipSource
from alignbench.models.preparation import PixelRecipe, central_square, refuse_thin, squashed, unprepared


class OpenClipPreparation:
    """open_clip's own validation transform: resizing and cropping as PIL does it, and its normalisation apart.

    Args:
        config: Preparation that the checkpoint asks for.

    Attributes:
        recipe: What settles the pixels that it makes.
    """

    def __init__(self, config: PreprocessCfg) -> None:
        *self.resizing, self.to_tensor, self.normalise = image_transform_v2(config, is_train=False).transforms
        if not (isinstance(self.to_tensor, MaybeToTensor) and isinstance(self.normalise, Normalize)):
            raise RuntimeError("open_clip's transform does not end with its normalisation")
        self.recipe = _recipe(config)
        self._covered = _width_and_height(config) if config.resize_mode == "shortest" else None

    def __call__(self, image: Image.Image) -> Tensor:
        """Resize and crop a picture: (3, H, W) uint8.

        Raises:
            PictureError: If nothing would be left of its shorter side; see also `refuse_thin`.
        """
        if self._covered is not None:
            refuse_thin(image.size, self._covered)
        size = image.size
        try:
            for step in self.resizing:
                image = step(image)
        except Exception as error:
            raise unprepared(size, one_line(error)) from error
        return torch.from_numpy(np.array(image)).permute(2, 0, 1).contiguous()

    def values(self) -> Tensor:
        """Return what normalisation makes of each of the 256 values of a pixel, per channel: (3, 256) float32."""
        greys = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
        table: Tensor = self.normalise(self.to_tensor(greys))
        return table.reshape(3, 256)


def read_preparation(source: OpenClipSource, size: tuple[int, int]) -> tuple[OpenClipPreparation, str]:
    """Return how pictures are prepared for a model, and the same as text.

    Args:
        source: What the model's name stands for.
        size: Height and width that its tower takes.

    Raises:
        ModelError: If what the checkpoint says of it cannot be followed.
    """
    try:
        config = PreprocessCfg(**{**source.preprocess, "size": size})
        preparation = OpenClipPreparation(config)
        made = tuple(preparation(Image.new("RGB", (size[1] + 7, size[0] + 3))).shape)
        if made != (3, *size):
            raise ValueError(f"it makes {made} values of a picture")
        check_order(preparation.values())
    except UNFIT as error:
        raise ModelError(
            f"preprocess_cfg of {source.name} cannot be followed ({one_line(error)}): download it again"
        ) from error
    return preparation, json.dumps(asdict(config))


def _recipe(config: PreprocessCfg) -> PixelRecipe:
    """See `PixelRecipe`; what is out of the ordinary is told apart by all its values."""
    width, height = _width_and_height(config)
    resample = Image.Resampling.BILINEAR if config.interpolation == "bilinear" else Image.Resampling.BICUBIC
    if config.resize_mode == "squash":
        return squashed(width, height, resample)
    if config.resize_mode == "shortest" and height == width:
        return central_square(height, resample, "rounded to even")
    values = {key: value for key, value in asdict(config).items() if key not in ("mean", "std")}
    return PixelRecipe(f"open_clip {json.dumps(values, sort_keys=True)}")


def _width_and_height(config: PreprocessCfg) -> tuple[int, int]:
    height, width = (config.size, config.size) if isinstance(config.size, int) else config.size
    return width, height
