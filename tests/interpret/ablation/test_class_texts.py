"""Texts of classes: made of their names, read from a table, and their directions by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError, ModelError, UsageError
from alignbench.interpret.ablation.class_texts import class_embeddings, read_class_texts, templated
from row_encoders import row_encoder


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALIGNBENCH_CACHE", str(tmp_path / "cache"))


def test_names_go_into_the_template() -> None:
    found = templated(["tree_frog", "cat", "cat", "great-white_shark"])
    assert list(found.items()) == [
        ("cat", ("a photo of a cat",)),
        ("great-white_shark", ("a photo of a great white shark",)),
        ("tree_frog", ("a photo of a tree frog",)),
    ]
    assert templated(["cat"], "{}s of all kinds") == {"cat": ("cats of all kinds",)}


@pytest.mark.parametrize("template", ["a photo", "{} or {}"])
def test_a_template_takes_the_name_once(template: str) -> None:
    with pytest.raises(UsageError, match=r"--template '.*' has to have \{\} once"):
        templated(["cat"], template)


def test_classes_of_one_name_are_refused() -> None:
    with pytest.raises(UsageError, match="the classes a-b and a_b have the same text, 'a photo of a a b': give --cl"):
        templated(["a_b", "a-b"])


def test_a_class_may_have_several_texts(tmp_path: Path) -> None:
    path = tmp_path / "classes.csv"
    path.write_text('class,text\n1,a sea bird\n0,"a finch, or a wren"\n1,a duck\n2,nobody\n')
    found = read_class_texts(path, ["0", "1"])
    assert list(found.items()) == [("0", ("a finch, or a wren",)), ("1", ("a sea bird", "a duck")), ("2", ("nobody",))]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("class,text\na,x\n", "has no text for b: add a row for each class"),
        ("class,text\na,x\nb,x\n", "line 3: the text 'x' is there twice, first in line 2"),
        ("class,text\na,x\nb,\n", "line 3: an empty text"),
        ("name,text\na,x\n", "no column class: give a CSV with the columns class and text"),
    ],
)
def test_tables_that_lack_texts_are_refused(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "it.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        read_class_texts(tmp_path / "it.csv", ["a", "b"])


def test_the_direction_of_a_class_is_the_mean_of_its_texts() -> None:
    encoder = row_encoder({"x": [3.0, 0.0], "y": [0.0, 5.0], "z": [0.0, -2.0], "back": [-1.0, 0.0]})
    found = class_embeddings(encoder, {"a": ("z",), "b": ("x", "y")})
    np.testing.assert_allclose(found, [[0.0, -1.0], [0.5**0.5, 0.5**0.5]])
    with pytest.raises(ModelError, match="the texts of class a cancel each other out"):
        class_embeddings(encoder, {"a": ("x", "back")})
