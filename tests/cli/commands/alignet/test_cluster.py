"""`alignbench alignet cluster`: the folder of the stage, and what it refuses before anything is read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from alignbench.alignet.picture_groups import cluster_groups
from alignbench.cli.main import main
from alignbench.extraction.feature_files import FeatureFile, write_features
from stage_inputs import StageInputs, write_stage_inputs

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


def command(inputs: StageInputs, output: Path, *options: str) -> list[str]:
    given = ("--features", str(inputs.features), "--clusters", "8", "--output", str(output), "--accelerator", "cpu")
    return ["alignet", "cluster", *given, *options]


def test_the_folder_is_made_and_taken_again(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> None:
    teacher = ("--teacher", str(inputs.teacher))
    assert main(command(inputs, tmp_path, *teacher)) == 0
    said = capsys.readouterr()
    folder = Path(said.out.splitlines()[-1])
    assert folder.parent == tmp_path
    assert cluster_groups(folder).names == inputs.names
    assert "120 pictures, projection, 4 numbers each, cpu" in said.err
    assert main(command(inputs, tmp_path, *teacher, "--json")) == 0
    said = capsys.readouterr()
    assert f"these clusters are finished: taken from {folder}" in said.err
    told = json.loads(said.out)
    assert told["folder"] == str(folder)
    assert sum(told["sizes"]) == 120
    assert main(command(inputs, tmp_path, "--space", "raw")) == 0
    assert Path(capsys.readouterr().out.splitlines()[-1]) != folder


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--space transformed needs a teacher: give --teacher, or --space raw"),
        (("--space", "raw", "--teacher", "TEACHER"), "--space raw takes no teacher: leave out --teacher"),
        (("--space", "row"), "did you mean raw"),
        (("--space", "raw", "--clusters", "1"), "120 pictures cannot make 1 cluster: ask for 2 to 120"),
        (("--space", "raw", "--clusters", "121"), "120 pictures cannot make 121 clusters: ask for 2 to 120"),
        (("--space", "raw", "--iterations", "0"), "0 iterations of k-means are none"),
        (("--space", "raw", "--accelerator", "gpu"), "unknown accelerator 'gpu'"),
        (("--space", "raw", "--layer", "projektion"), "did you mean projection"),
        (("--teacher", "no/such.npz"), "the transform no/such.npz is not there"),
    ],
)
def test_what_cannot_be_is_refused(
    inputs: StageInputs, tmp_path: Path, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    given = [str(inputs.teacher) if option == "TEACHER" else option for option in options]
    assert main(command(inputs, tmp_path, *given)) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert "Traceback" not in error
    assert not [path for path in tmp_path.iterdir() if not path.name.startswith(".")]


def test_a_row_that_is_not_finite_is_named(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> None:
    rows = inputs.rows.copy()
    rows[17, 3] = float("nan")
    write_features(tmp_path / "f.npz", FeatureFile({"projection": rows}, inputs.names))
    arguments = ["alignet", "cluster", "--features", str(tmp_path / "f.npz"), "--space", "raw", "--clusters", "8"]
    assert main([*arguments, "--output", str(tmp_path / "o")]) == 1
    assert f"in the row of {inputs.names[17]}: leave out such rows" in capsys.readouterr().err
