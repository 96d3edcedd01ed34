"""The clusters of a folder of pictures in a teacher's eyes: k-means over its features, gone on with where it stopped.

While it runs, `.partial-NAME/` beside the folder holds the transformed features and the state after each iteration.
"""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from alignbench.alignet.k_means import Clusters, KMeansOptions, check_clusters, kmeans
from alignbench.alignet.lloyd import LloydState
from alignbench.alignet.nearest_centroids import Points
from alignbench.alignet.picture_groups import CLUSTERING, CLUSTERS
from alignbench.alignet.stage_folders import is_stage, write_names, write_record
from alignbench.alignet.teacher_features import TeacherFeatures
from alignbench.errors import AlignbenchWarning, DataError, counted
from alignbench.files import UNREADABLE, open_plain, whole_folder, write_safetensors, write_whole
from alignbench.files.json_text import parse_json
from alignbench.files.scratch import no_empty_folders
from alignbench.results.folders import folder_of
from alignbench.results.run_folder import run_hash

_STATE: Final = "state.safetensors"
_METADATA: Final = "settings"


@dataclass(frozen=True)
class ClusteringJob:
    """What is clustered, and how.

    Attributes:
        features: The pictures as the teacher sees them.
        clusters: How many clusters.
        options: How k-means runs.
        output: Folder of the folders of stages.
        overwrite: Whether a finished one is made again.
    """

    features: TeacherFeatures
    clusters: int
    options: KMeansOptions
    output: Path
    overwrite: bool = False

    def settings(self) -> dict[str, Any]:
        """Read the features once, and return everything that can change an assignment."""
        options = self.options
        return {
            **self.features.settings(),
            "clusters": self.clusters,
            "seed": options.seed,
            "iterations": options.iterations,
            "tolerance": options.tolerance,
            "start": "greedy k-means++",
        }


def cluster_pictures(job: ClusteringJob, heard: Callable[[LloydState], None] = lambda state: None) -> tuple[Path, bool]:
    """Cluster pictures, and leave the folder of the stage: `clustering.json`, `names.json`, `clusters.safetensors`.

    Args:
        job: What is clustered, and how.
        heard: Hears of the state before the first iteration, after each, and of the one that is gone on with.

    Returns:
        The folder, and whether it had been finished before.

    Raises:
        UsageError: If there are fewer clusters than two, or more than pictures.
        DataError: If a number is not finite, or there are fewer different pictures than clusters.
        AlignbenchError: If something cannot be written; the state of the last iteration stays.
    """
    check_clusters(job.clusters, len(job.features.names))
    job.options.checked()
    settings = job.settings()
    label = str(settings["model"] or job.features.stored.path.stem)
    folder = job.output / folder_of(label, "clusters", run_hash(settings))
    partial = folder.with_name(f".partial-{folder.name}")
    if is_stage(folder, CLUSTERING) and not job.overwrite:
        shutil.rmtree(partial, ignore_errors=True)  # what a run left that was killed when its folder was whole
        return folder, True

    def noted(state: LloydState) -> None:
        write_whole(partial / _STATE, _packed(state, settings), "free some room")
        heard(state)

    with no_empty_folders(job.output), job.features.mapped(partial) as points:
        before = _stopped_state(partial / _STATE, settings, points)
        if before is not None:
            heard(before)
        try:
            found = kmeans(points, job.clusters, job.options, before, noted)
        except DataError as error:  # it would be so each time: there is nothing to go on with
            shutil.rmtree(partial, ignore_errors=True)
            raise DataError(f"{job.features.stored.path}: {error}") from error
    with whole_folder(folder) as scratch:
        arrays = {"assignments": found.assignments, "centroids": found.centroids.astype(np.float32)}
        write_safetensors(scratch / CLUSTERS, arrays, {})
        write_names(scratch, job.features.names)
        write_record(scratch, CLUSTERING, settings, _details(found))
    shutil.rmtree(partial, ignore_errors=True)
    return folder, False


def _details(found: Clusters) -> dict[str, Any]:
    """What the record says of what was found, and the warnings that it deserves."""
    alone = int((found.sizes == 1).sum())
    if alone:
        warnings.warn(
            f"{alone:,} of the {len(found.sizes):,} clusters {'has' if alone == 1 else 'have'} one picture only, so "
            "that no pair can be drawn from there: ask for fewer clusters if that is too many",
            AlignbenchWarning,
            stacklevel=3,
        )
    if found.stopped_by == "iterations":
        warnings.warn(
            f"k-means was stopped after {counted(found.iterations, 'iteration')} before it had settled: allow more",
            AlignbenchWarning,
            stacklevel=3,
        )
    return {
        "inertia": found.inertia,
        "iterations": found.iterations,
        "stopped_by": found.stopped_by,
        "alone": alone,
        "sizes": found.sizes.tolist(),
    }


def _packed(state: LloydState, settings: Mapping[str, Any]) -> bytes:
    arrays: dict[str, NDArray[Any]] = {
        "centroids": state.centroids,
        "assignments": state.assignments,
        "sums": state.sums,
        "shift": np.array([state.shift]),
        "counts": np.array([state.iteration, state.changed]),
    }
    return save(arrays, {_METADATA: json.dumps(settings, sort_keys=True)})


def _stopped_state(path: Path, settings: Mapping[str, Any], points: Points) -> LloydState | None:
    """The state that a run of the same settings left; none if it cannot be gone on with."""
    try:
        with open_plain(path) as file:
            content = file.read()
        arrays = load(content)
        header = parse_json(content[8 : 8 + int.from_bytes(content[:8], "little")])
        if parse_json(header["__metadata__"][_METADATA]) != settings:
            return None
        iteration, changed = arrays["counts"].tolist()
        (shift,) = arrays["shift"].tolist()
        state = LloydState(iteration, arrays["centroids"], arrays["assignments"], arrays["sums"], shift, changed)
    except (SafetensorError, *UNREADABLE, TypeError):
        return None  # there is none, or it is damaged: k-means starts anew
    shape, kinds = (settings["clusters"], points.shape[1]), (np.float64, np.float64, np.int32)
    held: tuple[NDArray[Any], ...] = (state.centroids, state.sums, state.assignments)
    fits = state.centroids.shape == state.sums.shape == shape and state.assignments.shape == (len(points),)
    fits = fits and all(array.dtype == kind for array, kind in zip(held, kinds, strict=True))
    fits = fits and bool(np.isfinite(state.centroids).all() and np.isfinite(state.sums).all())
    lowest, highest = (0, shape[0] - 1) if state.iteration else (-1, -1)  # before the first one no point has a cluster
    return state if fits and lowest <= state.assignments.min() and state.assignments.max() <= highest else None
