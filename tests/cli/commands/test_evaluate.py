"""`alignbench transform evaluate` on the packaged model, against features from transformers and NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import stats
from scipy.io import savemat
from scipy.spatial.distance import pdist
from transformers import AutoImageProcessor, CLIPModel

from alignbench.cli.main import main
from alignbench.datasets import shapes
from alignbench.models.checkpoints import checkpoint_folder
from alignbench.models.families import load_tower
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation.folder import is_evaluated, read_evaluation

pytestmark = pytest.mark.slow

Floats = NDArray[np.float64]
Capture = pytest.CaptureFixture[str]
TRIPLETS = 300


@pytest.fixture(scope="module")
def fingerprint() -> str:
    return load_tower("shapes-clip").fingerprint


def save(path: Path, **provenance: Any) -> Path:
    """A random transform of the packaged model's projection."""
    rng = np.random.default_rng(0)
    weights = np.eye(64) + 0.1 * rng.normal(size=(64, 64))
    return AffineTransform(weights, 0.02, 0.9, 0.1 * rng.normal(size=64), provenance).save(path)


def embedded(images: list[Image.Image]) -> Floats:
    """Raw projections, by transformers alone."""
    folder = checkpoint_folder("shapes-clip")
    prepare, model = AutoImageProcessor.from_pretrained(folder), CLIPModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        found = model.vision_model(**prepare(images, return_tensors="pt")).pooler_output
        return model.visual_projection(found).double().numpy()


def said_by(transform: Path, x: Floats) -> Floats:
    by = AffineTransform.load(transform)
    assert by.bias is not None
    return np.asarray((x - by.mean) / by.std @ by.weights + by.bias)


def drawn(_: object, folder: Path) -> None:
    for suffix in ("png", "svg"):
        (folder / f"similarity.{suffix}").write_text("")


def evaluate(transform: Path, output: Path, *options: object) -> int:
    command = ["transform", "evaluate", "--model", "shapes-clip", "--transform", transform, "--output", output]
    return main([str(part) for part in (*command, "--batch-size", 64, "--loader-workers", 0, *options)])


class Judged:
    """The packaged model's projection, turned by a transform that was learned on half of the concepts."""

    def __init__(self, root: Path, fingerprint: str) -> None:
        self.triplets = shapes.read("high", None, ("trainset",)).limited(TRIPLETS)
        self.names = list(self.triplets.images.names)
        told = {"dataset": "shapes-high", "model": "shapes-clip", "model_fingerprint": fingerprint, "tokens": "cls"}
        self.transform = save(
            root / "turn.safetensors", **told, learned_objects=self.names[:40], held_out_objects=self.names[40:]
        )
        self.output = root / "judged"
        self.options = ("--dataset", "shapes-high", "--subset", "trainset", "--limit", TRIPLETS)
        self.options += ("--local-images", "shapes", "--labelled", "shapes")
        assert evaluate(self.transform, self.output, *self.options) == 0
        (self.folder,) = self.output.iterdir()
        self.frame = read_evaluation(self.folder)[0]


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, fingerprint: str) -> Judged:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(shapes._TRIPLETS, "test", 150)
        patch.setattr(downstream, "PENALTIES", (1.0,))
        return Judged(tmp_path_factory.mktemp("command"), fingerprint)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("alignbench.report.figures.similarity.draw_similarities", drawn)


def row_of(frame: pd.DataFrame, measure: str) -> pd.Series:
    return frame[frame["measure"] == measure].iloc[0]


# ---------------------------------------------------------------------------------------------- the numbers


def test_choices_are_those_of_features_by_transformers(judged: Judged) -> None:
    images = [judged.triplets.images.open(index) for index in range(len(judged.names))]
    raw = embedded(images)
    pairs = judged.triplets.pairs[judged.triplets.judged]  # (triplets, 3 options, 2)
    kept = pairs.min(axis=(1, 2)) >= 40  # concepts that it was not learned on
    for column, x in (("before", raw), ("after", said_by(judged.transform, raw))):
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        similar = (unit[pairs[..., 0]] * unit[pairs[..., 1]]).sum(axis=-1)
        right = similar.argmax(axis=1) == judged.triplets.human
        row = row_of(judged.frame, "accuracy (cosine)")
        assert row[column] == pytest.approx(right[kept].mean(), abs=1e-12)
        assert row[f"{column}_low"] <= row[column] <= row[f"{column}_high"]
        dots = (x[pairs[..., 0]] * x[pairs[..., 1]]).sum(axis=-1)[kept]
        entropy = row_of(judged.frame, "entropy of the softmax")
        assert entropy[column] == pytest.approx(stats.entropy(np.exp(dots - dots.max()), axis=1).mean(), rel=1e-3)
    assert row["n"] == kept.sum()
    assert row["sample"] == "held-out objects"


def test_everything_that_is_asked_for_is_in_the_table(judged: Judged) -> None:
    assert is_evaluated(judged.folder)
    assert judged.frame["task"].unique().tolist() == ["odd-one-out", "local structure", "few-shot", "anomaly"]
    rest = judged.frame[judged.frame["task"] != "odd-one-out"]
    assert rest["data"].unique().tolist() == ["shapes"]
    assert set(rest["sample"]) == {"unknown"}, "its provenance does not say which pictures kept its local structure"
    assert row_of(judged.frame, "linear CKA")["n"] == 450
    assert row_of(judged.frame, "accuracy, 5 a class")["before"] > 0.15, "chance is 0.1"
    assert judged.folder.name.startswith("shapes-clip@turn__evaluation__")
    for name in ("similarity.png", "similarity.svg"):
        assert (judged.folder / name).stat().st_size > 1000


@pytest.mark.usefixtures("quick")
def test_what_is_finished_is_taken_from_its_folder(
    judged: Judged, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(shapes._TRIPLETS, "test", 150)
    before = {path.name: path.stat().st_mtime_ns for path in judged.folder.iterdir()}
    assert evaluate(judged.transform, judged.output, *judged.options) == 0
    found = capsys.readouterr()
    assert found.out.splitlines()[-1] == str(judged.folder)
    assert "shapes-clip: turn (300 of 6,000 trainset triplets; simulated observers, not human data)" in found.out
    assert "held-out objects" in found.out
    assert f"alignbench: this is finished: taken from {judged.folder}" in found.err.splitlines()
    assert evaluate(judged.transform, judged.output, *judged.options, "--json") == 0
    found = capsys.readouterr()
    rows = json.loads(found.out)
    assert [row["after"] for row in rows] == judged.frame["after"].tolist()
    assert [row["task"] for row in rows] == judged.frame["task"].tolist()
    assert {row["folder"] for row in rows} == {str(judged.folder)}
    assert {path.name: path.stat().st_mtime_ns for path in judged.folder.iterdir()} == before


@pytest.mark.usefixtures("quick")
def test_seen_objects_are_judged_if_asked_for(judged: Judged, tmp_path: Path, capsys: Capture) -> None:
    options = ("--dataset", "shapes-high", "--subset", "trainset", "--limit", TRIPLETS, "--in-sample")
    assert evaluate(judged.transform, tmp_path, *options, "--similarity", "dot") == 0
    frame = read_evaluation(Path(capsys.readouterr().out.splitlines()[-1]))[0]
    assert frame["sample"].tolist() == ["in-sample"] * 2
    assert row_of(frame, "accuracy (dot)")["n"] == TRIPLETS


def cichy(root: Path, pictures: int = 5, size: int = 5) -> Path:
    """The published layout, with pictures of random colours."""
    rng = np.random.default_rng(3)
    (root / "images").mkdir(parents=True)
    (root / "sim_judgements").mkdir()
    for number in range(pictures):
        pixels = rng.integers(0, 255, (64, 64, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.jpg")
    said = rng.uniform(0.1, 1, (3, size, size))
    said = (said + said.transpose(0, 2, 1)) * (1 - np.eye(size))
    savemat(root / "sim_judgements" / "judgments_general.mat", {"judgments": said})
    np.save(root / "mean.npy", said.mean(axis=0))
    return root


@pytest.mark.usefixtures("quick")
def test_a_human_matrix_alone_is_evidence_enough(judged: Judged, tmp_path: Path, capsys: Capture) -> None:
    root = cichy(tmp_path / "cichy")
    options = ("--dataset", "none", "--matrix", f"cichy2019={root}")
    assert evaluate(judged.transform, tmp_path / "out", *options) == 0
    found = capsys.readouterr()
    assert "simulated" not in found.out
    frame, record = read_evaluation(Path(found.out.splitlines()[-1]))
    human = np.load(root / "mean.npy")[np.triu_indices(5, 1)]
    raw = embedded([Image.open(root / "images" / f"{number}.jpg") for number in range(5)])
    for column, x in (("before", raw), ("after", said_by(judged.transform, raw))):
        for kernel in ("correlation", "cosine"):
            for statistic, by in (("pearson", stats.pearsonr), ("spearman", stats.spearmanr)):
                row = row_of(frame, f"{statistic} ({kernel})")
                assert row[column] == pytest.approx(by(pdist(x, kernel), human).statistic, abs=1e-4)
    assert frame["data"].tolist() == ["cichy2019"] * 4
    assert set(frame["sample"]) == {"not seen"}
    assert record["title"] == "cichy2019"


# -------------------------------------------------------------------------------------------- wrong use


NONE = ("--dataset", "none")


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (NONE, 2, "nothing to judge the transform on"),
        ((*NONE, "--matrix", "cichy2019"), 2, "--matrix cichy2019: write NAME=FOLDER"),
        ((*NONE, "--matrix", "cichy2019="), 2, "--matrix cichy2019=: write NAME=FOLDER"),
        ((*NONE, "--matrix", "cichy2018=ROOT/cichy"), 2, "unknown human matrix 'cichy2018': did you mean cichy2019"),
        ((*NONE, "--matrix", "cichy2019=ROOT/six"), 1, "judgments is 3 x 6 x 6, where subjects x 5 x 5 belong to"),
        ((*NONE, "--matrix", "cichy2019=ROOT/none"), 1, "none/images is missing"),
        ((*NONE, *("--matrix", "cichy2019=ROOT/cichy") * 2), 2, "the human matrix cichy2019 is named twice"),
        ((*NONE, "--labelled", "ROOT/few"), 1, "class 0 has 2 pictures, where 6 are needed"),
        ((*NONE, "--labelled", "ROOT/cichy/images"), 1, "lies in no class"),
        ((*NONE, "--local-images", "ROOT/none"), 1, "none is not a folder"),
        (("--dataset", "shapes-hig"), 2, "did you mean shapes-high"),
        (("--dataset", "shapes-low"), 2, "shapes-low has no odd-one-out triplets"),
        (
            ("--dataset", "shapes-high", "--subset", "trainset", "--limit", "0"),
            2,
            "--limit 0 is below 1: give 1 or more",
        ),
        (("--dataset", "shapes-high", "--limit", "9", "--similarity", "cosin"), 2, "unknown similarity 'cosin'"),
        ((*NONE, "--local-images", "ROOT/cichy", "--batch-size", "many"), 2, "--batch-size many is neither"),
    ],
)
def test_wrong_use_is_refused_in_a_line(
    judged: Judged, tmp_path: Path, capsys: Capture, options: tuple[str, ...], code: int, said: str
) -> None:
    cichy(tmp_path / "cichy")
    cichy(tmp_path / "six", size=6)
    for label in ("cats", "dogs"):
        (tmp_path / "few" / label).mkdir(parents=True)
        for number in range(2):
            Image.new("RGB", (64, 64), (90 * number, 9 * len(label), 0)).save(tmp_path / f"few/{label}/{number}.png")
    given = [option.replace("ROOT", str(tmp_path)) for option in options]
    assert evaluate(judged.transform, tmp_path / "out", *given) == code
    found = capsys.readouterr()
    assert found.out == ""
    lines = [line for line in found.err.splitlines() if line.startswith("alignbench: ")]
    lines = [line for line in lines if "are passed over" not in line]  # the matrix beside the pictures
    assert len(lines) == 1
    assert said in lines[0]
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("quick")
def test_transforms_of_other_models_are_refused(tmp_path: Path, capsys: Capture) -> None:
    other = save(tmp_path / "other.safetensors", model="another", model_fingerprint="0", dataset="things")
    wide = AffineTransform(np.eye(32), 0.0, 1.0).save(tmp_path / "wide.npz")
    command = ("--dataset", "shapes-high", "--subset", "trainset", "--limit", "9")
    for transform, said in ((other, "was learned on another"), (wide, "takes 32 channels")):
        assert evaluate(transform, tmp_path / "out", *command) == 2
        [line] = capsys.readouterr().err.splitlines()
        assert said in line
    assert not (tmp_path / "out").exists()
    assert evaluate(other, tmp_path / "out", *command, "--force") == 0


@pytest.mark.usefixtures("quick")
def test_a_transform_of_learned_objects_alone_is_refused(judged: Judged, tmp_path: Path, capsys: Capture) -> None:
    told = dict(AffineTransform.load(judged.transform).provenance) | {"learned_objects": judged.names}
    every = save(tmp_path / "every.safetensors", **told)
    assert evaluate(every, tmp_path / "out", "--dataset", "shapes-high", "--subset", "trainset", "--limit", "99") == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("alignbench: ")]
    assert len(lines) == 1
    assert "names an object that every was learned on: take another subset, or --in-sample" in lines[0]
    assert not (tmp_path / "out").exists()
