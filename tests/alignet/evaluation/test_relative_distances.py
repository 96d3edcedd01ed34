"""Relative distances against all pairs by scipy, leave-one-class-out by hand, and folders that cannot be compared."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats
from scipy.spatial.distance import cdist

from alignbench.alignet.evaluation.gain import AboutGain, corrected_gains
from alignbench.alignet.evaluation.relative_distances import (
    FOLDERS,
    PLACES,
    ClassTree,
    check_shots,
    distance_gains,
    distances_together,
    read_class_tree,
)
from alignbench.datasets.images import FileImages
from alignbench.errors import DataError

ABOUT = AboutGain("relative distance", "tree", "", 0, "classes", "unknown", distance="cosine")
ABOVE = np.array([0, 0, 0, 1, 1])
LABELS = np.repeat(np.arange(5), (3, 4, 2, 5, 3))


def tree() -> ClassTree:
    names = tuple(f"{number}.png" for number in range(len(LABELS)))
    return ClassTree("tree", FileImages(Path(), names), LABELS, tuple("abcde"), ABOVE)


def by_pairs(features: np.ndarray, kept: np.ndarray) -> list[float]:
    """Mean distance at each place over that of all pairs, from each two pictures."""
    rows = np.flatnonzero(kept)
    apart = cdist(features[rows], features[rows], "cosine")
    one, other = np.triu_indices(len(rows), 1)
    same = LABELS[rows][one] == LABELS[rows][other]
    near = ABOVE[LABELS[rows]][one] == ABOVE[LABELS[rows]][other]
    pairs = apart[one, other]
    return [pairs[which].mean() / pairs.mean() for which in (same, near & ~same, ~near)]


def features(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(len(LABELS), 6)) + 0.5


def test_distances_are_those_of_all_pairs_and_of_all_without_a_class() -> None:
    x = features()
    found = distances_together(tree(), x)
    np.testing.assert_allclose(found[:, 0], by_pairs(x, LABELS >= 0), atol=1e-12)
    for left_out in range(5):
        np.testing.assert_allclose(found[:, 1 + left_out], by_pairs(x, left_out != LABELS), atol=1e-12)


def test_changes_have_the_jackknife_of_classes() -> None:
    before, after = features(0), features(1)
    rows = corrected_gains(distance_gains(tree(), before, after, ABOUT))
    assert [row.measure for row in rows] == [f"{name}, over the mean" for name in PLACES]
    sizes = np.bincount(LABELS)
    assert rows[0].n == sum(size * (size - 1) // 2 for size in sizes)
    assert sum(row.n for row in rows) == len(LABELS) * (len(LABELS) - 1) // 2
    for place, row in enumerate(rows):
        first, second = (by_pairs(x, LABELS >= 0)[place] for x in (before, after))
        without = np.array(
            [by_pairs(after, c != LABELS)[place] - by_pairs(before, c != LABELS)[place] for c in range(5)]
        )
        error = np.sqrt(4 / 5 * ((without - without.mean()) ** 2).sum())
        assert (row.before[0], row.after[0]) == pytest.approx((first, second))
        assert row.difference[2] - row.difference[0] == pytest.approx(stats.t.ppf(0.975, 4) * error)
        assert row.relative == pytest.approx(second / first - 1.0)
        assert row.better == ""


def test_one_factor_or_a_rotation_changes_nothing() -> None:
    x = features()
    turned = np.linalg.qr(np.random.default_rng(2).normal(size=(6, 6)))[0]
    for row in corrected_gains(distance_gains(tree(), x, 3.0 * x @ turned, ABOUT)):
        assert row.difference[0] == pytest.approx(0.0, abs=1e-12)


def test_classes_that_come_together_are_told() -> None:
    x = features()
    centres = np.stack([x[label == LABELS].mean(axis=0) for label in range(5)])
    rows = corrected_gains(distance_gains(tree(), x, 0.2 * x + 0.8 * centres[LABELS], ABOUT))
    assert rows[0].difference[2] < 0.0 < rows[2].difference[0]


# ---------------------------------------------------------------------------------------------- folders


def write(root: Path, *places: str) -> Path:
    for number, place in enumerate(places):
        path = root / place
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8), (number, 0, 0)).save(path)
    return root


NESTED = tuple(
    f"{above}/{name}/{n}.png" for above, names in (("x", "abc"), ("y", "def")) for name in names for n in (0, 1)
)


def test_folders_tell_a_hierarchy(tmp_path: Path) -> None:
    found = read_class_tree(write(tmp_path / "tree", *NESTED), FOLDERS)
    assert found.classes == ("x/a", "x/b", "x/c", "y/d", "y/e", "y/f")
    assert found.above.tolist() == [0, 0, 0, 1, 1, 1]
    assert found.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert found.name == "tree"


def test_a_table_tells_a_hierarchy(tmp_path: Path) -> None:
    root = write(tmp_path / "flat", *(name.partition("/")[2] for name in NESTED))
    table = tmp_path / "classes.csv"
    table.write_text("class,superordinate\n" + "".join(f"{name},{'x' if name < 'd' else 'y'}\n" for name in "fedcba"))
    found = read_class_tree(root, str(table))
    assert (found.classes, found.above.tolist()) == (tuple("abcdef"), [0, 0, 0, 1, 1, 1])
    assert not len(read_class_tree(root).above), "classes alone do for few shots"
    table.write_text("class,superordinate\na,x\nb,x\n")
    with pytest.raises(DataError, match=r"lacks c, d, e and 1 more of .*flat: add a line for each class"):
        read_class_tree(root, str(table))
    table.write_text("class,superordinate\na,x\na,y\n")
    with pytest.raises(DataError, match="names the class a twice"):
        read_class_tree(root, str(table))
    table.write_text("name,kind\na,x\n")
    with pytest.raises(
        DataError, match=r"cannot be read as a table of class,superordinate .*: write these into its first"
    ):
        read_class_tree(root, str(table))
    table.write_text("class,kind\na,1\n")
    with pytest.raises(DataError, match="has no columns class,superordinate"):
        read_class_tree(root, str(table))
    with pytest.raises(DataError, match=r"gone\.csv cannot be read as a table"):
        read_class_tree(root, str(tmp_path / "gone.csv"))


def test_what_cannot_be_compared_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"a/0\.png lies in no class of a superordinate: --hierarchy folders takes"):
        read_class_tree(write(tmp_path / "flat", "a/0.png", "b/0.png"), FOLDERS)
    with pytest.raises(DataError, match="without the class x/a has no pair of pictures within a superordinate"):
        read_class_tree(write(tmp_path / "few", *(name for name in NESTED if name[2] in "abd")), FOLDERS)
    x = features()
    x[3] = 0.0
    with pytest.raises(DataError, match="row 3 of the features"):
        distance_gains(tree(), x, x, replace(ABOUT))


def test_a_class_with_too_few_pictures_is_named() -> None:
    check_shots(tree(), 1)
    with pytest.raises(DataError, match="class c of tree has 2 pictures, where 3 are needed, 2 to learn from and 1"):
        check_shots(tree(), 2)
