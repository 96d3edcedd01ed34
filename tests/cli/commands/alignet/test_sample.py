"""`alignbench alignet sample`: triplets by every rule, from clusters, folders or a table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignbench.cli.main import main
from stage_inputs import StageInputs, write_stage_inputs

Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> StageInputs:
    return write_stage_inputs(tmp_path_factory.mktemp("inputs"))


def sampled(capsys: Capture, *options: object) -> Path:
    capsys.readouterr()
    assert main(["alignet", "sample", "--count", "300", *map(str, options)]) == 0
    return Path(capsys.readouterr().out.splitlines()[-1])


def test_clusters_give_triplets_at_their_borders(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> None:
    cluster = ("--features", str(inputs.features), "--space", "raw", "--clusters", "8", "--output", str(tmp_path))
    assert main(["alignet", "cluster", *cluster]) == 0
    clusters = capsys.readouterr().out.splitlines()[-1]
    folder = sampled(capsys, "--clusters", clusters, "--output", tmp_path)
    first, second, third = inputs.groups[np.load(folder / "triplets.npy")].T
    assert (first == second).mean() > 0.9, "its clusters are the groups that it was made of"
    assert (first == third).mean() < 0.1
    assert sampled(capsys, "--clusters", clusters, "--output", tmp_path) == folder
    assert sampled(capsys, "--clusters", clusters, "--output", tmp_path, "--seed", "1") != folder
    assert sampled(capsys, "--clusters", clusters, "--output", tmp_path, "--rule", "random").name.startswith("random_")


def test_classes_are_folders_or_those_of_a_table(inputs: StageInputs, tmp_path: Path, capsys: Capture) -> None:
    given = ("--features", inputs.features, "--output", tmp_path)
    triplets = np.load(sampled(capsys, *given, "--rule", "within-class") / "triplets.npy")
    assert (np.ptp(inputs.groups[triplets], axis=1) == 0).all()
    table = tmp_path / "classes.csv"
    table.write_text("name,class\n" + "".join(f"{name},{place % 5}\n" for place, name in enumerate(inputs.names)))
    for options in (given, ("--output", tmp_path)):
        triplets = np.load(sampled(capsys, *options, "--labels", table, "--rule", "between-class") / "triplets.npy")
        assert (np.diff(np.sort(triplets % 5, axis=1), axis=1) > 0).all()
    any_three = ("--labels", str(table), "--rule", "random", "--output", str(tmp_path))
    assert main(["alignet", "sample", "--count", "9", *any_three, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["settings"]["count"] == 9


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "cluster-border draws from clusters: give --clusters, or another --rule"),
        (("--rule", "class-border"), "class-border needs pictures: give --features, --labels"),
        (("--rule", "border"), "did you mean"),
        (("--rule", "class-border", "--clusters", "none"), "draws from classes: give --features or --labels instead"),
        (("--clusters", "none", "--features", "FEATURES"), "--clusters cannot go with --features or --labels"),
        (("--clusters", "none"), "none is not there: name a folder that `alignbench alignet cluster` made"),
        (("--count", "0", "--clusters", "none"), "--count 0: ask for one triplet or more"),
        (("--rule", "random", "--features", "FEATURES", "--groups-by", "sizes"), "did you mean size"),
    ],
)
def test_what_cannot_be_is_refused(
    inputs: StageInputs, tmp_path: Path, capsys: Capture, options: tuple[str, ...], said: str
) -> None:
    given = [str(inputs.features) if option == "FEATURES" else option for option in options]
    assert main(["alignet", "sample", "--count", "10", "--output", str(tmp_path), *given]) in (1, 2)
    error = capsys.readouterr().err
    assert said in error
    assert not list(tmp_path.iterdir())


def test_groups_that_are_too_small_are_named(tmp_path: Path, capsys: Capture) -> None:
    table = tmp_path / "classes.csv"
    table.write_text("name,class\na,cat\nb,cat\nc,dog\n")
    given = ["alignet", "sample", "--count", "10", "--output", str(tmp_path), "--labels", str(table)]
    assert main([*given, "--rule", "class-border"]) == 0
    assert "too few pictures to draw from in 1 group (dog)" in capsys.readouterr().err
    assert main([*given, "--rule", "between-class"]) == 1
    assert "takes pictures of 3 classes, and there are 2 (cat, dog)" in capsys.readouterr().err
