"""Pictures are prepared as by the image processors of transformers, and as in plain Pillow."""

import json
import os
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoImageProcessor

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.families import load_tower, preparation
from alignbench.models.preparation import PictureError, squashed
from alignbench.models.processors import ProcessorPreparation
from alignbench.models.towers import Tower
from backbones import save_backbone
from folders import Folders
from taps import picture
from transformers_towers import BASE, PREPARATIONS, every_family, pil_processor, processor_of


@every_family
@pytest.mark.parametrize("size", [(31, 57), (97, 33), (32, 32), (5, 90), (90, 5), (427, 640)])
def test_pictures_are_prepared_as_by_the_processor_bit_for_bit(
    tiny_tower: Folders, family: str, size: tuple[int, int]
) -> None:
    folder = tiny_tower(family)
    tower, image = load_tower(str(folder)), picture(*size)
    prepared = tower.prepare(image)
    assert (prepared.dtype, prepared.shape) == (torch.uint8, (3, 32, 32))
    expected = pil_processor(folder)(images=image, return_tensors="pt")["pixel_values"]
    assert torch.equal(tower.normalise(prepared[None]), expected)


@pytest.fixture(scope="module", params=BASE)
def base_tower(request: pytest.FixtureRequest) -> tuple[str, Tower]:
    """A full-size tower of which no weights are drawn, and its name."""
    with torch.device("meta"):
        return request.param, load_tower(request.param, random_init=True)


def test_cards_prepare_as_their_checkpoints_do(base_tower: tuple[str, Tower], tmp_path: Path) -> None:
    name, tower = base_tower
    processor = processor_of(PREPARATIONS[name], tmp_path)
    for image in (picture(512, 384), picture(173, 301)):
        expected = processor(images=image, return_tensors="pt")["pixel_values"]
        assert torch.equal(tower.normalise(tower.prepare(image)[None]), expected)


def test_preparation_in_plain_pillow(base_tower: tuple[str, Tower]) -> None:
    name, tower = base_tower
    settings, image = PREPARATIONS[name], picture(512, 384)
    resample = Image.Resampling(settings["resample"])
    if settings.get("do_center_crop"):
        left = (298 - 224) // 2  # 512 x 384 becomes 298 x 224
        resized = image.resize((298, 224), resample).crop((left, 0, left + 224, 224))
    else:
        resized = image.resize((224, 224), resample)
    prepared = tower.prepare(image)
    np.testing.assert_array_equal(prepared.permute(1, 2, 0).numpy(), np.asarray(resized))
    expected = (np.asarray(resized) / 255.0 - settings["image_mean"]) / settings["image_std"]
    np.testing.assert_allclose(tower.normalise(prepared[None])[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize("changes", [{"size": {"shortest_edge": 40}, "crop_size": 40}, {"image_mean": "grey"}])
def test_settings_that_will_not_do_are_named_by_the_file_they_are_in(
    tiny_tower: Folders, tmp_path: Path, file: str, changes: dict[str, Any]
) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    settings = json.loads((folder / "preprocessor_config.json").read_text()) | changes
    (folder / file).write_text(json.dumps({"image_processor": settings} if file[:4] == "proc" else settings))
    with pytest.raises(ModelError, match=rf"^{file} of .* (makes 40 x 40 pixels|cannot be followed)"):
        load_tower(str(folder))


NAN = float("nan")


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(
            ("image_std", value)
            for value in ([0.0, 1, 1], [-0.5, 0.5, 0.5], 0, -1, [NAN, 1, 1], [1, 1], "x", ["1"] * 3)
        ),
        *(("image_mean", value) for value in ([NAN, 0, 0], [0, 0], [1e9, 0, 0], "grey", [True, 0, 0])),
        *(("rescale_factor", value) for value in (0, -0.1, NAN, "0.5", True)),
        *((key, value) for key in ("do_normalize", "do_rescale", "do_resize") for value in ("false", 0, [])),
        ("do_center_crop", "false"),
        ("do_convert_rgb", "no"),
        ("do_pad", 1),
        *(("resample", value) for value in ("bicubic", 6, -1, 3.0)),
        *(("size", value) for value in ({"shortest_edge": 100_000}, {"height": 32, "width": 10**9}, 0, "32")),
        *(("size", {"shortest_edge": value}) for value in (0, -32, 32.0, "32", True)),
        *(("crop_size", value) for value in (10**9, {"height": 10**9, "width": 10**9}, {"height": "32", "width": 32})),
    ],
)
def test_values_of_another_kind_are_named_with_what_they_should_be(
    tiny_tower: Folders, tmp_path: Path, file: str, key: str, value: Any
) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    settings = json.loads((folder / "preprocessor_config.json").read_text()) | {key: value}
    (folder / file).write_text(json.dumps({"image_processor": settings} if file[:4] == "proc" else settings))
    for attempt in (load_tower, preparation):
        with pytest.raises(
            ModelError, match=rf"^{file} of .* cannot be followed \(its {key} is .*, and not"
        ) as refused:
            attempt(str(folder))
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"do_convert_rgb": None},
        {"image_mean": 0.5, "image_std": 0.5},
        {"image_mean": [0, 0, 0], "image_std": [1, 1, 1], "rescale_factor": 1},
        {"do_normalize": False},
        {"do_rescale": False, "do_normalize": False},
        {"crop_size": 32},
        {"unheard_of": "anything"},
    ],
)
def test_what_transformers_follows_is_followed(tiny_tower: Folders, tmp_path: Path, changes: dict[str, Any]) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    tower, image = load_tower(str(folder)), picture(40, 51)
    expected = pil_processor(folder)(images=image, return_tensors="pt")["pixel_values"]
    assert torch.equal(tower.normalise(tower.prepare(image)[None]), expected.float())


def test_a_normalisation_that_makes_all_pixels_one_is_refused(tiny_tower: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    file = folder / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"rescale_factor": 1e-30, "image_mean": 1}))
    with pytest.raises(ModelError, match="its normalisation makes no larger number of a brighter pixel"):
        load_tower(str(folder))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"image_processor_type": "EfficientNetImageProcessor", "image_std": [2.0] * 3}, "does more to the values"),
        ({"image_processor_type": "EfficientNetImageProcessor", "image_std": [0.5] * 3}, "does more to the values"),
        ({"image_processor_type": "EfficientNetImageProcessor", "rescale_offset": True}, "does more to the values"),
        ({"image_processor_type": "GLPNImageProcessor"}, r"cannot be followed \(Size must contain .*\): correct it"),
    ],
)
def test_a_processor_with_other_ways_than_the_families_is_refused(
    tiny_tower: Folders, tmp_path: Path, changes: dict[str, Any], said: str
) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    file = folder / "preprocessor_config.json"
    size = {"height": 32, "width": 32}
    file.write_text(json.dumps(json.loads(file.read_text()) | {"size": size, "crop_size": size} | changes))
    for attempt in (load_tower, preparation):
        with pytest.raises(ModelError, match=rf"^preprocessor_config\.json of .*{said}") as refused:
            attempt(str(folder))
        assert "\n" not in str(refused.value)


def test_an_efficientnet_processor_that_only_normalises_is_followed(tiny_tower: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    file = folder / "preprocessor_config.json"
    size = {"height": 32, "width": 32}
    changes = {"image_processor_type": "EfficientNetImageProcessor", "include_top": False, "size": size}
    file.write_text(json.dumps(json.loads(file.read_text()) | changes))
    tower, image = load_tower(str(folder)), picture(40, 51)
    expected = pil_processor(folder)(images=image, return_tensors="pt")["pixel_values"]
    assert torch.equal(tower.normalise(tower.prepare(image)[None]), expected)


def test_a_picture_at_which_a_processor_fails_is_said_with_its_size() -> None:
    def fails(image: Image.Image, **_: bool) -> object:
        raise ZeroDivisionError(f"of {image.size}\nas always")

    with pytest.raises(
        PictureError, match=r"^a picture of 20 x 25 pixels cannot be prepared \(function: of \(20, 25\) "
    ):
        ProcessorPreparation(fails)(picture(20, 25))


@pytest.mark.parametrize("size", [(200_000, 1), (1, 200_000)])
def test_a_thin_picture_is_refused_where_its_shortest_side_is_resized(
    tiny_tower: Folders, size: tuple[int, int]
) -> None:
    resized, image = " x ".join(str(32 * side) for side in size), Image.new("RGB", size)
    assert load_tower(str(tiny_tower("siglip"))).prepare(image).shape == (3, 32, 32)
    with pytest.raises(PictureError, match=rf"of {size[0]} x {size[1]} pixels .*would have {resized}\): leave it out"):
        load_tower(str(tiny_tower("clip"))).prepare(image)


@every_family
@pytest.mark.parametrize("size", [(1, 1), (1, 3), (3, 1), (40, 1), (3, 40), (40, 3), (1, 40)])
def test_pictures_of_a_few_pixels_are_prepared_as_in_plain_pillow(
    tiny_tower: Folders, family: str, size: tuple[int, int]
) -> None:
    prepare, image = preparation(str(tiny_tower(family))), picture(*size)
    settings = json.loads((tiny_tower(family) / "preprocessor_config.json").read_text())
    resample = Image.Resampling(settings["resample"])
    if settings.get("do_center_crop"):
        width, height = (32 * side // min(size) for side in size)
        left, top = (width - 32) // 2, (height - 32) // 2
        resized = image.resize((width, height), resample).crop((left, top, left + 32, top + 32))
    else:
        resized = image.resize((32, 32), resample)
    assert np.array_equal(prepare(image).permute(1, 2, 0).numpy(), np.asarray(resized))


def test_which_of_two_files_is_followed_is_said_where_they_differ(tiny_tower: Folders, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    nested = folder / "processor_config.json"
    nested.write_text(json.dumps({"image_processor": settings | {"unheard_of": 1}}))
    with warnings.catch_warnings():
        warnings.simplefilter("error", AlignbenchWarning)
        load_tower(str(folder))
    nested.write_text(json.dumps({"image_processor": settings | {"resample": 0}}))
    with pytest.warns(
        AlignbenchWarning, match=r"as processor_config\.json says, .* and not as preprocessor_config\.json"
    ):
        tower = load_tower(str(folder))
    image = picture(40, 51)
    height = 32 * 51 // 40  # the shorter side to 32, and the central square of it
    resized = image.resize((32, height), Image.Resampling.NEAREST).crop(
        (0, (height - 32) // 2, 32, (height - 32) // 2 + 32)
    )
    assert np.array_equal(tower.prepare(image).permute(1, 2, 0).numpy(), np.asarray(resized))


@pytest.mark.parametrize("file", ["preprocessor_config.json", "processor_config.json"])
def test_a_pipe_is_said_to_be_one(tiny_tower: Folders, tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(tiny_tower("clip"), tmp_path / "clip"))
    (folder / file).unlink(missing_ok=True)
    os.mkfifo(folder / file)
    with pytest.raises(ModelError, match=rf"{file} cannot be read \(a named pipe, where a file belongs\)"):
        load_tower(str(folder))


@every_family
def test_preparation_travels_to_other_processes_without_weights(tiny_tower: Folders, family: str) -> None:
    tower, image = load_tower(str(tiny_tower(family))), picture(40, 51)
    packed = pickle.dumps(tower.prepare)
    assert len(packed) < 20_000
    assert torch.equal(pickle.loads(packed)(image), tower.prepare(image))


# --- Processors of models without a text tower ----------------------------------------------------------------------

GREY = {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
SQUARE = {"height": 32, "width": 32}
PUBLISHED: dict[str, tuple[str, dict[str, object]]] = {  # as checkpoints on the hub have them, at 32 pixels
    "vit": ("vit", {"image_processor_type": "ViTImageProcessor", "size": SQUARE, "resample": 2, **GREY}),
    "dino": ("vit", {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 2, **IMAGENET}),
    "mae": ("vit_mae", {"feature_extractor_type": "ViTFeatureExtractor", "size": 32, "resample": 2, **IMAGENET}),
    "deit": (
        "deit",
        {"feature_extractor_type": "DeiTFeatureExtractor", "size": 38, "crop_size": 32, "resample": 3, **IMAGENET},
    ),
    "beit": (
        "beit",
        {"feature_extractor_type": "BeitFeatureExtractor", "do_center_crop": False, "size": 32, "crop_size": 32}
        | {"resample": 3, **GREY},
    ),
    "dinov2": (
        "dinov2",
        {"image_processor_type": "BitImageProcessor", "size": {"shortest_edge": 37}, "crop_size": SQUARE}
        | {"do_center_crop": True, "resample": 3, "do_convert_rgb": True, **IMAGENET},
    ),
    "resnet": (
        "resnet",
        {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": 0.875, "size": 32, "resample": 3} | IMAGENET,
    ),
    "convnext": (
        "convnext",
        {"image_processor_type": "ConvNextImageProcessor", "crop_pct": 0.9, "size": {"shortest_edge": 32}}
        | {"resample": 3, **IMAGENET},
    ),
    "convnext-384": (
        "convnext",
        {"feature_extractor_type": "ConvNextFeatureExtractor", "crop_pct": None, "size": 384, "resample": 3} | IMAGENET,
    ),
}
DINOV3 = {"image_processor_type": "DINOv3ViTImageProcessorFast", "size": SQUARE, "resample": 2, **IMAGENET}


def published(folder: Path, kind: str, settings: dict[str, object]) -> Path:
    """A folder with the configuration of a small model, and these settings of its processor."""
    save_backbone(folder, kind)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return folder


@pytest.mark.parametrize("name", PUBLISHED)
def test_pictures_of_each_type_are_prepared_as_by_its_processor(tmp_path: Path, name: str) -> None:
    folder = published(tmp_path / name, *PUBLISHED[name])
    tower = load_tower(str(folder))
    for size in ((31, 57), (97, 33), (32, 32), (427, 240)):
        image = picture(*size)
        expected = pil_processor(folder)(images=image, return_tensors="pt")["pixel_values"]
        assert torch.equal(tower.normalise(tower.prepare(image)[None]), expected)


@pytest.mark.parametrize(
    ("name", "resized", "cut"),
    [
        ("vit", (32, 32), None),
        ("dino", (32, 32), None),
        ("beit", (32, 32), None),
        ("deit", (38, 38), 32),
        ("dinov2", (74, 37), 32),
        ("resnet", (72, 36), 32),  # 32 / 0.875
        ("convnext", (70, 35), 32),  # 32 / 0.9
        ("convnext-384", (384, 384), None),
    ],
)
def test_each_type_in_plain_pillow(tmp_path: Path, name: str, resized: tuple[int, int], cut: int | None) -> None:
    kind, settings = PUBLISHED[name]
    image = picture(200, 100)
    expected = image.resize(resized, Image.Resampling(settings["resample"]))
    if cut:
        left, top = ((side - cut) // 2 for side in resized)
        expected = expected.crop((left, top, left + cut, top + cut))
    prepared = preparation(str(published(tmp_path / name, kind, settings)))(image)
    np.testing.assert_array_equal(prepared.permute(1, 2, 0).numpy(), np.asarray(expected))


def test_dinov3_is_prepared_as_by_its_processor_but_for_rounding(tmp_path: Path) -> None:
    folder = published(tmp_path / "dinov3", "dinov3_vit", DINOV3)
    tower, own = load_tower(str(folder)), AutoImageProcessor.from_pretrained(folder)
    assert type(own).__name__.startswith("DINOv3ViTImageProcessor")
    step = 1 / 255 / torch.tensor(IMAGENET["image_std"])[:, None, None]
    for size in ((31, 57), (97, 33), (32, 32), (427, 240)):
        image = picture(*size)
        prepared = tower.prepare(image)
        assert np.array_equal(prepared.permute(1, 2, 0).numpy(), np.asarray(image.resize((32, 32), Image.BILINEAR)))
        apart = (tower.normalise(prepared[None])[0] - own(images=image, return_tensors="pt")["pixel_values"][0]) / step
        assert float(apart.abs().max()) < 1.01, "each of the two ways of a resize is rounded by half at most"


def test_models_that_prepare_alike_share_their_pixels(tmp_path: Path) -> None:
    recipes = {
        name: preparation(str(published(tmp_path / name, *PUBLISHED[name]))).recipe for name in ("vit", "dino", "mae")
    }
    dinov3 = preparation(str(published(tmp_path / "dinov3", "dinov3_vit", DINOV3))).recipe
    assert {*recipes.values(), dinov3} == {squashed(32, 32, Image.Resampling.BILINEAR)}


def test_a_thin_picture_is_refused_by_the_size_to_which_it_is_resized(tmp_path: Path) -> None:
    prepare = preparation(str(published(tmp_path / "resnet", *PUBLISHED["resnet"])))
    with pytest.raises(PictureError, match=r"would have 7200000 x 36\)"):
        prepare(Image.new("RGB", (200_000, 1)))
    whole = preparation(str(published(tmp_path / "whole", *PUBLISHED["convnext-384"])))
    assert whole(Image.new("RGB", (200_000, 1))).shape == (3, 384, 384)
