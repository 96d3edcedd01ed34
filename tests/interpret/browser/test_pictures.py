"""Pictures by their numbers: those of the store alone, unchanged, and none that lies elsewhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.image_folder import image_folder
from alignbench.datasets.images import images_digest
from alignbench.datasets.shapes import SceneImages
from alignbench.errors import DataError, UsageError
from alignbench.interpret.browser.pictures import StorePictures, open_pictures
from alignbench.interpret.scene_attributes import attribute_scenes
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.models.families import load_tower
from browsers import write_pictures
from head_stores import fill_store, random_contributions


def store_of(folder: Path, names: list[str], images: str) -> HeadStore:
    shape = StoreShape(pictures=len(names), blocks=2, layers=(2,), heads=2, width=4, dtype="fp32")
    return fill_store(
        folder / "own__heads__00000000", shape, random_contributions(len(names), 5, 4), names, images=images
    )


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_pictures(tmp_path / "my pictures", 6)


def opened(root: Path, tmp_path: Path) -> StorePictures:
    images = image_folder(root)
    store = store_of(tmp_path / "heads", list(images.names), images_digest(images.names, images.identities()))
    found = open_pictures(store, root)
    assert found is not None
    return found


def test_pictures_are_those_of_the_store_in_its_order(root: Path, tmp_path: Path) -> None:
    found = opened(root, tmp_path)
    tower = load_tower("shapes-clip", protocol="corrected")
    for number, name in enumerate(image_folder(root).names):
        with Image.open(root / name) as image:
            assert np.array_equal(np.asarray(found.open(number)), np.asarray(image))
            assert np.array_equal(found.prepared(number, tower).pixels, tower.prepare(image.convert("RGB")).numpy())
        assert found.prepared(number, tower).name == name
    for number in (-1, 6, 10**9):
        with pytest.raises(UsageError, match="there is no picture"):
            found.open(number)


def test_a_picture_that_has_changed_since_the_start_is_not_shown(root: Path, tmp_path: Path) -> None:
    found = opened(root, tmp_path)
    found.open(1)
    Image.new("RGB", (64, 64)).save(root / found.images.names[1])
    with pytest.raises(DataError, match="picture 1 has changed since the contributions were made: start again"):
        found.open(1)
    found.open(2)


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_link_out_of_the_folder_is_not_followed(is_folder: bool, root: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Image.new("RGB", (64, 64), "red").save(outside / "it.png")
    (root / "link").symlink_to(outside if is_folder else outside / "it.png")
    if not is_folder:
        (root / "link").rename(root / "link.png")
    found = opened(root, tmp_path)
    (number,) = [place for place, name in enumerate(found.images.names) if name.startswith("link")]
    with pytest.raises(DataError, match=f"picture {number} is a link that leaves the folder"):
        found.open(number)


def test_a_link_within_the_folder_and_to_it_is_followed(root: Path, tmp_path: Path) -> None:
    (root / "z.png").symlink_to(root / "inner/00.png")
    (tmp_path / "linked").symlink_to(root)
    found = opened(tmp_path / "linked", tmp_path)
    assert np.array_equal(np.asarray(found.open(found.images.names.index("z.png"))), np.asarray(found.open(4)))


@pytest.mark.parametrize("name", ["../outside.png", "/etc/passwd", "a/../../b.png"])
def test_a_store_that_names_what_lies_elsewhere_is_refused(name: str, root: Path, tmp_path: Path) -> None:
    store = store_of(tmp_path / "heads", ["02.png", name], "0")
    with pytest.raises(DataError, match="which lies in no folder of pictures"):
        open_pictures(store, root)


def test_a_folder_whose_pictures_have_changed_or_are_gone_is_refused(root: Path, tmp_path: Path) -> None:
    images = image_folder(root)
    told = images_digest(images.names, images.identities())
    store = store_of(tmp_path / "heads", list(images.names), told)
    (root / "more.png").write_bytes((root / "02.png").read_bytes())  # one more is none of the store's
    assert open_pictures(store, root) is not None
    (root / "02.png").write_bytes((root / "04.png").read_bytes())
    with pytest.raises(DataError, match=r"pictures of .* have changed since .* was made of them: give those"):
        open_pictures(store, root)
    (root / "02.png").unlink()
    with pytest.raises(DataError, match=r"has 5 of the 6 pictures of .*, and lacks 02.png"):
        open_pictures(store, root)
    with pytest.raises(DataError, match=r"is not a folder"):
        open_pictures(store, root / "02.png")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"has 0 of the 6 pictures"):
        open_pictures(store, tmp_path / "empty")


def test_scenes_of_the_packaged_world_need_no_folder(tmp_path: Path) -> None:
    scenes, _ = attribute_scenes(5)
    told = images_digest(scenes.names, scenes.identities())
    found = open_pictures(store_of(tmp_path, list(scenes.names), told), None)
    assert found is not None
    assert isinstance(found.images, SceneImages)
    assert np.array_equal(np.asarray(found.open(3)), np.asarray(scenes.open(3)))
    assert open_pictures(store_of(tmp_path / "other", list(scenes.names), "0"), None) is None, "drawn otherwise today"


def test_without_a_folder_there_are_no_pictures(root: Path, tmp_path: Path) -> None:
    assert open_pictures(store_of(tmp_path, ["a.png"], "0"), None) is None
    assert json.loads((tmp_path / "own__heads__00000000/names.json").read_text()) == ["a.png"]
