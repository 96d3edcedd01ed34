"""What outgrows memory lies in a file that nobody else sees, and that leaves nothing behind."""

import os
from pathlib import Path

import pytest
import torch

from alignbench.errors import AlignbenchError
from alignbench.extraction import tower_distances as mapped
from alignbench.extraction.tower_distances import mapped_zeros


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(mapped.tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_is_zero_and_keeps_what_is_written(scratch: Path) -> None:
    found = mapped_zeros(7, 5)
    assert found.shape == (7, 5)
    assert found.dtype == torch.float32
    assert not found.any()
    values = torch.arange(35.0).view(7, 5)
    found[2:] = values[2:]
    assert torch.equal(found[2:], values[2:])
    assert not found[:2].any()


def test_it_lies_on_disk_and_has_no_name(scratch: Path) -> None:
    found = mapped_zeros(1000, 1000)
    assert list(scratch.iterdir()) == []
    if Path("/proc/self/maps").exists():
        lines = [line for line in Path("/proc/self/maps").read_text().splitlines() if str(scratch) in line]
        sizes = [int(end, 16) - int(start, 16) for start, end in (line.split()[0].split("-") for line in lines)]
        assert max(sizes) >= found.numel() * 4


def test_a_full_disk_is_said_before_anything_is_written(scratch: Path) -> None:
    if not hasattr(os, "posix_fallocate"):
        pytest.skip("this system does not claim room in advance")
    free = os.statvfs(scratch).f_bavail * os.statvfs(scratch).f_frsize
    with pytest.raises(AlignbenchError, match=r"has no room for .* GB .*TMPDIR"):
        mapped_zeros(free // 4 + 1_000_000_000, 4)
    assert list(scratch.iterdir()) == []
