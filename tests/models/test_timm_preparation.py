"""Pictures are prepared for timm's models as its own transform does, bit for bit, whatever their shape."""

from __future__ import annotations

import pickle

import pytest
import torch
from PIL import Image
from timm.data import create_transform, resolve_data_config

from alignbench.errors import DataError, UsageError
from alignbench.models.normalisation import Normalise
from alignbench.models.preparation import Described, PixelRecipe
from alignbench.models.timm_names import resolve
from alignbench.models.timm_preparation import TimmPreparation
from alignbench.models.torchvision_names import resolve as resolve_torchvision
from alignbench.models.torchvision_preparation import TorchvisionPreparation
from taps import picture

NAMES = (
    "vit_small_patch14_dinov2.lvd142m",  # square of the shortest side
    "resnet50.a1_in1k",  # larger first
    "vit_base_patch16_siglip_224.webli",  # squashed
    "convnext_base.clip_laion2b_augreg_ft_in12k_in1k_384",  # squashed, and no more than that
    "eva02_base_patch14_448.mim_in22k_ft_in22k_in1k",  # squashed
    "mobilenetv4_conv_small.e2400_r224_in1k",
)


def prepared(name: str, **changes: object) -> TimmPreparation:
    return TimmPreparation(f"timm:{name}", {**resolve(f"timm:{name}").settings(), **changes})


@pytest.mark.parametrize("mode", [None, "center", "squash", "border"])
@pytest.mark.parametrize("size", [(640, 481), (97, 300), (500, 500)])
def test_pixels_and_normalisation_are_timms(size: tuple[int, int], mode: str | None) -> None:
    for name in NAMES:
        changes = {} if mode is None else {"crop_mode": mode}
        settings = {**resolve(f"timm:{name}").settings(), **changes}
        transform = create_transform(**resolve_data_config(pretrained_cfg=settings), is_training=False)
        preparation, image = pickle.loads(pickle.dumps(prepared(name, **changes))), picture(*size)
        pixels = preparation(image)
        assert (pixels.dtype, tuple(pixels.shape)) == (torch.uint8, (3, *preparation.size))
        assert torch.equal(Normalise(preparation.values())(pixels[None])[0], transform(image))


def test_equal_recipes_are_of_equal_pixels_alone() -> None:
    kinds = [prepared(name, **change) for name in NAMES for change in ({}, {"crop_mode": "border"}, {"crop_pct": 0.7})]
    kinds += [prepared("resnet50.a1_in1k", interpolation="bilinear"), prepared("resnet50.a1_in1k", crop_mode="squash")]
    image, seen = picture(333, 250), dict[PixelRecipe, torch.Tensor]()
    for preparation in kinds:
        assert isinstance(preparation, Described)
        pixels = preparation(image)
        assert torch.equal(seen.setdefault(preparation.recipe, pixels), pixels)
    assert len(seen) == len({tuple(pixels.flatten().tolist()) for pixels in seen.values()})


def test_a_recipe_is_shared_with_other_libraries_that_make_the_same_pixels() -> None:
    ours = prepared("resnet50.tv_in1k")
    other = TorchvisionPreparation(resolve_torchvision("torchvision:resnet50/IMAGENET1K_V1").preset())
    assert ours.recipe == other.recipe
    assert torch.equal(ours(picture(333, 250)), other(picture(333, 250)))


def test_other_pictures_than_of_three_channels_are_refused() -> None:
    with pytest.raises(UsageError, match=r"^timm:test_vit takes pictures of 4 channels"):
        prepared("test_vit", input_size=(4, 160, 160))


def test_a_picture_too_thin_to_be_prepared_is_refused() -> None:
    with pytest.raises(DataError, match=r"^a picture of 60000 x 1 pixels cannot be prepared \(resized for the model"):
        prepared("test_vit")(Image.new("RGB", (60000, 1)))
