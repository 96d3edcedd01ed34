"""MATLAB files whose tags are wrong are refused before SciPy sees them, and whole ones are let pass."""

from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from scipy.io import loadmat, savemat
from scipy.sparse import csc_matrix

from alignbench.datasets.matlab_tags import check_matlab

HELD: dict[str, Any] = {
    "numbers": np.arange(24.0).reshape(2, 3, 4),
    "small": np.array([[1, -2]], dtype=np.int16),
    "complex": np.array([[1 + 2j]]),
    "text": "some text, not ASCII: é",
    "structure": {"field": {"deeper": np.eye(2)}, "other": "x"},
    "cells": np.array([["a", np.eye(2)]], dtype=object),
    "sparse": csc_matrix(np.eye(3)),
    "logical": np.array([[True, False]]),
    "empty": np.zeros((0, 3)),
}
DOUBLES = 128 + 8 + 16 + 16 + 8  # where the values of an array `m` of two dimensions begin


def saved(held: dict[str, Any], **options: Any) -> bytearray:
    buffer = io.BytesIO()
    savemat(buffer, held, **options)
    return bytearray(buffer.getvalue())


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("name", HELD)
def test_a_whole_file_is_let_pass(name: str, compressed: bool) -> None:
    check_matlab(bytes(saved({name: HELD[name], "last": 1.0}, do_compression=compressed)))


def test_a_file_of_matlab_4_is_let_pass() -> None:
    check_matlab(bytes(saved({"m": np.eye(2)}, format="4")))


@pytest.mark.parametrize("code", [0, 8, 10, 11, 14, 15, 19, 200])
@pytest.mark.parametrize("compressed", [False, True])
def test_values_of_an_unknown_type_are_refused(code: int, compressed: bool) -> None:
    content = saved({"m": np.eye(9)})
    assert content[DOUBLES] == 9
    content[DOUBLES] = code
    if compressed:
        packed = zlib.compress(bytes(content[128:]))
        content = content[:128] + (15).to_bytes(4, "little") + len(packed).to_bytes(4, "little") + packed
    with pytest.raises(ValueError, match=f"the values of an array have type {code} and 648 bytes"):
        check_matlab(bytes(content))


@pytest.mark.parametrize(
    ("place", "value", "said"),
    [
        (126, b"XX", "its header is damaged"),
        (128, b"\x09", "is of type 9"),
        (132, b"\xff\xff\xff\x7f", "an element at byte 128 is cut off"),
        (144, b"\x25", "an array is of class 37"),
        (160, b"\xff\xff\xff\xff", r"an array has the dimensions \[-1, 9\]"),
        (DOUBLES + 4, b"\xff\xff", "is cut off"),
    ],
)
def test_a_wrong_tag_is_refused(place: int, value: bytes, said: str) -> None:
    content = saved({"m": np.eye(9)})
    content[place : place + len(value)] = value
    with pytest.raises(ValueError, match=said):
        check_matlab(bytes(content))


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ((0, 1, 9, 0, 1, 2, 3), "has values outside it"),
        ((0, -1, 2, 0, 1, 2, 3), "has values outside it"),
        ((0, 1, 2, 1, 1, 2, 3), "the columns of a sparse array are damaged"),
        ((0, 1, 2, 0, 2, 1, 3), "the columns of a sparse array are damaged"),
        ((0, 1, 2, 0, 1, 2, 4), "the columns of a sparse array are damaged"),
    ],
)
def test_places_outside_a_sparse_array_are_refused(numbers: tuple[int, ...], said: str) -> None:
    content, (*rows, first, second, third, last) = saved({"m": csc_matrix(np.eye(3))}), numbers
    before, after = (np.array(each, dtype="<i4").tobytes() for each in ((0, 1, 2), (0, 1, 2, 3)))
    place = bytes(content).index(before, 160)
    content[place : place + 12] = np.array(rows, dtype="<i4").tobytes()
    place = bytes(content).index(after, place + 12)
    content[place : place + 16] = np.array((first, second, third, last), dtype="<i4").tobytes()
    with pytest.raises(ValueError, match=said):
        check_matlab(bytes(content))


def test_more_arrays_than_there_are_bytes_are_refused() -> None:
    content = saved({"m": np.array([["a", "b"]], dtype=object)})
    content[160:168] = (2**30).to_bytes(4, "little") * 2
    with pytest.raises(ValueError, match="arrays do not fit into"):
        check_matlab(bytes(content))


def test_arrays_in_arrays_without_end_are_refused() -> None:
    nested: Any = 1.0
    for _ in range(60):
        cell = np.empty((1, 1), dtype=object)
        cell[0, 0] = nested
        nested = cell
    with pytest.raises(ValueError, match="arrays lie in arrays more than 50 deep"):
        check_matlab(bytes(saved({"m": nested})))


def test_a_bomb_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignbench.datasets.matlab_tags._MOST", 1_000)
    with pytest.raises(ValueError, match="holds more than 1,000 bytes that are compressed"):
        check_matlab(bytes(saved({"m": np.zeros((50, 50))}, do_compression=True)))


def test_what_is_let_pass_can_be_read_or_is_refused_by_scipy() -> None:
    rng = np.random.default_rng(0)
    contents = [saved({name: held}) for name, held in HELD.items()]
    for number in range(600):
        content = bytearray(contents[number % len(contents)])
        content[int(rng.integers(128, min(400, len(content))))] = int(rng.choice([0, 1, 8, 14, 19, 255]))
        try:
            check_matlab(bytes(content))
        except ValueError:
            continue
        try:
            loadmat(io.BytesIO(bytes(content)))
        except Exception:
            continue
