"""Neighbours of a picture here and elsewhere: which heads are compared, what the folder has, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.errors import AlignbenchError, DataError, UsageError
from alignbench.interpret.searching.analysis import SearchJob, analyse
from alignbench.interpret.searching.asked import StoredPicture
from alignbench.interpret.searching.comparing import (
    DifferenceJob,
    compare_sides,
    difference_store,
    fitting_transform,
    picture_of_both,
)
from alignbench.interpret.searching.search import read_search
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.models.families import load_tower
from alignbench.transforms.affine import AffineTransform
from alignbench.transforms.named import NamedTransform
from head_stores import write_store
from random_transforms import transform

SHAPE = StoreShape(pictures=30, blocks=2, layers=(1, 2), heads=2, width=5, dtype="fp32")
SAME = NamedTransform("same", AffineTransform(np.eye(5), mean=0.0, std=1.0))
STORED = StoredPicture("7.png", 7)


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    return write_store(tmp_path / "heads/own__heads__00000000", SHAPE)


@pytest.fixture
def other(tmp_path: Path) -> HeadStore:
    """Of a smaller model, which keeps one layer of three heads."""
    shape = StoreShape(pictures=30, blocks=1, layers=(1,), heads=3, width=4, dtype="fp32")
    return write_store(tmp_path / "heads/other__heads__00000000", shape, seed=3, label="other")


def test_each_head_is_compared_with_its_own(store: HeadStore, other: HeadStore) -> None:
    found = compare_sides(store, other, DifferenceJob(((1, 0), (2, 1)), ((1, 2), (1, 1))), STORED)
    assert [(each.heads, each.others) for each in found] == [(((1, 0),), ((1, 2),)), (((2, 1),), ((1, 1),))]
    for each in found:
        for side, of in ((each.before, store), (each.after, other)):
            (plain,) = analyse(of, SearchJob("picture", side.heads), STORED)  # type: ignore[misc]
            assert side.pictures.tolist() == plain.pictures.tolist()
            np.testing.assert_array_equal(side.values, plain.values)


def test_all_heads_together_may_be_unlike_many(store: HeadStore, other: HeadStore) -> None:
    (found,) = compare_sides(store, other, DifferenceJob(together=True, measure="centred"), STORED)
    assert (len(found.heads), len(found.others), len(found.before.pictures)) == (4, 3, 4)
    (plain,) = analyse(other, SearchJob("property", measure="centred"), STORED)  # type: ignore[misc]
    np.testing.assert_array_equal(found.after.values, plain.values)


def test_a_store_is_like_itself_and_like_itself_through_what_changes_nothing(store: HeadStore) -> None:
    for than in (store, SAME):
        found = compare_sides(store, than, DifferenceJob(), STORED)
        assert [each.heads for each in found] == [((1, 0),), ((1, 1),), ((2, 0),), ((2, 1),)]
        assert [each.shared for each in found] == [1.0] * 4
        assert [each.correlation for each in found] == pytest.approx([1.0] * 4, abs=1e-12)


def test_a_transform_is_compared_with_the_output_that_it_takes(store: HeadStore) -> None:
    """The first side is what the head adds to an output before that is divided by its norm."""
    weights = np.diag([1.0, 0.0, 0.0, 0.0, 2.0])
    than = NamedTransform("flat", AffineTransform(weights, mean=0.0, std=1.0))
    (found,) = compare_sides(store, than, DifferenceJob(((2, 1),), count=29), STORED)
    rows = store.head(2, 1).astype(float) * store.norms.astype(float)[:, None]
    for side, made in ((found.before, rows), (found.after, rows @ weights)):
        np.testing.assert_allclose(side.values, (made @ made[7])[side.pictures], rtol=1e-5, atol=1e-6)
    assert found.correlation < 0.99


def test_the_folder_has_both_sides(store: HeadStore, other: HeadStore) -> None:
    job = DifferenceJob(((1, 0),), ((1, 2),), count=3)
    folder, was_there = difference_store(store, other, job, STORED)
    assert (was_there, folder.parent, folder.name[:13]) == (False, store.folder.parent, "own__search__")
    record, table = read_search(folder)
    assert record["analysis"] == "difference"
    assert record["settings"]["than"] == other.record["settings"]
    assert table["when"].tolist() == ["before"] * 3 + ["after"] * 3
    (found,) = compare_sides(store, other, job, STORED)
    assert table["value"].tolist() == [*found.before.values, *found.after.values]
    assert set(table["shared"]) == {found.shared}
    assert difference_store(store, other, job, STORED) == (folder, True)


def test_only_what_changes_a_number_makes_another_folder(store: HeadStore, other: HeadStore) -> None:
    job = DifferenceJob(((1, 0),), ((1, 2),))
    twice = NamedTransform("same", AffineTransform(2 * np.eye(5), mean=0.0, std=1.0))
    asked: list[tuple[Any, DifferenceJob, StoredPicture]] = [
        (other, job, STORED),
        (other, job, StoredPicture("8.png", 8)),
        (other, replace(job, measure="cosine"), STORED),
        (other, replace(job, count=3), STORED),
        (other, replace(job, together=True, count=8), STORED),
        (other, replace(job, others=((1, 1),)), STORED),
        *((than, replace(job, others=()), STORED) for than in (store, SAME, twice)),
    ]
    assert len({difference_store(store, *each)[0] for each in asked}) == len(asked)
    assert difference_store(store, other, replace(job, count=8), STORED)[1]  # the default


@pytest.mark.parametrize(
    ("job", "is_transform", "said"),
    [
        (DifferenceJob(measure="l2"), False, "unknown --measure 'l2'"),
        (DifferenceJob(count=0), False, "--count 0: give 1 or more"),
        (
            DifferenceJob(),
            False,
            "4 heads are compared with 3 one by one: name as many by --group and --than-group",
        ),
        (DifferenceJob(((2, 0),)), False, "other__heads__00000000 holds no heads of layer 2: it has those of 1"),
        (DifferenceJob(((3, 0),), together=True), True, "own__heads__00000000 holds no heads of layer 3"),
        (DifferenceJob(others=((1, 0),)), True, "a transform is of the same heads: leave out --than-group"),
    ],
)
def test_bad_input_is_named(
    job: DifferenceJob, is_transform: bool, said: str, store: HeadStore, other: HeadStore
) -> None:
    with pytest.raises(UsageError, match=said):
        difference_store(store, SAME if is_transform else other, job, STORED)


def test_pictures_must_be_those_of_both(store: HeadStore, tmp_path: Path) -> None:
    assert picture_of_both(store, "7.png").number == 7
    with pytest.raises(DataError, match=r"7\.jpg is no picture of .*: difference takes the name of one by --picture"):
        picture_of_both(store, "7.jpg")
    with pytest.raises(DataError, match="are not of the same pictures"):
        difference_store(store, write_store(tmp_path / "x", SHAPE, images="1"), DifferenceJob(), STORED)


CLIP = StoreShape(pictures=2, blocks=1, layers=(1,), heads=1, width=64, dtype="fp32")


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return load_tower("shapes-clip", protocol="corrected").fingerprint


def saved(folder: Path, fingerprint: str, width: int = 64, **provenance: Any) -> Path:
    path = folder / "mine.safetensors"
    told = {"model": "shapes-clip", "layer": "projection", "model_fingerprint": fingerprint} | provenance
    transform(width, **told).save(path)
    return path


def test_a_transform_of_the_model_fits(fingerprint: str, tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", CLIP, label="shapes-clip", model_fingerprint=fingerprint)
    chosen = fitting_transform(store, saved(tmp_path, fingerprint))
    assert (chosen.name, chosen.transform.width) == ("mine", 64)
    elsewhere = write_store(tmp_path / "other", CLIP, label="gone", model_fingerprint=fingerprint)
    assert fitting_transform(elsewhere, tmp_path / "mine.safetensors", "shapes-clip").digest == chosen.digest


@pytest.mark.parametrize(
    ("width", "provenance", "kind", "said"),
    [
        (64, {"model_fingerprint": "0"}, UsageError, "was learned on shapes-clip, .*other weights or preparation"),
        (63, {}, UsageError, "the transform mine takes 63 channels, and projection of shapes-clip has 64"),
        (64, {"layer": "layer_2"}, UsageError, "mine is for layer_2, and heads are parts of the projection: take one"),
    ],
)
def test_a_transform_that_does_not_fit_is_refused(
    width: int, provenance: dict[str, Any], kind: type[AlignbenchError], said: str, fingerprint: str, tmp_path: Path
) -> None:
    store = write_store(tmp_path / "it", CLIP, label="shapes-clip", model_fingerprint=fingerprint)
    with pytest.raises(kind, match=said):
        fitting_transform(store, saved(tmp_path, fingerprint, width, **provenance))


def test_a_transform_of_other_pictures_is_refused(fingerprint: str, tmp_path: Path) -> None:
    settings = {"model_fingerprint": fingerprint, "resize": "squash"}
    store = write_store(tmp_path / "it", CLIP, label="shapes-clip", **settings)
    with pytest.raises(UsageError, match=r"mine was learned on other pictures .*: take another"):
        fitting_transform(store, saved(tmp_path, fingerprint, sha256="0"))


def test_a_store_of_another_model_is_refused(fingerprint: str, tmp_path: Path) -> None:
    store = write_store(tmp_path / "it", CLIP, label="shapes-clip", model_fingerprint="0")
    with pytest.raises(DataError, match="is of another model than shapes-clip"):
        fitting_transform(store, saved(tmp_path, fingerprint))
    with pytest.raises(DataError, match=r"the transform nowhere\.npz is not there"):
        fitting_transform(store, "nowhere.npz")
