"""Both models on everything at once: the numbers are those of the parts, and what is finished is taken."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.alignet.evaluation.config import GainsConfig
from alignbench.alignet.evaluation.embedded import load_embedding_model
from alignbench.alignet.evaluation.run import evaluate_student, judged_subsets
from alignbench.alignet.evaluation.seen import model_before
from alignbench.datasets import DATASETS, shapes
from alignbench.datasets.image_folder import image_folder
from alignbench.errors import UsageError
from alignbench.results.gains import read_gain_curves, read_gains
from alignbench.results.stored_run import StoredRun
from alignbench.transforms import AffineTransform
from alignbench.transforms.evaluation import downstream
from alignbench.transforms.evaluation.downstream import few_shot
from alignbench.transforms.learning.folder import Destination
from drawing import do_not_draw
from gain_folders import draw
from layouts import write_levels, write_nights, write_things, write_tid2013
from similarity_layouts import people, write_cichy, write_king, write_peterson
from taught_models import CLASSES, PICTURES, write_classes, write_labels, write_student

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::alignbench.errors.AlignbenchWarning")]


@dataclass(frozen=True)
class JudgedStudent:
    """A student that was judged on everything.

    Attributes:
        root: Where its data are.
        config: What was asked.
        folder: Its folder.
        frame: Its table.
        record: Its record.
    """

    root: Path
    config: GainsConfig
    folder: Path
    frame: pd.DataFrame
    record: dict[str, Any]

    def row(self, task: str, subset: str = "") -> pd.Series:
        rows = self.frame[(self.frame["task"] == task) & (self.frame["subset"] == subset)]
        return rows.iloc[0]


def judge(config: GainsConfig, root: Path, **options: Any) -> tuple[Path, bool]:
    return evaluate_student(config, Destination(root / "alignet", draw, **options))


@pytest.fixture(scope="module")
def quick() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(downstream, "PENALTIES", (1.0,))
        patch.setitem(shapes._TRIPLETS, "test", 150)
        do_not_draw(patch)
        yield


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory, quick: None) -> JudgedStudent:
    root = tmp_path_factory.mktemp("student")
    one, two = write_classes(root / "one"), write_classes(root / "two", 90)
    labels = write_labels(root / "alignet/labels", one)
    student = write_student(root / "alignet/student")
    config = GainsConfig(
        before=model_before("", str(student)),
        after=str(student),
        datasets=("shapes-high",),
        limit=40,
        labelled=one,
        shots=2,
        hierarchy="folders",
        shift=(one, two),
        triplets=(labels,),
        images=one,
        batch_size=32,
        workers=0,
        pixel_cache="off",
    )
    folder, finished = judge(config, root)
    assert not finished
    return JudgedStudent(root, config, folder, *read_gains(folder))


def test_every_question_has_its_rows(judged: JudgedStudent) -> None:
    assert judged.frame[["task", "subset"]].to_numpy().tolist() == [
        ["human choices", "test"],
        ["few-shot", ""],
        ["relative distance", ""],
        ["relative distance", ""],
        ["relative distance", ""],
        ["distribution shift", "same kind"],
        ["distribution shift", "other kind"],
        ["agreement with the teacher", ""],
    ]
    assert judged.record["settings"]["before"] == "shapes-clip@random-0"
    assert "shapes-high, test: 40 of" in judged.record["notes"][1]
    assert set(read_gain_curves(judged.folder)["data"]) == {"shapes-high"}


def test_numbers_are_those_of_the_pictures_of_both_models(judged: JudgedStudent) -> None:
    images = image_folder(judged.root / "one")
    labels = np.repeat(np.arange(len(CLASSES)), PICTURES)
    triplets = np.load(judged.root / "alignet/labels/triplets.npy")
    for name, model in (("before", "random:shapes-clip"), ("after", "shapes-clip")):
        x = load_embedding_model(model, judged.config, None, lambda _: None).embed(images, "off", lambda _: None)
        accuracy = np.mean(few_shot(x, labels, shots=2).accuracies)
        assert judged.row("few-shot")[name] == pytest.approx(accuracy, abs=1e-9)
        unit = x / np.linalg.norm(x, axis=1, keepdims=True)
        alike = unit @ unit.T
        one, other = np.triu_indices(len(x), 1)
        apart, same = 1.0 - alike[one, other], labels[one] == labels[other]
        assert judged.row("relative distance")[name] == pytest.approx(apart[same].mean() / apart.mean(), rel=1e-6)
        i, j, k = triplets.T
        first, second, third = alike[i, j], alike[i, k], alike[j, k]
        share = ((first > second) & (first > third)).mean()
        assert judged.row("agreement with the teacher")[name] == pytest.approx(share)


def test_runs_lie_beside_and_what_was_seen_is_marked(judged: JudgedStudent) -> None:
    runs = [StoredRun(Path(place)) for place in judged.record["runs"]]
    assert [run.label for run in runs] == ["shapes-clip@random-0", "student"]
    assert {run.folder.parent for run in runs} == {judged.root / "alignet/runs"}
    samples = dict(zip(judged.frame["task"], judged.frame["sample"], strict=True))
    assert samples["human choices"] == "not seen", "of an untransformed teacher, and other pictures"
    assert samples["few-shot"] == samples["relative distance"] == "may be in-sample", "the pictures of its triplets"
    assert samples["agreement with the teacher"] == "in-sample"


REAL = {
    "things": "human choices",
    "levels": "human choices",
    "nights": "human choices",
    "tid2013": "human similarity",
    "cichy2019": "human similarity",
    "king2019": "human similarity",
    "peterson": "human similarity",
}


def test_every_real_layout_is_judged(tmp_path: Path, quick: None) -> None:
    """One command on all of them; scores are those that the run folders have of the projection."""
    write_things(tmp_path / "things", objects=14, triplets=60)
    write_levels(tmp_path / "levels", triplets=24)
    write_nights(tmp_path / "nights", 24)
    write_tid2013(tmp_path / "tid2013")
    write_cichy(tmp_path / "cichy2019", people(4, 10))
    write_king(tmp_path / "king2019", {"set1": people(4, 9), "set2": people(4, 9, seed=1)})
    write_peterson(tmp_path / "peterson", "animals", people(1, 10)[0])
    config = GainsConfig(
        before="random:shapes-clip",
        after="shapes-clip",
        datasets=tuple(REAL),
        roots=tuple(tmp_path / name for name in REAL),
        batch_size=64,
        workers=0,
        pixel_cache="off",
    )
    folder, _ = judge(config, tmp_path)
    frame, record = read_gains(folder)
    scores = frame[frame["task"] != "human uncertainty"]
    assert scores.groupby("data")["task"].unique().map(list).to_dict() == {name: [task] for name, task in REAL.items()}
    assert set(frame.loc[frame["task"] == "human uncertainty", "data"]) == {"levels"}
    runs = [StoredRun(Path(place)) for place in record["runs"]]
    assert [run.record.dataset for run in runs] == [name for name in REAL for _ in range(2)]
    for before, after in zip(runs[::2], runs[1::2], strict=True):
        for row in scores[scores["data"] == before.record.dataset].to_dict("records"):
            for name, run in (("before", before), ("after", after)):
                curve = run.curve.frame
                same = (curve["layer"] == "projection") & (curve["distance"] == "cosine")
                same &= (curve["metric"] == row["measure"]) & (curve["subset"] == row["subset"])
                assert row[name] == pytest.approx(curve.loc[same, "value"].item(), rel=1e-9)
            assert row["difference"] == pytest.approx(row["after"] - row["before"])
    curves = read_gain_curves(folder)
    assert set(curves["data"]) == set(REAL)


def few_shots(config: GainsConfig) -> GainsConfig:
    """The same, asked for few shots alone."""
    return replace(config, datasets=(), hierarchy="", shift=None, triplets=(), images=None)


def test_what_is_finished_is_taken_and_another_question_lies_beside_it(judged: JudgedStudent) -> None:
    assert judge(judged.config, judged.root) == (judged.folder, True)
    folder, finished = judge(replace(few_shots(judged.config), shots=3), judged.root)
    assert not finished
    assert folder != judged.folder
    assert read_gain_curves(folder).empty


def test_a_head_is_judged_by_what_it_gives(judged: JudgedStudent) -> None:
    weights = np.random.default_rng(0).normal(size=(64, 9))
    head = AffineTransform(weights, 0.0, 1.0, None, {"layer": "projection"}).save(judged.root / "head.safetensors")
    config = replace(few_shots(judged.config), before=judged.config.after, head=head, datasets=("shapes-high",))
    frame, _ = read_gains(judge(config, judged.root)[0])
    assert set(frame["before_layer"]) == {"projection"}
    assert set(frame["after_layer"]) == {"projection_aligned"}
    x = load_embedding_model("shapes-clip", judged.config, None, lambda _: None).embed(
        image_folder(judged.root / "one"), "off", lambda _: None
    )
    labels = np.repeat(np.arange(len(CLASSES)), PICTURES)
    expected = np.mean(few_shot(x @ weights, labels, shots=2).accuracies)
    assert frame[frame["task"] == "few-shot"]["after"].iloc[0] == pytest.approx(expected, abs=1e-9)


def test_one_model_and_other_weights_before_are_refused(judged: JudgedStudent) -> None:
    alike = replace(few_shots(judged.config), before="shapes-clip")
    with pytest.raises(UsageError, match="before and after are one model, student"):
        judge(alike, judged.root)
    path = Path(judged.config.after) / "student.json"
    record = json.loads(path.read_text())
    try:
        path.write_text(json.dumps(record | {"settings": record["settings"] | {"model_fingerprint": "0"}}))
        with pytest.raises(UsageError, match="random:shapes-clip has other weights or another preparation than what"):
            judge(few_shots(judged.config), judged.root)
    finally:
        path.write_text(json.dumps(record))


@pytest.mark.parametrize(
    ("dataset", "paper", "corrected"),
    [
        ("things", ("testset1",), ("testset1",)),
        ("levels", ("all",), ("all",)),
        ("nights", ("all",), DATASETS.load("nights").corrected.subsets),  # type: ignore[union-attr]
    ],
)
def test_nothing_is_judged_that_means_are_fitted_on(
    dataset: str, paper: tuple[str, ...], corrected: tuple[str, ...]
) -> None:
    data_set = DATASETS.load(dataset)
    assert judged_subsets(data_set, "paper") == paper
    assert judged_subsets(data_set, "corrected") == corrected != (data_set.corrected.calibration,)  # type: ignore[union-attr]
