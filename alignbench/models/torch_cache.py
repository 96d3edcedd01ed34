"""Files of weights in torch's cache (its folder `hub/checkpoints`), downloaded to it when they are first needed."""

from __future__ import annotations

from http.client import HTTPException
from pathlib import Path

from alignbench.errors import ModelError, one_line


def cached_path(url: str) -> Path:
    """Return where a file is kept, whether or not it is there.

    Args:
        url: Its address.
    """
    import torch

    return Path(torch.hub.get_dir()) / "checkpoints" / url.rpartition("/")[2]


def torch_weights(name: str, url: str) -> Path:
    """Return a file of weights from torch's cache, downloading it where it is not there.

    Args:
        name: The model's name, for messages.
        url: Its address; the name of the file ends in the first digits of its SHA-256, which are verified.

    Raises:
        ModelError: If it cannot be had; names the file, its place and its address.
    """
    import torch

    path = cached_path(url)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.hub.download_url_to_file(url, str(path), hash_prefix=path.stem.rpartition("-")[2])
        except (OSError, RuntimeError, HTTPException) as error:
            raise ModelError(
                f"{name} needs {path.name}, and downloading it failed ({one_line(error)[:160]}): get it from {url} and "
                f"put it at {path}"
            ) from error
    return path
