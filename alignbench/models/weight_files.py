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

from alignbench.errors import ModelError, one_line, shortened
from alignbench.files import open_plain
from alignbench.models.quantisation import (
    everything_in,
    looks_quantised,
    number_of_a_weight,
    quantised,
    refuse_quantised_settings,
)
from alignbench.models.torchscript import is_archive, read_archive

_POINTER: Final = b"version https://git-lfs.github.com/spec/"
_TENSORS: Final = (Tensor, torch.UntypedStorage, torch.TypedStorage)
_WRAPPERS: Final = ("state_dict", "model_state_dict", "model", "module", "net", "network")
_OF_TRAINING: Final = {  # what loops of torch, Lightning, open_clip and timm write beside the weights
    *("optimizer", "optimizer_state_dict", "optimizer_states", "optim", "optimizers"),
    *("scheduler", "scheduler_state_dict", "lr_scheduler", "lr_schedulers", "lr_scheduler_state_dict", "loops"),
    *("scaler", "scaler_state_dict", "grad_scaler", "amp_scaler", "native_amp_scaling_state", "MixedPrecision"),
    *("rng_state", "rng_states", "torch_rng_state", "cpu_rng_state", "cuda_rng_state", "random_rng_state"),
}
_NUMBERS_OF_TRAINING: Final = {  # the same, as long as every tensor in it is one number
    *("epoch", "step", "iteration", "global_step", "loss", "val_loss", "best_loss", "loss_scale", "callbacks"),
    *("metric", "best_metric", "acc", "best_acc", "best_acc1"),
}


class _UnclearSetError(Exception):
    """Which of the tensors are the model's own is not said."""


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
        found, beside = _opened(path)
    refuse_quantised_settings(name, beside, where=path.name)
    scaled = number_of_a_weight(beside, found.names)
    if scaled is not None:
        raise quantised(name, f"{path.name} keeps numbers for {scaled}")

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
    except _UnclearSetError as error:
        raise ModelError(
            f"{what} are not all said to be the model's own ({error}): give the one that is meant, saved alone; what "
            "changes others, such as an adapter, is merged into them first"
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


def _opened(path: Path) -> tuple[WeightFile, Any]:
    """The weights, and what else is in the file that could be needed to read them."""
    if path.suffix == ".safetensors":
        safe: Any = safe_open(path, framework="pt")
        return WeightFile(tuple(safe.keys()), safe.get_tensor), safe.metadata()
    if is_archive(path):
        archive = read_archive(path)
        return WeightFile(tuple(archive.tensors), lambda key: archive.tensors[key].read(), archive.classes), None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch warns of a file that it then refuses
        state, beside = _unwrapped(torch.load(path, map_location="cpu", weights_only=True))
    return WeightFile(tuple(state), state.__getitem__), beside


def _unwrapped(state: Any) -> tuple[dict[str, Tensor], list[dict[Any, Any]]]:
    """The tensors by name in what was pickled, and what is beside them, but for what loops of training write."""
    if not isinstance(state, dict):
        raise TypeError(f"a {type(state).__name__}, not a dictionary of tensors")
    own = {key: value for key, value in state.items() if not _is_of_training(key, value)}
    beside = [{key: value for key, value in state.items() if key not in own and key not in _OF_TRAINING}]
    nested = [key for key, value in own.items() if not isinstance(value, Tensor)]
    if not nested:
        if not all(isinstance(key, str) for key in own):
            raise TypeError("tensors whose names are no text")
        return {key: value.detach() for key, value in own.items()}, beside
    if len(own) > 1 or nested[0] not in _WRAPPERS or not isinstance(own[nested[0]], dict):
        plain = [key for key in own if key not in nested]
        raise _UnclearSetError(shortened(", ".join(map(str, nested + plain))))
    weights, within = _unwrapped(own[nested[0]])
    return weights, beside + within


def _is_of_training(key: Any, value: Any) -> bool:
    """Whether an entry is no weight: it has no tensors, nor numbers by the name of a scale, or it is listed."""
    found = [each for each in everything_in(value) if isinstance(each, _TENSORS)]
    if key in _NUMBERS_OF_TRAINING and all(isinstance(each, Tensor) and each.numel() == 1 for each in found):
        return True
    named_like_one = key == "scale" or looks_quantised(f".{key}")
    numbers_of_a_scale = named_like_one and isinstance(value, float | list | tuple | dict)
    return key in _OF_TRAINING or not (found or numbers_of_a_scale)
