"""Files of open_clip's models are found in the cache, and asked of the hub, in one order."""

import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError
from safetensors.torch import load_file

from alignbench.errors import AlignbenchWarning, ModelError
from alignbench.models.families import load_tower, needs_download
from alignbench.models.openclip_files import WEIGHTS, from_hub, is_tag_cached, tag_files, weights_in
from hub_cache import write_hub_cache
from openclip_towers import CONFIG

NAME = "nobody/tower"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("file", "looked_for"),
    [
        ("", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")),
        ("open_clip_pytorch_model.bin", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")),
        ("other.bin", ("other.safetensors", "other.bin")),
        ("other.pth", ("other.safetensors", "other.pth")),
        ("other.pt", ("other.pt",)),
    ],
)
def test_a_tag_is_in_the_cache_if_a_file_is_there_that_open_clip_takes(
    hub: Path, tmp_path: Path, file: str, looked_for: tuple[str, ...]
) -> None:
    from open_clip.pretrained import _get_safe_alternatives

    assert tag_files({"hf_hub": f"{NAME}/{file}"}) == (NAME, *looked_for)
    default = file or "open_clip_pytorch_model.bin"
    assert (*_get_safe_alternatives(default), default) == looked_for, "open_clip itself"
    for number, present in enumerate((*looked_for, "pytorch_model.bin")):
        source = tmp_path / str(number)
        source.mkdir()
        (source / present).touch()
        write_hub_cache(hub / str(number), NAME, source)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub / str(number)))
            assert is_tag_cached({"hf_hub": f"{NAME}/{file}"}) == (present in looked_for)


@pytest.mark.parametrize("file", WEIGHTS)
def test_a_repository_in_the_cache_is_loaded_without_the_hub(
    hub: Path, folders: Callable[[str], Path], tmp_path: Path, file: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("alignbench.models.openclip_files.hf_hub_download", lambda *_: pytest.fail("it was asked"))
    source = tmp_path / "source"
    shutil.copytree(folders("own"), source)
    if file.endswith(".bin"):
        torch.save(load_file(source / WEIGHTS[0]), source / file)
        (source / WEIGHTS[0]).unlink()
    else:
        (source / WEIGHTS[0]).rename(source / file)
    (source / "README.md").touch()
    write_hub_cache(hub, NAME, source, [CONFIG, file])
    assert not needs_download(f"open_clip:hf-hub:{NAME}")
    found = [load_tower(name).fingerprint for name in (f"open_clip:hf-hub:{NAME}", str(source), str(folders("own")))]
    assert len(set(found)) == 1


def test_the_hub_is_asked_for_one_file_after_the_other(
    hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(repository: str, file: str) -> str:
        asked.append(file)
        if file == WEIGHTS[1]:
            return str(tmp_path / file)
        raise EntryNotFoundError(f"{repository} has no {file}")

    monkeypatch.setattr("alignbench.models.openclip_files.hf_hub_download", download)
    assert from_hub("it", NAME, *WEIGHTS) == tmp_path / WEIGHTS[1]
    assert asked == [*WEIGHTS[:2]]


def test_what_is_not_to_be_had_is_named(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def download(repository: str, file: str) -> str:
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("alignbench.models.openclip_files.hf_hub_download", download)
    with pytest.raises(ModelError, match=r"^it is not in the local cache and cannot be downloaded \(no network\): "):
        from_hub("it", NAME, *WEIGHTS)


def test_a_folder_prefers_the_same_files_as_the_hub_and_says_so(tmp_path: Path) -> None:
    (tmp_path / WEIGHTS[2]).touch()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert weights_in("it", tmp_path) == tmp_path / WEIGHTS[2]
    for file, others in ((WEIGHTS[1], [WEIGHTS[2]]), (WEIGHTS[0], [WEIGHTS[1], WEIGHTS[2]])):
        (tmp_path / file).touch()
        said = (
            rf"^the weights of it are read from {file}, and not from {', '.join(others)}: keep the one that is meant$"
        )
        with pytest.warns(AlignbenchWarning, match=said):
            assert weights_in("it", tmp_path) == tmp_path / file


def test_of_other_names_safetensors_go_before_pickles_with_a_word(tmp_path: Path) -> None:
    for file in ("a.pt", "b.safetensors", "c.bin"):
        (tmp_path / file).touch()
    with pytest.warns(AlignbenchWarning, match=r"read from b\.safetensors, and not from a\.pt, c\.bin: keep"):
        assert weights_in("it", tmp_path) == tmp_path / "b.safetensors"
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(ModelError, match=r"several files of weights \(a\.pt, c\.bin\): keep one"):
        weights_in("it", tmp_path)


def test_of_two_files_in_the_cache_the_one_of_open_clip_is_taken_with_a_word(hub: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.mkdir()
    for file in WEIGHTS:
        (source / file).touch()
    write_hub_cache(hub, NAME, source)
    with pytest.warns(
        AlignbenchWarning, match=rf"read from {WEIGHTS[0]}, and not from {WEIGHTS[1]}, {WEIGHTS[2]}: keep"
    ):
        assert from_hub("it", NAME, *WEIGHTS).name == WEIGHTS[0]


@pytest.mark.parametrize("file", [WEIGHTS[0], "any.pt"])
def test_a_pipe_is_said_to_be_one(folders: Callable[[str], Path], tmp_path: Path, file: str) -> None:
    folder = Path(shutil.copytree(folders("own"), tmp_path / "own"))
    (folder / WEIGHTS[0]).unlink()
    os.mkfifo(folder / file)
    with pytest.raises(ModelError, match=rf"\({file}\) cannot be read \(a named pipe, where a file belongs\)"):
        load_tower(str(folder))
