"""The vision half of a file of weights: the tensors whose name begins with `visual.`, and nothing that runs code.

Pickles are read by torch's restricted unpickler. OpenAI's own files are TorchScript archives, which keep the class of
every module and so say which activation the weights were trained with.
"""

from __future__ import annotations

import pickle
import warnings
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from alignbench.errors import ModelError, one_line

_VISUAL: Final = "visual."
_WRAPPED: Final = "module."  # what DistributedDataParallel puts before every name


@dataclass(frozen=True)
class VisualWeights:
    """Weights of a vision tower.

    Attributes:
        tensors: By name within the tower; floating-point ones as float32.
        quick_gelu: Whether they were trained with QuickGELU; none if the file does not say.
    """

    tensors: dict[str, Tensor]
    quick_gelu: bool | None = None


def read_visual(name: str, path: Path) -> VisualWeights:
    """Read the vision half of a file of weights.

    Args:
        name: The model's name, for messages.
        path: A file of safetensors, a pickle of torch (a state dict, or a dictionary that has it as `state_dict`), or a
            TorchScript archive.

    Raises:
        ModelError: If it cannot be read, would run code, or has no vision half.
    """
    try:
        if path.suffix == ".safetensors":
            weights = VisualWeights(_from_safetensors(path))
        elif _is_archive(path):
            weights = _from_archive(path)
        else:
            weights = VisualWeights(_visual(torch.load(path, map_location="cpu", weights_only=True)))
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"the weights of {name} ({path.name}) are damaged, or want to run code when they are read, which is not "
            "allowed: download them again, or convert them to safetensors where you trust them"
        ) from error
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, EOFError, SafetensorError) as error:
        raise ModelError(
            f"the weights of {name} ({path.name}) cannot be loaded: {one_line(error)}; download them again"
        ) from error
    if not weights.tensors:
        raise ModelError(f"the weights of {name} ({path.name}) have no vision tower: they are not open_clip's")
    return weights


def _from_safetensors(path: Path) -> dict[str, Tensor]:
    with safe_open(path, framework="pt") as file:
        wanted = [key for key in file.keys() if _inner(key)]  # noqa: SIM118 (not a mapping)
        return _visual({key: file.get_tensor(key) for key in wanted})


def _is_archive(path: Path) -> bool:
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(Path(entry).name == "constants.pkl" for entry in file.namelist())


def _from_archive(path: Path) -> VisualWeights:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's advice is for whoever writes such files
        archive: Any = torch.jit.load(str(path), map_location="cpu")
    kinds = {
        module.original_name
        for inside, module in archive.named_modules()
        if inside.startswith(_VISUAL) and inside.endswith(".mlp.gelu")
    }
    if kinds - {"GELU", "QuickGELU"} or len(kinds) > 1:
        raise ValueError(f"unknown activation {' and '.join(sorted(kinds))}")
    return VisualWeights(_visual(archive.state_dict()), kinds == {"QuickGELU"} if kinds else None)


def _inner(key: str) -> str:
    """The name of a tensor within the vision tower; empty if it is not of it."""
    whole = key.removeprefix(_WRAPPED)
    return whole.removeprefix(_VISUAL) if whole.startswith(_VISUAL) else ""


def _visual(state: Any) -> dict[str, Tensor]:
    if isinstance(state, dict) and isinstance(state.get("state_dict"), dict):
        state = state["state_dict"]
    if not isinstance(state, dict):
        raise TypeError(f"a {type(state).__name__}, not a dictionary of tensors")
    named = {_inner(str(key)): value for key, value in state.items() if _inner(str(key)) and isinstance(value, Tensor)}
    return {key: value.detach().float() if value.is_floating_point() else value for key, value in named.items()}
