"""Neighbours on two sides: the same space is the same, another is not, and a transform acts on every head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from alignbench.errors import DataError, UsageError
from alignbench.interpret.components import OutputParts
from alignbench.interpret.searching.differences import check_same_pictures, compare_neighbours, part_rows
from alignbench.interpret.searching.neighbours import HeadRows, property_neighbours
from alignbench.interpret.searching.similarity import MEASURES
from alignbench.interpret.store import HeadStore, StoreShape
from alignbench.transforms.affine import AffineTransform
from head_stores import write_store

SHAPE = StoreShape(pictures=40, blocks=2, layers=(2,), heads=2, width=5, dtype="fp32")
HEADS = ((2, 0), (2, 1))


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    return write_store(tmp_path / "store", SHAPE)


def rows_of(store: HeadStore, picture: int, order: np.ndarray | None = None) -> list[HeadRows]:
    order = np.arange(40) if order is None else order
    return [HeadRows(head, store.head(*head)[order], store.head(*head)[order][picture]) for head in HEADS]


@pytest.mark.parametrize("measure", MEASURES)
def test_the_same_space_shares_everything_and_a_permuted_one_does_not(measure: str, store: HeadStore) -> None:
    same = compare_neighbours(rows_of(store, 7), rows_of(store, 7), 6, measure, 7)
    assert (same.shared, same.heads, same.others) == (1.0, HEADS, HEADS)
    assert same.correlation == pytest.approx(1.0, abs=1e-12)
    assert same.before.pictures.tolist() == same.after.pictures.tolist()
    whole = compare_neighbours(rows_of(store, 7), rows_of(store, 8), 100, measure, 7)
    assert (len(whole.before.pictures), whole.shared) == (39, 1.0)  # all that there are
    permuted = np.random.default_rng(1).permutation(40)
    moved = compare_neighbours(rows_of(store, 7), rows_of(store, 7, permuted), 6, measure, 7)
    assert moved.shared < 0.6
    assert abs(moved.correlation) < 0.5


@pytest.mark.parametrize("measure", MEASURES)
def test_numbers_are_those_of_plain_sums(measure: str, store: HeadStore, tmp_path: Path) -> None:
    other = write_store(tmp_path / "other", SHAPE, seed=5)
    found = compare_neighbours(rows_of(store, 3), rows_of(other, 3)[:1], 5, measure, 3)
    assert (found.heads, found.others) == (HEADS, HEADS[:1])
    sides = []
    for each, heads, side in ((store, HEADS, found.before), (other, HEADS[:1], found.after)):
        values = np.zeros(40)
        for head in heads:
            rows = each.head(*head).astype(float)
            rows = rows - rows.mean(axis=0) if measure == "centred" else rows
            lengths = np.ones(40) if measure == "dot" else np.sqrt((rows**2).sum(axis=1) * (rows[3] ** 2).sum())
            values += (rows * rows[3]).sum(axis=1) / lengths / len(heads)
        values[3] = -np.inf
        wanted = np.argsort(-values)[:5]
        assert side.pictures.tolist() == wanted.tolist()
        np.testing.assert_allclose(side.values, values[wanted], rtol=1e-9)
        sides.append(np.delete(values, 3))
        plain = property_neighbours([each for each in rows_of(each, 3) if each.head in heads], 5, measure, 3)
        assert plain.pictures.tolist() == side.pictures.tolist()
    assert found.correlation == pytest.approx(spearmanr(*sides).statistic, abs=1e-12)
    both = set(found.before.pictures.tolist()) & set(found.after.pictures.tolist())
    assert found.shared == len(both) / 5


def test_a_turn_changes_nothing_and_a_flat_transform_nearly_all(store: HeadStore) -> None:
    turn = np.linalg.qr(np.random.default_rng(2).normal(size=(5, 5)))[0]
    plain = OutputParts(store)
    for weights, is_same in ((np.eye(5), True), (turn, True), (3.0 * turn, True), (np.diag([1.0, 0, 0, 0, 0]), False)):
        parts = OutputParts(store, transform=AffineTransform(weights, mean=0.0, std=1.0))
        for head in HEADS:
            found = compare_neighbours(
                part_rows(plain, [head], 7), part_rows(parts, [head], 7), 5, "centred" if is_same else "dot", 7
            )
            assert (found.shared == 1.0) == is_same
            assert (found.correlation > 0.9999) == is_same


def test_a_transform_acts_on_heads_in_the_units_of_the_output(store: HeadStore) -> None:
    """Contributions of a class token are divided by the output's norm, and a transform takes the output as it is."""
    weights = np.random.default_rng(4).normal(size=(5, 3))
    parts = OutputParts(store, transform=AffineTransform(weights, mean=0.5, std=2.0))
    (found,) = part_rows(parts, HEADS[:1], 7)
    added = (np.zeros((1, 5)) - 0.5) / 2.0 @ weights
    wanted = store.head(2, 0) * store.norms[:, None] / 2.0 @ weights + added / (5 * 2)  # 5 terms, 2 heads in each
    np.testing.assert_allclose(found.rows, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(found.query, found.rows[7])


def test_similarities_that_are_all_equal_have_no_correlation() -> None:
    flat = [HeadRows((1, 0), np.ones((4, 2)), np.ones(2))]
    found = compare_neighbours(flat, [HeadRows((1, 0), np.arange(8.0).reshape(4, 2), np.ones(2))], 2, "dot", 0)
    assert np.isnan(found.correlation)
    assert found.before.pictures.tolist() == [1, 2]


def test_sides_of_unlike_pictures_are_refused(store: HeadStore, tmp_path: Path) -> None:
    check_same_pictures(store, write_store(tmp_path / "same", SHAPE, seed=9))
    for name, other in (
        ("content", write_store(tmp_path / "content", SHAPE, images="1")),
        ("fewer", write_store(tmp_path / "fewer", StoreShape(12, 2, (2,), 2, 5, "fp32"))),
    ):
        with pytest.raises(DataError, match=rf"store and .*{name} are not of the same pictures: decompose one folder"):
            check_same_pictures(store, other)
    few = [HeadRows((1, 0), np.ones((3, 2)), np.ones(2))]
    with pytest.raises(UsageError, match="40 pictures are compared with 3: give the same, 2 or more"):
        compare_neighbours(rows_of(store, 1), few, 2, "dot", 1)
    alone = [HeadRows((1, 0), np.ones((1, 2)), np.ones(2))]
    with pytest.raises(UsageError, match="1 pictures are compared with 1"):
        compare_neighbours(alone, alone, 2, "dot", 0)
