"""What a protocol makes of a data set: which judgments are scored, and which pairs m[c] is fitted on.

The rules themselves are in `alignbench.distances.protocols`.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from alignbench.datasets import DataSet
from alignbench.datasets.judgment_ids import selected_ids
from alignbench.datasets.judgments import DistinctPairs, Judgments, checked_ratings
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.measurement.cell import Cell
from alignbench.measurement.sources import source_kind

if TYPE_CHECKING:
    from collections.abc import Mapping

    from alignbench.arrays import Indices
    from alignbench.distances.functional import ChannelFit


_GROUPS = 10  # of pictures: means are fitted on 64 % of the pairs, 55 times


def load_judgments(cell: Cell, data_set: DataSet) -> Judgments:
    """Read the judgments of a cell under its protocol.

    Raises:
        DataError: If they are missing or malformed, or ratings cannot be correlated with.
        UsageError: If the corrected protocol does not know the data set, or is to score what it fits m[c] on.
    """
    judgments = _held_out(cell, data_set) if cell.rules.held_out_means else _whole(cell, data_set)
    _tell_difference(judgments, data_set.published_counts(cell.protocol))
    if cell.subsets:  # what was asked for by name comes without further rows
        judgments = replace(judgments, parts=())
    if cell.limit is not None:
        judgments = judgments.limited(cell.limit)
    if judgments.kind == "rating":
        for subset in judgments.subsets:
            checked_ratings(f"{cell.dataset} {subset.name}", judgments.human[subset.rows])
    return judgments


def _whole(cell: Cell, data_set: DataSet) -> Judgments:
    """Read the subsets that are wanted as they are."""
    return data_set.read(cell.data_root, cell.subsets or (data_set.default_subset,))


def _tell_difference(judgments: Judgments, published: Mapping[str, int]) -> None:
    """Warn of subsets that have fewer or more judgments than were published."""
    for subset in judgments.subsets:
        here = len(subset.rows)
        there = published.get(subset.name, here)
        if here != there:
            so = "only a part of it is measured" if here < there else "something was added to it"
            warnings.warn(
                f"{judgments.dataset} {subset.name} has {here:,} judgments here and {there:,} as published: {so}",
                AlignbenchWarning,
                stacklevel=3,
            )


def _held_out(cell: Cell, data_set: DataSet) -> Judgments:
    """Read the subsets that are wanted by the data set's rule, and where needed others to fit channel means on."""
    rule = data_set.corrected
    if rule is None:
        raise UsageError(f"{data_set.name} has no data to fit channel means on: measure it with --protocol paper")
    wanted = cell.subsets or rule.subsets
    fits = rule.calibration is not None and source_kind(cell).has_channel_means(cell)
    judgments = data_set.read(cell.data_root, (*wanted, rule.calibration or "") if fits else wanted)
    if fits:
        *subsets, drawn = judgments.subsets
        fitted = set(selected_ids(judgments.ids, drawn.rows))
        for subset in subsets:
            if not fitted.isdisjoint(selected_ids(judgments.ids, subset.rows)):
                raise UsageError(
                    f"subset {subset.name} of {data_set.name} holds judgments that the corrected protocol fits channel "
                    "means on: measure another, or use --protocol paper"
                )
        judgments = replace(judgments, subsets=tuple(subsets), calibration=drawn.rows).used()
    return judgments.with_votes(rule.fewest_votes) if rule.fewest_votes and cell.rules.drops_few_votes else judgments


def leaves_one_out(cell: Cell, data_set: DataSet) -> bool:
    """Whether m[c] is fitted for each reference, or group of pictures, on the pairs of all others."""
    rule = data_set.corrected
    held_out = cell.rules.held_out_means and rule is not None and rule.calibration is None
    return held_out and source_kind(cell).has_channel_means(cell)


def fold_of_pairs(judgments: Judgments) -> Indices:
    """The fold of each pair, numbered from 0, (P,): its reference image, or the two groups that its pictures are in.

    Raises:
        DataError: If nothing remains to fit channel means on when one is left out.
    """
    return _folds(judgments)[0]


def _folds(judgments: Judgments) -> tuple[Indices, NDArray[np.bool_]]:
    """The fold of each pair, (P,), and whether the means of one fold may be fitted on another, (folds, folds).

    That is so where the pairs of the two have no reference, or no group of pictures, in common.
    """
    if judgments.kind == "choice":  # each of the options is a pair, of pictures that other judgments show too
        width, groups = 2, np.sort(judgments.pairs % _GROUPS, axis=1)
    else:
        width = judgments.subsets[0].clusters.shape[1]
        groups = np.full((len(judgments.pairs), width), -1, dtype=np.int64)
        for subset in judgments.subsets:
            of_subset = subset.clusters if width == 1 else np.sort(subset.clusters % _GROUPS, axis=1)
            groups[judgments.judged[subset.rows, 0]] = of_subset
    of_folds, fold = np.unique(groups, axis=0, return_inverse=True)
    apart = ~(of_folds[:, None, :, None] == of_folds[None, :, None, :]).any(axis=(2, 3))
    if not apart.any(axis=1).all():
        alone = "of one reference image" if width == 1 else "of too few pictures"
        others = "the other references, so it needs two" if width == 1 else "pairs of other pictures, so it needs four"
        raise DataError(
            f"all judgments of {judgments.dataset} are {alone}: the corrected protocol fits channel means on {others} "
            "at least"
        )
    return fold.reshape(-1), apart


def channel_fit(cell: Cell, judgments: Judgments, distinct: DistinctPairs, folds: Indices | None) -> ChannelFit:
    """Say on which pairs the channel means m[c] are fitted, and how often each of them counts.

    Args:
        cell: What is measured, and by which protocol.
        judgments: What is evaluated, and what calibrates.
        distinct: The distinct pairs among the judgments'.
        folds: Fold of each of the judgments' pairs, (P,), where each fold is left out in turn; else none.
    """
    import torch

    from alignbench.distances.functional import ChannelFit

    rows = judgments.calibration if len(judgments.calibration) else judgments.evaluated()
    counts = np.bincount(distinct.back, judgments.multiplicity(rows), minlength=len(distinct.pairs))
    fold = np.zeros(len(distinct.pairs), dtype=np.int64)
    weights = counts[None]
    if folds is not None:
        fold[distinct.back] = folds
        weights = counts * _folds(judgments)[1][:, fold]
    return ChannelFit(torch.from_numpy(weights.astype(np.float64)), torch.from_numpy(fold), cell.rules.held_out_means)
