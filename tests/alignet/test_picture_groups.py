"""Groups of pictures: by a clustering, by folders, by a table; and what names none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from alignbench.alignet.picture_groups import all_pictures, class_groups, cluster_groups, table_groups
from alignbench.errors import DataError

NAMES = ("dog/a.png", "cat/b.png", "dog/x/c.png")


def test_the_first_folder_is_the_class() -> None:
    found = class_groups(NAMES)
    assert (found.labels, found.numbers.tolist(), found.names) == (("cat", "dog"), [1, 0, 1], NAMES)
    with pytest.raises(DataError, match=r"^1 picture in no folder, and so in no class \(d.png\)"):
        class_groups((*NAMES, "d.png"))
    assert all_pictures(NAMES).numbers.tolist() == [0, 0, 0]


def test_a_table_gives_classes_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text('more,class,name\n1,"a, b",cat/b.png\n2,z,dog/a.png\n\n3,é,dog/x/c.png\n4,z,other.png\n', "utf-8")
    found = table_groups(path, NAMES)
    assert (found.labels, found.numbers.tolist(), found.names) == (("a, b", "z", "é"), [1, 0, 2], NAMES)
    assert table_groups(path).names == ("cat/b.png", "dog/a.png", "dog/x/c.png", "other.png")
    with pytest.raises(DataError, match=r"classes.csv has no class for 1 of the 4 pictures \(e.png\): add them"):
        table_groups(path, (*NAMES, "e.png"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,kind\na,b\n", "its first line has to name the columns name and class"),
        ("name,class,class\na,b,c\n", "its first line has to name the columns"),
        ("", "its first line has to name the columns"),
        ("name,class\n", "names no picture"),
        ("name,class\na,b\na,c\n", "line 3 names a a second time"),
        ("name,class\na,b,c\n", "line 2 has 3 values and the first 2"),
        ("name,class\na,\n", "line 2 has no class"),
        ('name,class\n"a,b\n', "unexpected end of data"),
    ],
)
def test_what_is_no_table_of_classes_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "it.csv").write_text(text)
    with pytest.raises(DataError, match=said):
        table_groups(tmp_path / "it.csv")
    with pytest.raises(DataError, match="cannot be read as a table of classes"):
        table_groups(tmp_path / "none.csv")


def clustering(folder: Path, assignments: np.ndarray) -> Path:
    arrays = {"assignments": assignments, "centroids": np.zeros((3, 2), dtype=np.float32)}
    save_file(arrays, folder / "clusters.safetensors")
    (folder / "names.json").write_text(json.dumps(NAMES))
    (folder / "clustering.json").write_text('{"settings": {"clusters": 3}}')
    return folder


def test_clusters_are_read(tmp_path: Path) -> None:
    found = cluster_groups(clustering(tmp_path, np.array([2, 0, 2], dtype=np.int32)))
    assert (found.labels, found.numbers.tolist()) == (("0", "1", "2"), [2, 0, 2])
    assert found.settings == {"clustering": {"clusters": 3}}
    for other in ([2, 0, 3], [2, -1, 0], [2, 0]):
        with pytest.raises(DataError, match=r"clusters.safetensors cannot be read as clusters .*: make it again by"):
            cluster_groups(clustering(tmp_path, np.array(other, dtype=np.int32)))
    with pytest.raises(DataError, match="its assignments are int64"):
        cluster_groups(clustering(tmp_path, np.array([2, 0, 2])))
