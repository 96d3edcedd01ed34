"""`alignbench alignet teacher` through the command line, on the packaged model and its features."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.alignet.soft_targets import TeacherTargets
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.extraction.feature_files import FeatureFile, write_features
from alignbench.extraction.features import FeatureExtractor, Reading, extract_features
from alignbench.models.families import load_tower
from alignbench.models.layer_choice import choose_layers
from alignbench.transforms.learning.judged_choices import compared_frame, read_judged
from alignbench.transforms.named import resolve
from drawing import do_not_draw
from wandb_runs import isolate, logged_in, read_logged

pytestmark = pytest.mark.slow

TEACHER = [
    *("alignet", "teacher", "--model", "shapes-clip", "--dataset", "shapes-high"),
    *("--epochs", "2", "--loader-workers", "0"),
]
SHARES = (1.05 / 1.15, 0.05 / 1.15, 0.05 / 1.15)  # of one judgment, smoothed
QUIET = [*TEACHER, "--wandb", "off"]


@pytest.fixture(scope="module", autouse=True)
def no_figures() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        do_not_draw(patch)
        yield


@pytest.fixture(scope="module")
def teachers(no_figures: None, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """One that learned raw choices, and one that learned smoothed shares of them."""
    import wandb

    output = tmp_path_factory.mktemp("alignet")
    with pytest.MonkeyPatch.context() as patch:
        isolate(patch, tmp_path_factory.mktemp("home"))
        assert main([*TEACHER, "--targets", "hard", "--output", str(output), "--wandb", "offline"]) == 0
        wandb.teardown()
    (hard,) = output.glob("shapes-clip__*")
    soft = ["--targets", "frequencies", "--fewest-judgments", "1"]
    assert main([*QUIET, *soft, "--output", str(output)]) == 0
    (other,) = set(output.glob("shapes-clip__*")) - {hard}
    return hard, other


def test_the_folder_is_that_of_learned_transforms_with_what_judges_it(teachers: tuple[Path, Path]) -> None:
    for folder in teachers:
        assert {path.name for path in folder.iterdir()} == {
            *("projection.safetensors", "folds", "ceiling.csv", "ceiling.png", "ceiling.svg", "epochs.csv"),
            *("learned.json", "judged.csv", "judged"),
        }
        assert folder.name.startswith("shapes-clip__shapes-high__soft__")
        frame = read_judged(folder)
        assert frame["measure"].tolist() == ["log_loss", "calibration_error", "accuracy"]
        assert (frame["before_low"] <= frame["before"]).all()
        assert (frame["after"] <= frame["after_high"]).all()
    record = json.loads((teachers[1] / "learned.json").read_text())
    told = record["settings"]["targets"]
    assert told == {"kind": "frequencies", "saw_test": False, "pseudo_count": 0.05, "fewest_judgments": 1}
    assert [fold["entropy"] for fold in record["fold_targets"]] == pytest.approx(
        [-sum(p * np.log(p) for p in SHARES)] * 3, rel=1e-12
    )
    chosen = resolve(teachers[1] / "projection.safetensors")
    assert chosen.transform.provenance["targets"] == told
    assert chosen.transform.provenance["objective"] == "soft"


def test_what_is_finished_is_taken_and_two_teachers_are_compared(
    teachers: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    hard, soft = teachers
    before = (hard / "learned.json").stat().st_mtime_ns
    command = [*QUIET, "--targets", "hard", "--output", str(hard.parent), "--against", str(soft)]
    assert main(command) == 0
    printed = capsys.readouterr()
    assert "this teacher is finished: taken from" in printed.err
    assert printed.out.splitlines()[-1] == str(hard)
    assert "simulated observers, not human data): targets hard, held-out objects" in " ".join(printed.out.split())
    assert "untransformed" in printed.out
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["against"] for row in rows] == [""] * 3 + [str(soft)] * 3
    expected = pd.concat([read_judged(hard), compared_frame(soft, hard)])
    assert [row["difference"] for row in rows] == expected["difference"].tolist()
    assert {row["folder"] for row in rows} == {str(hard)}
    assert (hard / "learned.json").stat().st_mtime_ns == before


def test_a_teacher_is_applied_like_any_learned_transform(teachers: tuple[Path, Path], tmp_path: Path) -> None:
    transform, output = str(teachers[0] / "projection.safetensors"), str(tmp_path / "runs")
    measure = [*("run", "--model", "shapes-clip", "--dataset", "shapes-low", "--limit", "10", "--layers", "projection")]
    assert (
        main([*measure, "--transform", transform, "--wandb", "off", "--loader-workers", "0", "--output", output]) == 0
    )
    (folder,) = (tmp_path / "runs").glob("shapes-clip*")
    assert pd.read_csv(folder / "curve.csv")["layer"].tolist()[-1] == "projection_aligned"


def test_wandb_is_given_how_it_was_judged(teachers: tuple[Path, Path]) -> None:
    (place,) = logged_in(teachers[0].parent)
    logged = read_logged(place)
    assert logged.state["name"] == "shapes-clip on shapes-high: soft"
    assert logged.table("judged")["measure"].tolist() == ["log_loss", "calibration_error", "accuracy"]


def test_features_that_exist_take_the_place_of_a_model(
    teachers: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    images = DATASETS.load("shapes-high").read(None, ("trainset",)).images
    tower = load_tower("shapes-clip", protocol="corrected")
    layers = choose_layers(tower, ["projection"])
    found = extract_features(FeatureExtractor(tower, layers, Reading(batch_size=16, workers=0)), images)
    origin = {"model": "shapes-clip", "model_fingerprint": tower.fingerprint, "tokens": "cls"}
    write_features(tmp_path / "f.safetensors", FeatureFile(found, tuple(images.names), origin=origin))
    command = [*QUIET, "--targets", "hard", "--output", str(tmp_path / "out")]
    command[command.index("shapes-clip")] = f"features:{tmp_path / 'f.safetensors'}"
    assert main(command) == 0
    assert "targets of fold 1 of 3, from" in capsys.readouterr().err
    (folder,) = (tmp_path / "out").iterdir()
    np.testing.assert_allclose(read_judged(folder)["after"], read_judged(teachers[0])["after"], atol=1e-4)


@pytest.fixture
def not_learned(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise AssertionError("targets are learned")

    monkeypatch.setattr(TeacherTargets, "of", fail)


@pytest.mark.usefixtures("not_learned")
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--folds", "2"), "not judged on the same choices: learn both on the same triplets, with the same --folds"),
        (("--seed", "1"), "not judged on the same choices"),
        (("--limit", "900"), "not judged on the same choices"),
        (("--dataset", "shapes-objects"), "not judged on the same choices"),
        (("--layers", "layer_2"), "has projection, and what is to be learned layer_2: learn both at one layer"),
    ],
)
def test_what_cannot_be_compared_is_refused_before_anything_is_learned(
    teachers: tuple[Path, Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    options: tuple[str, ...],
    said: str,
) -> None:
    command = [*QUIET, "--targets", "hard", "--output", str(tmp_path / "out"), "--against", str(teachers[0]), *options]
    assert main(command) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("not_learned")
def test_features_of_other_pictures_are_refused_before_anything_is_learned(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = DATASETS.load("shapes-high").read(None, ("trainset",)).images.names
    rows = np.random.default_rng(0).normal(size=(len(names), 4))
    path = tmp_path / "f.safetensors"
    write_features(path, FeatureFile({"projection": rows}, tuple(f"other/{name}" for name in range(len(names)))))
    command = [*QUIET, "--model", f"features:{path}", "--targets", "hard", "--output", str(tmp_path / "out")]
    assert main(command) == 1
    assert f"{path} has a row for none of the {len(names)} pictures" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "text"),
    [
        (["--targets", "softt"], 2, "unknown kind of targets 'softt'"),
        (["--targets", "frequencies"], 1, "was judged 2 times (the most is 1): use --targets embedding"),
        (["--subset", "test"], 2, "subset test of shapes-high is taken for one that models are tested on"),
        (["--subset", "all"], 2, "or by `alignbench alignet teacher --allow-test-triplets`"),
        (["--targets", "hard", "--dimensions", "9"], 2, "go with --targets embedding, not with hard"),
        (["--draws", "0"], 2, "draws 0 of the embedding are below 1"),
        (["--targets", "hard", "--folds", "40"], 2, "80 objects cannot be split into 40 folds"),
        (["--targets", "hard", "--limit", "60"], 1, "use more, or other --folds"),
        (["--targets", "hard", "--model", "features:nowhere.npy"], 1, "nowhere.npy is not there"),
        (["--targets", "hard", "--against", "nowhere"], 1, "choices.safetensors cannot be read"),
        (["--dataset", "shapes-low"], 2, "shapes-low has no odd-one-out triplets"),
        (["--targets", "hard", "--model", "features:"], 2, "lacks the path of a file or folder of features"),
    ],
)
def test_bad_input_is_said_in_a_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, text: str
) -> None:
    assert main([*QUIET, "--output", str(tmp_path / "out"), *arguments]) == code
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert len(lines) == 1
    assert text in lines[0]
    assert not (tmp_path / "out").exists()
