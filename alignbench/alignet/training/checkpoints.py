"""What a stopped training goes on from: parameters, the state of the optimiser with theta_0, and the log so far.

One file of safetensors, there whole or not at all; a new one takes the place of the one before. The settings of the
student are in it, so that a checkpoint of another model, seed or data is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

from alignbench.errors import DataError, one_line, shortened
from alignbench.files import UNREADABLE, open_plain, whole_file, write_safetensors
from alignbench.files.json_text import checked, checked_object, parse_json

FILE: Final = "checkpoint.safetensors"
_RECORD: Final = "training"
_KINDS: Final = {"settings": (dict,), "step": (int,), "log": (dict,)}


@dataclass(frozen=True)
class Checkpoint:
    """A state of training.

    Attributes:
        step: Steps that were made.
        tensors: Everything that has changed, by name.
        log: What was seen on the way, as JSON has it.
    """

    step: int
    tensors: Mapping[str, Tensor]
    log: Mapping[str, Any] = field(default_factory=dict)


def write_checkpoint(path: Path, checkpoint: Checkpoint, settings: Mapping[str, Any]) -> None:
    """Write a checkpoint in the place of the one before, which stays if this one cannot be written.

    Args:
        path: The file.
        checkpoint: The state.
        settings: Everything that can change a number of the student.

    Raises:
        AlignbenchError: If it cannot be written, on a full disk for instance.
    """
    last = "the last checkpoint stays" if path.exists() else "there is no checkpoint yet"
    record = {"settings": dict(settings), "step": checkpoint.step, "log": dict(checkpoint.log)}
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in checkpoint.tensors.items()}
    with whole_file(path, f"make room there and start again: {last}") as scratch:
        write_safetensors(scratch, arrays, {_RECORD: json.dumps(record)})


def read_checkpoint(path: Path, settings: Mapping[str, Any]) -> Checkpoint | None:
    """Read a checkpoint; none if there is none.

    Args:
        path: The file.
        settings: Those of the student that is trained.

    Raises:
        DataError: If it is damaged, or of another student; names what differs.
    """
    from safetensors import SafetensorError, safe_open

    remedy = f"remove {path.parent} to start from the beginning"
    if not path.exists() and not path.is_symlink():
        return None
    try:
        open_plain(path).close()
        with safe_open(path, framework="pt") as file:
            record = checked_object("record", parse_json((file.metadata() or {}).get(_RECORD, "null")), _KINDS)
            for key, kinds in _KINDS.items():
                checked(key, record.get(key), kinds)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    except (SafetensorError, *UNREADABLE) as error:
        raise DataError(f"{path} is no checkpoint of a student ({one_line(error)}): {remedy}") from error
    found = record["settings"]
    for key in sorted({*found, *settings}):
        if found.get(key) != settings.get(key):
            was, now = (shortened(json.dumps(each.get(key)), 60) for each in (found, settings))
            raise DataError(f"{path} is of another student (its {key} is {was}, and here it is {now}): {remedy}")
    return Checkpoint(record["step"], tensors, record["log"])


def fill(target: Mapping[str, Tensor], tensors: Mapping[str, Tensor], kind: str, path: Path) -> None:
    """Copy tensors of a checkpoint to their places.

    Args:
        target: Where they go, by name.
        tensors: All of the checkpoint.
        kind: What their names begin with there, before a slash.
        path: The file, for messages.

    Raises:
        DataError: If one is missing, or has another shape.
    """
    with torch.no_grad():
        for name, place in target.items():
            found = tensors.get(f"{kind}/{name}")
            if found is None or found.shape != place.shape or found.dtype != place.dtype:
                raise DataError(
                    f"{path} does not have {kind} of {name} as this model has it: remove {path.parent} to start from "
                    "the beginning"
                )
            place.copy_(found)
