"""TorchScript archives: the tensors and the classes of the modules in them, of which nothing is run.

`torch.jit.load` runs what an archive brings along, such as the `__setstate__` of a module. Here the archive's pickle is
read with a table of the few names that torch writes into it; a class of the archive becomes a record without behaviour.
"""

from __future__ import annotations

import io
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

_CODE: Final = "__torch__"  # what the names of all classes of an archive begin with
_MOST_MODULES: Final = 20_000
_LISTS: Final = ("build_intlist", "build_doublelist", "build_boollist", "build_tensorlist")
_STORAGES: Final = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of an archive, whose numbers are read when they are wanted.

    Attributes:
        path: The archive.
        entry: The file in it that has the numbers.
        dtype: Their type.
        place: Offset, shape and strides, in numbers.
    """

    path: Path
    entry: str
    dtype: torch.dtype
    place: tuple[int, tuple[int, ...], tuple[int, ...]]

    def read(self) -> Tensor:
        """Read the numbers.

        Raises:
            ValueError: If there are fewer than the tensor has.
        """
        offset, shape, strides = self.place
        numbers = torch.empty(0, dtype=self.dtype)
        with zipfile.ZipFile(self.path) as file:
            content = bytearray(_stored(file, self.entry))
        if content:
            numbers = torch.frombuffer(content, dtype=self.dtype)
        needed = offset + 1 + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
        if min((offset, *shape, *strides)) < 0 or (0 not in shape and needed > len(numbers)):
            raise ValueError(f"{self.entry} has fewer numbers than its tensor")
        return numbers.as_strided(shape, strides, offset)


@dataclass(frozen=True)
class Archive:
    """What an archive holds.

    Attributes:
        tensors: By name, as in a state dict.
        classes: Class of each module, by the module's path.
    """

    tensors: dict[str, StoredTensor]
    classes: dict[str, str]


def is_archive(path: Path) -> bool:
    """Say whether a file is a TorchScript archive."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as file:
        return any(Path(entry).name == "constants.pkl" for entry in file.namelist())


def read_archive(path: Path) -> Archive:
    """Read the names in an archive, and where its tensors are.

    Raises:
        UnpicklingError: If it names anything but modules, tensors, lists and dictionaries, or a module keeps its state
            in a form that only its own code can read.
        ValueError: If it is damaged.
    """
    with zipfile.ZipFile(path) as file:
        entries = [entry for entry in file.namelist() if entry.endswith("/data.pkl") and entry.count("/") == 1]
        if len(entries) != 1:
            raise ValueError("an archive without one data.pkl")
        root = entries[0].removesuffix("data.pkl")
        if f"{root}byteorder" in file.namelist() and _stored(file, f"{root}byteorder") != b"little":
            raise ValueError("an archive of a machine with another order of bytes")
        with closing(io.BytesIO(_stored(file, entries[0]))) as content:
            found = _ArchivePickle(content, path, root).load()
    if not isinstance(found, _Record):
        raise ValueError("an archive without a module")
    return _walked(found)


def _stored(file: zipfile.ZipFile, entry: str) -> bytes:
    """The content of an entry, which torch never compresses: it can be no larger than the archive."""
    if file.getinfo(entry).compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{entry} is compressed, which torch does not do")
    return file.read(entry)


class _Record:
    """An object of a class of the archive: its state, and nothing that the class would do with it."""

    name = ""
    state: Any = None

    def __init__(self, *_: Any) -> None:
        """Take the value of an enumeration, which is not needed."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _ArchivePickle(pickle._Unpickler):  # the one in C cannot read enumerations of torch
    """Knows the names that torch writes, and makes records of the archive's own classes."""

    stack: list[Any]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def __init__(self, content: io.BytesIO, path: Path, root: str) -> None:
        super().__init__(content)
        self._path, self._root = path, root

    def find_class(self, module: str, name: str) -> Any:
        """Look up a name; each look-up gives objects of its own, so that nothing lasts that a pickle does to them."""
        if module.partition(".")[0] == _CODE:
            return type("_Record", (_Record,), {"name": name})
        if module == "torch" and name in _STORAGES:
            return name
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return self._tensor
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module == "torch.jit._pickle" and name in _LISTS:
            return lambda values: values
        if (module, name) == ("torch", "device"):
            return str
        if (module, name) == ("torch.jit._pickle", "restore_type_tag"):
            return lambda value, _: value
        raise pickle.UnpicklingError(f"GLOBAL {module}.{name}")

    def load_reduce(self) -> None:
        """Call what was looked up; torch calls an enumeration with its value, not with a tuple."""
        if not isinstance(self.stack[-1], tuple):
            self.stack[-1] = (self.stack[-1],)
        super().load_reduce()  # type: ignore[misc]

    dispatch[pickle.REDUCE[0]] = load_reduce

    def persistent_load(self, pid: Any) -> Any:
        """Take a reference to numbers in another entry of the archive as it is."""
        kind, storage, key, *_ = pid
        if kind != "storage" or not isinstance(key, str):
            raise ValueError("an archive with an unknown kind of data")
        return f"{self._root}data/{key}", _STORAGES[storage]

    def _tensor(self, storage: Any, offset: int, shape: Any, strides: Any, *_: Any) -> StoredTensor:
        entry, dtype = storage
        return StoredTensor(self._path, entry, dtype, (int(offset), tuple(map(int, shape)), tuple(map(int, strides))))


def _walked(root: _Record) -> Archive:
    """Go through the modules of an archive, of which one may be at several places."""
    found = Archive({}, {})
    waiting = [("", root)]
    while waiting:
        path, record = waiting.pop()
        found.classes[path] = record.name
        if len(found.classes) > _MOST_MODULES:
            raise ValueError("an archive with modules within themselves")
        for key, value in _attributes(record):
            inner = f"{path}.{key}" if path else key
            if isinstance(value, StoredTensor):
                found.tensors[inner] = value
            elif isinstance(value, _Record):
                waiting.append((inner, value))
            elif _hides_tensors(value):
                raise ValueError(f"{inner} is a list or dictionary with tensors in it, which have no names")
    return found


def _hides_tensors(value: Any) -> bool:
    """Whether there are tensors or modules within lists, of which one may hold itself, or the same thing many times."""
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        if isinstance(each, StoredTensor) or (isinstance(each, _Record) and each.state is not None):
            return True
        if id(each) not in seen:
            seen.add(id(each))
            waiting += each.values() if isinstance(each, dict) else each if isinstance(each, list | tuple) else ()
    return False


def _attributes(record: _Record) -> Iterator[tuple[str, Any]]:
    if record.state is not None and not isinstance(record.state, dict):
        raise pickle.UnpicklingError(f"GLOBAL {record.name}.__setstate__")  # a form that only its own code can read
    yield from ((str(key), value) for key, value in (record.state or {}).items())
