"""`alignbench alignet label`: from triplets to labels and the published form, and back."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.cli.main import main
from alignbench.extraction.feature_files import FeatureFile, write_features
from stage_inputs import StageInputs, write_stage_inputs

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


@pytest.fixture
def drawn(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> str:
    given = ("--count", "200", "--rule", "class-border", "--features", str(inputs.features), "--output", str(tmp_path))
    assert main(["alignet", "sample", *given]) == 0
    return capsys.readouterr().out.splitlines()[-1]


def test_labels_travel_by_the_published_form(inputs: StageInputs, drawn: str, tmp_path: Path, capsys: Capture) -> None:
    given = ["alignet", "label", "--triplets", drawn, "--features", str(inputs.features), "--output", str(tmp_path)]
    released = tmp_path / "alignet_train.npz"
    assert main([*given, "--teacher", str(inputs.teacher), "--write-released", str(released)]) == 0
    own = LabelledTriplets.open(Path(capsys.readouterr().out.splitlines()[-1])).check()
    for name in inputs.names:
        (tmp_path / "pictures" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(tmp_path / "pictures" / name)
    take = ["alignet", "label", "--triplets", str(released), "--output", str(tmp_path)]
    assert main([*take, "--images", str(tmp_path / "pictures")]) == 0
    found = LabelledTriplets.open(Path(capsys.readouterr().out.splitlines()[-1])).check()
    assert found.names == tuple(sorted(inputs.names))
    np.testing.assert_array_equal(np.array(found.names)[found.triplets], np.array(own.names)[own.triplets])
    np.testing.assert_array_equal(found.similarities, own.similarities)
    assert main([*given, "--teacher", str(inputs.teacher), "--write-released", str(released)]) == 2
    assert f"{released} is there: name another --write-released, or add --overwrite" in capsys.readouterr().err
    (tmp_path / "pictures" / inputs.names[0]).unlink()
    assert main([*take, "--images", str(tmp_path / "pictures")]) == 1
    assert f"lacks 1 of the 120 pictures of {released} ({Path(inputs.names[0]).name})" in capsys.readouterr().err


def test_labels_are_taken_again_and_the_control_is_another(
    inputs: StageInputs, drawn: str, tmp_path: Path, capsys: Capture
) -> None:
    given = ["alignet", "label", "--triplets", drawn, "--features", str(inputs.features), "--output", str(tmp_path)]
    folders = []
    for option in (["--untransformed"], ["--untransformed"], ["--teacher", str(inputs.teacher)]):
        assert main([*given, *option, "--json"]) == 0
        said = capsys.readouterr()
        folders.append(json.loads(said.out)["folder"])
        assert ("these labels are finished" in said.err) == (len(folders) == 2)
    assert folders[0] == folders[1] != folders[2]
    assert main([*given, "--untransformed", "--similarity", "cosine"]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] not in folders
    assert "100 %" in said.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--features", "FEATURES"), "--teacher and --untransformed are both missing: give one of them"),
        (("--features", "FEATURES", "--teacher", "t", "--untransformed"), "contradict each other: leave one out"),
        ((), "has no labels yet: give --features, and --teacher or --untransformed"),
        (
            ("--features", "FEATURES", "--untransformed", "--images", "x"),
            "--images goes with the labels of a",
        ),
        (("--features", "FEATURES", "--untransformed", "--similarity", "cosin"), "did you mean cosine"),
        (("--features", "FEATURES", "--teacher", "FEATURES"), "it is no transform"),
        (
            ("--features", "FEATURES", "--untransformed", "--write-released", "it.zip"),
            "--write-released it.zip has no ending",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    inputs: StageInputs, drawn: str, tmp_path: Path, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    given = [str(inputs.features) if option == "FEATURES" else option for option in options]
    assert main(["alignet", "label", "--triplets", drawn, "--output", str(tmp_path / "labels"), *given]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not list(tmp_path.glob("labels/*"))


def test_a_folder_without_triplets_is_refused(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> None:
    given = ["alignet", "label", "--features", str(inputs.features), "--untransformed", "--output", str(tmp_path)]
    assert main([*given, "--triplets", str(tmp_path / "none")]) == 1
    assert "none is not there: name a folder that `alignbench alignet sample` made" in capsys.readouterr().err
    assert main(["alignet", "label", "--triplets", str(tmp_path / "none.npz"), "--output", str(tmp_path)]) == 1
    assert "none.npz cannot be read as released triplets" in capsys.readouterr().err


@pytest.mark.parametrize("of_released", [False, True])
def test_pictures_of_one_file_name_are_refused_before_labels_are_made(
    inputs: StageInputs, tmp_path: Path, capsys: Capture, of_released: bool
) -> None:
    names, output, given = ["a/1.png", "b/1.png", "b/2.png"], tmp_path / "labels", []
    if of_released:
        triplets = tmp_path / "own.npz"
        np.savez(triplets, filenames=np.array([names]), similarities=np.array([[3.0, 2.0, 1.0]]))
    else:
        write_features(tmp_path / "f.safetensors", FeatureFile({"projection": np.eye(3)}, tuple(names)))
        given = ["--features", str(tmp_path / "f.safetensors"), "--untransformed"]
        options = ("--features", given[1], "--rule", "random", "--count", "2", "--output", str(tmp_path))
        assert main(["alignet", "sample", *options]) == 0
        triplets = Path(capsys.readouterr().out.splitlines()[-1])
    released = ("--write-released", str(tmp_path / "it.npz"), "--output", str(output))
    assert main(["alignet", "label", "--triplets", str(triplets), *given, *released]) == 1
    assert "it.npz: a/1.png and b/1.png have one file name" in capsys.readouterr().err
    assert not output.exists()
    assert main(["alignet", "label", "--triplets", str(triplets), *given, "--output", str(output)]) == 0
