"""Which picture of an object is taken, and in which order objects are numbered."""

from __future__ import annotations

import os
import re
import warnings
from pathlib import Path

import pytest

from alignbench.datasets.things_objects import concept_of, object_images
from alignbench.errors import AlignbenchWarning, DataError


def made(root: Path, *pictures: str, listed: str = "ape\nbee\n") -> Path:
    for name in (*pictures, "images/bee/bee_01b.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    (root / "unique_id.txt").write_text(listed, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("pictures", "taken"),
    [
        (("ape/ape_01b.jpg", "ape/ape_02s.jpg"), "ape/ape_01b.jpg"),
        (("ape/ape_01b.jpg", "ape/ape_01b-thumb.jpg", "ape/ape_01b (1).jpg", "ape/0.png"), "ape/ape_01b.jpg"),
        (("ape/ape_01b.jpg", "ape/APE_01B.JPG", "ape/ape_01b.png"), "ape/ape_01b.jpg"),
        (("ape/ape_00x.jpg", "ape/Ape_01b.JPG"), "ape/Ape_01b.JPG"),
        (("ape/0.jpg", "ape/ape_01b.png"), "ape/ape_01b.png"),
        (("ape.jpg", "ape.png"), "ape.jpg"),
        (("ape.PNG",), "ape.PNG"),
        (("ape/a.jpg", "ape/b.jpg", "ape.jpg"), "ape.jpg"),
        (("ape/ape_01b.jpg", "Ape/Ape_01b.jpg"), "ape/ape_01b.jpg"),
    ],
)
def test_the_published_name_wins(tmp_path: Path, pictures: tuple[str, ...], taken: str) -> None:
    root = made(tmp_path, *(f"images/{name}" for name in pictures))
    with warnings.catch_warnings():
        warnings.simplefilter("error" if "Ape/Ape_01b.jpg" not in pictures else "ignore")
        assert object_images(root) == [f"images/{taken}", "images/bee/bee_01b.jpg"]


@pytest.mark.parametrize("pictures", [("ape_02s.jpg", "x.jpg"), ("ape_01b (1).jpg", "ape_02s.jpg"), ("ape_03.jpg",)])
def test_without_it_the_first_is_taken_and_said(tmp_path: Path, pictures: tuple[str, ...]) -> None:
    root = made(tmp_path, *(f"images/ape/{name}" for name in pictures))
    with pytest.warns(
        AlignbenchWarning,
        match=re.escape(f"of 1 objects: the first of the sorted folder is taken, as ape/{pictures[0]}"),
    ):
        assert object_images(root)[0] == f"images/ape/{pictures[0]}"


@pytest.mark.parametrize(
    ("pictures", "both"),
    [
        (("ape/APE_01b.jpg", "ape/Ape_01b.jpg"), "ape/APE_01b.jpg and ape/Ape_01b.jpg"),
        (("ape/ape_01b.jpg", "ape.jpg"), "ape/ape_01b.jpg and ape.jpg"),
        (("ape.jpeg", "ape.png"), "ape.jpeg and ape.png"),
    ],
)
def test_what_cannot_be_told_is_refused(tmp_path: Path, pictures: tuple[str, ...], both: str) -> None:
    root = made(tmp_path, *(f"images/{name}" for name in pictures))
    with pytest.raises(DataError, match=rf"images holds {re.escape(both)} for the object ape: leave the one"):
        object_images(root)


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("ape\nbee\nape\n", r"unique_id\.txt, line 3: ape is listed twice, first in line 1"),
        ("ape\n\nbee\nbee\n", r"unique_id\.txt, line 4: bee is listed twice, first in line 3"),
        ("ape\n../bee\n", r"unique_id\.txt: '\.\./bee' is no name of a concept"),
        ("/etc/passwd\n", r"unique_id\.txt: '/etc/passwd' is no name of a concept"),
        ("..\n", "is no name of a concept"),
        ('ape\n"bee"\n', r"unique_id\.txt: '\"bee\"' is no name of a concept"),
    ],
)
def test_a_list_that_repeats_an_object_or_leads_elsewhere_is_refused(tmp_path: Path, listed: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        object_images(made(tmp_path, "images/ape/ape_01b.jpg", listed=listed))


@pytest.mark.parametrize("header", ["uniqueID", "unique_id", "Unique ID", "Word", "concept", "id", "# id"])
@pytest.mark.parametrize("blank", ["", "\n \n"])
def test_a_list_that_begins_with_the_name_of_its_column_is_refused(tmp_path: Path, header: str, blank: str) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg", listed=f"{blank}{header}\nape\nbee\n")
    line = 1 + blank.count("\n")
    with pytest.raises(DataError, match=rf"unique_id\.txt, line {line}: '{header}' names a column"):
        object_images(root)


def test_listed_objects_without_a_picture_are_said(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg", listed="gnu\nape\nbee\nyak\n")
    with pytest.warns(AlignbenchWarning, match="images lacks the picture of gnu and 1 more, which the list of objects"):
        assert object_images(root) == ["images/gnu", "images/ape/ape_01b.jpg", "images/bee/bee_01b.jpg", "images/yak"]


def test_so_is_a_table_and_two_lists_that_differ(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg")
    (root / "things_concepts.tsv").write_text("Word\tuniqueID\nape\tape\nbee\tbee\nape\tape\n")
    with pytest.raises(DataError, match=r"things_concepts\.tsv, line 4: ape is listed twice, first in line 2"):
        object_images(root)
    (root / "things_concepts.tsv").write_text("Word\tuniqueID\nbee\tbee\nape\tape\n")
    with pytest.raises(DataError, match=r"unique_id\.txt and .*things_concepts\.tsv list other objects"):
        object_images(root)
    (root / "unique_id.txt").unlink()
    assert object_images(root) == ["images/bee/bee_01b.jpg", "images/ape/ape_01b.jpg"]


def test_an_open_quote_in_the_table_hides_no_object(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg", "images/cat/cat_01b.jpg")
    (root / "unique_id.txt").unlink()
    table = root / "things_concepts.tsv"
    table.write_text('Word\tuniqueID\tDefinition\nape\tape\t"open\ncat\tcat\t5" wide\nbee\tbee\t"a ""bee"""\n')
    assert object_images(root) == [f"images/{name}/{name}_01b.jpg" for name in ("ape", "cat", "bee")]
    table.write_text("Word\tuniqueID\tDefinition\nape\tape\tan ape\tcat\ncat\tcat\ta cat\n")
    with pytest.raises(DataError, match=r"things_concepts\.tsv, line 2: more values \(4\) than the table has columns"):
        object_images(root)


def test_a_mark_in_front_of_the_list_is_no_part_of_a_name(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg", listed="\ufeffape\nbee\n")
    assert object_images(root)[0] == "images/ape/ape_01b.jpg"


def test_a_pipe_in_place_of_the_list_is_refused(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg")
    (root / "unique_id.txt").unlink()
    os.mkfifo(root / "unique_id.txt")
    with pytest.raises(DataError, match=r"unique_id\.txt cannot be read \(a named pipe, where a file belongs\)"):
        object_images(root)


def test_an_object_that_is_not_listed_and_a_second_folder_are_said(tmp_path: Path) -> None:
    root = made(tmp_path, "images/ape/ape_01b.jpg", "images/cat/cat_01b.jpg", "object_images/ape/ape_01b.jpg")
    with pytest.warns(AlignbenchWarning) as caught:
        assert len(object_images(root)) == 2
    said = [str(warning.message) for warning in caught]
    assert said[0].endswith("holds the image folders images and object_images: the first is taken")
    assert "images holds cat, which the list of objects does not name" in said[1]


def test_a_picture_has_a_concept() -> None:
    named = {
        "images/ice_cream/ice_cream_01b.jpg": "ice_cream",
        "object_images/bat.1/a.png": "bat.1",
        "Images/ice.jpg": "ice",
    }
    assert {picture: concept_of(picture) for picture in named} == named
