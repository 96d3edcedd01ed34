"""Folders of weights of libraries that have no format of a folder: a file says which of their models they are.

`weights.json` beside `model.safetensors` holds the name that the library has for the architecture, and for the way of
preparing pictures: `{"model": "timm:resnet18.a1_in1k"}`. The folder is then a model's name.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from alignbench.errors import ModelError, one_line
from alignbench.files.json_text import checked, checked_object, read_json

FILE: Final = "weights.json"
WEIGHTS: Final = "model.safetensors"


def named_weights(name: str) -> str | None:
    """Return the name that a folder of weights stands for, `FAMILY:MODEL/FILE`; none for anything else.

    Args:
        name: A model's name, as given.

    Raises:
        ModelError: If the file cannot be read, or names no model.
    """
    folder = Path(name)
    path = folder / FILE
    if not folder.is_dir() or not path.exists():
        return None
    try:
        found = checked_object("content", read_json(path), {"model": (str,)})
        model: str = checked("model", found.get("model"), (str,))
        if ":" not in model or "/" in model:
            raise ValueError("its model is none of a library")
    except (OSError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({one_line(error)}): write the folder again") from error
    return f"{model}/{folder / WEIGHTS}"


def write_name(folder: Path, model: str) -> None:
    """Write which model of a library a folder's weights are.

    Args:
        folder: The folder.
        model: The library's name of it, with its prefix.

    Raises:
        OSError: If it cannot be written.
    """
    (folder / FILE).write_text(json.dumps({"model": model}, indent=2) + "\n", encoding="utf-8")
