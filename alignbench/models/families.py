"""Model families: what a model's name stands for, and who loads it.

A model's name settles what loads it: `NAME:...` the model family of that name (entry-point group `alignbench.models`),
a card its family, a directory what is in it, and transformers anything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

from alignbench.errors import UsageError, unknown
from alignbench.models.cards import cards
from alignbench.plugins import Registry, callable_with

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.models.towers import Tower

RANDOM_PREFIX: Final = "random:"
PROTOCOLS: Final = ("paper", "corrected")
_OPEN_CLIP: Final = "open_clip"


class TowerLoader(Protocol):
    """What a model family registers under its name."""

    def __call__(self, name: str, *, random_init: bool, seed: int, protocol: str) -> Tower:
        """Build the tower of a model.

        Args:
            name: As given, with the family's prefix.
            random_init: Random weights instead of the checkpoint's.
            seed: Seed of the random weights.
            protocol: `paper` or `corrected`, for a model that is fed differently under them.

        Raises:
            UsageError: If there is no such model.
            ModelError: If the checkpoint cannot be had or trusted.
        """
        ...


FAMILIES: Registry[TowerLoader] = Registry(
    "alignbench.models", "model family", {_OPEN_CLIP: "alignbench.models.openclip:load"}, callable_with()
)


def family_of(name: str) -> str | None:
    """The family that a model belongs to; none for checkpoints in the format of transformers.

    Raises:
        UsageError: If the name has a prefix that no family has; names the nearest.
    """
    card = cards().get(name)
    if card is not None:
        return _OPEN_CLIP if card.family == _OPEN_CLIP else None
    if Path(name).is_dir():
        return _OPEN_CLIP if _is_open_clip(Path(name)) else None
    prefix, colon, _ = name.partition(":")
    if not colon or "/" in prefix:
        return None
    if prefix not in FAMILIES:
        raise unknown(FAMILIES.kind, prefix, FAMILIES.names())
    return prefix


def _is_open_clip(folder: Path) -> bool:
    """Whether a directory is open_clip's; where transformers' configuration is there as well, it goes first."""
    if not (folder / "open_clip_config.json").is_file():
        return False
    try:  # timm writes a config.json too, without a type
        return "model_type" not in json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def check_name(name: str, others: Iterable[str] = ()) -> None:
    """Refuse a name that cannot be a model's, as far as can be told without a download.

    Args:
        name: As given, without `random:`.
        others: Names of things that are measured like models, as suggestions for a typo.

    Raises:
        UsageError: If there is no such model; names the nearest.
        ModelError: If a file that it names is not there.
    """
    family = family_of(name)
    if family == _OPEN_CLIP:
        from alignbench.models.openclip import check

        check(name)
    elif family is None and name not in cards() and "/" not in name and not Path(name).is_dir():
        raise unknown("model", name, [*cards(), *others])


def needs_download(name: str, *, random_init: bool = False) -> bool:
    """Whether a model must be downloaded before it can be loaded; of a plug-in's models that is not known here."""
    family = family_of(name)
    if family == _OPEN_CLIP:
        from alignbench.models import openclip_names

        return openclip_names.needs_download(name, random_init)
    if family is not None or (random_init and name in cards()):
        return False
    from alignbench.models.checkpoints import is_cached

    return not is_cached(name)


def label_of(name: str) -> str:
    """What a model is called in tables and figures: its name, without the way to a directory or a file."""
    if name in cards():
        return name
    if Path(name).is_dir():
        return Path(name).resolve().name
    prefix, colon, rest = name.partition(":")
    if prefix != _OPEN_CLIP:
        return name
    if Path(rest).is_dir():
        return f"{prefix}{colon}{Path(rest).resolve().name}"
    arch, slash, file = rest.partition("/")
    return f"{prefix}{colon}{arch}{slash}{Path(file).name}" if Path(file).is_file() else name


def load_tower(name: str, *, random_init: bool = False, seed: int = 0, protocol: str = "paper") -> Tower:
    """Build the tower of a model.

    Args:
        name: A card's name, a Hugging Face id, a local directory, or `FAMILY:...`, e.g. `open_clip:ViT-B-32/openai`.
        random_init: Random weights instead of the checkpoint's.
        seed: Seed of the random weights.
        protocol: `paper`: what the published scripts read of each model. `corrected`: every tower intact, every
            projection un-normalised.

    Raises:
        UsageError: If there is no such model, or it is of no supported kind.
        ModelError: If the checkpoint cannot be had or trusted.
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    family = family_of(name)
    if family is None:
        from alignbench.models.huggingface import load

        tower: Tower = load(name, random_init=random_init, seed=seed)
    else:
        tower = FAMILIES.load(family)(name, random_init=random_init, seed=seed, protocol=protocol)
    if protocol == "corrected":
        tower.layers = tuple(replace(layer, unit_norm=False) for layer in tower.layers)
    return tower


def preparation(name: str) -> Callable[[Image.Image], Tensor]:
    """How a model prepares pictures (`Tower.prepare`), without its weights, which are neither loaded nor downloaded.

    Args:
        name: See `load_tower`.

    Raises:
        UsageError: If there is no such model, or a plug-in's family has it: its towers alone know how.
        ModelError: If its configuration cannot be had or followed.
    """
    family = family_of(name)
    if family is None:
        from alignbench.models import huggingface

        return huggingface.preparation(name)
    if family == _OPEN_CLIP:
        from alignbench.models import openclip

        return openclip.preparation(name)
    raise UsageError(f"how {name} prepares pictures is known only once it is loaded: measure it, or leave it out")


def skeleton(name: str, *, protocol: str = "paper") -> Tower:
    """A model's tower without memory for its weights, to see its layers and what it would cost; nothing is downloaded.

    Args:
        name: See `load_tower`.
        protocol: See `load_tower`.

    Raises:
        UsageError: If there is no such model, or a plug-in's family has it: its towers come with their weights only.
        ModelError: If its configuration is not on this machine, or cannot be followed.
    """
    family = family_of(name)
    if family is None:
        from alignbench.models import huggingface

        return huggingface.skeleton(name)
    if family == _OPEN_CLIP:
        from alignbench.models import openclip

        return openclip.skeleton(name, protocol=protocol)
    raise UsageError(f"{name} cannot be looked at without loading it: leave it out, or name one of its architecture")
