"""Compares what the package reads with what the independent reader reads, whatever the two call things."""

from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path

from alignbench.datasets.images import FileImages
from alignbench.datasets.judgments import Judgments
from reference import HumanJudgments


def check_equal(judgments: Judgments, root: Path, expected: HumanJudgments, rows: Sequence[int] | None = None) -> None:
    """Checks the pairs, values and clusters of the first subset.

    Args:
        judgments: What the package read.
        root: Folder of the data set.
        expected: What the independent reader read.
        rows: Which of the expected judgments the subset holds, in order; all if none are given.
    """
    kept = range(len(expected.values)) if rows is None else rows
    found = pairs_of(judgments, root)
    assert found == [[{expected.images[a], expected.images[b]} for a, b in expected.pairs[row]] for row in kept]
    subset = judgments.subsets[0]
    assert judgments.kind == expected.kind
    assert judgments.human[subset.rows].tolist() == [expected.values[row] for row in kept]
    assert memberships(subset.clusters.tolist()) == memberships(expected.clusters[row] for row in kept)
    named = {image for row in found for pair in row for image in pair}
    assert isinstance(judgments.images, FileImages)
    assert {root / name for name in judgments.images.names} == named, "an image that no judgment names"
    assert len({frozenset(pair) for pair in judgments.pairs.tolist()}) == len(judgments.pairs)
    assert len(set(judgments.ids)) == len(judgments.ids)


def pairs_of(judgments: Judgments, root: Path, subset: int = 0) -> list[list[frozenset[Path]]]:
    """The pairs of each judgment of a subset, as files; a pair has no direction."""
    names = [root / name for name in judgments.images.names]
    rows = judgments.judged[judgments.subsets[subset].rows]
    return [[frozenset({names[a], names[b]}) for a, b in judgments.pairs[pairs].tolist()] for pairs in rows]


def memberships(clusters: Iterable[Sequence[Hashable]]) -> list[list[int]]:
    """The judgments of each cluster, whatever the clusters are called."""
    members: dict[Hashable, list[int]] = {}
    for index, labels in enumerate(clusters):
        for label in labels:
            members.setdefault(label, []).append(index)
    return sorted(members.values())
