"""The picture that is asked about: one of a store, or a file that is decomposed like those of the store."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from alignbench.interpret.decomposition import decompose
from alignbench.interpret.store import HeadStore
from alignbench.interpret.text_encoders.of_store import model_of, store_tower
from alignbench.measurement.sources import TowerRequest, load_ready_tower


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
class DecomposedPicture:
    """A picture that was decomposed for the question.

    Attributes:
        name: Name of the file.
        identity: What tells its content from others'.
        pixels: The prepared picture, (3, height, width) uint8.
        patches: Contributions by layer, patch and head, (L, patches, H, d').
        heads: Contributions by layer and head, of all tokens, (L, H, d').
    """

    name: str
    identity: str
    pixels: NDArray[np.uint8]
    patches: Floats
    heads: Floats


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
    """Decompose a picture by the model of a store, token by token.

    Args:
        store: The contributions.
        path: The picture.
        model: See `asked_picture`.

    Raises:
        UsageError: If the store is of weights at random.
        DataError: If the store is of another model, or the file is no picture.
    """
    if not path.is_file():
        raise DataError(f"{path} is not a file: a map takes the file of a picture by --picture")
    images = FileImages(path.parent, (path.name,))
    opened = images.open(0)
    tower = store_tower(store, model)
    resize = store.record["settings"].get("resize", "checkpoint")
    if resize != "checkpoint":
        tower = load_ready_tower(TowerRequest(model or model_of(store), "all", resize=resize)).tower
    pixels = tower.prepare(opened)
    by_token = decompose(tower, pixels[None], tokens=True).attention[0].double().cpu().numpy()
    return DecomposedPicture(
        path.name, images.identities()[0], pixels.numpy(), by_token[:, tower.prefix_tokens :], by_token.sum(axis=1)
    )
