"""What a transform costs, or gains, in tasks that are not about people: few-shot classification, anomaly detection.

Both take features of pictures in classes, before or after a transform. The protocol is that of Muttenthaler et al.,
"Improving neural network representations using human similarity judgments" (NeurIPS 2023).
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError
from alignbench.transforms.evaluation.similarity import row_blocks, unit_rows

PENALTIES: Final = tuple(10.0**power for power in range(-4, 7))
_FOLDS = 5
_STEPS = 500
_DIGITS = 12  # rounded, so that pictures that are as far as each other tie whatever the order of summation


@dataclass(frozen=True)
class FewShot:
    """Accuracy of classifiers that learned from a few pictures a class.

    Attributes:
        accuracies: Share of the other pictures that are classified rightly, of each seed.
        inverse_penalties: The C that cross-validation chose, of each seed.
        seeds: Seeds with which the pictures to learn from were drawn.
        shots: Number of pictures of each class to learn from.
        classes: Number of classes; 1 / classes is what chance gives if they are of one size.
    """

    accuracies: tuple[float, ...]
    inverse_penalties: tuple[float, ...]
    seeds: tuple[int, ...]
    shots: int
    classes: int

    @property
    def mean(self) -> float:
        """Mean accuracy over the seeds."""
        return float(np.mean(self.accuracies))

    @property
    def deviation(self) -> float:
        """Standard deviation over the seeds (ddof 1); not a number for one."""
        return float(np.std(self.accuracies, ddof=1)) if len(self.accuracies) > 1 else float("nan")


@dataclass(frozen=True)
class Anomaly:
    """How well pictures of other classes are told from those of one.

    Attributes:
        aurocs: Area under the ROC curve with each class as the normal one; 0.5 is chance.
        classes: The labels of these classes, ascending.
        neighbours: Number of nearest normal pictures over which a score is the mean.
        seed: Seed with which the known normal pictures were drawn.
    """

    aurocs: tuple[float, ...]
    classes: tuple[int, ...]
    neighbours: int
    seed: int

    @property
    def mean(self) -> float:
        """Mean area over the classes."""
        return float(np.mean(self.aurocs))


def few_shot(features: Floats, labels: Indices, *, shots: int = 5, seeds: Sequence[int] = (0, 1, 2, 3, 4)) -> FewShot:
    """Learn each class from a few pictures, and classify all others.

    For each seed `shots` pictures a class are drawn (`default_rng(seed).choice` without replacement, class after
    class in the order of the labels). Logistic regression with an L2 penalty, at most 500 steps of L-BFGS; C over the
    decades from 1e-4 to 1e6 is chosen by stratified cross-validation among the drawn ones, in min(shots, 5) folds.
    Features are not standardised. The accuracy is over all tested pictures, whatever their class: large classes weigh
    more.

    Args:
        features: (n, d).
        labels: The class of each, (n,).
        shots: Pictures a class to learn from, 2 at least.
        seeds: One classifier each.

    Raises:
        UsageError: If shots or seeds are too few, or features and labels do not fit together.
        DataError: If a class has fewer than shots + 1 pictures, there is one class only, or a number is not finite.
    """
    if shots < 2 or not len(seeds):
        raise UsageError(f"{shots} shots and {len(seeds)} seeds: 2 shots (for cross-validation) and 1 seed are needed")
    rows, index, classes = _labelled(features, labels)
    if not np.isfinite(rows).all():
        raise DataError("the features hold numbers that are not finite: extract them again in a higher precision")
    for label, count in zip(classes, np.bincount(index), strict=True):
        if count <= shots:
            raise DataError(
                f"class {label} has {count} pictures, where {shots + 1} are needed, {shots} to learn from and 1 to "
                "test: leave it out, or ask for fewer shots"
            )
    found = [_learned(rows, index, shots, seed) for seed in seeds]
    accuracies, chosen = zip(*found, strict=True)
    return FewShot(accuracies, chosen, tuple(seeds), shots, len(classes))


def _learned(rows: Floats, index: Indices, shots: int, seed: int) -> tuple[float, float]:
    """Accuracy with the pictures of one seed, and the C that was chosen."""
    rng = np.random.default_rng(seed)
    members = [np.flatnonzero(index == number) for number in range(index.max() + 1)]
    drawn = np.concatenate([rng.choice(of_class, shots, replace=False) for of_class in members])
    tested = np.setdiff1d(np.arange(len(index)), drawn)
    model = fitted_classifier(rows[drawn], index[drawn], shots)
    right = model.predict(rows[tested]) == index[tested]
    return float(right.mean()), float(np.ravel(model.C_)[0])  # one for all classes, which some versions repeat


def fitted_classifier(rows: Floats, index: Indices, fewest: int) -> Any:
    """Logistic regression by the protocol of `few_shot`.

    Args:
        rows: Features, (n, d).
        index: The class of each, (n,).
        fewest: Pictures of the smallest class: cross-validation has so many folds, and 5 at most.

    Returns:
        scikit-learn's classifier, fitted.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegressionCV

    model = LogisticRegressionCV(
        Cs=list(PENALTIES), cv=min(fewest, _FOLDS), solver="lbfgs", scoring="accuracy", max_iter=_STEPS
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # part of the protocol: weak penalties take longer
        warnings.simplefilter("ignore", FutureWarning)  # of defaults that mean the same penalty before and after
        return model.fit(rows, index)


def anomaly(features: Floats, labels: Indices, *, neighbours: int = 5, seed: int = 0, held_out: float = 0.5) -> Anomaly:
    """Tell one class from the rest, for each class, from known pictures of it alone.

    A class's pictures are permuted (one `default_rng(seed)`, class after class in the order of the labels); the last
    int(held_out n) of its n, and all pictures of other classes, are tested, the others are known to be normal. The
    score of a tested picture is minus its mean cosine similarity to the nearest known ones.

    Args:
        features: (n, d).
        labels: The class of each, (n,).
        neighbours: Number of nearest known pictures.
        seed: Seed of the draw.
        held_out: Share of a class that is tested, between 0 and 1.

    Raises:
        UsageError: If there are no neighbours, the share is out of range, or features and labels do not fit together.
        DataError: If a class has fewer than neighbours + 1 known pictures or none to test, there is one class only,
            or a row is zero or not finite.
    """
    if neighbours < 1 or not 0.0 < held_out < 1.0:
        raise UsageError(f"{neighbours} neighbours and a share of {held_out:g}: 1 at least, and one between 0 and 1")
    rows, index, classes = _labelled(features, labels)
    rows = unit_rows(rows, "cosine")
    for label, count in zip(classes, np.bincount(index), strict=True):
        tested = int(held_out * count)
        if count - tested <= neighbours or tested < 1:
            raise DataError(
                f"class {label} has {count} pictures, {count - tested} known and {tested} to test, where "
                f"{neighbours + 1} and 1 are needed: leave it out, or ask for fewer neighbours"
            )
    rng = np.random.default_rng(seed)
    aurocs = []
    for number in range(len(classes)):
        members = rng.permutation(np.flatnonzero(index == number))
        known = members[: len(members) - int(held_out * len(members))]
        aurocs.append(_auroc(rows, index, number, known, neighbours))
    return Anomaly(tuple(aurocs), tuple(int(label) for label in classes), neighbours, seed)


def _auroc(rows: Floats, index: Indices, normal: int, known: Indices, neighbours: int) -> float:
    """How well all rows but the known ones are told to be of the normal class or not."""
    from sklearn.metrics import roc_auc_score

    tested = np.setdiff1d(np.arange(len(index)), known)
    closest = [
        np.partition(rows[tested[block]] @ rows[known].T, -neighbours, axis=1)[:, -neighbours:].mean(axis=1)
        for block in row_blocks(len(tested), max(len(known), rows.shape[1]))
    ]
    return float(roc_auc_score(index[tested] != normal, -np.round(np.concatenate(closest), _DIGITS)))


def _labelled(features: Floats, labels: Indices) -> tuple[Floats, Indices, Indices]:
    """The features as they are, the class of each row as a number from 0, and the labels of these numbers."""
    rows, given = np.asarray(features, dtype=np.float64), np.asarray(labels)
    if rows.ndim != 2 or given.shape != rows.shape[:1]:
        raise UsageError(f"features {rows.shape} and labels {given.shape} do not fit: one row and one label a picture")
    if given.dtype.kind not in "iu":
        raise UsageError(f"labels are {given.dtype}: number the classes")
    classes, index = np.unique(given, return_inverse=True)
    if len(classes) < 2:
        raise DataError("the pictures are of one class only: two at least are needed")
    return rows, index.astype(np.int64), classes.astype(np.int64)
