"""Recipes are equal where two models, or two libraries, make the same pixels, and only there."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.models.families import preparation
from alignbench.models.preparation import Described, PictureError, PixelRecipe, Sized, refuse_thin
from cached_pictures import SIDE, CountedFiles, Prepare, plainly, same, write_open_clip, write_pictures
from folders import Folders
from reference import save_clip

BIOMEDCLIP = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"


@pytest.fixture
def pictures(tmp_path: Path) -> CountedFiles:
    return CountedFiles(tmp_path / "pictures", write_pictures(tmp_path / "pictures"))


def recipe_of(prepare: Prepare) -> PixelRecipe:
    assert isinstance(prepare, Described)
    assert prepare.recipe is not None
    return prepare.recipe


def test_models_that_prepare_alike_have_one_recipe() -> None:
    recipes = {
        name: recipe_of(preparation(name))
        for name in (
            *("openai/clip-vit-base-patch32", "openai/clip-vit-base-patch16", "openai/clip-vit-large-patch14"),
            *("openai/clip-vit-large-patch14-336", "OFA-Sys/chinese-clip-vit-base-patch16"),
            *("google/siglip-base-patch16-224", "google/siglip2-base-patch16-224", BIOMEDCLIP),
            *("open_clip:ViT-B-32/openai", "open_clip:ViT-L-14/laion2b_s32b_b82k", "open_clip:ViT-B-16-SigLIP/webli"),
        )
    }
    *openai, large = (recipe for name, recipe in recipes.items() if name.startswith("openai/"))
    assert len(set(openai)) == 1
    assert recipes["open_clip:ViT-B-32/openai"] == recipes["open_clip:ViT-L-14/laion2b_s32b_b82k"]  # other colours
    assert recipes["open_clip:ViT-B-32/openai"] == recipes[BIOMEDCLIP]
    assert recipes[BIOMEDCLIP].text == openai[0].text
    assert recipes[BIOMEDCLIP] != openai[0]
    squashed = recipe_of(Sized(224))
    assert recipes["OFA-Sys/chinese-clip-vit-base-patch16"] == recipes["google/siglip-base-patch16-224"] == squashed
    assert recipes["open_clip:ViT-B-16-SigLIP/webli"] == squashed
    assert (
        len({recipe.text for recipe in (openai[0], large, squashed, recipes["google/siglip2-base-patch16-224"])}) == 4
    )
    assert Sized(None).recipe is None


@pytest.mark.parametrize("mode", ["shortest", "squash"])
@pytest.mark.parametrize("interpolation", ["bicubic", "bilinear"])
def test_equal_recipes_of_two_libraries_mean_equal_pixels(tmp_path: Path, mode: str, interpolation: str) -> None:
    ours = {"resize_mode": mode, "interpolation": interpolation}
    of_open_clip = preparation(write_open_clip(tmp_path / "open_clip", **ours))
    save_clip(tmp_path / "clip")
    whole = {"size": {"height": SIDE, "width": SIDE}, "do_center_crop": False}
    values = json.loads((tmp_path / "clip" / "preprocessor_config.json").read_text())
    values |= {"resample": 3 if interpolation == "bicubic" else 2} | (whole if mode == "squash" else {})
    (tmp_path / "clip" / "preprocessor_config.json").write_text(json.dumps(values))
    of_transformers = preparation(str(tmp_path / "clip"))
    rng = np.random.default_rng(0)
    alike = Counter[tuple[bool, bool]]()
    for width in range(20, 60):
        for height in (31, 37, 44, 90):
            image = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
            texts = [recipe_of(prepare).text_for(image.size) for prepare in (of_open_clip, of_transformers)]
            equal = torch.equal(of_open_clip(image), of_transformers(image))
            alike[texts[0] == texts[1], equal] += 1
    assert alike[True, False] == 0
    assert alike[True, True] > 50
    assert (alike[False, False] > 10) == (mode == "shortest")  # a square cut out one pixel further


@pytest.mark.parametrize(
    "change",
    [
        {"resample": 2},
        {"size": {"shortest_edge": 40}},
        {"size": {"shortest_edge": 40}, "crop_size": {"height": 40, "width": 40}},
        {"do_center_crop": False, "size": {"height": SIDE, "width": SIDE}},
        {"do_resize": False},
    ],
)
def test_what_changes_pixels_changes_the_recipe_and_colours_do_not(
    tiny_tower: Folders, pictures: CountedFiles, change: dict[str, Any]
) -> None:
    plain: Any = preparation(str(tiny_tower("clip")))

    def changed(**values: Any) -> Any:
        processor = type(plain.processor)(**{**plain.processor.to_dict(), **values})
        return type(plain)(processor)

    assert recipe_of(changed(image_mean=[0.1, 0.2, 0.3], image_std=[1.0, 1.0, 1.0])) == recipe_of(plain)
    assert recipe_of(changed(**change)) != recipe_of(plain)
    assert not same(plainly(pictures, changed(**change)), plainly(pictures, plain))


def test_the_limit_of_resized_pixels_is_that_at_which_pillow_refuses_a_picture() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    most = 2 * Image.MAX_IMAGE_PIXELS  # 178,956,970
    refuse_thin((100, 100), (224, 224))
    refuse_thin((1, most), (1, 1))
    with pytest.raises(PictureError, match=rf"would have 1 x {most + 1}\)"):
        refuse_thin((1, most + 1), (1, 1))
    refuse_thin((3566, 1), (224, 224))  # 798,784 x 224 are 178,927,616
    with pytest.raises(PictureError, match=r"of 3567 x 1 pixels cannot be prepared \(.*would have 799008 x 224\)"):
        refuse_thin((3567, 1), (224, 224))
    with pytest.raises(PictureError, match=r"would have 224 x 13440000\): leave it out, or crop it"):
        refuse_thin((1, 60_000), (224, 224))


def test_the_larger_of_two_sides_is_covered() -> None:
    refuse_thin((1, 20_000), (10, 20_000))
    with pytest.raises(PictureError, match=r"would have 100 x 20000000\)"):
        refuse_thin((1, 200_000), (100, 10))
