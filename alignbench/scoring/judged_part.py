"""What is scored: judgments of one subset, or of a part of it, without their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alignbench.arrays import Floats, Indices
from alignbench.datasets.judgments import Judgments, Subset, subjects_of
from alignbench.datasets.responses import Responses


@dataclass(frozen=True, eq=False)
class JudgedPart:
    """Judgments that are scored together.

    Attributes:
        name: Name of the subset or of the part.
        kind: `rating`, `choice` or `preference`, see `Judgments`.
        options: Indices of the pairs of each judgment, (n, k).
        human: What people said of each, (n,), see `Judgments`.
        clusters: What is resampled, (n, m), see `Subset`.
        breakdown: Whether it is a part of a subset, which has the score of its level alone.
        errors: Standard errors of mean ratings, (n,), where they are known.
        objects: See `Subset.objects`.
        subject_ratings: What each subject said, (n, subjects), where that is known.
        responses: Who made each judgment, and how long it took, where that is known.
    """

    name: str
    kind: str
    options: Indices
    human: Floats
    clusters: Indices
    breakdown: bool = False
    errors: Floats | None = None
    objects: Indices | None = None
    subject_ratings: Floats | None = None
    responses: Responses | None = None


def parts_of(judgments: Judgments) -> Iterator[JudgedPart]:
    """Yield the subsets of some judgments, then their parts; one at a time is held."""
    for subset in judgments.subsets:
        yield part_of(judgments, subset)
    for part in judgments.parts:
        yield part_of(judgments, part, breakdown=True)


def part_of(judgments: Judgments, subset: Subset, breakdown: bool = False) -> JudgedPart:
    """What of some judgments a subset or a part holds."""
    rows = subset.rows
    errors = None if judgments.rating_errors is None else judgments.rating_errors[rows]
    said = judgments.judged[rows], judgments.human[rows], subset.clusters
    each = None if judgments.subject_ratings is None else subjects_of(judgments.subject_ratings[rows])
    answers = None if judgments.responses is None else judgments.responses.taken(rows)
    return JudgedPart(subset.name, judgments.kind, *said, breakdown, errors, subset.objects, each, answers)
