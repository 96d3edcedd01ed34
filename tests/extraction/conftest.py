"""What tests of the pixel cache share: pictures that count how often they are opened, and a place for the cache."""

from pathlib import Path

import pytest

from cached_pictures import CountedFiles, write_pictures


@pytest.fixture
def pictures(tmp_path: Path) -> CountedFiles:
    return CountedFiles(tmp_path / "pictures", write_pictures(tmp_path / "pictures"))


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "cache"
