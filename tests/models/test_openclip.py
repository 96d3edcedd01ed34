"""Towers of open_clip: random weights, activations, and the preparation of pictures, as open_clip itself has them."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from alignbench.errors import AlignbenchWarning, ModelError, UsageError
from alignbench.models.families import load_tower
from openclip_towers import CONFIG, TOWERS, WEIGHTS, activations, copy, whole_model
from openclip_towers import TEXT as _TEXT

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
