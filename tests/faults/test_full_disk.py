"""On a disk that fills up, a command ends in one line, and leaves nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from extracted import NAMES, write_scenes
from patience import PATIENCE

KILOBYTES = (4, 64, 400)  # each full at another step: a folder, the rows, the file or the figures


@pytest.fixture
def small_disk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A file system in memory of so many kilobytes."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={request.param}k", "tmpfs", str(disk)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True)
    except OSError as error:
        pytest.skip(f"file systems cannot be mounted here: {error}")
    if done.returncode != 0:
        pytest.skip(f"file systems cannot be mounted here: {done.stderr.strip()}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def alignbench(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, which a signal could end."""
    command = [sys.executable, "-m", "alignbench", *map(str, arguments)]
    surroundings = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, env=surroundings)


def check_one_line(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode == 1, (done.returncode, done.stderr)
    said = [line for line in done.stderr.splitlines() if "cannot be written" in line or "no room" in line]
    assert len(said) == 1, done.stderr
    assert "unexpected" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", KILOBYTES, indirect=True)
def test_features(small_disk: Path, tmp_path: Path) -> None:
    pictures = write_scenes(tmp_path / "pictures")
    output = small_disk / "features.safetensors"
    done = alignbench("extract", "--model", "shapes-clip", "--images", pictures, "--tokens", "all", "--output", output)
    if done.returncode == 0:
        assert all(len(rows) == len(NAMES) for rows in load_file(output).values())
    else:
        check_one_line(done)
        assert [path.name for path in small_disk.iterdir() if not path.name.startswith(".partial-")] == []


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", KILOBYTES, indirect=True)
def test_a_run(small_disk: Path, tmp_path: Path) -> None:
    options = ("--dataset", "shapes-middle", "--limit", "60", "--wandb", "off", "--pixel-cache", "off")
    done = alignbench("run", "--model", "pixels", *options, "--output", small_disk)
    if done.returncode != 0:
        check_one_line(done)
        assert list(small_disk.iterdir()) == []
    else:
        assert len(list(small_disk.iterdir())) == 1
