"""Towers of open_clip: random weights, activations, and the preparation of pictures, as open_clip itself has them."""

import json
import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from open_clip.transform import PreprocessCfg, image_transform_v2
from PIL import Image
from torch import Tensor, nn

from alignbench.errors import AlignbenchWarning, ModelError, UsageError
from alignbench.models.families import load_tower
from openclip_towers import BIOMEDCLIP, CONFIG, TOWERS, WEIGHTS, activations, copy, save, whole_model
from openclip_towers import TEXT as _TEXT
from taps import picture

_OPENAI = ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711))
_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")


def test_random_weights_come_from_the_seed(folders: Callable[[str], Path]) -> None:
    folder = str(folders("own"))
    torch.manual_seed(1)
    drawn_before = torch.rand(3)
    torch.manual_seed(1)
    first, again, other = (load_tower(folder, random_init=True, seed=seed) for seed in (3, 3, 4))
    assert torch.equal(torch.rand(3), drawn_before), "the caller's random numbers are left alone"
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.layers == load_tower(folder).layers
    weights = [dict(tower.named_parameters()) for tower in (first, again, other, load_tower(folder))]
    matrices = [name for name, value in weights[0].items() if value.ndim > 1]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not any(torch.equal(weights[0][name], compared[name]) for compared in weights[2:] for name in matrices)


# --- Activation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("ViT-B-32/openai", "QuickGELU"),
        ("ViT-B-32-quickgelu/openai", "QuickGELU"),
        ("ViT-B-32/laion2b_s34b_b79k", "GELU"),
        ("ViT-B-32/datacomp_m_s128m_b4k", "GELU"),
        ("ViT-B-16/openai", "QuickGELU"),
        ("ViT-B-16/dfn2b", "QuickGELU"),
        ("ViT-B-16/laion2b_s34b_b88k", "GELU"),
        ("ViT-L-14/openai", "QuickGELU"),
        ("ViT-L-14/metaclip-400M", "QuickGELU"),
        ("ViT-L-14/laion2b_s32b_b82k", "GELU"),
        ("ViT-H-14-378/dfn5b", "QuickGELU"),
        ("roberta-ViT-B-32/laion2b_s12b_b32k", "QuickGELU"),
        ("ViT-B-16-SigLIP/webli", "GELU"),
        ("ViT-B-32-SigLIP2-256/webli", "GELUTanh"),
    ],
)
def test_the_activation_is_the_one_that_the_weights_were_trained_with(name: str, activation: str) -> None:
    with torch.device("meta"):
        assert activations(load_tower(f"open_clip:{name}", random_init=True)) == {activation}


def test_weights_trained_with_gelu_are_refused_in_a_quickgelu_architecture() -> None:
    with pytest.raises(UsageError, match=r"trained with GELU.*use open_clip:ViT-B-32/laion2b_s34b_b79k$"):
        load_tower("open_clip:ViT-B-32-quickgelu/laion2b_s34b_b79k")


def test_a_tower_with_another_activation_than_wanted_is_refused(
    folders: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("open_clip.model.QuickGELU", nn.GELU)
    with pytest.raises(ModelError, match="activation GELU, and its weights were trained with QuickGELU"):
        load_tower(str(folders("quick")))


@pytest.mark.parametrize(
    ("trunk", "quick", "found"),
    [
        ("vit_base_patch32_clip_quickgelu_224", True, "QuickGELU"),
        ("vit_base_patch32_clip_quickgelu_224", False, "QuickGELU"),
        ("vit_base_patch32_clip_224", False, "GELU"),
        ("vit_base_patch32_clip_224", True, ""),
    ],
)
def test_a_timm_trunk_has_the_activation_of_its_name(tmp_path: Path, trunk: str, quick: bool, found: str) -> None:
    config = {"embed_dim": 24, "vision_cfg": {"timm_model_name": trunk, "timm_pool": ""}, "text_cfg": _TEXT}
    (tmp_path / CONFIG).write_text(json.dumps({"model_cfg": config | {"quick_gelu": quick}}))
    with torch.device("meta"):
        if found:
            assert activations(load_tower(str(tmp_path), random_init=True)) == {found}
        else:
            with pytest.raises(ModelError, match="activation GELU, and its weights were trained with QuickGELU"):
                load_tower(str(tmp_path), random_init=True)


def archive(path: Path, config: dict[str, Any]) -> Path:
    """A TorchScript archive such as OpenAI's: half precision, and buffers that say sizes."""

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.visual = whole_model(config).visual.eval()
            self.register_buffer("input_resolution", torch.tensor(32))

        def forward(self, images: Tensor) -> Tensor:
            embedded: Tensor = self.visual(images)
            return embedded

    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch would rather have another format
        traced: Any = torch.jit.trace(Encoder(), torch.zeros(1, 3, 32, 32), check_trace=False)
        traced.half().save(str(path))
    return path


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.parametrize(
    ("arch", "used", "other"), [("tiny", "GELU", "tiny-quickgelu"), ("tiny-quickgelu", "QuickGELU", "tiny")]
)
@pytest.mark.parametrize("random_init", [False, True])
def test_of_a_bare_file_the_architecture_is_taken_at_its_word_with_a_warning(
    folders: Callable[[str], Path], arch: str, used: str, other: str, random_init: bool
) -> None:
    file = folders("own") / WEIGHTS
    with pytest.warns(AlignbenchWarning) as warned:
        tower = load_tower(f"open_clip:{arch}/{file}", random_init=random_init)
    said = str(warned[0].message)
    assert f"does not say its activation: {used} is used, as {arch} has it" in said
    assert f"give open_clip:{other}/{file}" in said
    assert activations(tower) == {used}


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.filterwarnings("error::alignbench.errors.AlignbenchWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("arch", ["tiny", "tiny-quickgelu"])
@pytest.mark.parametrize("kind", ["own", "quick"])
def test_a_torchscript_archive_says_its_activation(tmp_path: Path, arch: str, kind: str) -> None:
    file = archive(tmp_path / "archive.pt", TOWERS[kind])
    wanted = {"own": "GELU", "quick": "QuickGELU"}[kind]
    assert activations(load_tower(f"open_clip:{arch}/{file}", random_init=True)) == {wanted}
    tower: Any = load_tower(f"open_clip:{arch}/{file}")
    assert activations(tower) == {wanted}
    weights = torch.jit.load(str(file)).visual.state_dict()
    assert all(torch.equal(value, weights[key].float()) for key, value in tower.model.state_dict().items())


def test_an_archive_and_a_configuration_that_disagree_are_refused(
    folders: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = copy(folders, "own", tmp_path)
    archive(folder / "open_clip_pytorch_model.bin", TOWERS["quick"])
    (folder / WEIGHTS).unlink()
    with pytest.raises(ModelError, match="name different activations"):
        load_tower(str(folder))


# --- Preparation ----------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize(
    "preprocess",
    [{"resize_mode": "stretch"}, {"mean": [0.5, 0.5]}, {"std": [0.0, 1.0, 1.0]}, {"interpolation": "magic"}],
)
def test_a_preparation_that_cannot_be_followed_is_refused(tmp_path: Path, preprocess: dict[str, Any]) -> None:
    folder = save(tmp_path / "folder", TOWERS["own"], preprocess)
    with pytest.raises(ModelError, match=r"preprocess_cfg of \S+ cannot be followed"):
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
