"""A model family: everything that is asked of the models whose names it knows. Plug-ins make theirs of it, too."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from alignbench.errors import UsageError
from alignbench.models.cards import cards
from alignbench.models.feature_names import FEATURES
from alignbench.plugins import callable_with

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.models.towers import Tower


class TowerLoader(Protocol):
    """The least that a plug-in registers as a model family: a function that builds towers."""

    def __call__(self, name: str, *, random_init: bool, seed: int, protocol: str) -> Tower:
        """Build the tower of a model; see `ModelFamily.load`."""
        ...


class ModelFamily(ABC):
    """What is asked of a model, by its name as given, but without `random:`; only `load` has to be written.

    Its module must cost little to import: what needs torch is imported by the methods that need it.

    Attributes:
        name: What it is registered under, and what its models' names begin with, before a colon.
    """

    name: str = ""

    def knows(self, name: str) -> bool:
        """Say whether a model is of this family; a plug-in's is asked only about names with its prefix."""
        card = cards().get(name)
        return name_prefix(name) == self.name if card is None else card.family == self.name

    def names(self) -> tuple[str, ...]:
        """Return the names of its models, each as `--model` takes it; none if they cannot be listed."""
        return ()

    def check(self, name: str, others: Iterable[str]) -> None:
        """Refuse a name that cannot be a model's, as far as can be told without a download.

        Args:
            name: With the family's prefix if it was given with it.
            others: Names of things that are measured like models, as suggestions for a typo.

        Raises:
            UsageError: If there is no such model.
            ModelError: If a file that it names is not there.
        """
        return  # what cannot be told before a model is loaded is refused then

    def needs_download(self, name: str, random_init: bool) -> bool:
        """Say whether loading a model downloads something, so that the user can be told before it takes its time."""
        return False

    def label(self, name: str) -> str:
        """Return what a model is called in tables and figures."""
        return name

    @abstractmethod
    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> Tower:
        """Build the tower of a model.

        Args:
            name: With the family's prefix if it was given with it.
            random_init: Whether weights are drawn at random instead of read from the checkpoint.
            seed: Seed of the random weights.
            protocol: `paper` or `corrected`, for a model that is fed differently under them.

        Raises:
            UsageError: If there is no such model.
            ModelError: If the checkpoint cannot be had or trusted.
        """

    def preparation(self, name: str) -> Callable[[Image.Image], Tensor]:
        """Return how a model prepares pictures (`Tower.prepare`); its weights are not downloaded for it.

        Raises:
            UsageError: If there is no such model, or only its tower knows.
            ModelError: If its configuration cannot be had or followed.
        """
        raise UsageError(f"how {name} prepares pictures is known only once it is loaded: measure it, or leave it out")

    def skeleton(self, name: str, *, protocol: str) -> Tower:
        """Build a model's tower without memory for its weights; nothing is downloaded.

        Raises:
            UsageError: If there is no such model, or its tower comes with its weights only.
            ModelError: If its configuration is not on this machine, or cannot be followed.
        """
        raise UsageError(
            f"{name} cannot be looked at without loading it: leave it out, or name one of its architecture"
        )


class _FamilyOfLoader(ModelFamily):
    """The family that a bare function makes."""

    def __init__(self, name: str, loader: TowerLoader) -> None:
        self.name, self._loader = name, loader

    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> Tower:
        return self._loader(name, random_init=random_init, seed=seed, protocol=protocol)


def as_family(name: str, registered: ModelFamily | TowerLoader) -> ModelFamily:
    """Return what is registered under a name as a family; a bare function becomes one of defaults."""
    return registered if isinstance(registered, ModelFamily) else _FamilyOfLoader(name, registered)


def fault_of_family(name: str, candidate: object) -> str:
    """Say what keeps an object from being registered under a name as a family; empty if nothing does."""
    if name == FEATURES:
        return f"{FEATURES}:PATH stands for features that exist"
    if isinstance(candidate, ModelFamily):
        return "" if candidate.name == name else f"it calls itself '{candidate.name}'"
    if isinstance(candidate, type) and issubclass(candidate, ModelFamily):
        return "it is a class and not an object of it"
    return callable_with()(name, candidate)


def name_prefix(name: str) -> str | None:
    """Return what comes before the colon of a model's name; none for a card's name, a directory, or no such prefix."""
    prefix, colon, _ = name.partition(":")
    if not colon or "/" in prefix or name in cards() or Path(name).is_dir():
        return None
    return prefix
