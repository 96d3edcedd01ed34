"""The pictures that a store is of, by their numbers alone: those of one folder, or scenes of the packaged world."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from alignbench.datasets.images import FileImages, ImageSource, images_digest
from alignbench.datasets.scene_names import named_scenes
from alignbench.errors import DataError, UsageError
from alignbench.interpret.searching.asked import PreparedPicture
from alignbench.interpret.store import HeadStore

if TYPE_CHECKING:
    from alignbench.models.towers import Tower


@dataclass(frozen=True, eq=False)
class StorePictures:
    """The pictures of a store.

    Attributes:
        images: The pictures.
        identities: What tells the content of each from others', as it was when the store was made.
        root: The folder that all of them lie in; none where they are drawn.
    """

    images: ImageSource
    identities: tuple[str, ...]
    root: Path | None

    def open(self, number: int) -> Image.Image:
        """Open a picture in RGB.

        Args:
            number: Its row in the store.

        Raises:
            UsageError: If there is no such picture.
            DataError: If it lies outside the folder, behind a link, or is another than it was.
        """
        if not 0 <= number < len(self.identities):
            raise UsageError(f"there is no picture {number}: they are counted from 0 to {len(self.identities) - 1:,}")
        one = self.images.select(np.array([number]))
        if self.root is not None and not (self.root / one.names[0]).resolve().is_relative_to(self.root):
            raise DataError(f"picture {number} is a link that leaves the folder of the pictures: it is not shown")
        if one.identities()[0].partition("/")[0] != self.identities[number].partition("/")[0]:
            raise DataError(f"picture {number} has changed since the contributions were made: start again")
        return one.open(0)

    def prepared(self, number: int, tower: Tower) -> PreparedPicture:
        """Prepare a picture as the model sees it.

        Args:
            number: See `open`.
            tower: The model.

        Raises:
            AlignbenchError: See `open`.
        """
        pixels = tower.prepare(self.open(number)).numpy()
        return PreparedPicture(self.images.names[number], self.identities[number], pixels)


def open_pictures(store: HeadStore, root: Path | None) -> StorePictures | None:
    """Find the pictures of a store, and see that they are the ones that it was made of.

    Args:
        store: The contributions.
        root: Their folder, if it was given.

    Returns:
        The pictures; none if no folder was given, and they are no scenes of the packaged world.

    Raises:
        DataError: If the folder lacks one of them, or holds others under their names.
    """
    told = store.record["settings"].get("images")
    if root is None:
        scenes = named_scenes(store.names)
        if scenes is None or images_digest(scenes.names, scenes.identities()) != told:
            return None
        return StorePictures(scenes, tuple(scenes.identities()), None)
    if not root.is_dir():
        raise DataError(f"--images {root} is not a folder: name the one that {store.folder} was made of")
    whole = root.resolve()
    for name in store.names:
        place = PurePosixPath(name)
        if place.is_absolute() or ".." in place.parts:
            raise DataError(f"{store.folder} names {name}, which lies in no folder of pictures: leave out --images")
    lacking = [name for name in store.names if not (whole / name).is_file()]
    if lacking:
        raise DataError(
            f"{root} has {len(store.names) - len(lacking):,} of the {len(store.names):,} pictures of {store.folder}, "
            f"and lacks {lacking[0]}: give the folder that it was made of by --images"
        )
    images = FileImages(whole, store.names)
    identities = images.identities()
    if images_digest(store.names, identities) != told:
        raise DataError(
            f"pictures of {root} have changed since {store.folder} was made of them: give those that it was made of by "
            "--images, or make it again by `alignbench interpret decompose`"
        )
    return StorePictures(images, tuple(identities), whole)
