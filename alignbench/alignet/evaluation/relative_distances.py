"""How far pictures lie apart within a class, within a superordinate and across superordinates, before and after.

Cosine distances are divided by the mean over all pairs of the same pictures, so that nothing has changed where
everything came closer by one factor. Intervals are over classes: each is left out with all of its pairs.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.evaluation.gain import AboutGain, UncorrectedGain, gain_of
from alignbench.arrays import Floats, Indices
from alignbench.datasets.image_folder import image_folder, labelled_folder
from alignbench.datasets.images import ImageSource
from alignbench.errors import DataError, counted, one_line
from alignbench.results.csv_table import read_csv_table
from alignbench.statistics.scored_together import ResampledScores
from alignbench.transforms.evaluation.similarity import unit_rows

FOLDERS: Final = "folders"
"""The hierarchy that names of folders tell: `SUPERORDINATE/CLASS/.../PICTURE`."""
PLACES: Final = ("within a class", "within a superordinate", "across superordinates")
_COLUMNS: Final = ["class", "superordinate"]
_EXAMPLES: Final = 3


@dataclass(frozen=True)
class ClassTree:
    """Pictures in classes, and the superordinate of each class.

    Attributes:
        name: Name of the pictures.
        images: The pictures.
        labels: The class of each, numbered from 0, (n,).
        classes: Names of the classes, sorted.
        above: Number of the superordinate of each class, (classes,); empty without a hierarchy.
    """

    name: str
    images: ImageSource
    labels: Indices
    classes: tuple[str, ...]
    above: Indices


def read_class_tree(root: Path, hierarchy: str = "") -> ClassTree:
    """Read a folder of pictures in classes.

    Args:
        root: Holds `CLASS/.../PICTURE`, or `SUPERORDINATE/CLASS/.../PICTURE` if `folders` is the hierarchy.
        hierarchy: `folders`, a table of the columns class and superordinate (`.csv`), or empty for none.

    Raises:
        DataError: If a picture lies in no class, a class has no superordinate, or the classes are too few to compare.
    """
    name = root.resolve().name
    if hierarchy != FOLDERS:
        images, labels, classes = labelled_folder(root)
        if not hierarchy:
            return ClassTree(name, images, labels, classes, np.empty(0, dtype=np.int64))
        superordinates = _superordinates(Path(hierarchy))
        lacking = [each for each in classes if each not in superordinates]
        if lacking:
            raise DataError(f"{hierarchy} lacks {_some(lacking)} of {root}: add a line for each class")
        of_classes = [superordinates[each] for each in classes]
    else:
        images = image_folder(root)
        parts = [each.split("/") for each in images.names]
        shallow = [each for each, split in zip(images.names, parts, strict=True) if len(split) < 3]
        if shallow:
            raise DataError(
                f"{root / shallow[0]} lies in no class of a superordinate: --hierarchy folders takes "
                "SUPERORDINATE/CLASS/PICTURE; name a table of classes otherwise"
            )
        found, index = np.unique(["/".join(split[:2]) for split in parts], return_inverse=True)
        labels, classes = index.astype(np.int64), tuple(map(str, found))
        of_classes = [each.partition("/")[0] for each in classes]
    _, above = np.unique(of_classes, return_inverse=True)
    tree = ClassTree(name, images, labels, classes, above.astype(np.int64))
    _check(tree, root)
    return tree


def check_shots(tree: ClassTree, shots: int) -> None:
    """Refuse classes with too few pictures to learn from some and test another, before any is embedded.

    Args:
        tree: The pictures.
        shots: Pictures of each class to learn from.

    Raises:
        DataError: If there is such a class; names it.
    """
    counts = np.bincount(tree.labels)
    fewest = int(counts.argmin())
    if counts[fewest] <= shots:
        raise DataError(
            f"class {tree.classes[fewest]} of {tree.name} has {counted(int(counts[fewest]), 'picture')}, where "
            f"{shots + 1} are needed, {shots} to learn from and 1 to test: leave it out, or ask for fewer --shots"
        )


def _superordinates(path: Path) -> dict[str, str]:
    """The superordinate of each class of a table."""
    try:
        table = read_csv_table(path, _COLUMNS)
    except (OSError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a table of class,superordinate ({one_line(error)}): write these into its first "
            "line, and a line for each class"
        ) from error
    if list(table.columns[:2]) != _COLUMNS:
        raise DataError(f"{path} has no columns class,superordinate in its first line: add it")
    twice = table["class"][table["class"].duplicated()]
    if len(twice):
        raise DataError(f"{path} names the class {twice.iloc[0]} twice: leave one line of it")
    return dict(zip(table["class"], table["superordinate"], strict=True))


def _check(tree: ClassTree, root: Path) -> None:
    """Refuse classes of which one cannot be left out while pairs of all three places remain."""
    pairs, place = _pairs(tree)
    for number, name in enumerate(tree.classes):
        left = _without(pairs, place, number)
        if not left.all():
            raise DataError(
                f"{root} without the class {name} has no pair of pictures {PLACES[int(left.argmin())]}: intervals are "
                "over classes, so add classes, or leave out --hierarchy"
            )


def _some(names: list[str]) -> str:
    more = f" and {len(names) - _EXAMPLES:,} more" if len(names) > _EXAMPLES else ""
    return f"{', '.join(names[:_EXAMPLES])}{more}"


# -------------------------------------------------------------------------------------------- distances


def distance_gains(tree: ClassTree, before: Floats, after: Floats, about: AboutGain) -> list[UncorrectedGain]:
    """A row for each place of a pair in the tree; and over classes how it has changed.

    Args:
        tree: The pictures, with superordinates of their classes.
        before: Their features before, (n, d).
        after: Their features after, (n, e).
        about: What the rows have in common; measure, n, and whether more is better are filled in.

    Raises:
        DataError: If a row of features is zero or not finite.
    """
    pairs, place = _pairs(tree)
    of_all = [distances_together(tree, features) for features in (before, after)]
    rows = []
    for number, name in enumerate(PLACES):
        replicates = np.stack([found[number] for found in of_all])
        count = int(np.triu(pairs)[place == number].sum())
        most = float(np.triu(pairs).sum() / count)
        scored = ResampledScores(replicates, "cluster jackknife t", len(tree.classes), limits=(0.0, most))
        told = replace(about, measure=f"{name}, over the mean", n=count, better="")
        rows.append(gain_of(told, scored))
    return rows


def distances_together(tree: ClassTree, features: Floats) -> Floats:
    """Mean cosine distances of pairs at each place over the mean of all pairs, and the same without each class.

    The distances of the pairs of two classes add up to their number less the dot product of the sums of their unit
    rows, so that no matrix of pairs is made.

    Args:
        tree: The pictures, with superordinates of their classes.
        features: (n, d).

    Returns:
        (places, 1 + classes).
    """
    pairs, place = _pairs(tree)
    units = unit_rows(features, "cosine")
    sums = np.zeros((len(tree.classes), units.shape[1]))
    np.add.at(sums, tree.labels, units)
    alike = sums @ sums.T
    own = np.arange(len(sums))
    alike[own, own] = (alike[own, own] - np.bincount(tree.labels)) / 2.0  # each pair once, and none with itself
    apart = pairs - alike
    whole = (_at_places(each, place) for each in (apart, pairs))
    columns = [_over_mean(*whole)]
    for left_out in range(len(sums)):
        columns.append(_over_mean(*(_without(each, place, left_out) for each in (apart, pairs))))
    return np.stack(columns, axis=1)


def _over_mean(distances: Floats, pairs: Floats) -> Floats:
    return np.asarray(distances / pairs / (distances.sum() / pairs.sum()))


def _pairs(tree: ClassTree) -> tuple[Floats, NDArray[np.int64]]:
    """The number of pairs of pictures of each two classes, (classes, classes), and their places in the tree."""
    sizes = np.bincount(tree.labels).astype(np.float64)
    pairs = np.outer(sizes, sizes)
    np.fill_diagonal(pairs, sizes * (sizes - 1.0) / 2.0)
    place = np.where(tree.above[:, None] == tree.above[None], 1, 2)
    np.fill_diagonal(place, 0)
    return pairs, place


def _at_places(values: Floats, place: NDArray[np.int64]) -> Floats:
    """Sums over pairs of classes, each once, by place, (places,)."""
    upper = np.triu_indices(len(values))
    return np.asarray(np.bincount(place[upper], values[upper], minlength=len(PLACES)), dtype=np.float64)


def _without(values: Floats, place: NDArray[np.int64], left_out: int) -> Floats:
    """The same without a class."""
    own = np.bincount(place[left_out], values[left_out], minlength=len(PLACES))
    return np.asarray(_at_places(values, place) - own)
