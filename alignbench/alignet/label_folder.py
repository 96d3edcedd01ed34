"""The folder of labelled triplets: made from a teacher's features, or from a published file.

It holds `labels.json`, `names.json`, `triplets.npy` with the odd one last, and `similarities.npy`.
"""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from alignbench.alignet.labelled_triplets import SIMILARITIES, STAGE, TRIPLETS, LabelledTriplets
from alignbench.alignet.labelling import LabelScale, odd_one_last, pair_similarities
from alignbench.alignet.sampled_triplets import SampledTriplets
from alignbench.alignet.stage_folders import is_stage, new_array, write_names, write_record
from alignbench.alignet.teacher_features import TeacherFeatures
from alignbench.errors import AlignbenchWarning, DataError, shortened
from alignbench.extraction.row_matching import match_rows
from alignbench.files import whole_folder
from alignbench.files.scratch import held_scratch
from alignbench.results.folders import folder_of
from alignbench.results.run_folder import run_hash

_NUMBERS: Final = 8_000_000  # that are gathered at once
_FLAT: Final = 0.99  # of log 3: the mean entropy of targets that say next to nothing
_SURE: Final = 0.05  # and that of targets that say one answer alone


@dataclass(frozen=True)
class LabellingJob:
    """What is labelled, and how.

    Attributes:
        triplets: The triplets.
        features: The pictures as the teacher sees them.
        similarity: `dot` or `cosine`.
        output: Folder of the folders of stages.
        overwrite: Whether a finished one is made again.
    """

    triplets: SampledTriplets
    features: TeacherFeatures
    similarity: str
    output: Path
    overwrite: bool = False


def label_triplets(job: LabellingJob, advanced: Callable[[int], None] = lambda triplets: None) -> tuple[Path, bool]:
    """Label triplets, and leave the folder of the stage.

    Args:
        job: What is labelled, and how.
        advanced: Hears how many triplets were labelled just now.

    Returns:
        The folder, and whether it had been finished before.

    Raises:
        UsageError: If there is no such similarity.
        DataError: If a picture has no features, or a number is not finite; names it.
        AlignbenchError: If there is no room.
    """
    features, triplets = job.features, job.triplets
    told = features.settings()
    settings = {**told, "similarity": job.similarity, "digest": triplets.digest(), "triplets": triplets.settings}
    label = str(settings["model"] or features.stored.path.stem)
    key = run_hash(settings)
    folder = job.output / folder_of(label, "labels", key)
    if is_stage(folder, STAGE) and not job.overwrite:
        return folder, True
    names = triplets.names
    rows = None
    if names != features.names:
        rows = match_rows(str(features.stored.path), features.names, names, str(triplets.path)).rows
    count, scale = len(triplets.triplets), LabelScale()
    with whole_folder(folder) as scratch:
        ordered = new_array(scratch / TRIPLETS, np.int32, (count, 3))
        similarities = new_array(scratch / SIMILARITIES, np.float32, (count, 3))
        with held_scratch(job.output, key) as beside, features.mapped(beside) as points:
            step = max(1, _NUMBERS // (3 * features.width))
            for start in range(0, count, step):
                block = np.asarray(triplets.triplets[start : start + step])
                found = pair_similarities(points, block if rows is None else rows[block], job.similarity)
                _check_finite(found, block, names, features)
                here = slice(start, start + len(block))
                ordered[here], similarities[here], places = odd_one_last(block, found)
                scale.add(similarities[here], places)
                advanced(len(block))
        write_names(scratch, names)
        write_record(scratch, STAGE, settings, {"scale": scale.record()})
    return folder, False


def _check_finite(
    found: NDArray[np.float64], block: NDArray[np.int32], names: Sequence[str], features: TeacherFeatures
) -> None:
    """Refuse similarities that float32 cannot hold, or cosines with zeros."""
    with np.errstate(over="ignore"):
        finite = np.isfinite(found.astype(np.float32)).all(axis=1)
    if not finite.all():
        pictures = [shortened(names[number]) for number in block[int(np.argmin(finite))]]
        raise DataError(
            f"the similarities of {', '.join(pictures)} are not finite: their features in {features.stored.path} are "
            "zeros, which have no cosine, or too large for float32"
        )


def take_released(labelled: LabelledTriplets, output: Path, overwrite: bool) -> tuple[Path, bool]:
    """Make a folder of labelled triplets of a published file, which cannot be mapped.

    Args:
        labelled: The triplets of the file.
        output: Folder of the folders of stages.
        overwrite: Whether a finished folder is made again.

    Returns:
        The folder, and whether it had been finished before.

    Raises:
        DataError: See `LabelledTriplets.check`.
        AlignbenchError: If there is no room.
    """
    path = labelled.check().path
    triplets = SampledTriplets(labelled.names, labelled.triplets, {}, path)
    scale = LabelScale()
    settings = {
        **{name: labelled.record["settings"].get(name) for name in ("released", "split", "rule", "teacher")},
        "digest": triplets.digest(),
        "similarities": hashlib.sha256(np.ascontiguousarray(labelled.similarities, dtype="<f4").data).hexdigest(),
    }
    folder = output / folder_of(path.stem, "labels", run_hash(settings))
    if is_stage(folder, STAGE) and not overwrite:
        return folder, True
    with whole_folder(folder) as scratch:
        for name, array in ((TRIPLETS, labelled.triplets), (SIMILARITIES, labelled.similarities)):
            new_array(scratch / name, array.dtype, array.shape)[:] = array
        scale.add(labelled.similarities, None)
        write_names(scratch, labelled.names)
        write_record(scratch, STAGE, settings, {"scale": scale.record() | {"odd_was_last": None}})
    return folder, False


def warn_of_scale(scale: dict[str, Any]) -> None:
    """Warn of targets that say next to nothing: a student of theirs learns next to nothing, or single answers alone.

    Args:
        scale: What the record says of it.
    """
    share = scale["entropy"] / math.log(3)
    if share > _FLAT or share < _SURE:
        what = "nearly flat: they say next to nothing" if share > _FLAT else "nearly one-hot: they say no degrees"
        warnings.warn(
            f"targets (softmax of the similarities) are {what} (mean entropy {share:.1%} of log 3, standard deviation "
            f"of the similarities {scale['std']:.3g}): label with another similarity or teacher",
            AlignbenchWarning,
            stacklevel=2,
        )
