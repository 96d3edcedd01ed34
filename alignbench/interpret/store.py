"""The store of a model's contributions on a folder of pictures: every head is read without the others.

A file of safetensors for each layer holds a tensor (n, d') for each of its heads. `others.safetensors` has those of
the embedding and of every MLP, and the sum of the heads of layers that are not kept; `pictures.safetensors` what there
is of each picture. `heads.json`, the record, is written last.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from alignbench.errors import DataError, UsageError, one_line
from alignbench.extraction.feature_files import parse_names
from alignbench.files import open_plain
from alignbench.files.json_text import checked_object, read_json
from alignbench.interpret.shards import DTYPES, MAKE_AGAIN, MappedShards, StoreShard
from alignbench.interpret.texts import texts_digest
from alignbench.results.head_stages import STORE
from alignbench.results.run_folder import run_hash

NAMES: Final = "names.json"
LEFT_OUT: Final = "left_out"  # name of the tensor of all heads that are not kept, together
_MAKE: Final = "make it by `alignbench interpret decompose`"
_SHAPE: Final = ("pictures", "blocks", "heads", "width")
_MOST: Final = 4096  # layers, or heads of one: far more than any model has
Rows = NDArray[np.float32]
T = TypeVar("T")


@dataclass(frozen=True)
class StoreShape:
    """What settles the sizes of a store's files.

    Attributes:
        pictures: Number of pictures, n.
        blocks: Number of the model's layers that have heads, L.
        layers: Which of them are kept, from 1, ascending.
        heads: Heads of a layer.
        width: Numbers of a contribution, d'.
        dtype: `fp32`, `fp16` or `bf16`.
        has_constant: Whether there is a part of the output that is the same for every picture.
        has_class: Whether the part of each layer's attention is kept that is read of the class token.
        origin: Hash of the settings of the store, by which its files are told from those of another.
    """

    pictures: int
    blocks: int
    layers: tuple[int, ...]
    heads: int
    width: int
    dtype: str
    has_constant: bool = False
    has_class: bool = False
    origin: str = "0" * 8

    def layer_shard(self, folder: Path, layer: int) -> StoreShard:
        """Return the file of a layer, with a tensor for each head."""
        shapes = {head_name(head): (self.pictures, self.width) for head in range(self.heads)}
        return StoreShard(folder / f"layer_{layer}.safetensors", shapes, self.dtype, self.origin)

    def others_shard(self, folder: Path) -> StoreShard:
        """Return the file of all that are no kept heads."""
        shapes = {other_name(number): (self.pictures, self.width) for number in range(self.blocks + 1)}
        if len(self.layers) < self.blocks:
            shapes[LEFT_OUT] = (self.pictures, self.width)
        if self.has_class:
            shapes |= {class_name(layer): (self.pictures, self.width) for layer in range(1, self.blocks + 1)}
        return StoreShard(folder / "others.safetensors", shapes, self.dtype, self.origin)

    def pictures_shard(self, folder: Path) -> StoreShard:
        """Return the file of what there is of each picture, in float32 whatever the type of the others."""
        shapes: dict[str, tuple[int, ...]] = {"norms": (self.pictures,), "closure": (self.pictures,)}
        if self.has_constant:
            shapes["constant"] = (self.width,)
        return StoreShard(folder / "pictures.safetensors", shapes, "fp32", self.origin)

    def shards(self, folder: Path) -> list[StoreShard]:
        """Return all files of tensors."""
        layers = [self.layer_shard(folder, layer) for layer in self.layers]
        return [*layers, self.others_shard(folder), self.pictures_shard(folder)]


def head_name(number: int) -> str:
    """Name of a head's tensor in the file of its layer, by its number from 0."""
    return f"head_{number}"


def other_name(number: int) -> str:
    """Name of the tensor of an MLP by the number of its layer, from 1; of the embedding for 0."""
    return f"mlp_{number}" if number else "embedding"


def class_name(layer: int) -> str:
    """Name of the tensor of what all heads of a layer, from 1, read of the class token."""
    return f"class_{layer}"


@dataclass(frozen=True)
class HeadStore:
    """The contributions of a model's heads, MLPs and embedding, on the disk.

    Attributes:
        folder: The folder.
        names: Names of the pictures.
        shape: Its sizes.
        record: What the record says: `settings` has the model's label, its fingerprint and all else that can change a
            number, `closure` the errors of the sum.
    """

    folder: Path
    names: tuple[str, ...]
    shape: StoreShape
    record: dict[str, Any]
    _files: MappedShards = field(default_factory=MappedShards, init=False, repr=False, compare=False)

    @staticmethod
    def open(path: str | Path) -> HeadStore:
        """Open a store; of its tensors nothing is read yet.

        Args:
            path: Its folder.

        Raises:
            DataError: If it is none, or damaged.
        """
        folder = Path(path)
        if not is_store(folder):
            what = "is not there" if not folder.exists() else f"holds no {STORE}"
            raise DataError(f"{folder} {what}: name a folder of contributions, or {_MAKE}")
        try:
            record = checked_object("record", read_json(folder / STORE), {"settings": (dict,), "shape": (dict,)})
            shape = _shape(record)
            with open_plain(folder / NAMES) as file:
                names = parse_names(file.read().decode("utf-8"))
            if len(names) != shape.pictures or len(set(names)) < len(names):
                raise ValueError(f"{NAMES} has {len(names)} names of {shape.pictures} pictures, or one of them twice")
            if record.get("names") != texts_digest(names):
                raise ValueError(f"{NAMES} does not name the pictures that {STORE} is of")
            for shard in shape.shards(folder):
                if not shard.is_there():
                    raise ValueError(f"{shard.path.name} is not of the length, the shapes and the store of {STORE}")
        except (OSError, ValueError, OverflowError) as error:
            raise DataError(f"{folder} cannot be read ({one_line(error)}): {MAKE_AGAIN}") from error
        return HeadStore(folder, names, shape, record)

    @property
    def layers(self) -> tuple[int, ...]:
        """Numbers of the layers whose heads are kept, from 1, as in `layer_1`."""
        return self.shape.layers

    @property
    def heads(self) -> int:
        """Heads of a layer."""
        return self.shape.heads

    @property
    def width(self) -> int:
        """Numbers of a contribution, d'."""
        return self.shape.width

    def head(self, layer: int, head: int) -> Rows:
        """Map the contributions of a head.

        Args:
            layer: Number of its layer, from 1.
            head: Number of it among the heads of its layer, from 0.

        Returns:
            (n, d'), float32; they are read from the disk as they are looked at, unless they are kept in 16 bits.

        Raises:
            UsageError: If there is no such head.
            DataError: If the file is damaged, or holds numbers that are not finite.
        """
        self.check_head(layer, head)
        return self._read(self.shape.layer_shard(self.folder, layer), [head_name(head)])[0]

    def check_head(self, layer: int, head: int) -> None:
        """Raise UsageError if there is no such head; arguments as of `head`."""
        if layer not in self.layers:
            kept = ", ".join(map(str, self.layers))
            raise UsageError(f"{self.folder} holds no heads of layer {layer}: it has those of {kept}")
        if not 0 <= head < self.heads:
            raise UsageError(f"{self.folder} holds no head {head}: heads are counted from 0 to {self.heads - 1}")

    def remembered(self, head: tuple[int, int], what: Hashable, make: Callable[[], T]) -> T:
        """Work something, `what`, out of the contributions of a head once, for as long as their file is the same."""
        return self._files.remembered(self.shape.layer_shard(self.folder, head[0]), (head, what), make)

    def others(self) -> Rows:
        """Read the contributions of the embedding and of the MLP of every layer, (n, L + 1, d') in this order."""
        names = [other_name(number) for number in range(self.shape.blocks + 1)]
        return np.stack(self._read(self.shape.others_shard(self.folder), names), axis=1)

    def other(self, number: int) -> Rows:
        """Map the contributions of the MLP of a layer, by its number from 1, or of the embedding for 0.

        Returns:
            (n, d'), float32, as of a head.
        """
        return self._read(self.shape.others_shard(self.folder), [other_name(number)])[0]

    def left_out(self) -> Rows:
        """Read the sum over all heads of the layers that are not kept, (n, d'); zero where all are."""
        if len(self.layers) == self.shape.blocks:
            return np.zeros((len(self.names), self.width), dtype=np.float32)
        return self._read(self.shape.others_shard(self.folder), [LEFT_OUT])[0]

    def class_part(self, layer: int) -> Rows:
        """Map what all heads of a layer, kept or not, read of the class token, (n, d').

        Args:
            layer: Its number, from 1.

        Raises:
            DataError: If the store was made without.
        """
        if not self.shape.has_class:
            raise DataError(f"{self.folder} has no class part: make it again by `interpret decompose --class-token`")
        return self._read(self.shape.others_shard(self.folder), [class_name(layer)])[0]

    @property
    def norms(self) -> Rows:
        """Norms of the outputs before they are divided by them, (n,)."""
        return self._of_pictures("norms")

    @property
    def closure(self) -> Rows:
        """Distances of the sum of all contributions from the output, relative to its norm, (n,)."""
        return self._of_pictures("closure")

    @property
    def constant(self) -> Rows | None:
        """The part of the output that is the same for every picture, (d'); none where there is no such part."""
        return self._of_pictures("constant") if self.shape.has_constant else None

    def _of_pictures(self, name: str) -> Rows:
        return self._read(self.shape.pictures_shard(self.folder), [name])[0]

    def _read(self, shard: StoreShard, names: Sequence[str]) -> list[Rows]:
        return self._files.read(shard, names)


def is_store(folder: Path) -> bool:
    """Whether a folder holds a store."""
    return (folder / STORE).is_file()


def write_record(folder: Path, shape: StoreShape, names: Sequence[str], record: Mapping[str, Any]) -> None:
    """Write the names and the record of a store whose tensors are there.

    Args:
        folder: The folder, while it is written.
        shape: Its sizes.
        names: Names of the pictures.
        record: `settings`, and what else is recorded.

    Raises:
        OSError: If they cannot be written.
    """
    (folder / NAMES).write_text(json.dumps(list(names)), encoding="utf-8")
    sizes = {key: getattr(shape, key) for key in (*_SHAPE, "dtype", "has_constant", "has_class")}
    sizes["layers"] = list(shape.layers)
    text = json.dumps({**record, "names": texts_digest(names), "shape": sizes}, indent=2) + "\n"
    (folder / STORE).write_text(text, encoding="utf-8")


def _shape(record: Mapping[str, Any]) -> StoreShape:
    """The sizes that a record says.

    Raises:
        ValueError: If it does not say them, or they are no sizes.
    """
    kinds = {**dict.fromkeys(_SHAPE, (int,)), "dtype": (str,), "has_constant": (bool,), "has_class": (bool,)}
    sizes = {"has_class": False} | checked_object("shape", record.get("shape"), kinds)
    if not {*kinds, "layers"} <= sizes.keys() or "settings" not in record:
        raise ValueError("it does not say of what it is")
    layers = sizes["layers"]
    whole = isinstance(layers, list) and all(type(layer) is int for layer in layers)
    fits = whole and layers and layers == sorted(set(layers)) and layers[0] >= 1 and layers[-1] <= sizes["blocks"]
    if not fits or min(sizes[key] for key in _SHAPE) < 1 or sizes["dtype"] not in DTYPES:
        raise ValueError("its sizes are impossible")
    if max(sizes["blocks"], sizes["heads"]) > _MOST:
        raise ValueError("it has more layers or heads than any model")
    origin = run_hash(record["settings"])
    return StoreShape(**{key: sizes[key] for key in kinds}, layers=tuple(layers), origin=origin)
