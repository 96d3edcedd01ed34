"""Checkpoint folders: packaged, local, or from the Hugging Face hub through its cache.

One list of files says what a checkpoint is: it is what is downloaded, what makes a checkpoint whole in the cache, what
transformers reads from a folder, and what is in the fingerprint.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any, Final

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from alignbench.errors import ModelError, did_you_mean, one_line
from alignbench.files import open_plain
from alignbench.files.json_text import read_json
from alignbench.models.cards import cards

_ALIKE = 0.9  # how like a card's a name must be to be taken for a slip
_CONFIG: Final = "config.json"
_NESTED: Final = "processor_config.json"  # how transformers 5 saves a processor: this goes before the other
PROCESSOR: Final = "preprocessor_config.json"
_SETTINGS: Final = (
    _CONFIG,
    "config.*.json",
    _NESTED,
    PROCESSOR,
    "adapter_config.json",
    "adapter_model.safetensors",
    "adapter_model.bin",
)
_WEIGHTS: Final = ("model.safetensors", "pytorch_model.bin")  # either may be cut into shards, which an index lists
_NAMED_AS_WEIGHTS: Final = (
    *("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json"),
    *("pytorch_model.bin", "pytorch_model-*-of-*.bin", "pytorch_model.bin.index.json"),
)
_READ_ONLY_IF: Final = {  # settings that count only where a key of a file says so
    "config.*.json": (_CONFIG, "configuration_files"),
    _NESTED: (_NESTED, "image_processor"),
}
_ALWAYS_IDENTIFYING: Final = (_CONFIG, PROCESSOR, "*.safetensors", "pytorch_model*.bin")  # read or not
HEAD: Final = "head.safetensors"
"""Beside the weights of a student of AligNet: a transform of its output, which names the student by its fingerprint."""
_REPLACED_BY_CODE: Final = ("AutoConfig", "AutoModel", "AutoImageProcessor", "AutoFeatureExtractor")
_UNREACHABLE: Final = (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError)


def checkpoint_folder(name: str, *, weights: bool = True) -> Path:
    """Return the local folder of a checkpoint, downloaded to the Hugging Face cache unless it is whole there.

    Args:
        name: A card's name, a Hugging Face id, or a local directory.
        weights: Whether the weights are wanted as well as the configuration.

    Raises:
        ModelError: If it is neither here nor to be had.
    """
    card = cards().get(name)
    if card is not None and card.packaged:
        return Path(__file__).parents[1] / card.packaged
    if Path(name).is_dir():
        return Path(name)
    try:
        return _cached(name, weights) or _downloaded(name, weights)
    except _UNREACHABLE as error:
        near = "" if card is not None else did_you_mean(name, cards(), _ALIKE)
        raise ModelError(
            f"{name} is not in the local cache and cannot be downloaded ({one_line(error)}): {near}{' ' * bool(near)}"
            "check the name and the network, give a local directory, or use --random-init with a model card"
        ) from error


def _cached(name: str, weights: bool) -> Path | None:
    """The folder of a checkpoint in the cache, whatever else its repository has; none if it is not whole."""
    try:
        # where the cache knows what the repository has, this refuses a folder that lacks one of its settings
        folder = Path(snapshot_download(name, allow_patterns=[*_SETTINGS], local_files_only=True))
    except _UNREACHABLE:
        return None
    is_whole = (folder / _CONFIG).exists() and processor_file(folder).exists()
    return folder if is_whole and (not weights or weight_files(folder)) else None


def _downloaded(name: str, weights: bool) -> Path:
    """Download what is wanted of a checkpoint: of its weights one format is enough, the safe one where there is one."""
    folder = Path(snapshot_download(name, allow_patterns=[*_SETTINGS]))
    for whole in _WEIGHTS if weights else ():
        if weight_files(folder):
            break
        index = folder / f"{whole}.index.json"
        snapshot_download(name, revision=folder.name, allow_patterns=[whole, index.name])
        if index.exists() and not (folder / whole).exists():
            shards = [path.relative_to(folder).as_posix() for path in _shards(index)]
            snapshot_download(name, revision=folder.name, allow_patterns=shards)
    return folder


def configuration_folder(name: str) -> Path:
    """Return the local folder with the configuration of a checkpoint; nothing is downloaded.

    Args:
        name: A packaged card's name, a Hugging Face id, or a local directory.

    Raises:
        ModelError: If it is not on this machine.
    """
    card = cards().get(name)
    if (card is not None and card.packaged) or Path(name).is_dir():
        return checkpoint_folder(name, weights=False)
    try:
        configuration = try_to_load_from_cache(name, _CONFIG)
    except ValueError:  # no name of a repository
        configuration = None
    if not isinstance(configuration, str):
        near = did_you_mean(name, cards(), _ALIKE)
        raise ModelError(
            f"the configuration of {name} is not on this machine, and is not downloaded for this: {near}"
            f"{' ' * bool(near)}name a model card, a local directory, or a model that was loaded before"
        )
    return Path(configuration).parent


def is_cached(name: str, *, weights: bool = True) -> bool:
    """Whether all that is read of a checkpoint is on this machine, with or without its weights."""
    card = cards().get(name)
    return (card is not None and bool(card.packaged)) or Path(name).is_dir() or _cached(name, weights) is not None


# --------------------------------------------------------------------------------------------------- files


def processor_file(folder: Path) -> Path:
    """Return the file from which transformers reads how pictures are prepared, which may be missing."""
    return folder / _NESTED if _is_read(folder, _NESTED) else folder / PROCESSOR


def weight_files(folder: Path) -> tuple[Path, ...]:
    """Return the files that transformers reads weights from: one, or an index and its shards; none if one is missing.

    Raises:
        ModelError: If an index cannot be followed, or leads out of the folder.
    """
    for whole in _WEIGHTS:
        index = folder / f"{whole}.index.json"
        if (folder / whole).exists():  # or what is there instead of a file: whoever opens it says what
            return (folder / whole,)
        if index.exists():
            files = (index, *_shards(index))
            return files if all(path.exists() for path in files) else ()
    return ()


def unread_weights(folder: Path) -> tuple[Path, ...]:
    """Return what else in a folder is named as weights of a checkpoint are, and is not read."""
    found = (path for pattern in _NAMED_AS_WEIGHTS for path in folder.glob(pattern))
    return tuple(sorted(set(found) - set(weight_files(folder))))


def weight_map(index: Path) -> dict[str, str]:
    """Read which file has each weight, by an index: paths in its folder.

    Raises:
        ModelError: If it cannot be followed, or leads out of the folder.
    """
    listed = read_settings(index).get("weight_map")
    if not isinstance(listed, dict) or not all(isinstance(shard, str) for shard in listed.values()):
        raise ModelError(f"{index} has no weight_map from names of weights to files: download it again")
    for shard in listed.values():
        if PurePosixPath(shard).is_absolute() or ".." in PurePosixPath(shard).parts:
            raise ModelError(f"{index} names a file outside its folder ({shard}): download the checkpoint again")
    return listed


def read_settings(path: Path) -> dict[str, Any]:
    """Read a JSON file of a checkpoint.

    Raises:
        ModelError: If it cannot be read, or holds no object.
    """
    try:
        settings = read_json(path)
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or one_line(error)
        raise ModelError(f"{path} cannot be read ({why}): download it again") from error
    if not isinstance(settings, dict):
        raise ModelError(f"{path} cannot be read (it holds no JSON object): download it again")
    return settings


def refuse_own_code(name: str, folder: Path) -> None:
    """Refuse a checkpoint whose settings want code of its own to be run for the tower or the preparation of pictures.

    Args:
        name: The model's name, for messages.
        folder: The checkpoint's folder.

    Raises:
        ModelError: If it does, or if a file of settings cannot be read.
    """
    for path in sorted({*_settings_files(folder), processor_file(folder)}):
        settings = read_settings(path) if path.exists() and path.suffix == ".json" else {}
        for part in (settings, settings.get("image_processor")):
            wanted = part.get("auto_map") if isinstance(part, dict) else None
            if wanted and (not isinstance(wanted, dict) or any(key.startswith(_REPLACED_BY_CODE) for key in wanted)):
                raise ModelError(
                    f"{path.name} of {name} wants code of the checkpoint to be run (auto_map), which is never done: "
                    "take a checkpoint without it, or take auto_map out if the classes of transformers do"
                )


def fingerprint(folder: Path) -> str:
    """Return SHA-256 over everything in a checkpoint's folder that can change a number: settings and weights.

    Raises:
        ModelError: If one of them cannot be read; see also `weight_files`.
    """
    always = (path for pattern in _ALWAYS_IDENTIFYING for path in folder.glob(pattern) if path.is_file())
    others = (path for path in always if path.name != HEAD)
    digest = hashlib.sha256()
    for path in sorted({*others, *_settings_files(folder), *weight_files(folder), *unread_weights(folder)}):
        digest.update(path.relative_to(folder).as_posix().encode())
        try:
            with open_plain(path) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): download it again") from error
    return digest.hexdigest()


def _settings_files(folder: Path) -> Iterator[Path]:
    for pattern in _SETTINGS:
        if _is_read(folder, pattern):
            yield from folder.glob(pattern)


def _is_read(folder: Path, pattern: str) -> bool:
    """Whether transformers looks at such a file where it is there."""
    file, key = _READ_ONLY_IF.get(pattern, ("", ""))
    return not file or ((folder / file).exists() and key in read_settings(folder / file))


def _shards(index: Path) -> tuple[Path, ...]:
    """The files that an index of weights lists."""
    return tuple(index.parent / shard for shard in sorted(set(weight_map(index).values())))
