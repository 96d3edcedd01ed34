"""Pictures are prepared as by the image processors of transformers, and as in plain Pillow."""

import json
import pickle
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from alignbench.errors import ModelError
from alignbench.models.families import load_tower
from alignbench.models.towers import Tower
from folders import Folders
from taps import picture
from transformers_towers import PREPARATIONS, every_family, pil_processor, processor_of


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


@every_family
def test_preparation_travels_to_other_processes_without_weights(tiny_tower: Folders, family: str) -> None:
    tower, image = load_tower(str(tiny_tower(family))), picture(40, 51)
    packed = pickle.dumps(tower.prepare)
    assert len(packed) < 20_000
    assert torch.equal(pickle.loads(packed)(image), tower.prepare(image))
