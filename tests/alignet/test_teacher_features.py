"""Features as a teacher sees them: every way to name it, against float64, and what does not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.alignet.teacher_features import teacher_features, transform_file
from alignbench.errors import AlignbenchWarning, DataError, UsageError
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.transforms import AffineTransform
from stage_inputs import PICTURES, StageInputs, write_stage_inputs


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


def test_rows_are_transformed_once_and_alike(inputs: StageInputs, tmp_path: Path) -> None:
    seen = teacher_features(inputs.features, None, str(inputs.teacher))
    assert (seen.names, seen.width) == (inputs.names, 4)
    with seen.opened() as rows:
        np.testing.assert_allclose(rows(np.array([5, 2, 9])), inputs.seen[[5, 2, 9]], rtol=0, atol=1e-4)
    with seen.mapped(tmp_path) as points:
        assert isinstance(points, np.memmap)
        np.testing.assert_allclose(points, inputs.seen, rtol=0, atol=1e-4)
    (tmp_path / "points.npy").rename(tmp_path / "kept.npy")
    np.save(tmp_path / "points.npy", np.zeros((PICTURES, 4), dtype=np.float32))
    with seen.mapped(tmp_path) as points:
        assert not points.any(), "what is there already is taken"


@pytest.mark.parametrize("form", ["it.safetensors", "it.npz", "it.npy"])
@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16])
def test_raw_features_are_the_files_own(inputs: StageInputs, tmp_path: Path, form: str, kind: type) -> None:
    rows = inputs.rows.astype(kind)
    write_features(tmp_path / form, FeatureFile({"layer_0": rows}, inputs.names))
    if form == "it.npy":
        (tmp_path / "file_names.txt").write_text("\n".join(inputs.names))
    seen = teacher_features(tmp_path / form, None, None)
    assert seen.settings()["space"] == "raw"
    with seen.mapped(tmp_path / "beside") as points:
        np.testing.assert_array_equal(points, rows.astype(np.float32))
    assert (tmp_path / "beside").exists() == (kind is not np.float32), (
        "a copy where none is needed, or none where one is"
    )


def test_settings_tell_every_number(inputs: StageInputs, tmp_path: Path) -> None:
    settings = teacher_features(inputs.features, None, str(inputs.teacher)).settings()
    assert (settings["model"], settings["layer"], settings["space"]) == ("own", "projection", "transformed")
    other = inputs.rows.copy()
    other[3, 2] += 1e-3
    write_features(tmp_path / "f.npz", FeatureFile({"projection": other}, inputs.names, origin={"model": "own"}))
    told = teacher_features(tmp_path / "f.npz", None, str(inputs.teacher)).settings()
    assert told["features"] != settings["features"]
    other[7, 0] = np.nan
    write_features(tmp_path / "f.npz", FeatureFile({"projection": other}, inputs.names))
    with pytest.raises(DataError, match=f"not finite, or too large for float32, in the row of {inputs.names[7]}"):
        teacher_features(tmp_path / "f.npz", None, None).settings()


def test_a_folder_of_learning_gives_its_transform(inputs: StageInputs, tmp_path: Path) -> None:
    transform = AffineTransform.load(inputs.teacher)
    learned = tmp_path / "own__things__soft__0a1b2c3d"
    transform.save(learned / "layer_3.safetensors")
    (learned / "learned.json").write_text("{}")
    assert transform_file(str(learned)) == str(learned / "layer_3.safetensors")
    transform.save(learned / "layer_4.safetensors")
    with pytest.raises(UsageError, match="holds transforms of several layers: name one of its files with --teacher"):
        transform_file(str(learned))
    transform.save(learned / "projection.safetensors")
    seen = teacher_features(inputs.features, None, str(learned))
    assert seen.teacher is not None
    assert seen.teacher.name == "soft-0a1b2c3d"
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no transform: name a folder that `alignbench alignet t"):
        teacher_features(inputs.features, None, str(tmp_path / "empty"))


def test_a_teacher_of_other_features_is_refused(inputs: StageInputs, tmp_path: Path) -> None:
    narrow = tmp_path / "narrow.npz"
    write_features(narrow, FeatureFile({"projection": inputs.rows[:, :5]}, inputs.names, origin={"model": "own"}))
    with pytest.raises(UsageError, match=r"the transform turn takes 6 channels, and projection of .*narrow.npz has 5"):
        teacher_features(narrow, None, str(inputs.teacher))
    other = tmp_path / "other.npz"
    write_features(other, FeatureFile({"projection": inputs.rows}, inputs.names, origin={"model": "another"}))
    with pytest.raises(UsageError, match="the transform turn is of own, and these features of another: add --force"):
        teacher_features(other, None, str(inputs.teacher))
    assert teacher_features(other, None, str(inputs.teacher), force=True).width == 4
    unknown = tmp_path / "unknown.npz"
    write_features(unknown, FeatureFile({"projection": inputs.rows}, inputs.names))
    with pytest.warns(AlignbenchWarning, match="does not say of which model it is"):
        teacher_features(unknown, None, str(inputs.teacher))
    with pytest.raises(DataError, match="it is no transform"):
        teacher_features(inputs.features, None, str(inputs.features))


def test_one_layer_with_one_token_is_taken(inputs: StageInputs, tmp_path: Path) -> None:
    path = tmp_path / "f.npz"
    layers = {"layer_0": np.repeat(inputs.rows[:, None], 2, axis=1), "layer_1": inputs.rows}
    write_features(path, FeatureFile(layers, inputs.names))
    with pytest.raises(UsageError, match=r"several layers \(layer_0, layer_1\): name one with --layer"):
        teacher_features(path, None, None)
    with pytest.raises(DataError, match="layer_0 has 2 tokens a picture"):
        teacher_features(path, "layer_0", None)
    assert teacher_features(path, "layer_1", None).width == 6


def test_numbers_that_a_teacher_makes_infinite_are_named(inputs: StageInputs, tmp_path: Path) -> None:
    path = tmp_path / "large.npz"
    rows = inputs.rows.copy()
    rows[11] *= 1e37
    write_features(path, FeatureFile({"projection": rows}, inputs.names, origin={"model": "own"}))
    AffineTransform(np.full((6, 2), 1e6), 0.0, 1.0).save(tmp_path / "t.safetensors")
    seen = teacher_features(path, None, str(tmp_path / "t.safetensors"))
    with pytest.raises(DataError, match=f"not finite, in the row of {inputs.names[11]}"), seen.mapped(tmp_path / "b"):
        pass
    assert not (tmp_path / "b").exists()
