"""Weights are taken from torch's cache, or downloaded to it; what cannot be had is said in a line."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest
import torch

from alignbench.errors import ModelError
from alignbench.models.torch_cache import cached_path, torch_weights


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    return tmp_path / "hub" / "checkpoints"


def published(folder: Path, digest: str | None = None) -> str:
    """The address of a file that is named after its digest, or another one."""
    folder.mkdir()
    digest = digest or hashlib.sha256(b"weights").hexdigest()[:8]
    (folder / f"net-{digest}.pth").write_bytes(b"weights")
    return (folder / f"net-{digest}.pth").as_uri()


def test_a_file_is_downloaded_once(cache: Path, tmp_path: Path) -> None:
    url = published(tmp_path / "served")
    path = torch_weights("net", url)
    assert path == cached_path(url) == cache / url.rpartition("/")[2]
    assert path.read_bytes() == b"weights"
    path.write_bytes(b"kept")
    assert torch_weights("net", url).read_bytes() == b"kept"


def test_what_cannot_be_had_is_named_with_its_place_and_address(cache: Path, tmp_path: Path) -> None:
    url = (tmp_path / "net-12345678.pth").as_uri()
    place = cache / "net-12345678.pth"
    with pytest.raises(
        ModelError,
        match=rf"^net needs net-12345678\.pth, and downloading it failed \(.*\): get it from {re.escape(url)} and put "
        rf"it at {re.escape(str(place))}$",
    ):
        torch_weights("net", url)
    assert not place.exists()


def test_a_file_of_another_digest_is_refused(cache: Path, tmp_path: Path) -> None:
    url = published(tmp_path / "served", "0" * 8)
    with pytest.raises(ModelError, match=r"downloading it failed \(invalid hash value"):
        torch_weights("net", url)
    assert list(cache.iterdir()) == []
