"""Files of weights, which are read as tensors and nothing else, or refused in one line."""

from __future__ import annotations

import hashlib
import pickle
import warnings
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from alignbench import ModelError
from alignbench.files import open_plain


def read_weights(path: Path, remedy: str, within: str = "") -> dict[str, Tensor]:
    """Read the tensors in a file, by name, on the CPU.

    Args:
        path: A `.safetensors` file; any other is read as a file of torch (old or new), of which nothing is run.
        remedy: What the user can do about a file that will not do.
        within: Name of the part of the file that holds them; nothing for all of it.

    Raises:
        ModelError: If it cannot be read, or holds anything but named tensors of finite numbers.
    """
    try:
        open_plain(path).close()
        if path.suffix == ".safetensors":
            weights: object = load_file(path)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # torch warns of a file that it then refuses
                weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged pickle can raise anything
        raise ModelError(f"{path} cannot be read as weights ({_reason(error)}): {remedy}") from error
    if within and isinstance(weights, dict):
        weights = weights.get(within)
    if not isinstance(weights, dict) or not all(
        isinstance(name, str) and isinstance(value, Tensor) for name, value in weights.items()
    ):
        raise ModelError(f"{path} does not hold weights by name: {remedy}")
    for name, value in weights.items():
        if not value.isfinite().all():
            raise ModelError(f"{path} holds numbers that are not finite in {name}: {remedy}")
    return weights


def _reason(error: Exception) -> str:
    if isinstance(error, pickle.UnpicklingError):  # torch's text is a page of advice
        return (
            "it holds more than weights, which could run code"
            if "GLOBAL" in str(error)
            else "it is damaged or no such file"
        )
    if isinstance(error, EOFError):
        return "it is empty or cut short"
    return " ".join(str(error).split())[:160]


def files_fingerprint(*paths: Path) -> str:
    """Return SHA-256 over the contents of files, in this order."""
    digest = hashlib.sha256()
    for path in paths:
        with open_plain(path) as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
