"""Pictures of the published transforms are thingsvision's, bit for bit, or the model's own."""

from __future__ import annotations

import pytest
import torch

from alignbench.errors import UsageError
from alignbench.models.families import preparation
from alignbench.models.normalisation import Normalise
from alignbench.transforms.published_pictures import published_pictures
from published_transforms import THINGSVISION
from taps import picture


@pytest.mark.parametrize("model", ["facebook/dino-vitb16", "facebook/dinov2-large", "timm:vit_base_patch8_224.dino"])
@pytest.mark.parametrize("size", [(300, 240), (225, 500), (40, 31)])
def test_of_dino_they_are_what_thingsvision_makes(model: str, size: tuple[int, int]) -> None:
    prepare, image = published_pictures(model, preparation(model)), picture(*size)
    own = preparation(model)
    made = Normalise(own.values())(prepare(image)[None])[0]  # type: ignore[attr-defined]
    torch.testing.assert_close(made, THINGSVISION(image), rtol=0.0, atol=2e-6)
    assert not torch.equal(prepare(image), own(image))


@pytest.mark.parametrize("model", ["openai/clip-vit-large-patch14", "torchvision:resnet50", "open_clip:RN50/openai"])
def test_of_others_they_are_their_own(model: str) -> None:
    own = preparation(model)
    assert published_pictures(model, own) is own


def test_what_cannot_take_them_is_refused() -> None:
    with pytest.raises(UsageError, match=r"^no transform is published for timm:vit_base_patch14_dinov2.lvd142m"):
        published_pictures("timm:vit_base_patch14_dinov2.lvd142m", preparation("timm:vit_base_patch14_dinov2.lvd142m"))
    with pytest.raises(UsageError, match="takes pictures of 518 pixels, and its published transform is of 224"):
        published_pictures("facebook/dinov2-base", preparation("timm:vit_base_patch14_dinov2.lvd142m"))
    with pytest.raises(UsageError, match="normalises pixels by other colours than ImageNet's"):
        published_pictures("facebook/dinov2-base", preparation("openai/clip-vit-large-patch14"))
    with pytest.raises(UsageError, match="normalises pixels by other colours"):
        published_pictures("facebook/dinov2-base", lambda image: torch.zeros(3, 224, 224, dtype=torch.uint8))
