"""What a name of a model of timm stands for, and the names of all models of timm.

    timm:NAME             the weights that timm has as its default
    timm:NAME.TAG         other weights of timm, such as vit_base_patch16_224.mae
    timm:NAME[.TAG]/FILE  weights in a local file; pictures are prepared as for those of timm
    DIR                   a folder of weights that names its model, see `named_weights`

timm has thousands of names and takes seconds to be imported: they are kept in a file for each of its versions.
"""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from alignbench.errors import AlignbenchError, ModelError, UsageError, did_you_mean, shortened
from alignbench.files.json_text import read_json
from alignbench.files.whole_files import cache_folder, write_whole
from alignbench.models.named_weights import named_weights

PREFIX: Final = "timm:"


@dataclass(frozen=True)
class TimmSource:
    """What a name stands for.

    Attributes:
        name: As given.
        model: What timm calls it: the architecture, and the tag if one is given.
        file: A local file of weights, if they are in one.
    """

    name: str
    model: str
    file: Path | None = None

    def settings(self) -> dict[str, Any]:
        """Return what timm says of the weights and of how pictures are prepared for them (`pretrained_cfg`)."""
        from timm.models import get_pretrained_cfg

        found: Any = get_pretrained_cfg(self.model)
        settings: dict[str, Any] = found.to_dict()
        return settings


@cache
def known_names() -> tuple[str, ...]:
    """Names of timm's models, without and with the tags of their weights; kept in a file by timm's version."""
    place = _kept()
    with suppress(OSError, ValueError):
        found = read_json(place) if place is not None else None
        if isinstance(found, list) and found and all(isinstance(each, str) for each in found):
            return tuple(found)
    names = tuple(_names())
    if place is not None:
        with suppress(AlignbenchError):  # it is only slower without it
            write_whole(place, json.dumps(names).encode())
    return names


def _kept() -> Path | None:
    folder = cache_folder("names")
    return None if folder is None else folder / f"timm-{version('timm')}.json"


def _names() -> list[str]:
    import timm

    return sorted({*timm.list_models(), *timm.list_models(pretrained=True)})


def resolve(name: str) -> TimmSource:
    """Find what a name stands for; timm is not imported for it if its names are kept.

    Args:
        name: A name in one of the forms in the head of this module.

    Raises:
        UsageError: If timm has no such model; names the nearest.
        ModelError: If a file is not there.
    """
    model, slash, rest = (named_weights(name) or name).removeprefix(PREFIX).partition("/")
    if model not in known_names():
        hint = did_you_mean(model, known_names()) or "`alignbench models --family timm` lists them"
        raise UsageError(f"unknown model of timm '{shortened(model)}': {hint}")
    if not slash:
        return TimmSource(name, model)
    if not Path(rest).is_file():
        raise ModelError(f"there is no file {rest}: check the path of the weights of {PREFIX}{model}")
    return TimmSource(name, model, Path(rest))
