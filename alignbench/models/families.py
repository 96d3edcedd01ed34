"""Model families: what a model's name stands for, and whom to ask about it.

A model's name settles its family: a card says it, what is in a directory tells it, `NAME:...` is the family of that
name, and transformers has anything else. A family of the package is one file with a `ModelFamily`, and one line here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import AlignbenchError, ModelError, UsageError, shortened, unknown
from alignbench.models.cards import cards
from alignbench.models.family import ModelFamily, TowerLoader, as_family, fault_of_family, name_prefix
from alignbench.models.feature_names import features_label, features_path
from alignbench.models.memory import lack_of_memory_said
from alignbench.plugins import Registry

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.models.towers import Tower

RANDOM_PREFIX: Final = "random:"
"""What stands before a model's name where its weights are drawn at random, as in `random:shapes-clip`."""
_LONGEST_PATH, _LONGEST_PART = 4095, 255  # bytes of a path, and of what is between two of its slashes
_PLACES: Final = ("/", "./", "../", "~")  # what the name of a place begins with, and that of a repository never
_FILES: Final = (".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".npz", ".npy", ".h5", ".onnx", ".msgpack", ".gguf")

_BUILT_IN: Final = {  # in the order in which they are asked: transformers has what no other knows
    "open_clip": "alignbench.models.openclip_family:FAMILY",
    "torchvision": "alignbench.models.torchvision_family:FAMILY",
    "timm": "alignbench.models.timm_family:FAMILY",
    "transformers": "alignbench.models.transformers_family:FAMILY",
}
FAMILIES: Registry[ModelFamily | TowerLoader] = Registry(
    "alignbench.models", "model family", _BUILT_IN, fault_of_family, unnamed=("transformers",)
)
"""The model families by the prefix of their models' names, the package's own and those of plug-ins."""


def find_family(name: str) -> ModelFamily:
    """Find the family that a model belongs to: the package's own are asked before a plug-in is imported.

    Raises:
        UsageError: If the name is empty or no path can be that long, or if the prefix is no family's (names the
            nearest), or that of a plug-in that cannot be used.
        ModelError: If it can only be a folder's and there is none, or if what it leads to may not be looked at.
    """
    _check_length(name)
    if features_path(name) is not None:
        raise UsageError(f"{name} holds features, and this needs a model that makes them: see `alignbench models`")
    try:
        _check_place(name)
        for key, registered in FAMILIES.own():
            family = as_family(key, registered)
            if family.knows(name):
                return family
        prefix = name_prefix(name) or ""
    except OSError as error:  # it may be a path
        raise ModelError(f"the model {name} cannot be looked at ({error.strerror}): see to {name}") from error
    return as_family(prefix, FAMILIES.load(prefix))


def _check_length(name: str) -> None:
    """Refuse a name that is empty, or that file systems refuse to look up."""
    if not name.strip():
        raise UsageError("the name of the model is empty: give a model card's, a Hugging Face id, or a directory")
    whole = name.encode("utf-8", "surrogatepass")
    if len(whole) > _LONGEST_PATH or max(map(len, whole.split(b"/"))) > _LONGEST_PART:
        raise UsageError(f"no model has a name of {len(name)} letters ({shortened(name)}): give a shorter one")


def _check_place(name: str) -> None:
    """Refuse a name that can only be a folder's, and is none's: the hub is never asked for it."""
    if name in cards() or name_prefix(name) is not None or Path(name).is_dir():
        return
    if Path(name).exists():
        raise ModelError(
            f"the model {name} is a file: name the folder of its checkpoint, or write open_clip:ARCHITECTURE/{name} "
            "for weights of open_clip"
        )
    if name.startswith(_PLACES) or name.endswith(("/", *_FILES)) or name.count("/") > 1:
        raise ModelError(f"there is no folder or file {name}: check the path of the model")


def check_name(name: str, others: Iterable[str] = ()) -> None:
    """Refuse a name that cannot be a model's, as far as can be told without a download.

    Args:
        name: As given, without `random:`.
        others: Names of things that are measured like models, as suggestions for a typo.

    Raises:
        UsageError: If there is no such model; names the nearest.
        ModelError: If a file that it names is not there.
    """
    find_family(name).check(name, others)


def needs_download(name: str, *, random_init: bool = False) -> bool:
    """Say whether a model must be downloaded before it can be loaded, as far as its family knows."""
    return find_family(name).needs_download(name, random_init)


def model_label(name: str) -> str:
    """Return what a model is called in tables and figures: its name, without the path to a directory or a file."""
    try:
        path = features_path(name)
        return find_family(name).label(name) if path is None else features_label(path)
    except AlignbenchError:  # a metric's name, or that of a plug-in which is gone, or of a folder that is closed
        return name


def load_tower(name: str, *, random_init: bool = False, seed: int = 0, protocol: str = "paper") -> Tower:
    """Build the tower of a model.

    Args:
        name: A card's name, a Hugging Face id, a local directory, or `FAMILY:...`, e.g. `open_clip:ViT-B-32/openai`.
        random_init: Whether weights are drawn at random instead of read from the checkpoint.
        seed: Seed of the random weights.
        protocol: `paper`: what the published scripts read of each model. `corrected`: every tower intact, every
            projection un-normalised.

    Raises:
        UsageError: If there is no such model, or it is of no supported kind.
        ModelError: If the checkpoint cannot be had or trusted, or there is not enough memory for it.

    Examples:
        >>> from alignbench.models import load_tower
        >>> [layer.name for layer in load_tower("shapes-clip").layers][-2:]
        ['layer_6', 'projection']
    """
    if protocol not in PROTOCOLS:
        raise unknown("protocol", protocol, PROTOCOLS)
    family = find_family(name)
    FAMILIES.warn_of_ignored(family.name)
    with lack_of_memory_said(name):
        tower = family.load(name, random_init=random_init, seed=seed, protocol=protocol)
    if not PROTOCOLS[protocol].unit_norm_projections:
        tower.layers = tuple(replace(layer, unit_norm=False) for layer in tower.layers)
    return tower


def preparation(name: str) -> Callable[[Image.Image], Tensor]:
    """Return how a model prepares pictures (`Tower.prepare`); its weights are neither loaded nor downloaded.

    Args:
        name: See `load_tower`.

    Raises:
        UsageError: If there is no such model, or only its tower knows, as with most plug-ins.
        ModelError: If its configuration cannot be had or followed.
    """
    with lack_of_memory_said(name):
        return find_family(name).preparation(name)


def skeleton(name: str, *, protocol: str = "paper") -> Tower:
    """Build a model's tower without memory for its weights, to see its layers and its cost; nothing is downloaded.

    Args:
        name: See `load_tower`.
        protocol: See `load_tower`.

    Raises:
        UsageError: If there is no such model, or its tower comes with its weights only, as with most plug-ins.
        ModelError: If its configuration is not on this machine, or cannot be followed.
    """
    with lack_of_memory_said(name):
        return find_family(name).skeleton(name, protocol=protocol).to("meta")
