"""How alike two representations of the same pictures are, and a representation and people.

Similarity matrices and their agreement (representational similarity analysis: Kriegeskorte et al., 2008), linear CKA
(Kornblith et al., 2019; unbiased: Nguyen et al., 2021), and the share of nearest neighbours that remain.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats
from alignbench.errors import DataError, UsageError, unknown

Kernel = Literal["correlation", "cosine"]

KERNELS: Final[tuple[Kernel, ...]] = get_args(Kernel)
_BLOCK = 2**22  # numbers of a block: 32 MB
_DIGITS = 12  # sums of the same numbers in another order differ beyond: rounded, identical pictures tie


# ----------------------------------------------------------------------------------- similarity matrices


def similarities(features: Floats, kernel: Kernel) -> Floats:
    """How alike every two rows are, (n, n), from -1 to 1, with ones on the diagonal.

    Args:
        features: (n, d).
        kernel: `correlation` (Pearson's, over the d numbers) or `cosine`.

    Raises:
        DataError: If a row has no similarity to others: it is constant, or zero (`cosine`), or not finite.
        UsageError: If it is no matrix, or there is no such kernel.
    """
    rows = unit_rows(features, kernel)
    found = np.clip(rows @ rows.T, -1.0, 1.0)
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def dissimilarities(features: Floats, kernel: Kernel) -> Floats:
    """1 - similarity of every two rows, (n (n - 1) / 2,): the upper triangle by rows, as `np.triu_indices(n, 1)`.

    Args:
        features: (n, d).
        kernel: See `similarities`, which also says what is raised.

    Examples:
        >>> import numpy as np
        >>> from alignbench.transforms.evaluation.similarity import dissimilarities
        >>> dissimilarities(np.array([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]]), "cosine")
        array([1., 2., 1.])
    """
    found = similarities(features, kernel)
    return np.asarray(1.0 - found[np.triu_indices(len(found), 1)])


def unit_rows(features: Floats, kernel: Kernel) -> Floats:
    """Rows of length 1 whose dot products are the kernel, (n, d).

    Args:
        features: (n, d).
        kernel: See `similarities`, which also says what is raised.
    """
    if kernel not in KERNELS:
        raise unknown("kernel", kernel, KERNELS)
    rows = _finite(features)
    if kernel == "correlation":
        # asked of the numbers themselves: rounding of the mean leaves a constant row a direction
        flat = rows.max(axis=1, initial=-np.inf) == rows.min(axis=1, initial=np.inf)
        _refuse(flat, "constant, so that it correlates with nothing: leave it out, or take the cosine kernel")
        rows = rows - rows.mean(axis=1, keepdims=True)
    largest = np.abs(rows).max(axis=1, keepdims=True, initial=0.0)
    _refuse(largest[:, 0] == 0.0, "zero, so that it has no direction: leave it out")
    rows = rows / largest  # squares of very large or small numbers would not fit
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def _finite(features: Floats) -> Floats:
    rows = np.asarray(features, dtype=np.float64)
    if rows.ndim != 2:
        raise UsageError(f"features of the shape {rows.shape} are no matrix: one row a picture is needed")
    _refuse(np.asarray(~np.isfinite(rows).all(axis=1)), "not finite: extract it again in a higher precision")
    return rows


def _refuse(bad: NDArray[np.bool_], reason: str) -> None:
    found = np.flatnonzero(bad)
    if len(found):
        others = f" ({len(found):,} such rows)" if len(found) > 1 else ""
        raise DataError(f"row {found[0]} of the features, counted from 0,{others} is {reason}")


# --------------------------------------------------------------------------------------------- agreement


@dataclass(frozen=True)
class Agreement:
    """Correlations of two similarity matrices over their pairs; not a number where one of them is constant."""

    pearson: float
    spearman: float


def agreement(first: Floats, second: Floats) -> Agreement:
    """How well two matrices agree.

    Args:
        first: One number a pair, (pairs,), as `dissimilarities` gives them.
        second: Those of the other matrix in the same order and direction (both dissimilarities, or both similarities).

    Raises:
        UsageError: If they are of different lengths.
        DataError: If a number is not finite.
    """
    from scipy import stats

    first, second = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if first.ndim != 1 or first.shape != second.shape:
        raise UsageError(f"{first.shape} and {second.shape} numbers cannot be compared: one a pair is needed, of each")
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise DataError("a matrix holds numbers that are not finite: leave out the pictures that they come from")
    if len(first) < 2 or np.ptp(first) == 0.0 or np.ptp(second) == 0.0:
        return Agreement(float("nan"), float("nan"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.NearConstantInputWarning)
        pearson = stats.pearsonr(first, second).statistic
    return Agreement(float(pearson), float(stats.spearmanr(first, second).statistic))


# --------------------------------------------------------------------------------------------------- CKA


def linear_cka(x: Floats, y: Floats, *, unbiased: bool = False) -> float:
    """Centred kernel alignment of linear kernels: HSIC(X, Y) / sqrt(HSIC(X, X) HSIC(Y, Y)).

    Args:
        x: (n, d).
        y: (n, e), of the same pictures.
        unbiased: Whether HSIC is the estimator of Song et al. (2012), which few pictures do not inflate; it may be
            negative. Otherwise that of Gretton et al. (2005), whose alignment lies in [0, 1].

    Returns:
        The alignment; not a number where a representation is the same for all pictures.

    Raises:
        UsageError: If the numbers of pictures differ or are too few (2, unbiased 4).
        DataError: If a number is not finite.
    """
    x, y = _finite(x), _finite(y)
    fewest = 4 if unbiased else 2
    if len(x) != len(y) or len(x) < fewest:
        raise UsageError(f"CKA of {len(x)} and {len(y)} pictures: the same ones are needed, {fewest} at least")
    if (x == x[0]).all() or (y == y[0]).all():
        return float("nan")
    # neither estimator changes when a kernel is centred, and sums of centred numbers are more exact
    x, y = x - x.mean(axis=0), y - y.mean(axis=0)
    hsic = _unbiased_hsic if unbiased else _biased_hsic
    scale = np.sqrt(hsic(x, x) * hsic(y, y))
    return float(hsic(x, y) / scale) if scale > 0.0 else float("nan")


def _biased_hsic(x: Floats, y: Floats) -> float:
    """tr(K H L H), up to a factor of n alone, for K = X X', L = Y Y' and centred columns."""
    return float(((x.T @ y) ** 2).sum())


def _unbiased_hsic(x: Floats, y: Floats) -> float:
    """Song et al. (2012), eq. 5, up to a factor of n alone; from the features, as K would be n x n.

    tr(K~ L~) + (1'K~ 1)(1'L~ 1) / ((n - 1)(n - 2)) - 2 / (n - 2) 1'K~ L~ 1, the diagonals of K~ and L~ being zero.
    """
    n = len(x)
    own_x, own_y = (x**2).sum(axis=1), (y**2).sum(axis=1)
    sums_x, sums_y = x @ x.sum(axis=0) - own_x, y @ y.sum(axis=0) - own_y
    trace = ((x.T @ y) ** 2).sum() - own_x @ own_y
    return float(trace + sums_x.sum() * sums_y.sum() / ((n - 1) * (n - 2)) - 2.0 / (n - 2) * (sums_x @ sums_y))


# -------------------------------------------------------------------------------------------- neighbours


def neighbour_overlap(x: Floats, y: Floats, k: int = 10) -> float:
    """Mean share of a picture's k nearest neighbours in one representation that are among those in the other.

    Neighbours are found by cosine similarity, to 12 digits; of equally near ones those that come first. A picture is no
    neighbour of itself.

    Args:
        x: (n, d).
        y: (n, e), of the same pictures.
        k: Number of neighbours; n - 1 if there are fewer.

    Returns:
        From 0 to 1; k / (n - 1) is what chance gives.

    Raises:
        UsageError: If the numbers of pictures differ, there are fewer than 2, or k is below 1.
        DataError: If a row is zero or not finite.
    """
    if k < 1:
        raise UsageError(f"{k} neighbours cannot be compared: 1 at least is needed")
    first, second = unit_rows(x, "cosine"), unit_rows(y, "cosine")
    if len(first) != len(second) or len(first) < 2:
        raise UsageError(f"neighbours among {len(first)} and {len(second)} pictures: the same are needed, 2 at least")
    k = min(k, len(first) - 1)
    shared = sum(
        int(np.count_nonzero(_neighbours(first, block, k) & _neighbours(second, block, k)))
        for block in row_blocks(len(first), len(first))
    )
    return shared / (k * len(first))


def row_blocks(rows: int, columns: int) -> Iterator[slice]:
    """Slices of so many rows that a block of (slice, columns) numbers stays small.

    Args:
        rows: Number of all rows.
        columns: Columns of the matrix that is computed in blocks.
    """
    size = max(1, _BLOCK // max(1, columns))
    for start in range(0, rows, size):
        yield slice(start, min(start + size, rows))


def _neighbours(rows: Floats, block: slice, k: int) -> NDArray[np.bool_]:
    """Which rows are the k nearest to each of a block, (block, n)."""
    found = np.round(rows[block] @ rows.T, _DIGITS)
    found[np.arange(len(found)), np.arange(block.start, block.stop)] = -np.inf
    least = np.partition(found, -k, axis=1)[:, -k, None]  # the similarity of the k-th
    nearer, tied = found > least, found == least
    places = k - np.count_nonzero(nearer, axis=1)
    return np.asarray(nearer | (tied & (np.cumsum(tied, axis=1, dtype=np.int32) <= places[:, None])))
