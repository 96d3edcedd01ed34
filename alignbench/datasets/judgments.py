"""Human judgments as data: images, the unique pairs of them, and what people said about which pairs.

Every benchmark of human similarity comes to this form, and nothing after it knows which benchmark it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.datasets.fingerprints import hash_parts, stimulus_digests
from alignbench.datasets.images import ImageSource
from alignbench.datasets.judgment_ids import selected_ids
from alignbench.datasets.numbering import renumbered
from alignbench.datasets.responses import Responses
from alignbench.errors import DataError

LEVELS = ("low", "middle", "high")  # of abstraction

Kind = Literal["rating", "choice", "preference"]


@dataclass(frozen=True)
class Subset:
    """Judgments that are scored together.

    Attributes:
        name: e.g. `all`, `testset1`.
        rows: Indices of its judgments, (n,).
        clusters: What is resampled for an interval, (n, m): m = 1 where a judgment belongs to one cluster (its
            reference image, its triplet), m = 3 where it belongs to the clusters of its three objects, and m = 2 where
            it is a rating of two pictures that other pairs hold too.
        objects: The objects of each judgment, (n, m), where the intervals over clusters are not over these and others
            over them can be had.
    """

    name: str
    rows: Indices
    clusters: Indices
    objects: Indices | None = None

    def kept(self, mask: NDArray[np.bool_]) -> Subset:
        """Keep only the judgments where `mask`, (n,), is true."""
        return self.taken(np.flatnonzero(mask))

    def taken(self, places: Indices | slice) -> Subset:
        """Keep only some of its judgments, by their places in it."""
        objects = None if self.objects is None else self.objects[places]
        return replace(self, rows=self.rows[places], clusters=self.clusters[places], objects=objects)


@dataclass(frozen=True)
class Judgments:
    """What people said about pairs of images.

    Attributes:
        dataset: Name of the data set.
        level: Level of abstraction: `low`, `middle` or `high`.
        kind: `rating` (higher = looks closer), `choice` (which pair looks closest) or `preference` (which of two pairs,
            as a share of the people asked).
        images: The pictures.
        pairs: Unique pairs of image indices, (P, 2), in the order and orientation in which they first occur.
        judged: Indices of the pairs of each judgment, (N, k): k = 1 for ratings, the number of options for choices.
        human: The rating, the column of `judged` that people chose, or the share of people who preferred the second
            of the two columns, (N,).
        ids: A stable name for each judgment.
        subsets: Which judgments are scored together.
        observers: Who judged, where it was not people.
        parts: Breakdowns of what the subsets hold (by distortion, by votes), for further rows.
        votes: How many people judged it, (N,), where that is known.
        calibration: Indices of judgments whose pairs m[c] is fitted on, and which no subset holds; none under the
            paper's protocol, which fits it on the evaluated pairs.
        rating_errors: Standard errors of mean ratings, (N,), where they are known.
        subject_ratings: What each subject said, (N, subjects), where `human` is their mean and that is known; not a
            number where one did not judge.
        responses: Who made each judgment, and how long it took, where that is known.
    """

    dataset: str
    level: str
    kind: Kind
    images: ImageSource
    pairs: Indices
    judged: Indices
    human: Floats
    ids: Sequence[str]
    subsets: tuple[Subset, ...]
    observers: str = ""
    parts: tuple[Subset, ...] = ()
    votes: Indices | None = None
    calibration: Indices = field(default_factory=lambda: np.empty(0, dtype=np.int64))
    rating_errors: Floats | None = None
    subject_ratings: Floats | None = None
    responses: Responses | None = None

    def evaluated(self) -> Indices:
        """Return the indices of the judgments that some subset holds, ascending."""
        return np.flatnonzero(self._evaluated())

    def _evaluated(self) -> NDArray[np.bool_]:
        """Whether some subset holds it, (N,)."""
        held = np.zeros(len(self.human), dtype=np.bool_)
        for subset in self.subsets:
            held[subset.rows] = True
        return held

    def multiplicity(self, rows: Indices | None = None) -> Floats:
        """Count how often each pair occurs in some judgments, all if none are named, (P,)."""
        judged = self.judged if rows is None else self.judged[rows]
        counts = np.bincount(judged.ravel(), minlength=len(self.pairs))
        return counts.astype(np.float64)

    def limited(self, limit: int) -> Judgments:
        """Keep the first `limit` judgments of every subset; pairs and images that are then unused are dropped."""
        subsets = tuple(subset.taken(slice(limit)) for subset in self.subsets)
        return replace(self, subsets=subsets).used()

    def with_votes(self, fewest: int) -> Judgments:
        """Leave out the judgments that fewer people made than `fewest`.

        Raises:
            DataError: If nothing of a subset is left, or nobody counted the votes.
        """
        if self.votes is None:
            raise DataError(f"{self.dataset} does not say how many people judged what")
        subsets = tuple(s.kept(self.votes[s.rows] >= fewest) for s in self.subsets)
        for subset in subsets:
            if not len(subset.rows):
                raise DataError(f"{self.dataset} has no judgment of subset {subset.name} with {fewest} votes or more")
        return replace(self, subsets=subsets).used()

    def without_calibration(self) -> tuple[Judgments, Indices]:
        """Keep only the evaluated judgments; return these, and the indices of their pairs in `pairs`, ascending."""
        evaluated = replace(self, calibration=self.calibration[:0]).used()
        return evaluated, renumbered(self.judged[self._evaluated()], len(self.pairs))[0]

    def used(self) -> Judgments:
        """Leave out judgments in no subset and not in the calibration, and pairs and images that only those name."""
        evaluated = self._evaluated()
        kept = evaluated.copy()
        kept[self.calibration] = True
        rows = slice(None) if kept.all() else np.flatnonzero(kept)  # a slice copies nothing
        place = np.cumsum(kept) - 1
        pairs, judged = renumbered(self.judged[rows], len(self.pairs))
        images, ends = renumbered(self.pairs[pairs], len(self.images.names))
        parts = [part.kept(evaluated[part.rows]) for part in self.parts]
        return replace(
            self,
            images=self.images.select(images),
            pairs=ends,
            judged=judged,
            human=self.human[rows],
            ids=selected_ids(self.ids, rows),
            subsets=tuple(replace(s, rows=place[s.rows]) for s in self.subsets),
            parts=tuple(replace(p, rows=place[p.rows]) for p in parts if len(p.rows)),
            votes=None if self.votes is None else self.votes[rows],
            calibration=place[self.calibration],
            rating_errors=None if self.rating_errors is None else self.rating_errors[rows],
            subject_ratings=None if self.subject_ratings is None else self.subject_ratings[rows],
            responses=None if self.responses is None else self.responses.taken(rows),
        )

    def fingerprint(self, identities: Sequence[str]) -> str:
        """Return SHA-256 over everything that people saw and said.

        Args:
            identities: Identities of the images.
        """
        subsets = tuple(subset.name for subset in self.subsets)
        of_each = () if self.subject_ratings is None else (self.subject_ratings,)
        by_whom = () if self.responses is None else (self.responses.participants, self.responses.seconds)
        said = self.human, *of_each, *by_whom
        return hash_parts(
            ((self.dataset, self.kind), self.ids, self.images.names, identities, subsets),
            (self.pairs, self.judged, *said, self.calibration, *(subset.rows for subset in self.subsets)),
        )

    def stimuli(self, identities: Sequence[str], rows: Indices | None = None) -> NDArray[np.bytes_]:
        """Return a digest of each judgment's images, option by option: equal where people were shown the same files.

        Args:
            identities: Identities of the images.
            rows: Which judgments; all if none are named.

        Returns:
            Digests, (rows,), see `fingerprints.stimulus_digests`.
        """
        return stimulus_digests(self.pairs, self.judged if rows is None else self.judged[rows], identities)


def subjects_of(ratings: Floats) -> Floats | None:
    """What each subject said of some judgments, (n, subjects), without those who said nothing; none if all are."""
    some = np.isfinite(ratings).any(axis=0)
    return ratings[:, some] if some.any() else None


def unique_pairs(ends: Indices, folds: Indices | None = None) -> tuple[Indices, Indices]:
    """Find the distinct unordered pairs among pairs of image indices.

    Args:
        ends: Image indices, (N, k, 2).
        folds: A number for each of the N rows; pairs in rows with different numbers stay apart.

    Returns:
        The pairs (P, 2), as and in the order in which they first occur, and the pair of each input, (N, k).

    Examples:
        >>> import numpy as np
        >>> from alignbench.datasets import unique_pairs
        >>> pairs, judged = unique_pairs(np.array([[[0, 1]], [[1, 0]], [[0, 2]]]))
        >>> pairs.tolist(), judged.tolist()
        ([[0, 1], [0, 2]], [[0], [0], [1]])
    """
    import pandas as pd  # imported here, as listing the data sets does not need it

    flat = ends.reshape(-1, 2)
    images = int(flat.max(initial=0)) + 1
    key = np.minimum(flat[:, 0], flat[:, 1]) * images + np.maximum(flat[:, 0], flat[:, 1])
    if folds is not None:
        key += images**2 * np.repeat(folds, ends.shape[1])
    numbers, distinct = pd.factorize(key)  # numbered as they first occur
    first = np.searchsorted(np.maximum.accumulate(numbers), np.arange(len(distinct)))
    return flat[first], numbers.reshape(ends.shape[:2])


@dataclass(frozen=True)
class DistinctPairs:
    """Pairs of pictures that differ: equal pictures are one image, so that they tie exactly in whatever batch they are.

    Attributes:
        images: Indices of the pictures to look at, (distinct images,).
        pairs: Pairs of positions in `images`, (Q, 2).
        back: For each original pair its place in `pairs`, (P,).
    """

    images: Indices
    pairs: Indices
    back: Indices


def distinct_pairs(pairs: Indices, identities: Sequence[str], folds: Indices | None = None) -> DistinctPairs:
    """Put equal pictures together, see `DistinctPairs`.

    Args:
        pairs: Image indices, (P, 2).
        identities: A text for each image that is equal exactly where the pictures are.
        folds: A number for each pair; pairs with different numbers stay apart.
    """
    _, first, inverse = np.unique(np.array(identities), return_index=True, return_inverse=True)
    images = np.sort(first)
    position = np.searchsorted(images, first)[inverse]
    distinct, back = unique_pairs(position[pairs][:, None], folds)
    return DistinctPairs(images, distinct, back[:, 0])


def checked_ratings(name: str, ratings: Floats) -> Floats:
    """Return ratings once it is seen that they can be correlated with something.

    Args:
        name: What the ratings are of, for messages.
        ratings: The ratings, (n,).

    Raises:
        DataError: If there are fewer than three, any is not finite, or all are equal.
    """
    if len(ratings) < 3:
        raise DataError(f"{name}: {len(ratings)} ratings, and a correlation needs at least 3")
    if not np.isfinite(ratings).all():
        raise DataError(
            f"{name}: rating {int(np.argmin(np.isfinite(ratings))) + 1} is not a finite number: download the file again"
        )
    if np.ptp(ratings) == 0.0:
        raise DataError(
            f"{name}: all {len(ratings)} ratings are equal, so nothing correlates with them: choose other subsets"
        )
    return ratings
