"""The picture that is asked about: one of a store, or a file that is decomposed like those of the store."""

from __future__ import annotations

import os
import warnings
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.datasets.images import FileImages, images_digest
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.interpret.store import HeadStore, Rows
from alignbench.interpret.text_encoders.of_store import model_of, store_tower

if TYPE_CHECKING:
    from alignbench.interpret.decomposition import Decomposer
    from alignbench.models.towers import Tower


@dataclass(frozen=True, eq=False)
class StoredPicture:
    """A picture of the store.

    Attributes:
        name: Its name.
        number: Its row.
    """

    name: str
    number: int


@dataclass(frozen=True, eq=False)
class PreparedPicture:
    """A picture as the model sees it.

    Attributes:
        name: What it is called.
        identity: What tells its content from others'.
        pixels: The prepared picture, (3, height, width) uint8.
    """

    name: str
    identity: str
    pixels: NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class DecomposedPicture:
    """A picture that was decomposed for the question.

    Attributes:
        name: Name of the file.
        identity: What tells its content from others'.
        pixels: The prepared picture, (3, height, width) uint8.
        patches: Contributions by layer, patch and head, (L, patches, H, d').
        heads: Contributions by layer and head, of all tokens, (L, H, d').
        attention: What each head attends to by layer, head and patch, (L, H, patches).
    """

    name: str
    identity: str
    pixels: NDArray[np.uint8]
    patches: Rows
    heads: Floats
    attention: Floats


def asked_picture(store: HeadStore, picture: str, model: str | None = None) -> StoredPicture | DecomposedPicture:
    """Find the picture in the store by its name, or decompose the file.

    Args:
        store: The contributions.
        picture: A name of the store, or a file.
        model: The model of the store, where its label there is that of a folder.

    Raises:
        DataError: If it is neither, or the file is no picture.
        AlignbenchError: See `decomposed_picture`.
    """
    if picture in store.names:
        return StoredPicture(picture, store.names.index(picture))
    if not Path(picture).is_file():
        raise DataError(f"{picture} is neither a picture of {store.folder} nor a file: name one of them by --picture")
    return decomposed_picture(store, Path(picture), model)


def decomposed_picture(store: HeadStore, path: Path, model: str | None = None) -> DecomposedPicture:
    """Decompose a picture by the model of a store, token by token, upright as its EXIF orientation says.

    Pictures of the store are taken as they are stored, as those that it was made of.

    Args:
        store: The contributions.
        path: The picture.
        model: See `asked_picture`.

    Warns:
        AlignbenchWarning: If its EXIF orientation asks for a turn; says whether it is turned.

    Raises:
        UsageError: If the store is of weights at random.
        DataError: If the store is of another model, or the file is no picture.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file: a map takes the file of a picture by --picture")
    images = FileImages(path.parent, (path.name,))
    stored, image = images.open(0), images.open(0, upright=True)
    (identity,) = images.identities()
    if (stored.size, stored.tobytes()) != (image.size, image.tobytes()):
        if _is_of_store(store, path):
            image = stored
            told = "is taken as it is stored, as the model has seen it, though its EXIF data would have it turned"
        else:
            identity += "/upright"
            told = "is turned upright as its EXIF data say; pictures of a store are taken as they are stored"
        warnings.warn(f"{path} {told}", AlignbenchWarning, stacklevel=2)
    tower = asked_tower(store, model)
    return decomposed(tower, PreparedPicture(path.name, identity, tower.prepare(image).numpy()))


def _is_of_store(store: HeadStore, path: Path) -> bool:
    """Whether a file is a picture of a store, by its name and what is in all files that would be the store's."""
    parts = Path(os.path.abspath(path)).parts
    ends = {"/".join(parts[first:]): Path(*parts[:first]) for first in range(1, len(parts))}
    for name in ends.keys() & set(store.names):
        with suppress(DataError):  # some of the pictures are not there
            identities = FileImages(ends[name], tuple(store.names)).identities()
            if images_digest(store.names, identities) == store.record["settings"].get("images"):
                return True
    return False


def asked_tower(store: HeadStore, model: str | None = None) -> Tower:
    """Load the tower of a store, which prepares pictures as those of the store were.

    Args:
        store: The contributions.
        model: See `asked_picture`.

    Raises:
        AlignbenchError: See `store_tower`.
    """
    tower = store_tower(store, model)
    resize = store.record["settings"].get("resize", "checkpoint")
    if resize == "checkpoint":
        return tower
    from alignbench.measurement.sources import TowerRequest, load_ready_tower

    return load_ready_tower(TowerRequest(model or model_of(store), "all", resize=resize)).tower


def decomposed(tower: Tower, picture: PreparedPicture, ready: Decomposer | None = None) -> DecomposedPicture:
    """Decompose a prepared picture, token by token.

    Args:
        tower: The model.
        picture: The picture.
        ready: The `decomposer` of the tower, where it is kept for more than one picture.
    """
    import torch

    from alignbench.interpret.decomposition import decomposer

    found = (ready or decomposer(tower))(torch.from_numpy(picture.pixels)[None], tokens=True)
    assert found.weights is not None
    first = tower.prefix_tokens
    return DecomposedPicture(
        *(picture.name, picture.identity, picture.pixels),
        patches=found.attention[0, :, first:].cpu().numpy(),
        heads=found.attention[0].sum(dim=1).double().cpu().numpy(),
        attention=found.weights[0, :, :, first:].double().cpu().numpy(),
    )
