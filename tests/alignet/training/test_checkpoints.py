"""Checkpoints: bit for bit what was written, of this student alone, and the last one survives a full disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from alignbench.alignet.training.checkpoints import FILE, Checkpoint, fill, read_checkpoint, write_checkpoint
from alignbench.errors import AlignbenchError, DataError

SETTINGS: dict[str, Any] = {"model": "a", "seed": 1, "triplets": "ff", "rate": 0.1}
STATE = Checkpoint(
    7, {"value/head.weight": torch.randn(3, 2), "start/head.weight": torch.zeros(3, 2).double()}, {"rows": [{"a": 0.1}]}
)


def test_it_comes_back_bit_by_bit(tmp_path: Path) -> None:
    path = tmp_path / "partial" / FILE
    assert read_checkpoint(path, SETTINGS) is None
    write_checkpoint(path, STATE, SETTINGS)
    found = read_checkpoint(path, SETTINGS)
    assert found is not None
    assert (found.step, found.log) == (7, STATE.log)
    assert found.tensors.keys() == STATE.tensors.keys()
    for name, tensor in STATE.tensors.items():
        assert found.tensors[name].dtype == tensor.dtype
        assert torch.equal(found.tensors[name], tensor)
    assert [each.name for each in path.parent.iterdir()] == [FILE]


@pytest.mark.parametrize(("key", "value"), [("model", "b"), ("seed", 2), ("triplets", "00")])
def test_one_of_another_student_is_refused(tmp_path: Path, key: str, value: object) -> None:
    path = tmp_path / "partial" / FILE
    write_checkpoint(path, STATE, SETTINGS)
    with pytest.raises(DataError, match=f"another student .its {key} is .* remove {path.parent} to start"):
        read_checkpoint(path, {**SETTINGS, key: value})
    with pytest.raises(DataError, match="its more is null"):
        read_checkpoint(path, {**SETTINGS, "more": 1})


@pytest.mark.parametrize("content", [b"", b"\x80\x04.", b"\x08\0\0\0\0\0\0\0{}      "])
def test_what_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(content)
    with pytest.raises(DataError, match="is no checkpoint of a student"):
        read_checkpoint(path, SETTINGS)


def test_a_damaged_one_is_refused(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write_checkpoint(path, STATE, SETTINGS)
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match="is no checkpoint of a student"):
        read_checkpoint(path, SETTINGS)


def test_tensors_go_to_places_of_their_shape(tmp_path: Path) -> None:
    path = tmp_path / FILE
    place = torch.zeros(3, 2)
    fill({"head.weight": place}, STATE.tensors, "value", path)
    assert torch.equal(place, STATE.tensors["value/head.weight"])
    for other in (torch.zeros(2, 3), torch.zeros(3, 2).double()):
        with pytest.raises(DataError, match=r"does not have value of head\.weight as this model has it"):
            fill({"head.weight": other}, STATE.tensors, "value", path)
    with pytest.raises(DataError, match="average of head"):
        fill({"head.weight": place}, STATE.tensors, "average", path)


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond a kilobyte, as on a disk that is full."""
    import resource
    import signal

    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_the_last_one_stays_if_the_next_cannot_be_written(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    path = tmp_path / "partial" / FILE
    write_checkpoint(path, STATE, SETTINGS)
    before = path.read_bytes()
    request.getfixturevalue("full_disk")
    larger = Checkpoint(8, {"value/head.weight": torch.randn(300, 20)}, {})
    with pytest.raises(AlignbenchError, match=r"cannot be written .*: make room .*: the last checkpoint stays"):
        write_checkpoint(path, larger, SETTINGS)
    assert path.read_bytes() == before
    assert os.listdir(path.parent) == [FILE]
