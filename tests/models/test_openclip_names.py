"""Names of open_clip models: what they lead to on disk and on the hub, and how wrong ones are answered."""

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import open_clip
import pytest
import torch
from safetensors.torch import load_file

from alignbench.errors import AlignbenchError, ModelError, UsageError
from alignbench.models.families import check_name, load_tower, needs_download
from openclip_towers import ARCHITECTURES, BIOMEDCLIP, CONFIG, TOWERS, WEIGHTS, activations, copy, save

_HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")


# --- Names ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("opn_clip:ViT-B-32/openai", r"^unknown model family 'opn_clip': did you mean open_clip\?$"),
        ("open_clip:ViT-B32/openai", r"^unknown open_clip architecture 'ViT-B32': did you mean ViT-B-32 or"),
        ("open_clip:vit-l-14/openai", r"^unknown open_clip architecture 'vit-l-14': did you mean ViT-L-14 or"),
        ("open_clip:zzzz/openai", r"open_clip has no architecture zzzz .*and zzzz/openai is no directory$"),
        ("open_clip:ViT-B-32/opnai", r"^unknown pretrained tag of ViT-B-32 'opnai': did you mean openai\?$"),
        ("open_clip:ViT-B-32", r"says no weights: give open_clip:ViT-B-32/TAG with one of openai, "),
        ("open_clip:ViT-B-32/", r"says no weights: give open_clip:ViT-B-32/TAG with one of openai, "),
        ("open_clip:ViT-M-16/any", r"no pretrained tags of ViT-M-16: give a file of weights"),
        ("open_clip:", r"^open_clip: names no model"),
    ],
)
def test_wrong_names_are_answered_in_one_line(name: str, said: str) -> None:
    for attempt in (check_name, load_tower, partial(load_tower, random_init=True)):
        with pytest.raises(UsageError, match=said) as refused:
            attempt(name)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("open_clip:ViT-B-32/no-such-file.pt", r"there is no file no-such-file\.pt: check the path$"),
        ("open_clip:ViT-B-32//no/such/file", r"there is no file /no/such/file: check the path$"),
        ("open_clip:/no/such/folder", r"there is no folder /no/such/folder: check the path$"),
        ("open_clip:./folder", r"there is no folder \./folder: check the path$"),
    ],
)
def test_missing_files_are_named(name: str, said: str) -> None:
    for attempt in (check_name, load_tower):
        with pytest.raises(ModelError, match=said):
            attempt(name)


def test_a_known_name_goes_before_what_lies_around(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save(tmp_path / "ViT-B-32" / "openai", TOWERS["own"])
    monkeypatch.chdir(tmp_path)
    with torch.device("meta"):
        assert load_tower("open_clip:ViT-B-32/openai", random_init=True).layers[0].tokens == 50
    assert load_tower("open_clip:./ViT-B-32/openai").layers[0].tokens == 17


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be followed"),
        ("[]", "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": "24", "vision_cfg": {}}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {}}, "preprocess_cfg": [1]}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {"depth": 3}}}', "cannot be followed"),
        ('{"model_cfg": {"embed_dim": 24, "vision_cfg": {"timm_model_name": "vit_nowhere"}}}', "cannot be followed"),
    ],
)
def test_a_configuration_that_cannot_be_followed_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / CONFIG).write_text(content)
    with pytest.raises(ModelError, match=said) as refused:
        load_tower(str(tmp_path), random_init=True)
    assert "\n" not in str(refused.value)


def test_directories_without_clear_weights_are_refused(folders: Callable[[str], Path], tmp_path: Path) -> None:
    folder = copy(folders, "own", tmp_path)
    (folder / WEIGHTS).rename(folder / "first.safetensors")
    expected = load_tower(str(folders("own"))).fingerprint
    assert load_tower(str(folder)).fingerprint == expected
    shutil.copy(folder / "first.safetensors", folder / "second.safetensors")
    with pytest.raises(ModelError, match=r"several files of weights \(first\.safetensors, second\.safetensors\)"):
        load_tower(str(folder))
    for path in folder.glob("*.safetensors"):
        path.unlink()
    with pytest.raises(ModelError, match=f"put {WEIGHTS} beside {CONFIG}"):
        load_tower(str(folder))
    assert load_tower(str(folder), random_init=True).layers == load_tower(str(folders("own"))).layers


# --- Downloads ------------------------------------------------------------------------------------------------------


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """An empty cache of the hub, to which repositories can be added; open_clip knows `tiny` with two tags."""
    root = tmp_path / "hub"
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(root))
    common = {"url": "", "mean": _HALVES[0], "std": _HALVES[1]}
    tags = {
        "made": {"hf_hub": "nobody/made/", "quick_gelu": True, **common},
        "named": {"hf_hub": "nobody/named/weights.bin", **common},
    }
    monkeypatch.setitem(open_clip.pretrained._PRETRAINED, "tiny", tags)

    def add(repository: str, *files: Path, name: str = "") -> None:
        place = root / f"models--{repository.replace('/', '--')}"
        (place / "refs").mkdir(parents=True)
        (place / "refs" / "main").write_text("0" * 40)
        (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
        for file in files:
            shutil.copy(file, place / "snapshots" / ("0" * 40) / (name or file.name))

    return add


@pytest.mark.usefixtures("tiny_architectures")
def test_a_tag_is_taken_from_open_clips_cache(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    name = "open_clip:tiny/made"
    check_name(name)
    assert needs_download(name)
    assert not needs_download(name, random_init=True)
    assert load_tower(name, random_init=True).layers[0].tokens == 17
    with pytest.raises(
        ModelError, match=r"is not in the local cache and cannot be downloaded .*--random-init"
    ) as refused:
        load_tower(name)
    assert "\n" not in str(refused.value)
    cache("nobody/made", folders("own") / WEIGHTS)
    assert not needs_download(name)
    tower: Any = load_tower(name)
    assert activations(tower) == {"QuickGELU"}
    assert torch.equal(tower.model.state_dict()["proj"], load_file(folders("own") / WEIGHTS)["visual.proj"])
    assert torch.equal(tower.normalise(torch.full((1, 3, 1, 1), 255)).flatten(), torch.ones(3))


@pytest.mark.usefixtures("tiny_architectures")
def test_a_tag_may_name_its_file(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    assert needs_download("open_clip:tiny/named")
    cache("nobody/named", folders("own") / WEIGHTS, name="weights.safetensors")
    assert not needs_download("open_clip:tiny/named")
    assert load_tower("open_clip:tiny/named").layers[0].tokens == 17


def test_a_hub_repository_is_a_model(cache: Callable[..., None], folders: Callable[[str], Path]) -> None:
    name = "open_clip:hf-hub:nobody/whole"
    check_name(name)
    assert needs_download(name)
    with pytest.raises(ModelError, match="is not in the local cache"):
        load_tower(name)
    cache("nobody/whole", folders("own") / CONFIG, folders("own") / WEIGHTS)
    assert not needs_download(name)
    assert load_tower(name).fingerprint == load_tower(str(folders("own"))).fingerprint


def test_random_weights_need_no_more_than_a_configuration(
    cache: Callable[..., None], folders: Callable[[str], Path]
) -> None:
    cache("nobody/half", folders("own") / CONFIG)
    assert needs_download("open_clip:hf-hub:nobody/half")
    assert not needs_download("open_clip:hf-hub:nobody/half", random_init=True)
    assert load_tower("open_clip:hf-hub:nobody/half", random_init=True).layers[0].tokens == 17


@pytest.mark.usefixtures("cache")
def test_biomedclip_is_the_same_under_both_its_names(
    cache: Callable[..., None], folders: Callable[[str], Path]
) -> None:
    assert needs_download(BIOMEDCLIP)
    with torch.device("meta"):
        towers = [load_tower(name, random_init=True) for name in (BIOMEDCLIP, f"open_clip:hf-hub:{BIOMEDCLIP}")]
    assert towers[0].fingerprint == towers[1].fingerprint
    with pytest.raises(ModelError, match="is not in the local cache"):
        load_tower(BIOMEDCLIP)
    cache(BIOMEDCLIP, folders("timm") / CONFIG, folders("timm") / WEIGHTS)
    intact = [load_tower(name, protocol="corrected") for name in (BIOMEDCLIP, str(folders("timm")))]
    assert intact[0].fingerprint == intact[1].fingerprint
    assert not load_tower(BIOMEDCLIP).has_class_token  # fed bare by its name alone, whatever its configuration says


@pytest.mark.parametrize("name", list(ARCHITECTURES))
@pytest.mark.usefixtures("cache")
def test_cards_that_are_not_here_say_so(name: str) -> None:
    assert needs_download(name)
    with pytest.raises(AlignbenchError, match="is not in the local cache and cannot be downloaded"):
        load_tower(name)
