"""Human similarity matrices (high level): a rating of every two of some pictures.

The files are those of `human_matrices`, where also stands who published them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

import numpy as np

from alignbench.arrays import Floats, Indices
from alignbench.datasets.data_set import Corrected, DataSet, root_folder
from alignbench.datasets.human_matrices import (
    MATRICES,
    HumanMatrix,
    categories,
    read_cichy,
    read_king,
    read_peterson,
)
from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.errors import DataError, unknown

_SETS: Final = ("set1", "set2")
_PETERSON: Final = tuple(name.partition("-")[2] for name in MATRICES if name.startswith("peterson-"))


def read_cichy2019(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the similarities of the 118 objects of Cichy et al. (2019), minus the mean dissimilarities.

    Args:
        root: See `read_cichy`.
        subsets: `all`.

    Raises:
        UsageError: If there is no such subset, or no root was given.
        DataError: If files are missing or malformed.
    """
    folder = root_folder("cichy2019", root)
    return _rated_pairs("cichy2019", _chosen("cichy2019", subsets, ("all",)), lambda _: read_cichy(folder))


def read_king2019(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the similarities of the two sets of King et al. (2019), minus the mean dissimilarities.

    Args:
        root: See `read_king`.
        subsets: `set1`, `set2`, or `all` for both, each scored by itself.

    Raises:
        UsageError: If there is no such subset, or no root was given.
        DataError: If files are missing or malformed.
    """
    folder = root_folder("king2019", root)
    return _rated_pairs("king2019", _chosen("king2019", subsets, _SETS), lambda name: read_king(folder, name))


def read_peterson_sets(root: Path | None, subsets: tuple[str, ...]) -> Judgments:
    """Read the mean similarities of categories of Peterson et al.

    Args:
        root: See `read_peterson`.
        subsets: Names of categories that are there, or `all` for these, each scored by itself.

    Raises:
        UsageError: If there is no such subset, or no root was given.
        DataError: If files are missing or malformed, or no category is there.
    """
    folder = root_folder("peterson", root)
    there = categories(folder)
    if not there:
        raise DataError(f"{folder} has no CATEGORY/images beside CATEGORY/sim_judgements: put the published sets there")
    chosen = _chosen("peterson", subsets, there, _PETERSON)
    return _rated_pairs("peterson", chosen, lambda name: read_peterson(folder, name))


def _chosen(
    dataset: str, subsets: tuple[str, ...], there: Sequence[str], published: Sequence[str] = ()
) -> tuple[str, ...]:
    """The subsets that are wanted, `all` written out."""
    known = tuple(dict.fromkeys((*there, *published, "all")))
    for subset in subsets:
        if subset not in known:
            raise unknown(f"subset of {dataset}", subset, known)
    if "all" in subsets and len(subsets) == 1:
        return tuple(there)
    return tuple(dict.fromkeys(name for subset in subsets for name in (there if subset == "all" else (subset,))))


# ----------------------------------------------------------------------------------------------- judgments


@dataclass(frozen=True, eq=False)
class _Triangle:
    """A matrix as ratings.

    Attributes:
        ends: Numbers of the two pictures of each pair, (n, 2). The first k (k - 1) / 2 are all pairs of k pictures.
        ratings: How alike people found them, (n,).
        subjects: What each subject said, (n, subjects), where that is known.
        ids: A name for each pair.
    """

    ends: Indices
    ratings: Floats
    subjects: Floats | None
    ids: tuple[str, ...]

    @classmethod
    def of(cls, matrix: HumanMatrix) -> _Triangle:
        """The pairs of a matrix, by their second picture and then the first."""
        ends = np.column_stack(np.triu_indices(len(matrix.images.names), 1))
        order = np.lexsort((ends[:, 0], ends[:, 1]))
        names = [PurePosixPath(name).name for name in matrix.images.names]
        ids = tuple(f"{matrix.name}: {names[first]} with {names[second]}" for first, second in ends[order].tolist())
        each = None if matrix.subjects is None else -matrix.subject_dissimilarities.T[order]
        return cls(ends[order], -matrix.dissimilarities[order], each, ids)


def _rated_pairs(dataset: str, names: tuple[str, ...], read: Callable[[str], HumanMatrix]) -> Judgments:
    """Judgments of some matrices, each a subset."""
    matrices = [read(name) for name in names]
    parts = [_Triangle.of(matrix) for matrix in matrices]
    first = np.cumsum([0, *(len(matrix.images.names) for matrix in matrices)])
    pairs = np.concatenate([part.ends + start for part, start in zip(parts, first, strict=False)])
    rows = np.split(np.arange(len(pairs)), np.cumsum([len(part.ends) for part in parts])[:-1])
    images = tuple(name for matrix in matrices for name in matrix.images.names)
    return Judgments(
        dataset=dataset,
        level="high",
        kind="rating",
        images=FileImages(matrices[0].images.root, images),
        pairs=pairs,
        judged=np.arange(len(pairs))[:, None],
        human=np.concatenate([part.ratings for part in parts]),
        ids=tuple(id_ for part in parts for id_ in part.ids),
        subsets=tuple(Subset(name, own, pairs[own]) for name, own in zip(names, rows, strict=True)),
        subject_ratings=_joined([part.subjects for part in parts], rows),
    )


def _joined(parts: Sequence[Floats | None], rows: Sequence[Indices]) -> Floats | None:
    """What the subjects of all parts said, (N, subjects); they are others in each part."""
    most = max((0 if part is None else part.shape[1]) for part in parts)
    if not most:
        return None
    found = np.full((sum(map(len, rows)), most), np.nan)
    for part, own in zip(parts, rows, strict=True):
        if part is not None:
            found[own, : part.shape[1]] = part
    return found


def _data_set(name: str, summary: str, subsets: tuple[str, ...], read: Callable[..., Judgments]) -> DataSet:
    return DataSet(
        name=name,
        level="high",
        kind="rating",
        summary=summary,
        home="linked from the code of 'Human alignment of neural network representations' (ICLR 2023)",
        terms="research use, cite the paper",
        default_subset="all",
        subsets=subsets,
        read=read,
        complete=6_903 if name == "cichy2019" else None,  # every two of 118 objects
        ceiling_note="the ratings are means, and what each person said was not published" if name == "peterson" else "",
        common_side=224,
        corrected=Corrected(("all",)),
    )


CICHY2019: Final = _data_set(
    "cichy2019", "dissimilarities of every two of 118 objects, by multi-arrangement", ("all",), read_cichy2019
)
KING2019: Final = _data_set(
    "king2019",
    "dissimilarities in two sets of objects and scenes, by free arrangement",
    (*_SETS, "all"),
    read_king2019,
)
PETERSON: Final = _data_set(
    "peterson", "rated similarities within six categories of pictures", (*_PETERSON, "all"), read_peterson_sets
)
