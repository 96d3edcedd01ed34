"""On a disk that fills up, a command ends in one line, and leaves nothing half-written."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from alignbench.interpret.store import HeadStore
from extracted import NAMES, write_scenes
from patience import PATIENCE
from stage_inputs import write_stage_inputs
from students import write_inputs

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
def test_contributions(small_disk: Path, tmp_path: Path) -> None:
    pictures = write_scenes(tmp_path / "pictures")
    options = ("--model", "shapes-clip", "--images", pictures, "--layers", "all", "--output", small_disk)
    done = alignbench("interpret", "decompose", *options)
    if done.returncode == 0:
        assert HeadStore.open(done.stdout.splitlines()[-1]).names == NAMES
    else:
        check_one_line(done)
        assert list(small_disk.iterdir()) == []


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


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [64], indirect=True)
def test_triplets_and_their_labels(small_disk: Path, tmp_path: Path) -> None:
    """Both are written through memory, where a full disk would end the process by a signal."""
    inputs = write_stage_inputs(tmp_path / "inputs")
    drawing = ("alignet", "sample", "--features", inputs.features, "--rule", "class-border", "--count", 6_000)
    check_one_line(alignbench(*drawing, "--output", small_disk))
    assert list(small_disk.iterdir()) == []
    drawn = alignbench(*drawing, "--output", tmp_path / "drawn").stdout.splitlines()[-1]
    labelling = ("alignet", "label", "--triplets", drawn, "--features", inputs.features, "--teacher", inputs.teacher)
    check_one_line(alignbench(*labelling, "--output", small_disk))
    assert list(small_disk.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("small_disk", [8, 56, 90, 400], indirect=True)
def test_a_student(small_disk: Path, tmp_path: Path) -> None:
    """Of what was trained the last checkpoint stays, and nothing else."""
    inputs = write_inputs(tmp_path / "inputs")
    options = ("--steps", "4", "--batch-triplets", "4", "--width", "4", "--checkpoint-every", "1", "--wandb", "off")
    data = ("--triplets", inputs / "labels", "--images", inputs / "pictures", "--pixel-cache", "off")
    done = alignbench("alignet", "train", "--model", inputs / "vit", *data, *options, "--output", small_disk)
    if done.returncode != 0:
        check_one_line(done)
        assert [path.name for path in small_disk.iterdir() if not path.name.startswith(".partial-")] == []
        for file in small_disk.glob("*/*"):
            assert file.name == "checkpoint.safetensors"
            assert load_file(file)  # it is whole
    else:
        assert len(list(small_disk.iterdir())) == 1
