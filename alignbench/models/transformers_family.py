"""The model family of names without a prefix: checkpoints in the format of transformers.

Nothing of transformers is imported before a question needs it: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.errors import unknown
from alignbench.models.cards import cards
from alignbench.models.family import ModelFamily, name_prefix

if TYPE_CHECKING:
    from alignbench.models.huggingface import HuggingFaceTower
    from alignbench.models.processors import ProcessorPreparation


class TransformersFamily(ModelFamily):
    """Model cards, Hugging Face ids, and directories that no other family knows. It has no prefix."""

    name = "transformers"

    def knows(self, name: str) -> bool:
        """Say whether a card has a configuration of its own; any name without a prefix is, as it is asked last."""
        card = cards().get(name)
        return name_prefix(name) is None if card is None else bool(card.vision or card.packaged)

    def check(self, name: str, others: Iterable[str]) -> None:
        """Refuse a bare name that is neither a card's nor a directory; whether an id is one, only the hub knows."""
        if name not in cards() and "/" not in name and not Path(name).is_dir():
            raise unknown("model", name, [*cards(), *others])

    def needs_download(self, name: str, random_init: bool) -> bool:
        """Say whether a model is neither on this machine nor settled by its card."""
        if random_init and name in cards():
            return False
        from alignbench.models.checkpoints import is_cached

        return not is_cached(name, weights=not random_init)

    def label(self, name: str) -> str:
        """Return a model's name without the path to a directory."""
        return Path(name).resolve().name if name not in cards() and Path(name).is_dir() else name

    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> HuggingFaceTower:
        """See `huggingface.load`; both protocols feed these models alike."""
        from alignbench.models import huggingface

        return huggingface.load(name, random_init=random_init, seed=seed)

    def preparation(self, name: str) -> ProcessorPreparation:
        """See `huggingface.preparation`."""
        from alignbench.models import huggingface

        return huggingface.preparation(name)

    def skeleton(self, name: str, *, protocol: str) -> HuggingFaceTower:
        """See `huggingface.skeleton`."""
        from alignbench.models import huggingface

        return huggingface.skeleton(name)


FAMILY = TransformersFamily()
