"""Pickles of plain data: lists, dictionaries, texts and numbers.

A pickle is a program, which may name anything that is installed and call it. Here it may name scalars of NumPy and
dictionaries of `collections`, and gets stand-ins of ours for them; the instructions that make objects of other classes
are not known. Keys of dictionaries are texts and numbers, as Python's hash of tuples within tuples can overflow.
"""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Final

import numpy as np

from alignbench.errors import DataError, one_line
from alignbench.files import open_plain

_MOST_BYTES: Final = 2**28
_MOST_CONTAINERS: Final = 20_000_000
_INSTRUCTIONS: Final = (
    *("PROTO", "FRAME", "STOP", "MARK", "POP", "POP_MARK", "DUP", "PUT", "BINPUT", "LONG_BINPUT", "MEMOIZE"),
    *("GET", "BINGET", "LONG_BINGET", "NONE", "NEWTRUE", "NEWFALSE", "INT", "BININT", "BININT1", "BININT2", "LONG"),
    *("LONG1", "LONG4", "FLOAT", "BINFLOAT", "STRING", "BINSTRING", "SHORT_BINSTRING", "BINBYTES", "SHORT_BINBYTES"),
    *("BINBYTES8", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "EMPTY_LIST", "LIST", "APPEND"),
    *("APPENDS", "EMPTY_TUPLE", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_DICT", "DICT", "SETITEM", "SETITEMS"),
    *("GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD"),
)
_SCALAR: Final = re.compile(r"[biufU][0-9]{1,6}")
_KEYS: Final = (str, int, float, type(None))


def read_plain(path: Path) -> Any:
    """Read a pickle of plain data; scalars of NumPy become numbers and texts of Python, and sets become lists.

    Raises:
        DataError: If it cannot be read, holds anything else, or is larger than any such file.
    """
    try:
        with open_plain(path) as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror or one_line(error)}): see to it") from error
    if len(content) > _MOST_BYTES:
        raise DataError(f"{path} is larger than {_MOST_BYTES >> 20} MiB: give the published file")
    try:
        return _PlainPickle(io.BytesIO(content)).load()
    except _ForeignNameError as error:
        raise DataError(
            f"{path} is a pickle that names {one_line(error)}, which is not looked up since that could run code: give "
            "the published file, of lists, dictionaries, texts and numbers"
        ) from error
    except Exception as error:  # a damaged file can raise anything
        raise DataError(f"{path} is no pickle of plain data ({one_line(error)}): download it again") from error


class _ForeignNameError(Exception):
    """A name that plain data have no need of."""


class _ScalarType:
    """What NumPy says of the type of a scalar: its name, and the order of its bytes."""

    def __init__(self, name: str, *_: Any) -> None:
        self._name, self._order = name, "="

    def __setstate__(self, state: Any) -> None:
        self._order = {">": ">", "<": "<"}.get(state[1], "=")

    def value(self, content: bytes) -> Any:
        if not _SCALAR.fullmatch(self._name):
            raise ValueError("a scalar that is no number and no text")
        kind = np.dtype(self._order + self._name)
        if len(content) != kind.itemsize:
            raise ValueError("a scalar of another size than its type")
        return np.frombuffer(content, kind)[0].item()


def _encoded(text: str, encoding: str) -> bytes:
    """Bytes as protocols before 3 keep them."""
    if encoding != "latin1":
        raise ValueError("bytes in an unknown encoding")
    return text.encode("latin1")


def _scalar(kind: Any, content: Any) -> Any:
    if not isinstance(kind, _ScalarType) or not isinstance(content, bytes):
        raise TypeError("a scalar without its type or its bytes")
    return kind.value(content)


def _named() -> dict[str, Any]:
    """What a pickle may name; made anew for each, so that nothing lasts that one does to them."""
    known: dict[str, Any] = {
        "collections.OrderedDict": lambda: {},
        "collections.defaultdict": lambda factory=None: {},
        "numpy.dtype": _ScalarType,
        "numpy.core.multiarray.scalar": _scalar,
        "numpy._core.multiarray.scalar": _scalar,
        "_codecs.encode": _encoded,
    }
    for module in ("builtins", "__builtin__"):
        known |= {f"{module}.{name}": lambda items=(): [*items] for name in ("set", "frozenset")}
        known |= {f"{module}.{name}": name for name in ("dict", "float", "int", "list")}  # what fills a defaultdict
    return known


class _Instructions(dict[int, Callable[[Any], None]]):
    """The known instructions."""

    def __missing__(self, instruction: int) -> Callable[[Any], None]:
        raise ValueError(f"instruction {instruction:#04x}, which plain data have no need of")


def _counted(load: Callable[[Any], None]) -> Callable[[Any], None]:
    """An instruction of one byte that makes an object of sixty."""

    def counted(unpickler: _PlainPickle) -> None:
        unpickler.left -= 1
        if unpickler.left < 0:
            raise ValueError("too many lists and dictionaries")
        load(unpickler)

    return counted


class _PlainPickle(pickle._Unpickler):  # the one in C keeps as much memory as a place in its memo is high
    """Makes nothing but plain data."""

    left = _MOST_CONTAINERS
    stack: list[Any]
    dispatch: ClassVar[dict[int, Any]] = _Instructions(
        {getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]] for name in _INSTRUCTIONS}
    )

    def __init__(self, content: io.BytesIO) -> None:
        super().__init__(content)
        self._names = _named()

    def find_class(self, module: str, name: str) -> Any:
        """Give the stand-in of a name."""
        found = self._names.get(f"{module}.{name}")
        if found is None:
            raise _ForeignNameError(f"{module}.{name}"[:80])
        return found

    def _build(self) -> None:
        if not isinstance(self.stack[-2], _ScalarType):
            raise TypeError("a state of something that has none")
        self.load_build()  # type: ignore[attr-defined]

    def _set_item(self) -> None:
        _check_keys(self.stack[-2:-1])
        self.load_setitem()  # type: ignore[attr-defined]

    def _set_items(self) -> None:
        _check_keys(self.stack[::2])
        self.load_setitems()  # type: ignore[attr-defined]

    def _make_dict(self) -> None:
        _check_keys(self.stack[::2])
        self.load_dict()  # type: ignore[attr-defined]

    dispatch[pickle.EMPTY_SET[0]] = dispatch[pickle.EMPTY_LIST[0]]
    dispatch[pickle.ADDITEMS[0]] = dispatch[pickle.APPENDS[0]]
    dispatch[pickle.FROZENSET[0]] = dispatch[pickle.TUPLE[0]]
    for name in ("MARK", "EMPTY_LIST", "EMPTY_DICT", "EMPTY_SET", "TUPLE1", "TUPLE2", "TUPLE3"):
        dispatch[getattr(pickle, name)[0]] = _counted(dispatch[getattr(pickle, name)[0]])
    del name
    dispatch[pickle.BUILD[0]] = _build
    dispatch[pickle.SETITEM[0]] = _set_item
    dispatch[pickle.SETITEMS[0]] = _set_items
    dispatch[pickle.DICT[0]] = _make_dict


def _check_keys(keys: Iterable[Any]) -> None:
    for key in keys:
        if not isinstance(key, _KEYS):
            raise TypeError(f"a {type(key).__name__} as the key of a dictionary")
