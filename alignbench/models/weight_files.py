"""Files of weights: the tensors in them by name, and nothing that runs code.

Pickles are read by torch's restricted unpickler, TorchScript archives by `torchscript`.
"""

from __future__ import annotations

import pickle
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from safetensors import safe_open
from torch import Tensor

from alignbench.errors import ModelError, one_line
from alignbench.files import open_plain
from alignbench.models.torchscript import is_archive, read_archive

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "module", "net", "network")
_AVERAGES: Final = ("ema", "ema_state_dict", "model_ema", "ema_model", "state_dict_ema", "teacher", "student")


class _SeveralSetsError(Exception):
    """Which of several sets of weights is the model's is not said, or whether an average is."""


@dataclass(frozen=True)
class WeightFile:
    """A file of weights that has been opened.

    Attributes:
        names: Names of its tensors.
        read: Reads a tensor by its name, as it was saved.
        classes: Class of each module by its path; only TorchScript archives say them.
    """

    names: tuple[str, ...]
    read: Callable[[str], Tensor]
    classes: Mapping[str, str] = field(default_factory=dict)


def open_weights(name: str, path: Path) -> WeightFile:
    """Open a file of weights.

    Args:
        name: The model's name, for messages.
        path: A file of safetensors, a pickle of torch (a state dict, or a dictionary that has one as `state_dict` or
            `model`), or a TorchScript archive.

    Raises:
        ModelError: If it cannot be read, or would run code; `read` raises it as well.
    """
    with _refused(name, path):
        _refuse_pointer(name, path)
        found = _opened(path)

    def read(key: str) -> Tensor:
        with _refused(name, path):
            return found.read(key)

    return WeightFile(found.names, read, found.classes)


@contextmanager
def _refused(name: str, path: Path) -> Iterator[None]:
    what = f"the weights of {name} ({path.name})"
    try:
        yield
    except ModelError:
        raise
    except pickle.UnpicklingError as error:
        wanted = re.search(r"GLOBAL ([\w.]+)", str(error))
        if wanted is None:
            raise ModelError(
                f"{what} are damaged, or a pickle of more than tensors, which is not opened since that could run code: "
                "download them again, or give safetensors"
            ) from error
        raise ModelError(
            f"{what} are a pickle that wants to run code when they are read, which is not allowed (it names "
            f"{wanted[1][:80]}): give a file of tensors alone, such as safetensors"
        ) from error
    except _SeveralSetsError as error:
        raise ModelError(
            f"{what} are not said to be the model's own ({error}): give the one that is meant, saved alone"
        ) from error
    except OSError as error:
        raise ModelError(f"{what} cannot be read ({error.strerror or one_line(error)}): see to {path}") from error
    except Exception as error:  # a damaged file can raise anything
        raise ModelError(f"{what} cannot be loaded: {one_line(error)}; download them again") from error


def _refuse_pointer(name: str, path: Path) -> None:
    with open_plain(path) as file:
        if file.read(len(_POINTER)) == _POINTER:
            raise ModelError(
                f"the weights of {name} ({path.name}) are a git-LFS pointer, without the weights themselves: fetch "
                "them with git lfs pull, or download the file again"
            )


def _opened(path: Path) -> WeightFile:
    if path.suffix == ".safetensors":
        safe: Any = safe_open(path, framework="pt")
        return WeightFile(tuple(safe.keys()), safe.get_tensor)
    if is_archive(path):
        archive = read_archive(path)
        return WeightFile(tuple(archive.tensors), lambda key: archive.tensors[key].read(), archive.classes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a file that it then refuses
        state = _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    return WeightFile(tuple(state), state.__getitem__)


def _unwrapped(state: Any) -> dict[str, Tensor]:
    """The tensors by name in what was pickled; what else is beside them, such as a number of epochs, is no weight."""
    if not isinstance(state, dict):
        raise TypeError(f"a {type(state).__name__}, not a dictionary of tensors")
    inner = [key for key in (*_WRAPPERS, *_AVERAGES) if _has_tensors(state.get(key))]
    if len(inner) > 1 or (inner and inner[0] in _AVERAGES):
        raise _SeveralSetsError(", ".join(inner))
    if inner:
        return _unwrapped(state[inner[0]])
    return {str(key): value.detach() for key, value in state.items() if isinstance(value, Tensor)}


def _has_tensors(value: Any) -> bool:
    return isinstance(value, dict) and any(isinstance(each, Tensor) or _has_tensors(each) for each in value.values())
