"""Vision towers: one file a source, model cards as data, and the layers at which features are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from alignbench.models.cards import Card, cards

if TYPE_CHECKING:
    from alignbench.models.towers import Tower

RANDOM_PREFIX: Final = "random:"


def load_tower(name: str, *, random_init: bool = False, seed: int = 0) -> Tower:
    """Build the tower of a model.

    Args:
        name: A card's name, a Hugging Face id, or a local directory.
        random_init: Random weights instead of the checkpoint's.
        seed: Seed of the random weights.

    Raises:
        UsageError: If the checkpoint is of no supported family.
        ModelError: If the checkpoint cannot be had or trusted.
    """
    from alignbench.models.huggingface import load

    return load(name, random_init=random_init, seed=seed)


__all__ = ["Card", "cards", "load_tower"]
