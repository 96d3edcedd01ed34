"""Files of open_clip's models: one list for directories, the hub's cache and downloads, in the order of preference."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from huggingface_hub import hf_hub_download, try_to_load_from_cache
from huggingface_hub.errors import EntryNotFoundError, HfHubHTTPError
from open_clip.constants import HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME

from alignbench.errors import AlignbenchWarning, ModelError, one_line, shortened

CONFIG: Final = "open_clip_config.json"
WEIGHTS: Final = (HF_SAFE_WEIGHTS_NAME, "open_clip_pytorch_model.safetensors", HF_WEIGHTS_NAME)
ENDINGS: Final = (".safetensors", ".bin", ".pt", ".pth")


def weights_in(name: str, folder: Path) -> Path:
    """Return the file of weights in a directory: of the usual name, or else the only one, safetensors before pickles.

    Where another could be meant as well, a warning says which is taken.

    Raises:
        ModelError: If there is none, or several of which none has a usual name.
    """
    usual = [folder / file for file in WEIGHTS if (folder / file).exists()]  # whoever opens a pipe says that it is one
    if usual:
        return _first_with_a_word(name, usual)
    files = sorted(path for path in folder.iterdir() if path.suffix in ENDINGS)
    safe = [path for path in files if path.suffix == ENDINGS[0]]
    if len(safe or files) > 1:
        listed = ", ".join(path.name for path in safe or files)
        raise ModelError(f"{name} has several files of weights ({listed}): keep one, or name it {WEIGHTS[0]}")
    if not files:
        raise ModelError(f"{name} has no weights: put {WEIGHTS[0]} beside {CONFIG}, or use --random-init")
    return _first_with_a_word(name, [*safe, *(path for path in files if path not in safe)])


def _first_with_a_word(name: str, files: list[Path]) -> Path:
    first, *others = files
    if others:
        warnings.warn(
            f"the weights of {name} are read from {first.name}, and not from "
            f"{shortened(', '.join(path.name for path in others))}: keep the one that is meant",
            AlignbenchWarning,
            stacklevel=2,
        )
    return first


def downloaded(name: str, download: Callable[[], str]) -> Path:
    """Return what a download leaves on this machine.

    Args:
        name: The model's name, for messages.
        download: Returns the path of the file.

    Raises:
        ModelError: If it cannot be had.
    """
    try:
        return Path(download())
    except (HfHubHTTPError, OSError, ValueError, RuntimeError) as error:
        raise ModelError(
            f"{name} is not in the local cache and cannot be downloaded ({one_line(error)}): check the name and the "
            "network, give a local file or directory, or use --random-init with a model card or a tag"
        ) from error


def from_hub(name: str, repository: str, *files: str) -> Path:
    """Return the first of some files that the cache has, or else, downloaded, the first that the repository has.

    Where the cache has others of them as well, a warning says which is taken: the one that open_clip takes.

    Args:
        name: The model's name, for messages.
        repository: The hub's name of the repository.
        files: Names of files, the preferred ones first.

    Raises:
        ModelError: If neither has any.
    """
    cached = _cached_files(repository, files)
    return _first_with_a_word(name, cached) if cached else downloaded(name, lambda: _first_of(repository, files))


def _first_of(repository: str, files: tuple[str, ...]) -> str:
    for file in files[:-1]:
        with suppress(EntryNotFoundError):
            return hf_hub_download(repository, file)
    return hf_hub_download(repository, files[-1])


def is_tag_cached(pretrained: dict[str, Any]) -> bool:
    """Say whether the weights of a tag are on this machine, where open_clip looks for them."""
    if not pretrained["hf_hub"]:
        return (Path("~/.cache/clip").expanduser() / Path(pretrained["url"]).name).is_file()
    return cached_file(*tag_files(pretrained)) is not None


def tag_files(pretrained: dict[str, Any]) -> tuple[str, ...]:
    """Return the repository of a tag, and then its files of weights in the order in which open_clip looks for them."""
    repository, _, file = pretrained["hf_hub"].rpartition("/")
    if file in ("", HF_WEIGHTS_NAME):
        return repository, HF_SAFE_WEIGHTS_NAME, HF_WEIGHTS_NAME
    return (repository, f"{file[:-4]}.safetensors", file) if file.endswith((".bin", ".pth")) else (repository, file)


def cached_file(repository: str, *files: str) -> Path | None:
    """Return the first of some files of a repository that the hub's cache has; none if it has none of them."""
    return next(iter(_cached_files(repository, files)), None)


def _cached_files(repository: str, files: tuple[str, ...]) -> list[Path]:
    try:
        found = [try_to_load_from_cache(repository, file) for file in files]
    except ValueError:  # no name of a repository
        return []
    return [Path(path) for path in found if isinstance(path, str)]
