"""Names without a prefix: which are refused, which need a download, and what their models are called."""

from pathlib import Path

import pytest

from alignbench.errors import UsageError
from alignbench.models.families import check_name, find_family, model_label, needs_download
from folders import Folders


def test_bare_names_must_be_known(tiny_tower: Folders) -> None:
    with pytest.raises(UsageError, match=r"^unknown model 'shape-clip': did you mean shapes-clip\?$"):
        check_name("shape-clip")
    with pytest.raises(UsageError, match=r"^unknown model 'pixls': did you mean pixels\?$"):
        check_name("pixls", ["pixels"])
    for name in ("shapes-clip", "nobody/nothing", str(tiny_tower("clip"))):
        check_name(name)
        assert find_family(name).name == "transformers"


def test_labels_leave_out_the_way_to_a_directory(
    tiny_tower: Folders, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tiny_tower("clip"))
    assert model_label(".") == model_label(str(tiny_tower("clip"))) == "clip"
    assert model_label("shapes-clip") == "shapes-clip"
    assert model_label("openai/clip-vit-base-patch32") == "openai/clip-vit-base-patch32"


def cached(hub: Path, repository: str, *files: str) -> None:
    """Puts empty files of a repository into a cache of the hub."""
    place = hub / f"models--{repository.replace('/', '--')}"
    (place / "refs").mkdir(parents=True)
    (place / "refs" / "main").write_text("0" * 40)
    (place / "snapshots" / ("0" * 40)).mkdir(parents=True)
    for file in files:
        (place / "snapshots" / ("0" * 40) / file).touch()


@pytest.mark.parametrize(
    ("files", "needed"),
    [
        (None, True),
        (("config.json", "preprocessor_config.json"), True),
        (("config.json", "preprocessor_config.json", "model.safetensors"), False),
        (("config.json", "preprocessor_config.json", "model-00001-of-00002.safetensors"), True),
        (("config.json", "preprocessor_config.json", "pytorch_model.bin"), False),
        (("config.json", "preprocessor_config.json", "tf_model.h5"), True),
        (("config.json", "model.safetensors"), True),
        (("preprocessor_config.json", "model.safetensors"), True),
    ],
)
def test_a_model_is_downloaded_unless_it_is_whole_in_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: tuple[str, ...] | None, needed: bool
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name in ("nobody/nothing", "openai/clip-vit-base-patch32"):
        if files is not None:
            cached(tmp_path, name, *files)
        assert needs_download(name) == needed


def test_nothing_is_downloaded_for_what_a_card_settles_or_a_folder_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_tower: Folders
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert not needs_download("openai/clip-vit-base-patch32", random_init=True)
    assert needs_download("nobody/nothing", random_init=True)
    for name in ("shapes-clip", str(tiny_tower("clip"))):
        assert not needs_download(name), "it is packaged, or in a directory"
