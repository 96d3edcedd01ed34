"""The inventory of a data set counts its judgments, and names the pictures that it lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.datasets.data_set import DataSet
from alignbench.datasets.images import FileImages
from alignbench.datasets.inventory import describe
from alignbench.datasets.judgments import Judgments, Kind, Subset

PICTURES = 13


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A folder with the pictures that `data_set` names."""
    for number in range(PICTURES):
        Image.new("RGB", (4, 4), (number, 0, 0)).save(tmp_path / f"{number}.png")
    return tmp_path


def data_set(kind: Kind, judged: list[list[int]], subsets: dict[str, list[int]]) -> DataSet:
    """A data set whose pairs are of picture 0 with each other one, in this order."""

    def read(root: Path | None, names: tuple[str, ...]) -> Judgments:
        assert root is not None
        rows = {name: np.array(subsets[name]) for name in names}
        return Judgments(
            dataset="small",
            level="low",
            kind=kind,
            images=FileImages(root, tuple(f"{number}.png" for number in range(PICTURES))),
            pairs=np.array([(0, other) for other in range(1, PICTURES)]),
            judged=np.array(judged),
            human=np.zeros(len(judged)),
            ids=tuple(map(str, range(len(judged)))),
            subsets=tuple(Subset(name, of_subset, of_subset[:, None]) for name, of_subset in rows.items()),
        )

    return DataSet(
        name="small",
        level="low",
        kind=kind,
        summary="a few pictures",
        home="https://example.org/small",
        terms="free",
        default_subset="half",
        subsets=tuple(subsets),
        read=read,
    )


CHOICES = data_set("choice", [[0, 1, 2], [2, 0, 1], [3, 4, 5], [0, 1, 3]], {"half": [0, 2], "all": [0, 1, 2, 3]})


def test_repeated_triplets_are_told_from_distinct_ones_whoever_was_odd(root: Path) -> None:
    found = describe(CHOICES, root, ("all", "half"))
    assert found.complete
    assert found.lines == (
        "small: a few pictures",
        "subset all: 4 triplets (3 distinct)",
        "subset half: 2 triplets",
        "12 distinct pairs of 13 images",
        "every image is there and can be read",
        "source: https://example.org/small; terms: free",
    )


def test_without_a_subset_the_default_one_is_counted(root: Path) -> None:
    assert describe(CHOICES, root, ()).lines[1:3] == ("subset half: 2 triplets", "12 distinct pairs of 13 images")


def test_ratings_are_called_ratings_and_thousands_are_parted(root: Path) -> None:
    ratings = data_set("rating", [[row % 12] for row in range(1200)], {"half": list(range(1200))})
    assert describe(ratings, root, ()).lines[1] == "subset half: 1,200 ratings (12 distinct)"


@pytest.mark.parametrize(("damaged", "named"), [(1, 1), (10, 10), (12, 10)])
def test_ten_pictures_that_are_missing_or_damaged_are_named_and_the_rest_counted(
    root: Path, damaged: int, named: int
) -> None:
    (root / "0.png").write_bytes(b"no picture")
    for number in range(1, damaged):
        (root / f"{number}.png").unlink()
    found = describe(CHOICES, root, ())
    assert not found.complete
    faults = ["  0.png (not an image)", *(f"  {number}.png (missing)" for number in range(1, named))]
    more = [f"  ... and {damaged - named} more"] if damaged > named else []
    told = [f"{damaged} images are missing or unreadable:", *faults, *more, "get them from https://example.org/small"]
    assert list(found.lines[3:-1]) == told


@pytest.mark.parametrize(
    ("published", "said"),
    [(5, ", fewer than the 5 that were published"), (2, ""), (1, ", more than the 1 that were published")],
)
def test_what_differs_from_what_was_published_is_said(root: Path, published: int, said: str) -> None:
    lines = describe(replace(CHOICES, complete=published), root, ("half", "all")).lines
    assert lines[1:3] == (f"subset half: 2 triplets{said}", "subset all: 4 triplets (3 distinct)")
    lines = describe(replace(CHOICES, counts={"half": published}), root, ("half",)).lines
    assert lines[1] == f"subset half: 2 triplets{said}", "also of a subset that is not the usual one"


@pytest.mark.parametrize(("known", "said"), [(False, ["no noise ceiling: nobody said how sure they were"]), (True, [])])
def test_why_there_is_no_noise_ceiling(root: Path, known: bool, said: list[str]) -> None:
    rated = data_set("rating", [[0], [1], [2]], {"half": [0, 1, 2]})

    def read(place: Path | None, subsets: tuple[str, ...]) -> Judgments:
        return replace(rated.read(place, subsets), rating_errors=np.ones(3) if known else None)

    noted = replace(rated, read=read, ceiling_note="nobody said how sure they were")
    assert [line for line in describe(noted, root, ()).lines if "ceiling" in line] == said
    assert not any("ceiling" in line for line in describe(rated, root, ()).lines)
