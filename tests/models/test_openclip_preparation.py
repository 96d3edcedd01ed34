"""Pictures are prepared as by open_clip."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.families import load_tower
from alignbench.models.preparation import PictureError
from openclip_towers import BIOMEDCLIP, TOWERS, WEIGHTS, save
from taps import picture

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")
_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


PREPARATIONS: dict[str, dict[str, Any]] = {
    "default": {},
    "squash": {"mean": _HALVES[0], "std": _HALVES[1], "resize_mode": "squash", "interpolation": "bilinear"},
    "longest": {"resize_mode": "longest", "fill_color": 127},
    "plain": {"mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "interpolation": "bilinear"},
}


@pytest.fixture(scope="module")
def preparing(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    root = tmp_path_factory.mktemp("preparations")
    return lambda name: root / name if (root / name).exists() else save(root / name, TOWERS["own"], PREPARATIONS[name])


@pytest.mark.parametrize("size", [(31, 57), (97, 33), (32, 32), (5, 90), (90, 5), (427, 640)])
@pytest.mark.parametrize("name", list(PREPARATIONS))
def test_pictures_are_prepared_as_by_open_clip_bit_for_bit(
    preparing: Callable[[str], Path], name: str, size: tuple[int, int]
) -> None:
    tower: Any = load_tower(str(preparing(name)), random_init=True)
    _, _, preprocess = open_clip.create_model_and_transforms(f"local-dir:{preparing(name)}")
    for image in (picture(*size), picture(*size).convert("L"), picture(*size).convert("RGBA")):
        if image.mode == "RGBA":
            image.putalpha(Image.linear_gradient("L").resize(size))
        made = tower.prepare(image)
        assert (made.dtype, made.shape) == (torch.uint8, (3, 32, 32))
        assert torch.equal(tower.normalise(made[None])[0], preprocess(image))


@pytest.mark.parametrize(
    ("name", "colours", "squashed"),
    [
        ("open_clip:ViT-B-32/openai", _OPENAI, False),
        ("open_clip:ViT-B-16/laion2b_s34b_b88k", _OPENAI, False),
        ("open_clip:ViT-L-14/laion2b_s32b_b82k", _HALVES, False),
        ("open_clip:ViT-B-16-SigLIP/webli", _HALVES, True),
        (BIOMEDCLIP, _OPENAI, False),
    ],
)
def test_preparation_in_plain_pillow(name: str, colours: tuple[tuple[float, ...], ...], squashed: bool) -> None:
    with torch.device("meta"):
        tower: Any = load_tower(name, random_init=True)
    image = picture(512, 384)
    if squashed:
        resized = image.resize((224, 224), Image.Resampling.BICUBIC)
    else:  # 512 x 384 becomes 298 x 224
        resized = image.resize((298, 224), Image.Resampling.BICUBIC).crop((37, 0, 261, 224))
    made = tower.prepare(image)
    np.testing.assert_array_equal(made.permute(1, 2, 0).numpy(), np.asarray(resized))
    expected = (np.asarray(resized) / 255.0 - colours[0]) / colours[1]
    np.testing.assert_allclose(tower.normalise(made[None])[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


def test_preparation_travels_to_other_processes_without_weights(folders: Callable[[str], Path]) -> None:
    tower, image = load_tower(str(folders("own"))), picture(40, 51)
    packed = pickle.dumps(tower.prepare)
    assert len(packed) < 5_000
    assert torch.equal(pickle.loads(packed)(image), tower.prepare(image))


def test_a_normalisation_that_leaves_the_numbers_is_refused(tmp_path: Path) -> None:
    folder = save(tmp_path / "folder", TOWERS["own"], {"std": [1e-42] * 3})
    with pytest.raises(ModelError, match=r"preprocess_cfg of \S+ cannot be followed .*no larger number"):
        load_tower(str(folder))


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.parametrize(
    ("tags", "taken", "warned"),
    [
        ({"webli": _HALVES}, _HALVES, False),
        ({"webli": _HALVES, "again": _HALVES}, _HALVES, False),
        ({"webli": _HALVES, "other": _OPENAI}, _OPENAI, True),
        ({}, _OPENAI, True),
    ],
)
def test_of_a_bare_file_pictures_are_prepared_as_the_tags_of_its_architecture_agree(
    folders: Callable[[str], Path],
    monkeypatch: pytest.MonkeyPatch,
    tags: dict[str, tuple[tuple[float, ...], ...]],
    taken: tuple[tuple[float, ...], ...],
    warned: bool,
) -> None:
    known = {tag: {"mean": mean, "std": std, "hf_hub": "nobody/tiny/", "url": ""} for tag, (mean, std) in tags.items()}
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", known)
    with pytest.warns(AlignbenchWarning) as found:
        tower: Any = load_tower(f"open_clip:tiny/{folders('own') / WEIGHTS}")
    assert ("nor does it say how pictures are prepared" in str(found[0].message)) == warned
    expected = image_transform_v2(PreprocessCfg(size=32, mean=taken[0], std=taken[1]), is_train=False)(picture(40, 51))
    assert torch.equal(tower.normalise(tower.prepare(picture(40, 51))[None])[0], expected)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("default", r"would have 6400000 x 32\)"),
        ("longest", "must be > 0|greater than 0|larger than 0"),
    ],
)
def test_a_thin_picture_is_refused(preparing: Callable[[str], Path], name: str, why: str) -> None:
    tower, image = load_tower(str(preparing(name)), random_init=True), Image.new("RGB", (200_000, 1))
    with pytest.raises(PictureError, match=rf"^a picture of 200000 x 1 pixels cannot be prepared \(.*({why})"):
        tower.prepare(image)


def test_a_thin_picture_is_prepared_whole(preparing: Callable[[str], Path]) -> None:
    tower, image = load_tower(str(preparing("squash")), random_init=True), Image.new("RGB", (200_000, 1))
    assert tower.prepare(image).shape == (3, 32, 32)
