"""Classes and groups of pictures: by names and tables, in whatever order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.ablation.labelled import by_folders, by_table

NAMES = ("land/water/a.png", "water/land/b.png", "land/land/deep/c.png", "water/water/d.png", "land/land/e.png")


def test_folders_say_class_and_attribute() -> None:
    found = by_folders(NAMES, has_attributes=True)
    assert found.classes == ("land", "water", "land", "water", "land")
    assert found.attributes == ("water", "land", "land", "water", "land")
    names, numbers = found.groups()
    assert names == ("land/land", "land/water", "water/land", "water/water")
    assert numbers.tolist() == [1, 2, 0, 3, 0]
    assert by_folders(NAMES, has_attributes=False).attributes is None


def test_the_order_of_pictures_does_not_matter() -> None:
    back = by_folders(NAMES[::-1], has_attributes=True)
    assert back.digest() == by_folders(NAMES, has_attributes=True).digest()
    assert back.digest() != by_folders(NAMES, has_attributes=False).digest()
    assert back.groups()[1].tolist() == [0, 3, 0, 2, 1]


def test_a_table_is_read_by_names(tmp_path: Path) -> None:
    """As Waterbirds has it: numbers for classes and places, and pictures of other splits."""
    path = tmp_path / "metadata.csv"
    rows = ["4,other.png,0,1", "1,b.png,1,0", "2,a.png,0,1", "3,c.png,1,1", "5,d.png,0,0"]
    path.write_text("\n".join(["img_id,img_filename,y,place", *rows]) + "\n")
    found = by_table(path, ("img_filename", "y", "place"), ("a.png", "b.png", "c.png", "d.png"))
    assert (found.classes, found.attributes) == (("0", "1", "1", "0"), ("1", "0", "1", "0"))
    assert found.groups()[0] == ("0/0", "0/1", "1/0", "1/1")
    assert by_table(path, ("img_filename", "y"), ("a.png", "b.png")).attributes is None


def test_names_with_slashes_make_no_group_of_another(tmp_path: Path) -> None:
    path = tmp_path / "it.csv"
    path.write_text("name,class,attribute\na,x/y,z\nb,x,y/z\nc,x,z\nd,x/y,y/z\n")
    names, numbers = by_table(path, ("name", "class", "attribute"), "abcd").groups()
    assert len(names) == 4
    assert sorted(numbers) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("names", "has_attributes", "said"),
    [
        (("a/x.png", "y.png"), False, "y.png does not lie in folders as CLASS/PICTURE"),
        (("a/b/x.png", "b/y.png"), True, "b/y.png does not lie in folders as CLASS/ATTRIBUTE/PICTURE"),
        (("a/x.png", "a/y.png"), False, "all pictures are of class a: two classes at least"),
    ],
)
def test_folders_without_classes_are_refused(names: tuple[str, ...], has_attributes: bool, said: str) -> None:
    with pytest.raises(DataError, match=said):
        by_folders(names, has_attributes)


def test_an_empty_group_is_named() -> None:
    with pytest.raises(DataError, match=r"1 group of 4 without a picture \(water/water\)"):
        by_folders([name for name in NAMES if name != "water/water/d.png"], has_attributes=True).groups()
    with pytest.raises(DataError, match="all pictures have the attribute x: two at least"):
        by_folders(("a/x/1.png", "b/x/1.png"), has_attributes=True).groups()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("name,class\na,1\n", "lacks 1 of 2 pictures \\(b\\): add them"),
        ("name,class\na,1\nb,2\na,1\n", "line 4: a is named twice, first in line 2"),
        ("name,class\na,1\nb,\n", "line 3: an empty class: fill it in"),
        ("name,y\na,1\nb,2\n", "no column class: give a CSV by --metadata, and name its columns by --columns"),
        ("name,class\na,1\nb,1\n", "all pictures are of class 1"),
        ("name,class\na,1,2\n", "more values"),
    ],
)
def test_tables_that_do_not_say_it_are_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        by_table(tmp_path / "it.csv", ("name", "class"), ("a", "b"))


@pytest.mark.parametrize("columns", [("name",), ("name", "name"), ("a", "b", "c", "d")])
def test_columns_are_two_or_three(columns: tuple[str, ...], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="name the columns NAME,CLASS or NAME,CLASS,ATTRIBUTE"):
        by_table(tmp_path / "it.csv", columns, ("a",))
