"""The model family `open_clip`: its tags, files of weights, hub repositories and directories.

Nothing of open_clip is imported before a question needs it: it takes seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from alignbench.files.json_text import read_json
from alignbench.models.cards import cards
from alignbench.models.family import ModelFamily

if TYPE_CHECKING:
    from alignbench.models.openclip import OpenClipTower
    from alignbench.models.openclip_preparation import OpenClipPreparation


class OpenClipFamily(ModelFamily):
    """Models of open_clip, by every form of name that `openclip_names` lists."""

    name = "open_clip"

    def knows(self, name: str) -> bool:
        """Say whether a model is open_clip's, by its prefix, by its card, or by what is in its directory."""
        return super().knows(name) or (name not in cards() and _is_open_clip(Path(name)))

    def check(self, name: str, others: Iterable[str]) -> None:
        """See `openclip.check`."""
        from alignbench.models import openclip

        openclip.check(name)

    def needs_download(self, name: str, random_init: bool) -> bool:
        """See `openclip_names.needs_download`."""
        from alignbench.models import openclip_names

        return openclip_names.needs_download(name, random_init)

    def label(self, name: str) -> str:
        """Return a model's name without the path to a directory or a file."""
        if name in cards():
            return name
        if Path(name).is_dir():
            return Path(name).resolve().name
        prefix, colon, rest = name.partition(":")
        if Path(rest).is_dir():
            return f"{prefix}{colon}{Path(rest).resolve().name}"
        arch, slash, file = rest.partition("/")
        return f"{prefix}{colon}{arch}{slash}{Path(file).name}" if Path(file).is_file() else name

    def load(self, name: str, *, random_init: bool, seed: int, protocol: str) -> OpenClipTower:
        """See `openclip.load`."""
        from alignbench.models import openclip

        return openclip.load(name, random_init=random_init, seed=seed, protocol=protocol)

    def preparation(self, name: str) -> OpenClipPreparation:
        """See `openclip.preparation`."""
        from alignbench.models import openclip

        return openclip.preparation(name)

    def skeleton(self, name: str, *, protocol: str) -> OpenClipTower:
        """See `openclip.skeleton`."""
        from alignbench.models import openclip

        return openclip.skeleton(name, protocol=protocol)


def _is_open_clip(folder: Path) -> bool:
    """Whether a directory is open_clip's; one that holds transformers' configuration as well is not."""
    if not (folder / "open_clip_config.json").exists():
        return False
    try:  # timm writes a config.json too, without a type
        return "model_type" not in read_json(folder / "config.json")
    except FileNotFoundError:
        return True
    except (OSError, ValueError, TypeError):
        return False


FAMILY = OpenClipFamily()
