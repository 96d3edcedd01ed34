"""Checkpoint folders: packaged, local, or from the Hugging Face hub through its cache."""

from __future__ import annotations

import hashlib
from pathlib import Path

from huggingface_hub import snapshot_download, try_to_load_from_cache
from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError, OfflineModeIsEnabled

from alignbench.errors import ModelError, did_you_mean, one_line
from alignbench.models.cards import cards

_ALIKE = 0.9  # how like a card's a name must be to be taken for a slip


def checkpoint_folder(name: str, *, weights: bool = True) -> Path:
    """Return the local folder of a checkpoint, downloaded to the Hugging Face cache where needed.

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
    # one format of weights is enough: the safe one where the repository has it
    wanted = ["config.json", "preprocessor_config.json"]
    wanted += ["*.safetensors", "*.safetensors.index.json"] if weights else []
    try:
        folder = Path(snapshot_download(name, allow_patterns=wanted))
        if weights and not any(folder.glob("*.safetensors")):
            folder = Path(snapshot_download(name, allow_patterns=[*wanted, "pytorch_model*.bin*"]))
        return folder
    except (LocalEntryNotFoundError, OfflineModeIsEnabled, HfHubHTTPError, OSError, ValueError) as error:
        near = "" if card is not None else did_you_mean(name, cards(), _ALIKE)
        raise ModelError(
            f"{name} is not in the local cache and cannot be downloaded ({one_line(error)}): {near}{' ' * bool(near)}"
            "check the name and the network, give a local directory, or use --random-init with a model card"
        ) from error


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
        configuration = try_to_load_from_cache(name, "config.json")
    except ValueError:  # no name of a repository
        configuration = None
    if not isinstance(configuration, str):
        near = did_you_mean(name, cards(), _ALIKE)
        raise ModelError(
            f"the configuration of {name} is not on this machine, and is not downloaded for this: {near}"
            f"{' ' * bool(near)}name a model card, a local directory, or a model that was loaded before"
        )
    return Path(configuration).parent


def is_cached(name: str) -> bool:
    """Whether a checkpoint is on this machine."""
    card = cards().get(name)
    if (card is not None and card.packaged) or Path(name).is_dir():
        return True
    try:
        folder = Path(snapshot_download(name, local_files_only=True))
    except (OSError, ValueError, HfHubHTTPError):
        return False
    return any(folder.glob("*.safetensors")) or any(folder.glob("pytorch_model*.bin"))


def fingerprint(folder: Path) -> str:
    """Return SHA-256 over the configuration and the weights in a checkpoint's folder."""
    digest = hashlib.sha256()
    names = ("config.json", "preprocessor_config.json", "*.safetensors", "pytorch_model*.bin")
    for path in sorted(path for pattern in names for path in folder.glob(pattern)):
        digest.update(path.name.encode())
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
