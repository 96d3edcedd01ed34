"""Rows of features and the pictures that they belong to, by whatever they are called alike."""

from __future__ import annotations

import re

import numpy as np
import pytest

from alignbench.datasets.things_objects import concept_of
from alignbench.errors import DataError
from alignbench.extraction.row_matching import match_rows

PICTURES = ("ref/000.png", "ref/001.png", "distort/000_0.png")
THINGS = ("object_images/ice/ice_01b.jpg", "object_images/lamp/lamp_01b.jpg")


@pytest.mark.parametrize(
    ("names", "rows", "by", "others"),
    [
        (PICTURES, [0, 1, 2], "path", 0),
        (("distort/000_0.png", "other.png", "./ref/000.png", "ref\\001.png"), [2, 3, 0], "path", 1),
        (("/home/a/ref/001.png", "/home/a/distort/000_0.png", "/home/a/ref/000.png"), [2, 0, 1], "path", 0),
        (("ref/001.png", "ref/000.png", "distort/000_0.png", "old/ref/000.png"), [1, 0, 2], "path", 1),
        (("001.png", "z/000.png", "000_0.png"), [1, 0, 2], "file name", 0),
    ],
)
def test_rows_are_matched_by_path_then_by_file_name(
    names: tuple[str, ...], rows: list[int], by: str, others: int
) -> None:
    found = match_rows("it", names, PICTURES, "nights")
    assert (found.rows.tolist(), found.by, found.others) == (rows, by, others)


def test_accents_are_one_character_or_two() -> None:
    composed, apart = "caf\u00e9/\u00e9t\u00e9.png", "cafe\u0301/e\u0301te\u0301.png"
    for names, pictures in (((composed, "b.png"), (apart,)), (("b.png", apart), (composed,))):
        assert names[match_rows("it", names, pictures, "nights").rows[0]] in (composed, apart)
    with pytest.raises(DataError):  # two rows of one name
        match_rows("it", (composed, apart), (composed,), "nights")


def test_concepts_are_looked_at_last() -> None:
    names = ("lamp", "zoo", "ice")
    found = match_rows("it", names, THINGS, "things", concept_of)
    assert (found.rows.tolist(), found.by, found.others) == ([2, 0], "concept", 1)
    with pytest.raises(DataError, match="has a row for none of the 2 pictures of things"):
        match_rows("it", names, THINGS, "things")
    both = match_rows("it", (*names, "ice_01b.jpg", "lamp_01b.jpg"), THINGS, "things", concept_of)
    assert (both.rows.tolist(), both.by) == ([3, 4], "file name")


def test_rows_in_another_order_are_the_same_rows() -> None:
    order = np.random.default_rng(0).permutation(len(PICTURES))
    found = match_rows("it", [PICTURES[place] for place in order], PICTURES, "nights")
    np.testing.assert_array_equal(order[found.rows], np.arange(len(PICTURES)))


@pytest.mark.parametrize(
    ("names", "pictures", "said"),
    [
        (
            ("u", "v", "w", "x"),
            PICTURES,
            "it has a row for none of the 3 pictures of nights: rows are called u, v, w, ..., and pictures "
            "ref/000.png, ref/001.png, distort/000_0.png; name each row by its picture's path below the data root",
        ),
        (
            ("ref/000.png", "distort/000_0.png"),
            PICTURES,
            "it has no row for 1 of the 3 pictures of nights by path (ref/001.png): add them",
        ),
        (
            ("a/000.png", "b/000.png", "a/001.png", "000_0.png"),
            PICTURES,
            "it has several rows for 1 of the 3 pictures of nights by file name (ref/000.png: a/000.png, b/000.png): "
            "name each row by its picture's path below the data root",
        ),
        (
            ("ref/000.png", "ref/001.png ", "distort/000_0.png"),
            PICTURES,
            "it has no row for 1 of the 3 pictures of nights by path (ref/001.png): add them; other rows are called "
            "'ref/001.png '",
        ),
        (("u ", " v", "w  w"), PICTURES, "nights: rows are called 'u ', ' v', 'w w', and pictures ref/000.png"),
        (("000.png",), ("a/000.png", "b/000.png"), "it has a row for none of the 2 pictures of nights"),
    ],
)
def test_what_matches_nothing_or_twice_is_said_with_examples(
    names: tuple[str, ...], pictures: tuple[str, ...], said: str
) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        match_rows("it", names, pictures, "nights")
