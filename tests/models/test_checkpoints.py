"""A checkpoint is one list of files: to download, to find in the cache, to load and to tell from others."""

import fnmatch
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from alignbench.errors import ModelError
from alignbench.models.checkpoints import (
    checkpoint_folder,
    fingerprint,
    is_cached,
    unread_weights,
    weight_files,
    weight_map,
)
from alignbench.models.families import load_tower, needs_download
from folders import Folders
from hub_cache import write_hub_cache
from taps import picture

NAME = "nobody/clip"


@pytest.fixture
def checkpoint(tiny_tower: Folders, tmp_path: Path) -> Path:
    """A copy of a small checkpoint that a test may change."""
    return Path(shutil.copytree(tiny_tower("clip"), tmp_path / "checkpoint"))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of the hub; the hub itself is not to be reached."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def edit(path: Path, **changes: object) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def nest(folder: Path, **changes: object) -> Path:
    """Save the processor's settings as transformers 5 does with a whole processor."""
    settings = json.loads((folder / "preprocessor_config.json").read_text()) | changes
    nested = folder / "processor_config.json"
    nested.write_text(json.dumps({"image_processor": settings, "processor_class": "CLIPProcessor"}))
    return nested


def shard(folder: Path, single: str = "model.safetensors", place: str = "") -> None:
    """Cut the weights into two files and an index."""
    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    (folder / place).mkdir(exist_ok=True)
    stem, ending = single.split(".")
    listed = {}
    for number in (1, 2):
        part = {key: value for at, (key, value) in enumerate(sorted(weights.items())) if at % 2 == number - 1}
        file = str(Path(place, f"{stem}-{number:05d}-of-00002.{ending}"))
        save_file(part, folder / file) if ending == "safetensors" else torch.save(part, folder / file)
        listed |= dict.fromkeys(part, file)
    (folder / f"{single}.index.json").write_text(json.dumps({"metadata": {}, "weight_map": listed}))


def as_pickle(folder: Path) -> None:
    torch.save(load_file(folder / "model.safetensors"), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()


# --- Identity -------------------------------------------------------------------------------------------------------


def test_the_fingerprint_is_that_of_the_checkpoints_bytes(tiny_tower: Folders, tmp_path: Path) -> None:
    from reference import save_clip

    before = load_tower(str(tiny_tower("clip"))).fingerprint
    shutil.copytree(tiny_tower("clip"), tmp_path / "moved")
    assert load_tower(str(tmp_path / "moved")).fingerprint == before
    save_clip(tmp_path / "other", seed=1)
    assert load_tower(str(tmp_path / "other")).fingerprint != before
    edit(tmp_path / "moved" / "preprocessor_config.json", resample=2)
    assert load_tower(str(tmp_path / "moved")).fingerprint != before


def test_settings_and_weights_alone_keep_the_fingerprint_they_always_had(checkpoint: Path) -> None:
    for file in ("other.safetensors", "pytorch_model.bin", "pytorch_model-00001-of-00002.bin"):
        (checkpoint / file).write_bytes(file.encode())
    for file in ("README.md", "tokenizer.json", "vocab.bin"):  # nothing of these is read
        (checkpoint / file).write_text("anything")
    (checkpoint / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    digest = hashlib.sha256()
    for file in (
        *("config.json", "model.safetensors", "other.safetensors", "preprocessor_config.json"),
        *("pytorch_model-00001-of-00002.bin", "pytorch_model.bin"),
    ):
        digest.update(file.encode() + hashlib.sha256((checkpoint / file).read_bytes()).digest())
    assert fingerprint(checkpoint) == digest.hexdigest()


def _nested(folder: Path) -> Path:
    path = nest(folder)
    (folder / "preprocessor_config.json").unlink()
    return path


def _index(folder: Path) -> Path:
    shard(folder)
    return folder / "model.safetensors.index.json"


def _pickled_index(folder: Path) -> Path:
    shard(folder, "pytorch_model.bin")
    return folder / "pytorch_model.bin.index.json"


def _shard_below(folder: Path) -> Path:
    shard(folder, place="parts")
    return folder / "parts" / "model-00001-of-00002.safetensors"


def _adapter(folder: Path) -> Path:
    (folder / "adapter_config.json").write_text("{}")
    return folder / "adapter_config.json"


def _pickled_adapter(folder: Path) -> Path:
    (folder / "adapter_model.bin").write_bytes(b"weights")
    return folder / "adapter_model.bin"


def _versioned(folder: Path) -> Path:
    edit(folder / "config.json", configuration_files=["config.4.0.0.json"])
    shutil.copy(folder / "config.json", folder / "config.4.0.0.json")
    return folder / "config.4.0.0.json"


@pytest.mark.parametrize(
    "change", [_nested, _index, _pickled_index, _shard_below, _adapter, _pickled_adapter, _versioned]
)
def test_whatever_changes_a_number_is_in_the_fingerprint(checkpoint: Path, change: Callable[[Path], Path]) -> None:
    file = change(checkpoint)
    before = fingerprint(checkpoint)
    file.write_bytes(file.read_bytes() + b" ")
    assert fingerprint(checkpoint) != before


def test_the_head_of_a_student_is_not_of_its_weights(checkpoint: Path) -> None:
    before = fingerprint(checkpoint)
    (checkpoint / "head.safetensors").write_bytes(b"a transform of what the tower gives")
    assert fingerprint(checkpoint) == before


def test_weights_that_are_not_read_are_listed_and_in_the_fingerprint(checkpoint: Path) -> None:
    whole = (checkpoint / "model.safetensors").read_bytes()
    assert unread_weights(checkpoint) == ()
    shard(checkpoint)
    assert unread_weights(checkpoint) == ()
    names = [path.name for path in weight_files(checkpoint)]
    (checkpoint / "model.safetensors").write_bytes(whole)
    (checkpoint / "other.safetensors").write_bytes(whole)
    assert weight_files(checkpoint) == (checkpoint / "model.safetensors",)
    assert [path.name for path in unread_weights(checkpoint)] == sorted(names)
    seen = {fingerprint(checkpoint)}
    for name in names:
        (checkpoint / name).write_bytes((checkpoint / name).read_bytes() + b" ")
        seen.add(fingerprint(checkpoint))
    assert len(seen) == len(names) + 1


def test_an_index_says_which_file_has_what(checkpoint: Path) -> None:
    shard(checkpoint, place="parts")
    listed = weight_map(checkpoint / "model.safetensors.index.json")
    for file in set(listed.values()):
        assert load_file(checkpoint / file).keys() == {key for key, place in listed.items() if place == file}


# --- The cache ------------------------------------------------------------------------------------------------------

SETTINGS = ("config.json", "preprocessor_config.json")


@pytest.mark.parametrize("form", ["whole", "shards", "shards below", "pickle", "pickled shards", "nested"])
def test_a_checkpoint_that_is_whole_for_us_is_in_the_cache(checkpoint: Path, hub: Path, form: str) -> None:
    make: dict[str, Callable[[Path], object]] = {
        "whole": lambda folder: None,
        "shards": shard,
        "shards below": lambda folder: shard(folder, place="parts"),
        "pickle": as_pickle,
        "pickled shards": lambda folder: shard(folder, "pytorch_model.bin"),
        "nested": _nested,
    }
    make[form](checkpoint)
    needed = [path.relative_to(checkpoint).as_posix() for path in checkpoint.rglob("*") if path.is_file()]
    for other in ("tf_model.h5", "onnx/model.safetensors", "flax_model.msgpack", "tokenizer.json", "README.md"):
        (checkpoint / other).parent.mkdir(exist_ok=True)
        (checkpoint / other).touch()
    write_hub_cache(hub, NAME, checkpoint, needed)
    assert not needs_download(NAME)
    shutil.rmtree(checkpoint / "onnx")
    assert load_tower(NAME).fingerprint == load_tower(str(checkpoint)).fingerprint


def test_a_pickle_that_is_here_does_for_safetensors_that_are_not(checkpoint: Path, hub: Path) -> None:
    torch.save(load_file(checkpoint / "model.safetensors"), checkpoint / "pytorch_model.bin")
    write_hub_cache(hub, NAME, checkpoint, [*SETTINGS, "pytorch_model.bin"])
    assert is_cached(NAME)
    (checkpoint / "pytorch_model.bin").unlink()
    assert load_tower(NAME).layers == load_tower(str(checkpoint)).layers


@pytest.mark.parametrize(
    "lacking",
    ["config.json", "preprocessor_config.json", "processor_config.json", "adapter_config.json", "model.safetensors"],
)
def test_a_cache_that_lacks_what_the_loader_reads_is_not_taken(checkpoint: Path, hub: Path, lacking: str) -> None:
    nest(checkpoint)
    (checkpoint / "adapter_config.json").write_text("{}")
    write_hub_cache(hub, NAME, checkpoint, [path.name for path in checkpoint.iterdir() if path.name != lacking])
    assert needs_download(NAME)
    assert needs_download(NAME, random_init=True) == (lacking != "model.safetensors")


def test_shards_that_are_not_all_there_are_downloaded_again(checkpoint: Path, hub: Path) -> None:
    shard(checkpoint)
    index, first, second = (path.name for path in weight_files(checkpoint))
    write_hub_cache(hub, NAME, checkpoint, [*SETTINGS, index, second])
    assert needs_download(NAME)
    (checkpoint / first).unlink()
    assert weight_files(checkpoint) == ()


def test_what_is_downloaded_is_what_the_loader_reads(
    checkpoint: Path, hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub that is the folder: of each question it hands out the files that were asked for."""
    shard(checkpoint)
    nest(checkpoint)
    for other in ("onnx/model.safetensors", "pytorch_model.bin", "README.md", "model.fp16.safetensors"):
        (checkpoint / other).parent.mkdir(exist_ok=True)
        (checkpoint / other).touch()

    def download(name: str, *, allow_patterns: list[str], local_files_only: bool = False, **_: Any) -> str:
        for path in [] if local_files_only else [path for path in checkpoint.rglob("*") if path.is_file()]:
            file = path.relative_to(checkpoint).as_posix()
            if any(fnmatch.fnmatch(file, pattern) for pattern in allow_patterns):
                (hub / file).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, hub / file)
        return str(hub)

    monkeypatch.setattr("alignbench.models.checkpoints.snapshot_download", download)
    assert needs_download(NAME)
    assert checkpoint_folder(NAME) == hub
    fetched = {path.relative_to(hub).as_posix() for path in hub.rglob("*") if path.is_file()}
    shards = {f"model-0000{number}-of-00002.safetensors" for number in (1, 2)}
    assert fetched == {*SETTINGS, "processor_config.json", "model.safetensors.index.json", *shards}
    assert not needs_download(NAME)


def test_the_hub_and_a_folder_prepare_alike(checkpoint: Path, hub: Path) -> None:
    legacy = load_tower(str(checkpoint)).prepare(picture(40, 51))
    nest(checkpoint, resample=0)
    write_hub_cache(hub, NAME, checkpoint)
    prepared = [load_tower(name).prepare(picture(40, 51)) for name in (NAME, str(checkpoint))]
    assert torch.equal(*prepared)
    assert not torch.equal(prepared[0], legacy), "the nested settings go before the others, as in transformers"


# --- Refusals -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("{", "cannot be read"),
        ("[]", "holds no JSON object"),
        ("{}", "has no weight_map"),
        ('{"weight_map": {"a": 1}}', "has no weight_map"),
        (
            '{"weight_map": {"a": "../other/model.safetensors"}}',
            r"outside its folder \(\.\./other/model\.",
        ),
        ('{"weight_map": {"a": "/other/model.safetensors"}}', r"outside its folder \(/other/model\."),
    ],
)
def test_an_index_that_cannot_be_followed_is_refused(checkpoint: Path, content: str, said: str) -> None:
    (checkpoint / "model.safetensors").rename(checkpoint / "model-00001-of-00001.safetensors")
    (checkpoint / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ModelError, match=rf"model\.safetensors\.index\.json .*{said}"):
        load_tower(str(checkpoint))


@pytest.mark.parametrize("file", ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"])
def test_a_pipe_is_said_to_be_one(checkpoint: Path, file: str) -> None:
    (checkpoint / "model.safetensors").unlink()
    os.mkfifo(checkpoint / file)
    with pytest.raises(ModelError, match=r"cannot be read \(a named pipe, where a file belongs\)"):
        load_tower(str(checkpoint))


@pytest.mark.parametrize(
    ("file", "key"),
    [
        ("config.json", "AutoConfig"),
        ("config.json", "AutoModel"),
        ("config.json", "AutoModelForZeroShotImageClassification"),
        ("preprocessor_config.json", "AutoImageProcessor"),
        ("preprocessor_config.json", "AutoFeatureExtractor"),
        ("processor_config.json", "AutoImageProcessor"),
    ],
)
@pytest.mark.parametrize("kind", ["CLIPImageProcessor", "Own"])
def test_a_checkpoint_that_wants_its_own_code_to_run_is_refused_without_a_question(
    checkpoint: Path, file: str, key: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("it asked"))
    (checkpoint / "own.py").write_text(f"open({str(checkpoint / 'ran')!r}, 'w').close()\nclass Own: pass\n")
    wanted = {"auto_map": {key: "own.Own"}}
    if file == "processor_config.json":
        nest(checkpoint, image_processor_type=kind, **wanted)
    else:
        changes = {"image_processor_type": kind} if file == "preprocessor_config.json" else {}
        edit(checkpoint / file, **wanted, **changes)
    with pytest.raises(ModelError, match=rf"^{file} of .* wants code .* \(auto_map\), which is never done") as refused:
        load_tower(str(checkpoint))
    assert "\n" not in str(refused.value)
    assert not (checkpoint / "ran").exists()


def test_code_for_what_is_not_measured_is_of_no_account(checkpoint: Path) -> None:
    before = load_tower(str(checkpoint))
    edit(checkpoint / "config.json", auto_map={"AutoTokenizer": ["own.Own", None], "AutoProcessor": "own.Own"})
    assert load_tower(str(checkpoint)).layers == before.layers


def test_a_checkpoint_that_is_not_to_be_had_is_named_with_the_card_that_may_be_meant(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def unreachable(*_: object, **__: object) -> str:
        raise OSError("no network")

    monkeypatch.setattr("alignbench.models.checkpoints.snapshot_download", unreachable)
    with pytest.raises(ModelError, match=r"\(no network\): did you mean .*openai/clip-vit-base-patch32.*\? check"):
        checkpoint_folder("openai/clip-vit-base-patch33")
    for name in ("someone/something-else", "openai/clip-vit-base-patch32"):
        with pytest.raises(ModelError, match=r"\(no network\): check the name"):
            checkpoint_folder(name)
