"""Pictures are prepared for torchvision's models as its own transforms do, whatever their shape."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torchvision import models
from torchvision.transforms import InterpolationMode
from torchvision.transforms._presets import ImageClassification

from alignbench.errors import DataError
from alignbench.models.normalisation import Normalise
from alignbench.models.preparation import Described
from alignbench.models.torchvision_preparation import TorchvisionPreparation
from taps import picture

PRESETS = {
    "alexnet": models.AlexNet_Weights.DEFAULT,
    "resnet50": models.ResNet50_Weights.DEFAULT,
    "efficientnet_v2_l": models.EfficientNet_V2_L_Weights.DEFAULT,
    "inception_v3": models.Inception_V3_Weights.DEFAULT,
    "vit_b_16": models.ViT_B_16_Weights.IMAGENET1K_SWAG_E2E_V1,
}


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("size", [(640, 481), (97, 300), (500, 500)])
def test_pixels_and_normalisation_are_torchvisions(name: str, size: tuple[int, int]) -> None:
    preset = PRESETS[name].transforms()
    preparation, image = TorchvisionPreparation(preset), picture(*size)
    pixels = preparation(image)
    assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (3, preparation.side, preparation.side))
    assert torch.equal(Normalise(preparation.values())(pixels[None])[0], preset(image))


def test_equal_recipes_are_of_equal_pixels_alone() -> None:
    recipes = {name: TorchvisionPreparation(weights.transforms()).recipe for name, weights in PRESETS.items()}
    assert len(set(recipes.values())) == len(recipes)
    bilinear = TorchvisionPreparation(ImageClassification(crop_size=224)).recipe
    bicubic = TorchvisionPreparation(ImageClassification(crop_size=224, interpolation=InterpolationMode.BICUBIC)).recipe
    assert bilinear == recipes["alexnet"] != bicubic
    assert isinstance(TorchvisionPreparation(PRESETS["alexnet"].transforms()), Described)


def test_a_picture_too_thin_to_be_prepared_is_refused() -> None:
    with pytest.raises(DataError, match=r"^a picture of 60000 x 1 pixels cannot be prepared \(resized for the model"):
        TorchvisionPreparation(PRESETS["alexnet"].transforms())(Image.new("RGB", (60000, 1)))
