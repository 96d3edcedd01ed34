"""The model family `timm`: every model of timm that gives intermediate features, `timm:NAME[.TAG]`.

Nothing of timm is imported before a question needs it: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.models.family import ModelFamily
from alignbench.models.named_weights import named_weights

if TYPE_CHECKING:
    from alignbench.models.timm_preparation import TimmPreparation
    from alignbench.models.timm_towers import TimmTower


class TimmFamily(ModelFamily):
    """Models of timm, by every form of name that `timm_names` lists."""

    name = "timm"

    def knows(self, name: str) -> bool:
        """Say whether a model is of timm, by its prefix, or by what a folder of weights says."""
        return super().knows(name) or (named_weights(name) or "").startswith(f"{self.name}:")

    def names(self) -> tuple[str, ...]:
        """See `timm_names.known_names`."""
        from alignbench.models.timm_names import PREFIX, known_names

        return tuple(f"{PREFIX}{name}" for name in known_names())

    def check(self, name: str, others: Iterable[str]) -> None:
        """See `timm_names.resolve`."""
        from alignbench.models import timm_names

        timm_names.resolve(name)

    def needs_download(self, name: str, random_init: bool) -> bool:
        """See `timm_weights.needs_download`."""
        from alignbench.models import timm_names, timm_weights

        return not random_init and timm_weights.needs_download(timm_names.resolve(name))

    def label(self, name: str) -> str:
        """Return a model's name without the path to a file or a folder."""
        if Path(name).is_dir():
            return Path(name).resolve().name
        model, slash, rest = name.partition("/")
        return f"{model}{slash}{Path(rest).name}" if Path(rest).is_file() else name

    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> TimmTower:
        """See `timm_towers.load`; both protocols feed these models alike."""
        from alignbench.models import timm_towers

        return timm_towers.load(name, random_init=random_init, seed=seed)

    def preparation(self, name: str) -> TimmPreparation:
        """See `timm_preparation.TimmPreparation`."""
        from alignbench.models import timm_names, timm_preparation

        return timm_preparation.TimmPreparation(name, timm_names.resolve(name).settings())

    def skeleton(self, name: str, *, protocol: str) -> TimmTower:
        """See `timm_towers.skeleton`."""
        from alignbench.models import timm_towers

        return timm_towers.skeleton(name)


FAMILY = TimmFamily()
