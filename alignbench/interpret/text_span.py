"""TEXTSPAN: which texts span what a head says, in the order of how much of it they take up.

The algorithm of Gandelsman, Efros and Steinhardt (arXiv 2310.05916). Contributions are never multiplied with all texts:
after the projection everything happens in r dimensions. With Y the centred contributions there and R the triangle of
Y = QR, a text t answers with |R t| = |Y t|, so that R t stands for its n products, and taking a text out is an update
of rank one. Nothing is squared on the way: picks are those of the plain algorithm, to the last digits of float64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import UsageError
from alignbench.extraction.host import side_by_side

_TIE: Final = 1e-9  # deviations that are so near each other, relatively, are equal
_NOTHING: Final = 1e-10  # of the largest product that could be: what texts answer less is rounding
ROUNDED: Final = 2.0  # times the precision of their type: four times what rounding can have made of all numbers


@dataclass(frozen=True)
class TextSpan:
    """The texts that span a head's contributions; there may be fewer than were asked for.

    Attributes:
        indices: Rows of the texts, in the order in which they were picked, (k,).
        reconstruction: The mean contribution, and what the texts' directions take up of each, float64 of (n, d').
        deviations: Standard deviation over images (divisor n) of the products with what was left of the text when it
            was picked, (k,).
        explained_variance: Share of the contributions' whole variance that each pick takes up, (k,); they add up.
        margins: How far the next best text was behind each pick: 1 less its deviation over the pick's, (k,); 0 is a
            tie, and 1 says that no other text had anything left.
        rank: Dimensions that the texts were projected to.
    """

    indices: Indices
    reconstruction: Floats
    deviations: Floats
    explained_variance: Floats
    margins: Floats
    rank: int

    def __iter__(self) -> Iterator[Indices | Floats]:
        """Unpack into indices, reconstruction, deviations, explained variance and margins."""
        return iter((self.indices, self.reconstruction, self.deviations, self.explained_variance, self.margins))


@dataclass(frozen=True)
class Pursuit:
    """What was picked in the space that the texts were projected to.

    Attributes:
        indices: Rows of the texts, (k,).
        directions: What was left of each text when it was picked, of length 1, (k, r); they are orthogonal.
        lengths: Length of its n products, (k,).
        taken: Length of the part of the contributions along its direction, (k,).
        margins: See `TextSpan`.
    """

    indices: Indices
    directions: Floats
    lengths: Floats
    taken: Floats
    margins: Floats


def textspan(
    contributions: NDArray[Any],
    texts: NDArray[Any],
    picks: int,
    rank: int | None = None,
    precision: float | None = None,
) -> TextSpan:
    """Find the texts that span a head's contributions. What is given stays as it is.

    Texts are projected to the first right singular vectors of the contributions, which are not centred for that, and
    then not brought to length 1 again. Again and again the text is picked whose products with the centred contributions
    vary most; its direction is taken out of contributions and texts. Of deviations within 1e-9 (relative) the lowest
    index is taken. It ends before `picks` when texts are spent, or nothing is left that varies.

    Args:
        contributions: Contributions of a head to the embeddings of images, (n, d').
        texts: Embeddings of texts, of length 1, (M, d'). They are taken as they are.
        picks: How many texts at most.
        rank: Singular vectors that are kept, as given also where contributions have fewer dimensions; the study keeps
            80. None for as many as contributions have, beyond what rounding in their type may have made.
        precision: Precision (machine epsilon) of the type in which contributions were kept; none for that of the array.

    Returns:
        The texts that were picked, in order, with how much of the head's variance each takes up.

    Raises:
        UsageError: If shapes do not fit, if a number is not finite, or if picks or rank are below 1.

    Examples:
        >>> import numpy as np
        >>> contributions = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 1.0]])
        >>> found = textspan(contributions, np.array([[0.0, 1.0], [1.0, 0.0]]), picks=2)
        >>> found.indices, found.explained_variance
        (array([1]), array([1.]))
    """
    return _spanning(texts, picks, rank, precision)(contributions)


def textspan_heads(
    heads: Iterable[NDArray[Any]],
    texts: NDArray[Any],
    picks: int,
    rank: int | None = None,
    precision: float | None = None,
) -> Iterator[TextSpan]:
    """Find the texts that span each of many heads; see `textspan`. As many heads as there are cores are in memory.

    Args:
        heads: Contributions of each head, (n, d').
        texts: As for `textspan`.
        picks: As for `textspan`.
        rank: As for `textspan`.
        precision: As for `textspan`.

    Yields:
        What `textspan` gives of each head.

    Raises:
        UsageError: See `textspan`.
    """
    yield from side_by_side(_spanning(texts, picks, rank, precision), heads)


def _spanning(
    texts: NDArray[Any], picks: int, rank: int | None, precision: float | None
) -> Callable[[NDArray[Any]], TextSpan]:
    """What finds the texts that span a head."""
    for name, number in (("picks", picks), ("rank", 1 if rank is None else rank)):
        if number < 1:
            raise UsageError(f"{name} is {number}: give at least 1")
    wide = finite_rows("texts", texts)
    longest = float(np.linalg.norm(wide, axis=1).max(initial=0.0))

    def span(contributions: NDArray[Any]) -> TextSpan:
        given = finite_rows("contributions", contributions)
        if given.shape[1] != wide.shape[1]:
            raise UsageError(
                f"contributions have {given.shape[1]} channels and texts {wide.shape[1]}: encode the texts with the "
                "model that the contributions are of"
            )
        values, vectors = right_vectors(given)
        kept = numerical_rank(values, given.shape, precision or precision_of(contributions)) if rank is None else rank
        return _span(given, wide, vectors[:kept], picks, longest)

    return span


def _span(contributions: Floats, texts: Floats, vectors: Floats, picks: int, longest: float) -> TextSpan:
    mean = contributions.mean(axis=0)
    centred = contributions - mean
    found = pursue(
        triangle(centred @ vectors.T), texts @ vectors.T, picks, longest * float(np.linalg.norm(contributions))
    )
    whole = float(np.linalg.norm(centred))
    directions = found.directions @ vectors
    return TextSpan(
        found.indices,
        mean + (centred @ directions.T) @ directions,
        found.lengths / np.sqrt(len(contributions)),
        (found.taken / whole) ** 2 if whole else found.taken,
        found.margins,
        len(vectors),
    )


def pursue(answering: Floats, texts: Floats, picks: int, most: float) -> Pursuit:
    """Pick texts one after the other.

    Args:
        answering: Matrix R with |R t| for the length of the n products of centred contributions with a text t, (a, r).
        texts: Texts as they were projected, (M, r).
        picks: How many at most.
        most: Length that products could have at most; what is 1e-10 of it is nothing.
    """
    answers = texts @ answering.T
    room = np.empty_like(answers)
    directions = np.empty((0, texts.shape[1]))
    indices, lengths, taken, margins = [], [], [], []
    for _ in range(picks):
        sizes = np.sqrt(np.einsum("ij,ij->i", answers, answers))
        best = sizes.max(initial=0.0)
        if not best > _NOTHING * most:
            break
        pick = int(np.argmax(sizes >= best * (1.0 - _TIE)))
        left = _beyond(directions, texts[pick])
        direction = left / np.linalg.norm(left)
        along = answering @ direction
        np.multiply.outer(texts @ direction, along, out=room)  # earlier directions are orthogonal to this one
        answers -= room
        directions = np.vstack([directions, direction])
        indices.append(pick)
        lengths.append(sizes[pick])
        taken.append(np.linalg.norm(along))
        second = np.delete(sizes, pick).max(initial=0.0)
        margins.append(max(0.0, 1.0 - second / sizes[pick]))
    return Pursuit(np.array(indices, dtype=np.int64), directions, np.array(lengths), np.array(taken), np.array(margins))


def picked_directions(contributions: NDArray[Any], texts: Floats, rank: int) -> Floats:
    """Return the orthonormal directions that the texts picked of a head took out of its contributions, (k, d').

    Args:
        contributions: Contributions of the head, (n, d').
        texts: Embeddings of its texts in the order of the picks, (k, d').
        rank: Dimensions that they were projected to, as `TextSpan` has it.

    Raises:
        UsageError: If a text says nothing that those before it do not: such texts were not picked together.
    """
    vectors = right_vectors(finite_rows("contributions", contributions))[1][:rank]
    directions = np.empty((0, len(vectors)))
    for number, text in enumerate(texts @ vectors.T, 1):
        left = _beyond(directions, text)
        length = float(np.linalg.norm(left))
        if not length > _NOTHING:
            raise UsageError(
                f"text {number} adds no direction to those before it: give texts as `textspan` picked them"
            )
        directions = np.vstack([directions, left / length])
    return directions @ vectors


def _beyond(directions: Floats, text: Floats) -> Floats:
    """What orthonormal directions leave of a text."""
    for _ in range(2):  # once more for what rounding has left
        text = text - (directions @ text) @ directions
    return text


def right_vectors(rows: Floats) -> tuple[Floats, Floats]:
    """Return the singular values of rows (n, d'), and their right singular vectors (min(n, d'), d')."""
    _, values, vectors = np.linalg.svd(triangle(rows), full_matrices=False)
    return values, vectors


def triangle(rows: Floats) -> Floats:
    """Return a matrix that multiplies vectors to the same lengths as rows (n, d) do, of at most d rows."""
    return np.asarray(np.linalg.qr(rows, mode="r")) if len(rows) > rows.shape[1] else rows


def precision_of(rows: NDArray[Any]) -> float:
    """Return the precision (machine epsilon) of the type of rows; that of float64 for whole numbers."""
    return float(np.finfo(rows.dtype if np.issubdtype(rows.dtype, np.floating) else np.float64).eps)


def numerical_rank(values: Floats, shape: tuple[int, ...], precision: float) -> int:
    """Return how many singular values are more than rounding can have made of nothing.

    Args:
        values: Singular values, the largest first.
        shape: Shape of what they are of.
        precision: Precision of the type in which that was kept. Below float64 each number is wrong by half of it, which
            sets a bound for all of them together.
    """
    limit = float(values[0]) * max(shape) * np.finfo(np.float64).eps
    if precision > np.finfo(np.float64).eps:
        limit += ROUNDED * precision * float(np.linalg.norm(values))
    return int((values > limit).sum())


def finite_rows(what: str, rows: NDArray[Any]) -> Floats:
    """Return rows as float64.

    Args:
        what: What they are, for messages.
        rows: Numbers, (n, d').

    Raises:
        UsageError: If they are not of that shape, or not finite.
    """
    given = np.asarray(rows)
    if given.ndim != 2 or not given.size:
        raise UsageError(f"{what} are of shape {given.shape}, and not rows of channels: give an array of two axes")
    wide = given.astype(np.float64)
    if not np.isfinite(wide).all():
        raise UsageError(f"{what} hold numbers that are not finite: look where they come from")
    return wide
