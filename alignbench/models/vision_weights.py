"""The weights of a half, vision or text: every one of them is used as it was saved, or the checkpoint is refused.

Refused are quantised weights, adapters beside the weights that they change, tensors without numbers, and whatever the
tower has no place for and its family does not list as left over.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from alignbench.errors import ModelError
from alignbench.models.quantisation import looks_quantised, quantised
from alignbench.models.weight_files import open_weights
from alignbench.models.weight_names import Naming, nothing_fits, vision_names

_PLAIN: Final = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
_FUSED: Final = re.compile(r"(.+\.)?reparam_conv\.\w+")  # of timm's and MobileCLIP's blocks
_ADAPTER_FILES: Final = ("adapter_config.json", "adapter_model.*")


def read_vision_half(
    name: str, files: Sequence[Path], naming: Naming, ending: str = "", listed: Mapping[str, Path] | None = None
) -> tuple[dict[str, Tensor], set[str]]:
    """Read the weights of the vision half in all files of a checkpoint.

    Args:
        name: The model's name, for messages.
        files: Its files of weights.
        naming: How its family names weights.
        ending: What the paths of the modules end with whose classes are wanted.
        listed: Which file has each weight of the checkpoint, by its index if it has one.

    Returns:
        The weights as they were saved, by the family's names, and the classes of the modules in the vision half with
        this ending, where a file says them.

    Raises:
        ModelError: If a file cannot be read or would run code, if the index lists others than there are, or if there
            is no vision half, or an adapter's weights.
    """
    opened = [open_weights(name, path) for path in files]
    if listed is not None:
        found = {(key, path) for path, file in zip(files, opened, strict=True) for key in file.names}
        for key, path in sorted(found ^ set(listed.items())):
            raise ModelError(
                f"the index of the weights of {name} and {path.name} do not agree on whether it has {key}: download "
                "both again"
            )
    places = {key: file for file in opened for key in file.names}
    if len(places) < sum(len(file.names) for file in opened):
        raise ModelError(f"two files of weights of {name} have the same names in them: download them again")
    names = vision_names(name, places, naming)
    weights = {ours: places[given].read(given) for ours, given in names.items()}
    classes = {
        kind
        for file in opened
        for path, kind in file.classes.items()
        if path.startswith(naming.vision) and ending and path.endswith(ending)
    }
    return weights, classes


def refuse_adapter_files(name: str, folder: Path) -> None:
    """Refuse a folder of weights that has the files of an adapter beside them.

    Args:
        name: The model's name, for messages.
        folder: The folder.

    Raises:
        ModelError: If it has.
    """
    found = sorted(path.name for pattern in _ADAPTER_FILES for path in folder.glob(pattern))
    if found:
        raise ModelError(
            f"{name} has an adapter beside its weights ({found[0]}), which is not applied: merge it into the model "
            f"first, and give what was saved then; or take {found[0]} away to measure the model without it"
        )


def fitted(name: str, expected: Mapping[str, Tensor], given: Mapping[str, Tensor], naming: Naming) -> dict[str, Tensor]:
    """Take the weights that a tower has a place for, and verify that there is nothing else.

    Args:
        name: The model's name, for messages.
        expected: The tower's tensors by the family's names; only their shapes are looked at.
        given: The weights of the vision half, by the same names.
        naming: How its family names weights.

    Raises:
        ModelError: If weights are quantised, fused, without numbers, missing, of another shape, or have no place in the
            tower.
    """
    for key in sorted(given.keys() - expected.keys()):
        if looks_quantised(key):
            raise quantised(name, key)
    surplus = naming.surplus(given, expected)
    fused = [key for key in surplus if _FUSED.fullmatch(key)]
    if fused:
        raise ModelError(
            f"the convolutions of {name} were fused for inference ({fused[0]}): give the weights as they were trained"
        )
    for key in sorted(expected.keys() & given.keys()):
        _refuse_other_tensors(name, key, given[key])
    if expected.keys().isdisjoint(given):
        raise ModelError(nothing_fits(name, sorted(given), naming))
    wrong = [key for key, tensor in expected.items() if key not in given or given[key].shape != tensor.shape]
    if wrong:
        raise ModelError(
            f"the checkpoint {name} lacks {len(wrong)} weights or has them in another shape ({wrong[0]}): "
            "download it again, or use --random-init"
        )
    if surplus:
        raise ModelError(
            f"the checkpoint {name} has {len(surplus)} weights of the {naming.half} tower that its configuration has "
            f"no place for ({surplus[0]}): they are those of another architecture; give the configuration they were "
            "trained with"
        )
    return {key: given[key] for key in expected}


def tower_fingerprint(settled: str, weights: Mapping[str, Tensor] | int) -> str:
    """SHA-256 over what settles a tower's output.

    Args:
        settled: Architecture and preparation, in words.
        weights: Every tensor by its name, on the CPU; or the seed that random ones were drawn from.
    """
    digest = hashlib.sha256(settled.encode())
    if isinstance(weights, int):
        digest.update(f"random {weights}".encode())
        return digest.hexdigest()
    for key, tensor in sorted(weights.items()):
        digest.update(f"{key} {tuple(tensor.shape)}".encode())
        digest.update(tensor.numpy().data)
    return digest.hexdigest()


def _refuse_other_tensors(name: str, key: str, tensor: Tensor) -> None:
    if tensor.is_meta:
        raise ModelError(
            f"the checkpoint {name} has {key} on the meta device, without numbers: give weights that were "
            "saved with their numbers"
        )
    if tensor.layout != torch.strided or tensor.dtype not in _PLAIN:
        kind = str(tensor.dtype).removeprefix("torch.") if tensor.layout == torch.strided else "sparse"
        raise quantised(name, f"{key} is {kind}")
