"""Which models are open_clip's, by prefix, card or directory, and what they are called."""

from collections.abc import Callable
from pathlib import Path

import pytest

from alignbench.models.families import find_family, load_tower, model_label, needs_download
from openclip_towers import BIOMEDCLIP, CONFIG, WEIGHTS, copy

pytestmark = pytest.mark.usefixtures("no_text_tower_and_no_network")


@pytest.mark.usefixtures("tiny_architectures")
@pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")
def test_a_local_checkpoint_has_several_names(
    folders: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy(folders, "own", tmp_path)
    monkeypatch.chdir(tmp_path)
    names = {
        str(folder): "own",
        f"open_clip:{folder}": "open_clip:own",
        "open_clip:own": "open_clip:own",
        f"open_clip:tiny/{folder / WEIGHTS}": f"open_clip:tiny/{WEIGHTS}",
        f"open_clip:tiny/own/{WEIGHTS}": f"open_clip:tiny/{WEIGHTS}",
    }
    assert len({load_tower(name).fingerprint for name in names}) == 1
    assert {name: model_label(name) for name in names} == names
    assert {find_family(name).name for name in names} == {"open_clip"}
    assert not any(needs_download(name) for name in names)


@pytest.mark.parametrize(
    "name", ["open_clip:ViT-B-32/openai", BIOMEDCLIP, "open_clip:hf-hub:nobody/nothing", "openai/clip-vit-base-patch16"]
)
def test_other_labels_are_the_names(name: str) -> None:
    assert model_label(name) == name


@pytest.mark.parametrize(
    ("files", "family"),
    [
        ({CONFIG: "{}"}, "open_clip"),
        ({CONFIG: "{}", "config.json": '{"architecture": "vit_base_patch16_224"}'}, "open_clip"),
        ({CONFIG: "{}", "config.json": '{"model_type": "clip"}'}, "transformers"),
        ({CONFIG: "{}", "config.json": "{"}, "transformers"),
        ({"config.json": '{"model_type": "clip"}'}, "transformers"),
        ({}, "transformers"),
    ],
)
def test_what_is_in_a_directory_settles_its_family(tmp_path: Path, files: dict[str, str], family: str) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert find_family(str(tmp_path)).name == family
