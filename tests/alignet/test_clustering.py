"""The folder of clusters: scikit-learn's, resumed where it was stopped, and reused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from safetensors.numpy import load_file
from sklearn.cluster import KMeans

from alignbench.alignet.clustering import ClusteringJob, cluster_pictures
from alignbench.alignet.k_means import KMeansOptions
from alignbench.alignet.lloyd import LloydState
from alignbench.alignet.picture_groups import cluster_groups
from alignbench.alignet.stage_folders import read_record
from alignbench.alignet.teacher_features import teacher_features
from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, UsageError
from alignbench.extraction.feature_files import FeatureFile, write_features
from stage_inputs import PICTURES, StageInputs, write_stage_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


def job_of(inputs: StageInputs, output: Path, teacher: bool = True, clusters: int = 8, seed: int = 0) -> ClusteringJob:
    seen = teacher_features(inputs.features, None, str(inputs.teacher) if teacher else None)
    return ClusteringJob(seen, clusters, KMeansOptions(seed), output)


@pytest.mark.parametrize("teacher", [True, False])
def test_clusters_are_a_fixed_point_of_scikit_learns(inputs: StageInputs, tmp_path: Path, teacher: bool) -> None:
    folder, finished = cluster_pictures(job_of(inputs, tmp_path, teacher))
    assert not finished
    found, record = cluster_groups(folder), read_record(folder, "clustering")
    centroids = load_file(folder / "clusters.safetensors")["centroids"]
    assert centroids.dtype == np.float32
    points = inputs.seen if teacher else inputs.rows.astype(np.float64)
    theirs = KMeans(8, init=centroids.astype(np.float64), n_init=1, tol=0).fit(points)
    np.testing.assert_array_equal(found.numbers, theirs.labels_)
    np.testing.assert_allclose(centroids, theirs.cluster_centers_, rtol=0, atol=1e-4)
    np.testing.assert_allclose(record["inertia"], theirs.inertia_, rtol=1e-4)
    assert record["sizes"] == np.bincount(theirs.labels_, minlength=8).tolist()
    assert record["settings"]["space"] == ("transformed" if teacher else "raw")
    assert found.names == inputs.names
    assert sorted(path.name for path in tmp_path.iterdir()) == [folder.name], "something is left behind"


def test_a_finished_folder_is_taken_again(inputs: StageInputs, tmp_path: Path) -> None:
    job = job_of(inputs, tmp_path)
    folder, _ = cluster_pictures(job)
    made = (folder / "clustering.json").stat().st_mtime_ns
    assert cluster_pictures(job) == (folder, True)
    assert (folder / "clustering.json").stat().st_mtime_ns == made
    assert cluster_pictures(replace(job, overwrite=True)) == (folder, False)
    assert (folder / "clustering.json").stat().st_mtime_ns > made
    others = {cluster_pictures(job_of(inputs, tmp_path, *other))[0] for other in ((True, 7), (True, 8, 1), (False,))}
    assert len(others | {folder}) == 4


class Stopped(Exception):
    """Stands for whatever ends a process."""


@pytest.mark.parametrize("damage", ["none", "state", "settings"])
def test_what_was_stopped_goes_on_after_its_last_iteration(inputs: StageInputs, tmp_path: Path, damage: str) -> None:
    def stop(state: LloydState) -> None:
        if state.iteration == 2:
            raise Stopped

    whole, _ = cluster_pictures(job_of(inputs, tmp_path / "whole", clusters=6))
    job, heard = job_of(inputs, tmp_path, clusters=6), list[int]()
    with pytest.raises(Stopped):
        cluster_pictures(job, stop)
    (partial,) = tmp_path.glob(".partial-*")
    assert sorted(path.name for path in partial.iterdir()) == ["points.npy", "state.safetensors"]
    state = partial / "state.safetensors"
    if damage == "state":
        state.write_bytes(state.read_bytes()[:-9])
    elif damage == "settings":
        state.write_bytes(state.read_bytes().replace(b'\\"seed\\": 0', b'\\"seed\\": 7'))
    folder, _ = cluster_pictures(job, lambda state: heard.append(state.iteration))
    assert heard[0] == (2 if damage == "none" else 0)
    assert (folder / "clusters.safetensors").read_bytes() == (whole / "clusters.safetensors").read_bytes()
    assert (folder / "clustering.json").read_text() == (whole / "clustering.json").read_text()
    assert not partial.exists()


def test_a_start_that_was_drawn_is_kept(inputs: StageInputs, tmp_path: Path) -> None:
    def stop(state: LloydState) -> None:
        raise Stopped

    job, drawn = job_of(inputs, tmp_path, clusters=6), mock.Mock(side_effect=AssertionError("it is drawn again"))
    with pytest.raises(Stopped):
        cluster_pictures(job, stop)
    with mock.patch("alignbench.alignet.k_means.kmeans_start", drawn):
        folder, _ = cluster_pictures(job)
    whole, _ = cluster_pictures(job_of(inputs, tmp_path / "whole", clusters=6))
    assert (folder / "clusters.safetensors").read_bytes() == (whole / "clusters.safetensors").read_bytes()


def test_clusters_of_one_picture_and_a_run_that_has_not_settled_are_told(inputs: StageInputs, tmp_path: Path) -> None:
    job = job_of(inputs, tmp_path, clusters=PICTURES)
    with pytest.warns(AlignbenchWarning, match="120 of the 120 clusters have one picture only"):
        folder, _ = cluster_pictures(job)
    assert json.loads((folder / "clustering.json").read_text())["alone"] == PICTURES
    with pytest.warns(AlignbenchWarning, match="stopped after 1 iteration before it had settled"):
        cluster_pictures(replace(job, clusters=5, options=KMeansOptions(iterations=1)))


def test_what_cannot_be_is_refused_and_leaves_nothing(inputs: StageInputs, tmp_path: Path) -> None:
    for clusters in (1, PICTURES + 1):
        with pytest.raises(UsageError, match=f"120 pictures cannot make {clusters} clusters?: ask"):
            cluster_pictures(job_of(inputs, tmp_path, clusters=clusters))
    assert not list(tmp_path.iterdir())
    same = tmp_path / "same.npz"
    write_features(same, FeatureFile({"projection": np.ones((PICTURES, 4))}, inputs.names))  # float64: written anew
    with pytest.raises(DataError, match=r"same.npz: the points take only 1 different value,"):
        cluster_pictures(replace(job_of(inputs, tmp_path / "out"), features=teacher_features(same, None, None)))
    assert not (tmp_path / "out").exists()
    (tmp_path / "file").touch()
    with pytest.raises(AlignbenchError, match="cannot be written"):
        cluster_pictures(job_of(inputs, tmp_path / "file"))
