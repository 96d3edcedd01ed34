"""Triplets of pictures by five rules, each a pure function of the seed and its row.

Row i takes number i of streams that are keyed by the seed, so it is the same whatever the size of a block, and however
many rows there are: more triplets of a seed begin with the fewer.

- cluster-border, class-border: two pictures of one group, and last a third of another
- within-class: three pictures of one class
- between-class: pictures of three classes
- random: any three pictures
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.errors import DataError, UsageError, counted, unknown
from alignbench.extraction.feature_forms import few

RULES: Final = ("cluster-border", "class-border", "within-class", "between-class", "random")
WEIGHINGS: Final = ("uniform", "size")
_BLOCK: Final = 1 << 18  # rows that are drawn at once; a multiple of the four numbers that Philox makes at a time
_STREAMS: Final = {"random": 3, "within-class": 4, "cluster-border": 5, "class-border": 5, "between-class": 6}
_LAST: Final = 2**63 - 1
_OF_ONE_GROUP: Final = {"cluster-border": 2, "class-border": 2, "within-class": 3}  # pictures that a group has to have


@dataclass(frozen=True)
class SamplingOptions:
    """How triplets are drawn.

    Attributes:
        rule: One of `RULES`.
        weighing: How groups are drawn: `uniform`, or by their `size`, so that each picture of theirs is as likely.
        seed: Seed of the draws.
    """

    rule: str = "cluster-border"
    weighing: str = "uniform"
    seed: int = 0

    def checked(self) -> SamplingOptions:
        """Return them once it is seen that they can be followed.

        Raises:
            UsageError: If there is no such rule or weighing, or the seed is negative or above 2^63 - 1.
        """
        if self.rule not in RULES:
            raise unknown("rule", self.rule, RULES)
        if self.weighing not in WEIGHINGS:
            raise unknown("weighing of groups", self.weighing, WEIGHINGS)
        if not 0 <= self.seed <= _LAST:
            raise UsageError(f"the seed {self.seed} is out of range: take one from 0 to 2^63 - 1")
        return self


def sample_triplets(
    groups: NDArray[np.integer[Any]],
    count: int,
    options: SamplingOptions | None = None,
    names: Sequence[str] | None = None,
    into: NDArray[np.int32] | None = None,
) -> NDArray[np.int32]:
    """Draw triplets of different pictures.

    Args:
        groups: Number of the cluster or class of each picture, (pictures,), integers from 0; for `random` it only
            counts how many there are.
        count: How many triplets.
        options: How they are drawn.
        names: Names of the groups, for messages.
        into: Where they are written, (count, 3), mapped for instance; a new array without it.

    Returns:
        Numbers of pictures, (count, 3) int32. At a border the pair of one group comes first.

    Raises:
        UsageError: If the rule is unknown, fewer than one is asked for, or `groups` are no such numbers.
        DataError: If there are too few groups, or none has enough pictures; names those that have too few.

    Examples:
        >>> import numpy as np
        >>> from alignbench.alignet import sample_triplets
        >>> found = sample_triplets(np.array([0, 0, 1]), 2)
        >>> np.sort(found[:, :2]).tolist(), found[:, 2].tolist()
        ([[0, 1], [0, 1]], [2, 2])
    """
    options = (options or SamplingOptions()).checked()
    if count < 1:
        raise UsageError(f"{count} triplets are none: ask for one or more")
    drawn = _Groups.of(_checked(np.asarray(groups)), options)
    drawn.check(names)
    found = np.empty((count, 3), dtype=np.int32) if into is None else into
    for start in range(0, count, _BLOCK):
        rows = min(_BLOCK, count - start)
        found[start : start + rows] = drawn.triplets(_numbers(options, start, rows))
    return found


def _checked(groups: NDArray[Any]) -> Indices:
    if groups.ndim != 1 or (groups.size and groups.dtype.kind not in "iu"):
        raise UsageError(f"groups of shape {groups.shape} and type {groups.dtype} are no whole numbers (pictures,)")
    if groups.size and groups.min() < 0:
        raise UsageError(f"picture {int(groups.argmin()):,} is of group {groups.min()}: number groups from 0")
    return groups.astype(np.int64)


def _numbers(options: SamplingOptions, start: int, rows: int) -> Floats:
    """Numbers of [0, 1) of some rows, a stream in each row of the result; `start` is a multiple of four."""
    keys = [np.array([options.seed, stream], dtype=np.uint64) for stream in range(_STREAMS[options.rule])]
    streams = [np.random.Philox(key=key).advance(start // 4) for key in keys]
    return np.stack([np.random.Generator(stream).random(rows) for stream in streams])


def small_groups(groups: NDArray[np.integer[Any]], rule: str) -> Indices:
    """Return the groups that a rule draws no pair or triplet from, as they have too few pictures.

    Args:
        groups: Number of the group of each picture.
        rule: One of `RULES`.
    """
    sizes = np.bincount(groups)
    return np.flatnonzero((sizes > 0) & (sizes < _OF_ONE_GROUP.get(rule, 1)))


@dataclass(frozen=True)
class _Groups:
    """Pictures, group by group.

    Attributes:
        options: How triplets are drawn.
        pictures: Numbers of pictures, those of a group side by side.
        numbers: Numbers of the groups that have any.
        starts: Where each of these begins among the pictures.
        sizes: How many pictures it has.
    """

    options: SamplingOptions
    pictures: Indices
    numbers: Indices
    starts: Indices
    sizes: Indices

    @classmethod
    def of(cls, groups: Indices, options: SamplingOptions) -> _Groups:
        if options.rule == "random":
            groups = np.zeros_like(groups)
        numbers, starts, sizes = np.unique(np.sort(groups), return_index=True, return_counts=True)
        return cls(options, np.argsort(groups, kind="stable"), numbers, starts, sizes)

    def check(self, names: Sequence[str] | None) -> None:
        """Refuse groups that give no triplet."""
        rule, count = self.options.rule, len(self.sizes)
        if rule == "random":
            if len(self.pictures) < 3:
                raise DataError(f"{counted(len(self.pictures), 'picture')} cannot make a triplet: give three or more")
            return
        said = few([names[number] if names is not None else str(number) for number in self.numbers.tolist()])
        kind = "clusters" if rule == "cluster-border" else "classes"
        least = {"within-class": 1, "between-class": 3}.get(rule, 2)
        if count < least:
            found = f"there is {count}" if count < 2 else f"there are {count}"
            raise DataError(f"{rule} takes pictures of {least} {kind}, and {found} ({said}): give pictures of more")
        needed = _OF_ONE_GROUP.get(rule, 1)
        if self.sizes.max() < needed:
            raise DataError(
                f"{rule} takes {needed} pictures of one of the {kind}, and each of the {count:,} ({said}) has fewer: "
                f"give more pictures, or fewer {kind}"
            )

    def triplets(self, u: Floats) -> Indices:
        """Draw triplets from numbers of [0, 1), (streams, rows): (rows, 3)."""
        rule = self.options.rule
        if rule == "random":
            return self._inside(np.zeros(u.shape[1], dtype=np.int64), u)
        if rule == "within-class":
            return self._inside(self._group(u[0]), u[1:])
        if rule == "between-class":
            groups: list[Indices] = []
            for numbers in u[:3]:
                groups.append(self._group(numbers, groups))
            return np.column_stack([self._inside(group, u[3 + place][None]) for place, group in enumerate(groups)])
        pair = self._group(u[0])
        third = self._group(u[3], [pair])
        return np.column_stack([self._inside(pair, u[1:3]), self._inside(third, u[4:])])

    def _group(self, u: Floats, others: Sequence[Indices] = ()) -> Indices:
        """Draw groups: those of others are left out, and without any, those too small for the rule."""
        weights = self.sizes if self.options.weighing == "size" else np.ones_like(self.sizes)
        if not others:
            weights = np.where(self.sizes >= _OF_ONE_GROUP.get(self.options.rule, 1), weights, 0)
        ends = np.cumsum(weights)
        left_out = np.sort(np.stack(others), axis=0) if others else np.empty((0, len(u)), dtype=np.int64)
        places = (u * (ends[-1] - weights[left_out].sum(axis=0))).astype(np.int64)
        for group in left_out:
            places += np.where(places >= ends[group] - weights[group], weights[group], 0)
        found: Indices = np.searchsorted(ends, places, side="right")
        return found

    def _inside(self, groups: Indices, u: Floats) -> Indices:
        """Draw different pictures of a group, (rows, pictures), from as many numbers a row."""
        drawn: list[Indices] = []
        for number, numbers in enumerate(u):
            place = (numbers * (self.sizes[groups] - number)).astype(np.int64)
            for before in np.sort(np.stack(drawn), axis=0) if drawn else ():
                place += place >= before
            drawn.append(place)
        chosen: Indices = self.pictures[self.starts[groups] + np.stack(drawn)].T
        return chosen
