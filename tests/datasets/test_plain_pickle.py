"""Pickles of plain data: what Python's own reader gives, without what could run code, hang or crash."""

from __future__ import annotations

import pickle
import re
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import pytest

from alignbench.datasets import plain_pickle
from alignbench.datasets.plain_pickle import read_plain
from alignbench.errors import DataError

PLAIN = {
    "participant": [{"rt": 3.5, "n": -3, "x": None, "yes": True, "name": "häb\n'", "bytes": b"a\xff", "large": 2**80}],
    3: ((), (1,), (1, 2), (1, 2, 3), (1, 2, 3, 4)),
    None: {1.5: [[], [[]]], False: {}},
}
SCALARS = [
    *(np.float64(-0.1), np.float32(0.5), np.int64(-3), np.uint8(200), np.bool_(True), np.str_("ä"), np.float16(2)),
    *(np.array([7], ">i4")[0], np.array([1.25], ">f8")[0]),
]


def written(folder: Path, content: bytes) -> Path:
    (folder / "it.pkl").write_bytes(content)
    return folder / "it.pkl"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_plain_data_are_what_python_reads(tmp_path: Path, protocol: int) -> None:
    assert read_plain(written(tmp_path, pickle.dumps(PLAIN, protocol))) == PLAIN
    found = read_plain(written(tmp_path, pickle.dumps(SCALARS, protocol)))
    assert found == [scalar.item() for scalar in SCALARS]
    assert [type(value) for value in found] == [type(scalar.item()) for scalar in SCALARS]


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_other_containers_become_dictionaries_and_lists(tmp_path: Path, protocol: int) -> None:
    given = [OrderedDict(b=1, a=2), defaultdict(list, {"k": [1]}), defaultdict(None, {"m": 2})]
    found = read_plain(written(tmp_path, pickle.dumps(given, protocol)))
    assert found == [{"b": 1, "a": 2}, {"k": [1]}, {"m": 2}]
    assert {type(each) for each in found} == {dict}
    found = read_plain(written(tmp_path, pickle.dumps([{1, 2}, frozenset("ab"), set()], protocol)))
    assert [sorted(each) for each in found] == [[1, 2], ["a", "b"], []]
    assert {type(each) for each in found} <= {list, tuple}


@pytest.mark.parametrize(
    ("value", "named"),
    [
        (print, "builtins.print"),
        (Counter("aab"), "collections.Counter"),
        (np.ones(3), "numpy._core.multiarray._reconstruct"),
        (Path("a"), "pathlib.PosixPath"),
        (np.datetime64("2020-01-01"), ""),
        (np.complex128(1j), ""),
        ({(1, 2): 3}, ""),
    ],
)
def test_whatever_else_is_refused_by_its_name(tmp_path: Path, value: object, named: str) -> None:
    path = written(tmp_path, pickle.dumps(value))
    said = f"it.pkl is a pickle that names {named}, which" if named else "it.pkl is no pickle of plain data"
    with pytest.raises(DataError, match=re.escape(said)):
        read_plain(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        pickle.dumps(PLAIN)[:-20],
        b"\x80\x04cnumpy\ndtype\n}b.",  # a state for a name
        b"\x80\x04ccollections\nOrderedDict\n}b.",
        b"\x80\x04ccollections\nOrderedDict\n)R}b.",
        b"\x80\x04cbuiltins\nlist\n)R.",  # a call of what stands for a factory
        b"\x80\x04c_codecs\nencode\nX\x01\x00\x00\x00aX\x03\x00\x00\x00rot\x86R.",
        b"\x80\x04cnumpy._core.multiarray\nscalar\ncnumpy\ndtype\nX\x09\x00\x00\x00U99999999\x85RC\x00\x86R.",
        b"\x80\x04c__main__\nPath\n)\x81.",
        b"\x80\x04X\x01\x00\x00\x00a\x93.",
        b"\x80\x05\x96\xff\xff\xff\xff\xff\x00\x00\x00.",  # room for terabytes
        b"\x80\x04B\xff\xff\xff\xff.",
        b"\x80\x04N" + b"2" * 10,
    ],
)
def test_damaged_and_hostile_pickles_are_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(DataError, match=r"it\.pkl") as refused:
        read_plain(written(tmp_path, content))
    assert "\n" not in str(refused.value)


def test_a_place_far_up_in_the_memo_takes_no_memory(tmp_path: Path) -> None:
    assert read_plain(written(tmp_path, b"\x80\x04Nr\xff\xff\xff\xff.")) is None


def test_deep_nesting_neither_hangs_nor_crashes(tmp_path: Path) -> None:
    deep = b"\x85" * 100_000
    found = read_plain(written(tmp_path, b"\x80\x04)" + deep + b"."))
    assert isinstance(found, tuple)
    for key in (b"\x80\x04})" + deep + b"Ns.", b"\x80\x04}()" + deep + b"Nu.", b"\x80\x04()" + deep + b"Nd."):
        with pytest.raises(DataError, match="a tuple as the key of a dictionary"):
            read_plain(written(tmp_path, key))


def test_files_beyond_all_bounds_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, pickle.dumps(PLAIN))
    monkeypatch.setattr(plain_pickle._PlainPickle, "left", 10)
    with pytest.raises(DataError, match="too many lists and dictionaries"):
        read_plain(path)
    monkeypatch.setattr(plain_pickle, "_MOST_BYTES", 20)
    with pytest.raises(DataError, match="is larger than 0 MiB"):
        read_plain(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.pkl cannot be read \(No such file"):
        read_plain(tmp_path / "none.pkl")
    with pytest.raises(DataError, match="a folder, where a file belongs"):
        read_plain(tmp_path)
