"""What a transform has seen of the data that it is judged on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.arrays import Indices
from alignbench.datasets.human_matrices import HumanMatrix
from alignbench.datasets.images import ImageFiles, ImageSource
from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError
from alignbench.transforms.evaluation.odd_one_out import to_triplets
from alignbench.transforms.learning.inputs import digest_of_images
from alignbench.transforms.named import NamedTransform

NOT_SEEN: Final = "not seen"
HELD_OUT: Final = "held-out objects"
IN_SAMPLE: Final = "in-sample"
MAY_BE_IN_SAMPLE: Final = "may be in-sample"
UNKNOWN: Final = "unknown"


def judged_triplets(chosen: NamedTransform, dataset: str, judgments: Judgments, in_sample: bool) -> tuple[Indices, str]:
    """Choose the triplets on which a transform is judged: those without objects that it was learned on.

    Beside them comes the mark of the result, see `EvaluationRow.sample`.

    Objects that were held out have chosen when learning stopped, so that they are not quite new.

    Args:
        chosen: The transform, whose provenance says on which objects it was learned.
        dataset: Name of the data set.
        judgments: Its judgments.
        in_sample: Whether to take triplets of learned objects too, and mark the result.

    Raises:
        DataError: If every triplet names an object that it was learned on.
    """
    provenance, triplets = chosen.transform.provenance, to_triplets(judgments)
    sample = sample_of_data_set(provenance, dataset, [judgments.images.names[index] for index in np.unique(triplets)])
    if sample != IN_SAMPLE or in_sample:
        return triplets, sample
    learned, held_out = (_named(judgments, provenance.get(f"{name}_objects", ())) for name in ("learned", "held_out"))
    kept = triplets[~learned[triplets].any(axis=1)]
    if not len(kept):
        raise DataError(
            f"every triplet of {dataset} names an object that {chosen.name} was learned on: take another subset, or "
            "--in-sample, which marks the result"
        )
    return kept, HELD_OUT if held_out[kept].any() else NOT_SEEN


def sample_of_data_set(provenance: Mapping[str, Any], dataset: str, pictures: Sequence[str]) -> str:
    """What can be said of all judgments of a data set: whether a transform was learned on objects that they name.

    Args:
        provenance: Where the transform comes from.
        dataset: Name of the data set.
        pictures: Names of the pictures that are judged.
    """
    shown, published = set(pictures), "sha256" in provenance
    learned_on = provenance.get("dataset", "things" if published else None)
    if learned_on is None:
        return UNKNOWN
    if learned_on != dataset:
        return NOT_SEEN
    if "learned_objects" not in provenance:
        return MAY_BE_IN_SAMPLE
    if not shown.isdisjoint(provenance["learned_objects"]):
        return IN_SAMPLE
    return NOT_SEEN if shown.isdisjoint(provenance.get("held_out_objects", ())) else HELD_OUT


def _named(judgments: Judgments, names: list[str]) -> NDArray[np.bool_]:
    """Which pictures have one of some names."""
    wanted = set(names)
    return np.array([name in wanted for name in judgments.images.names])


def sample_of_matrix(chosen: NamedTransform, matrix: HumanMatrix) -> str:
    """What can be said of a human matrix: no transform is learned from one."""
    return NOT_SEEN if "dataset" in chosen.transform.provenance or _is_published(chosen) else UNKNOWN


def sample_of_images(
    chosen: NamedTransform, images: ImageSource, digest: Callable[[ImageSource], str] = digest_of_images
) -> str:
    """What can be said of pictures: whether they are those of the local term.

    Those of the published transforms were ImageNet's.

    Args:
        chosen: The transform.
        images: The pictures.
        digest: Digest of pictures.
    """
    provenance = chosen.transform.provenance
    if "local_images" in provenance:
        return IN_SAMPLE if provenance["local_images"] == digest(images) else NOT_SEEN
    if _is_published(chosen):
        return MAY_BE_IN_SAMPLE if isinstance(images, ImageFiles) else NOT_SEEN
    return UNKNOWN


def _is_published(chosen: NamedTransform) -> bool:
    """Whether it is one of the published ones, which say of what bytes they are."""
    return "sha256" in chosen.transform.provenance
