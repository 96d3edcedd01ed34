"""Tokenizers in files: which are needed, that none of them wants code to be run, and what identifies them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from alignbench.errors import AlignbenchError, ModelError, one_line
from alignbench.files import open_plain
from alignbench.models.checkpoints import read_settings
from alignbench.models.settings import NULL, check_settings, either, number

FILES: Final = (
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
    *("vocab.json", "merges.txt", "vocab.txt", "spiece.model", "tokenizer.model", "sentencepiece.bpe.model"),
)
_ENOUGH: Final = (  # of any of these transformers makes a tokenizer; of less, an empty one without a word
    ("tokenizer.json",),
    ("vocab.json", "merges.txt"),
    ("vocab.txt",),
    ("spiece.model",),
    ("tokenizer.model",),
    ("sentencepiece.bpe.model",),
)
_SETTINGS: Final = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
_KINDS: Final = {"model_max_length": either(number(1e31, 1.0), NULL)}  # 1e30 stands for none
_UNREACHABLE: Final = (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError)


def downloaded_tokenizer(name: str, repository: str, revision: str | None = None) -> Path:
    """Return the folder of a tokenizer of the Hugging Face hub, downloaded unless it is in the cache.

    Args:
        name: The model's name, for messages.
        repository: The hub's name of the repository.
        revision: Which commit of it; none for the newest, or the one in the cache.

    Raises:
        ModelError: If it is neither here nor to be had.
    """
    options: dict[str, Any] = {"revision": revision, "allow_patterns": [*FILES]}
    try:
        folder = Path(snapshot_download(repository, local_files_only=True, **options))
        if has_tokenizer(folder):
            return folder
    except _UNREACHABLE:
        pass
    try:
        return Path(snapshot_download(repository, **options))
    except _UNREACHABLE as error:
        raise ModelError(
            f"the tokenizer of {name} ({repository}) is not in the local cache and cannot be downloaded "
            f"({one_line(error)}): check the network, or give a folder with weights and tokenizer"
        ) from error


def has_tokenizer(folder: Path) -> bool:
    """Whether a folder has the files of a tokenizer."""
    return any(all((folder / file).exists() for file in files) for files in _ENOUGH)


def read_tokenizer(name: str, folder: Path, make: Callable[[], Any]) -> Any:
    """Make a tokenizer of the files in a folder, once they are seen to be harmless.

    Args:
        name: The model's name, for messages.
        folder: The folder.
        make: Makes it.

    Raises:
        ModelError: If there is none, if its files cannot be read, or if they want code of their own to be run.
    """
    if not has_tokenizer(folder):
        raise ModelError(
            f"{name} has a text tower and no tokenizer: put its tokenizer.json beside the weights, as save_pretrained "
            "of the tokenizer writes it"
        )
    for file in FILES:
        path = folder / file
        if not path.exists():
            continue
        try:
            open_plain(path).close()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror}): download it again") from error
        settings = read_settings(path) if file in _SETTINGS else {}
        check_settings(f"{file} of {name}", settings, _KINDS)
        if settings.get("auto_map"):
            raise ModelError(
                f"{file} of {name} wants code of the checkpoint to be run (auto_map), which is never done: take "
                "auto_map out if a class of transformers does"
            )
    try:
        return make()
    except AlignbenchError:
        raise
    except Exception as error:  # a damaged file can raise anything
        raise ModelError(f"the tokenizer of {name} cannot be read ({one_line(error)}): download it again") from error


def tokenizer_digest(folder: Path) -> str:
    """Return SHA-256 over the files of a tokenizer.

    Raises:
        ModelError: If one of them cannot be read.
    """
    digest = hashlib.sha256()
    for file in FILES:
        path = folder / file
        if path.exists():
            try:
                with open_plain(path) as opened:
                    digest.update(f"{file} {hashlib.file_digest(opened, 'sha256').hexdigest()}".encode())
            except OSError as error:
                raise ModelError(f"{path} cannot be read ({error.strerror}): download it again") from error
    return digest.hexdigest()
