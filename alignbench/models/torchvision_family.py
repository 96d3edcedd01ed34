"""The model family `torchvision`: the classifiers of torchvision, `torchvision:NAME`, with its weights or a file's.

Nothing of torchvision is imported before a question needs it: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.models.family import ModelFamily
from alignbench.models.named_weights import named_weights

if TYPE_CHECKING:
    from alignbench.models.torchvision_preparation import TorchvisionPreparation
    from alignbench.models.torchvision_towers import TorchvisionTower


class TorchvisionFamily(ModelFamily):
    """Classifiers of torchvision, by every form of name that `torchvision_names` lists."""

    name = "torchvision"

    def knows(self, name: str) -> bool:
        """Say whether a model is of torchvision, by its prefix, or by what a folder of weights says."""
        return super().knows(name) or (named_weights(name) or "").startswith(f"{self.name}:")

    def names(self) -> tuple[str, ...]:
        """Return the names of its classifiers, each with torchvision's default weights."""
        from alignbench.models import torchvision_names

        return tuple(f"{torchvision_names.PREFIX}{name}" for name in torchvision_names.architectures())

    def check(self, name: str, others: Iterable[str]) -> None:
        """See `torchvision_names.resolve`."""
        from alignbench.models import torchvision_names

        torchvision_names.resolve(name)

    def needs_download(self, name: str, random_init: bool) -> bool:
        """Say whether the weights are neither in torch's cache nor a file's."""
        from alignbench.models import torchvision_names

        return not random_init and torchvision_names.resolve(name).needs_download()

    def label(self, name: str) -> str:
        """Return a model's name without the path to a file or a folder."""
        if Path(name).is_dir():
            return Path(name).resolve().name
        architecture, slash, rest = name.partition("/")
        return f"{architecture}{slash}{Path(rest).name}" if Path(rest).is_file() else name

    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> TorchvisionTower:
        """See `torchvision_towers.load`; both protocols feed these models alike."""
        from alignbench.models import torchvision_towers

        return torchvision_towers.load(name, random_init=random_init, seed=seed)

    def preparation(self, name: str) -> TorchvisionPreparation:
        """See `torchvision_preparation.TorchvisionPreparation`."""
        from alignbench.models import torchvision_names, torchvision_preparation

        return torchvision_preparation.TorchvisionPreparation(torchvision_names.resolve(name).preset())

    def skeleton(self, name: str, *, protocol: str) -> TorchvisionTower:
        """See `torchvision_towers.skeleton`."""
        from alignbench.models import torchvision_towers

        return torchvision_towers.skeleton(name)


FAMILY = TorchvisionFamily()
