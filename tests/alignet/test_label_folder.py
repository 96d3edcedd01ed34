"""The folder of labels: a teacher's products in float64, the odd one last, from features or a published file."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet import label_folder
from alignbench.alignet.label_folder import LabellingJob, label_triplets, take_released, warn_of_scale
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.picture_groups import class_groups
from alignbench.alignet.released_triplets import write_released
from alignbench.alignet.sampled_triplets import SampledTriplets, SamplingJob, draw_triplets
from alignbench.alignet.sampling import SamplingOptions
from alignbench.alignet.teacher_features import teacher_features
from alignbench.errors import AlignbenchWarning, DataError
from alignbench.extraction.feature_files import FeatureFile, write_features
from stage_inputs import StageInputs, write_stage_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture(scope="module")
def drawn(inputs: StageInputs, tmp_path_factory: pytest.TempPathFactory) -> SampledTriplets:
    job = SamplingJob(
        class_groups(inputs.names), 500, SamplingOptions("class-border"), tmp_path_factory.mktemp("drawn")
    )
    return SampledTriplets.open(draw_triplets(job)[0])


@pytest.mark.parametrize("similarity", ["dot", "cosine"])
@pytest.mark.parametrize("teacher", [True, False])
def test_labels_are_those_of_float64(
    inputs: StageInputs, drawn: SampledTriplets, tmp_path: Path, teacher: bool, similarity: str
) -> None:
    seen = teacher_features(inputs.features, None, str(inputs.teacher) if teacher else None)
    folder, _ = label_triplets(LabellingJob(drawn, seen, similarity, tmp_path))
    found = LabelledTriplets.open(folder).check()
    points = inputs.seen if teacher else inputs.rows.astype(np.float64)
    if similarity == "cosine":
        points = points / np.linalg.norm(points, axis=1, keepdims=True)
    every = points @ points.T
    for triplet, asked, values in zip(found.triplets, drawn.triplets, found.similarities, strict=True):
        assert set(triplet) == set(asked)
        i, j, k = triplet
        np.testing.assert_allclose(values, [every[i, j], every[i, k], every[j, k]], rtol=1e-4, atol=1e-4)
    assert found.record["settings"]["space"] == ("transformed" if teacher else "raw")
    assert found.record["settings"]["triplets"] == drawn.settings
    assert found.record["scale"]["first_largest"] == 1
    kept = np.mean(found.triplets[:, 2] == drawn.triplets[:, 2])
    assert found.record["scale"]["odd_was_last"] == pytest.approx(kept)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name], "something is left behind"


def test_blocks_and_rows_in_another_order_change_nothing(
    inputs: StageInputs, drawn: SampledTriplets, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = teacher_features(inputs.features, None, str(inputs.teacher))
    job = LabellingJob(drawn, seen, "dot", tmp_path / "one")
    whole = LabelledTriplets.open(label_triplets(job)[0])
    order = np.random.default_rng(0).permutation(len(inputs.names))
    other = tmp_path / "f.npz"
    names = tuple(f"/data/{inputs.names[place]}" for place in order)
    write_features(other, FeatureFile({"projection": inputs.rows[order]}, names, origin={"model": "own"}))
    monkeypatch.setattr(label_folder, "_NUMBERS", 100)
    heard: list[int] = []
    moved = LabellingJob(drawn, teacher_features(other, None, str(inputs.teacher)), "dot", tmp_path / "other")
    found = LabelledTriplets.open(label_triplets(moved, heard.append)[0])
    assert (len(heard), sum(heard)) == (63, 500)
    np.testing.assert_array_equal(found.triplets, whole.triplets)
    np.testing.assert_allclose(found.similarities, whole.similarities, rtol=1e-5, atol=1e-6)
    assert found.names == drawn.names


def test_a_finished_folder_is_taken_again(inputs: StageInputs, drawn: SampledTriplets, tmp_path: Path) -> None:
    job = LabellingJob(drawn, teacher_features(inputs.features, None, None), "dot", tmp_path)
    folder, _ = label_triplets(job)
    assert label_triplets(job) == (folder, True)
    assert label_triplets(replace(job, overwrite=True)) == (folder, False)
    assert label_triplets(replace(job, similarity="cosine"))[0] != folder


def test_pictures_without_features_are_named(inputs: StageInputs, drawn: SampledTriplets, tmp_path: Path) -> None:
    few = tmp_path / "few.npz"
    write_features(few, FeatureFile({"projection": inputs.rows[2:]}, inputs.names[2:]))
    job = LabellingJob(drawn, teacher_features(few, None, None), "dot", tmp_path / "output")
    with pytest.raises(DataError, match=f"has no row for 2 of the 120 pictures of .* .{inputs.names[0]}, "):
        label_triplets(job)
    zeros = inputs.rows.copy()
    zeros[drawn.triplets[0, 1]] = 0
    write_features(few, FeatureFile({"projection": zeros}, inputs.names))
    job = LabellingJob(drawn, teacher_features(few, None, None), "cosine", tmp_path / "output")
    with pytest.raises(DataError, match=r"are not finite: their features in .* are zeros, which have no cosine"):
        label_triplets(job)
    assert not (tmp_path / "output").exists()


def test_a_published_file_becomes_a_folder(inputs: StageInputs, drawn: SampledTriplets, tmp_path: Path) -> None:
    seen = teacher_features(inputs.features, None, str(inputs.teacher))
    own = LabelledTriplets.open(label_triplets(LabellingJob(drawn, seen, "dot", tmp_path))[0])
    path = tmp_path / "untransformed" / "train_class_border.npz"
    write_released(path, own.names, own.triplets, own.similarities)
    opened = LabelledTriplets.open(path).of_pictures(inputs.names, "")
    folder, _ = take_released(opened, tmp_path, False)
    found = LabelledTriplets.open(folder).check()
    assert found.names == inputs.names
    np.testing.assert_array_equal(found.triplets, own.triplets)
    np.testing.assert_array_equal(found.similarities, own.similarities)
    assert found.record["settings"]["teacher"] == "untransformed"
    assert found.record["scale"] == own.record["scale"] | {"odd_was_last": None}
    assert take_released(opened, tmp_path, False) == (folder, True)
    values = np.array(own.similarities)
    values[7] = values[7, ::-1]
    write_released(path, own.names, own.triplets, values)
    with pytest.raises(DataError, match=r"in 0.2 % of its rows the first similarity is not the largest"):
        take_released(LabelledTriplets.open(path), tmp_path, False)
    values[7] = own.similarities[7] + 1
    write_released(path, own.names, own.triplets, values)
    opened = LabelledTriplets.open(path).of_pictures(inputs.names, "")
    assert take_released(opened, tmp_path, False)[0] != folder, "other labels, and the old ones are taken"


@pytest.mark.parametrize(
    ("entropy", "said"), [(1.0985, "nearly flat"), (0.01, "nearly one-hot"), (0.6, ""), (0.06, "")]
)
def test_targets_that_teach_nothing_are_warned_of(entropy: float, said: str) -> None:
    scale = {"entropy": entropy, "std": 3.0}
    if said:
        with pytest.warns(AlignbenchWarning, match=said):
            warn_of_scale(scale)
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warn_of_scale(scale)
