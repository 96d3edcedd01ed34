"""Folders of pictures, with and without a folder for each class."""

import os
import warnings
from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.errors import AlignbenchWarning, DataError


def write(root: Path, *names: str) -> Path:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        if Path(name).suffix.lower() in (".png", ".jpg"):
            Image.new("RGB", (4 + number, 4), (number, 0, 0)).save(root / name)
        else:
            (root / name).write_text("no picture")
    return root


def test_pictures_at_any_depth_in_the_order_of_their_names(tmp_path: Path) -> None:
    root = write(
        tmp_path / "all", "b/c/2.PNG", "a.png", "b/1.jpg", "b.png", "B/0.png", "b/notes.txt", "b/deep/er/x.jpg"
    )
    write(root, ".hidden/h.png", "b/.thumb.png", "b/.cache/deep/t.png")
    (root / "folder.png").mkdir()
    found = image_folder(root)
    assert found.names == ("B/0.png", "a.png", "b.png", "b/1.jpg", "b/c/2.PNG", "b/deep/er/x.jpg")
    assert found.open(found.names.index("b/1.jpg")).size == (6, 4)
    assert found.picture_file(0) == root / "B/0.png"


def test_a_hidden_folder_on_the_way_hides_nothing(tmp_path: Path) -> None:
    assert image_folder(write(tmp_path / ".data" / "pictures", "a.png")).names == ("a.png",)


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    write(tmp_path / "store" / "cats", "1.png")
    write(tmp_path / "store" / "dogs", "2.png")
    root = tmp_path / "chosen"
    root.mkdir()
    for name in ("cats", "dogs"):
        (root / name).symlink_to(tmp_path / "store" / name)
    assert labelled_folder(root)[0].names == ("cats/1.png", "dogs/2.png")
    (tmp_path / "store" / "cats" / "again").symlink_to(root)  # without end
    (root / "here").symlink_to(root)
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    names = image_folder(root).names
    assert len(names) == len(set(names))
    assert {"cats/1.png", "dogs/2.png"} == set(names)


def test_what_is_passed_over_is_counted(tmp_path: Path) -> None:
    root = write(tmp_path / "all", "a.png", "b.heic", "c/d.HEIC", "c/notes", ".hidden")
    (root / "gone.png").symlink_to(tmp_path / "nowhere.png")
    with pytest.warns(AlignbenchWarning) as caught:
        assert image_folder(root).names == ("a.png",)
    assert f"4 files of {root} are passed over (1 without ending, 2 .heic, 1 .png)" in str(caught[0].message)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert image_folder(write(tmp_path / "pictures", "a.png")).names == ("a.png",)


def test_pictures_are_read_whatever_ending_of_theirs_they_have(tmp_path: Path) -> None:
    write(tmp_path, "a.png")
    for name in ("b.jfif", "c.jpe", "d.pgm", "e.AVIF", "f.jp2"):
        (tmp_path / name).write_bytes((tmp_path / "a.png").read_bytes())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        images = image_folder(tmp_path)
    assert len(images.names) == 6
    assert images.faults() == []


def test_a_pipe_among_pictures_is_named(tmp_path: Path) -> None:
    os.mkfifo(write(tmp_path, "a.png") / "pipe.png")
    assert image_folder(tmp_path).faults() == ["pipe.png (a named pipe, where a file belongs)"]


def test_links_that_lead_to_each_other_come_to_an_end(tmp_path: Path) -> None:
    numbers = range(12)  # 12! ways
    write(tmp_path, *(f"{number}/{number}.png" for number in numbers))
    for number in numbers:
        for other in numbers:
            (tmp_path / str(number) / f"to{other}").symlink_to(tmp_path / str(other))
    names = image_folder(tmp_path).names
    assert {name for name in names if name.count("/") == 1} == {f"{number}/{number}.png" for number in numbers}
    assert len(names) < 12**3


def test_two_links_to_one_folder_are_both_followed(tmp_path: Path) -> None:
    write(tmp_path / "store", "1.png")
    (tmp_path / "chosen").mkdir()
    for name in ("a", "b"):
        (tmp_path / "chosen" / name).symlink_to(tmp_path / "store")
    assert image_folder(tmp_path / "chosen").names == ("a/1.png", "b/1.png")


def test_folders_without_pictures_are_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="none is not a folder"):
        image_folder(tmp_path / "none")
    with pytest.raises(DataError, match=r"notes holds no pictures \(.*\.jpeg, \.jpg"):
        image_folder(write(tmp_path / "notes", "a.txt", ".hidden/h.png"))


def test_classes_are_those_of_torchvision(tmp_path: Path) -> None:
    root = write(tmp_path / "classes", "dog/2.png", "cat/x/1.png", "cat/0.jpg", "Ant/9.png")
    images, labels, classes = labelled_folder(root)
    theirs = ImageFolder(str(root))
    assert list(classes) == theirs.classes == ["Ant", "cat", "dog"]
    expected = {str(Path(path).relative_to(root)): number for path, number in theirs.samples}
    assert dict(zip(images.names, labels.tolist(), strict=True)) == expected


def test_what_is_in_no_class_or_in_one_only_is_said(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"one holds one class only \(a\)"):
        labelled_folder(write(tmp_path / "one", "a/1.png", "a/b/2.png"))
    with pytest.raises(DataError, match=r"outside/c\.png lies in no class"):
        labelled_folder(write(tmp_path / "outside", "a/1.png", "b/2.png", "c.png"))
