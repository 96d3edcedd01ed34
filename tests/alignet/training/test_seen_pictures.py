"""Pictures that a student was trained on are told again by name and by content, wherever they lie."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.alignet.training.seen_pictures import FILE, SeenPictures
from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError
from students import make_job, train


def picture(path: Path, shade: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, 0, 0)).save(path)


@pytest.fixture
def seen(tmp_path: Path) -> SeenPictures:
    for number in range(3):
        picture(tmp_path / f"seen/{number}/000{number}.png", 40 * number)
    images = image_folder(tmp_path / "seen")
    return SeenPictures.of(images.names, images.identities())


@pytest.mark.parametrize(
    ("name", "shade", "expected"),
    [
        ("0001.png", 40, (True, True)),
        ("other.png", 40, (False, True)),
        ("x/0001.png", 41, (True, False)),
        ("other.png", 41, (False, False)),
    ],
)
def test_names_and_contents_are_told_apart(
    seen: SeenPictures, tmp_path: Path, name: str, shade: int, expected: tuple[bool, bool]
) -> None:
    picture(tmp_path / "asked" / name, shade)
    picture(tmp_path / "asked/another.png", 200)
    images = image_folder(tmp_path / "asked")
    assert (seen.has_file_names_of(images), seen.has_contents_of(images)) == expected


def test_two_of_one_content_are_that_content(seen: SeenPictures, tmp_path: Path) -> None:
    """Files of one source that look alike have longer identities, which does not hide them."""
    for name in ("one.png", "two.png"):
        picture(tmp_path / "asked" / name, 80)
    images = image_folder(tmp_path / "asked")
    assert all("/" in each for each in images.identities())
    assert seen.has_contents_of(images)


def test_of_names_alone_a_name_is_taken_for_the_picture(tmp_path: Path) -> None:
    names = SeenPictures.of(["a/0001.png"], None)
    assert names.has_contents_of(FileImages(Path("nowhere"), ("b/0001.png",)))
    assert not names.has_contents_of(FileImages(Path("nowhere"), ("b/0002.png",)))
    assert names.digest != SeenPictures.of(["a/0002.png"], None).digest


def test_a_student_says_what_it_was_trained_on(inputs: Path, tmp_path: Path) -> None:
    student, _ = train(make_job(inputs), tmp_path)
    found = SeenPictures.read(student)
    assert found is not None
    names = [f"{number}.png" for number in range(12)]  # and not the one that no triplet names
    assert sorted(found.files) == sorted(
        int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") for name in names
    )
    shutil.copytree(inputs / "pictures", tmp_path / "there")
    (tmp_path / "there/a/0.png").rename(tmp_path / "there/renamed.png")
    there = image_folder(tmp_path / "there")
    each = {name: there.select(np.array([number])) for number, name in enumerate(there.names)}
    assert [name for name, images in each.items() if not found.has_contents_of(images)] == ["a/other.png"]


def test_what_is_no_list_of_pictures_is_refused(seen: SeenPictures, tmp_path: Path) -> None:
    assert SeenPictures.read(tmp_path) is None
    seen.write(tmp_path)
    found = SeenPictures.read(tmp_path)
    assert found is not None
    assert found.digest == seen.digest
    np.save(tmp_path / FILE, np.zeros((3, 2)))
    with pytest.raises(DataError, match=r"pictures\.npy holds float64 of shape \(3, 2\), where uint64"):
        SeenPictures.read(tmp_path)
