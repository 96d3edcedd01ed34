"""Folders of pictures, with and without a folder for each class."""

from pathlib import Path

import pytest
from PIL import Image
from torchvision.datasets import ImageFolder

from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.errors import DataError


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
