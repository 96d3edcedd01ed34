"""The benchmark of AligNet: what it puts into control arms, what it concludes, and an arm in its smallest form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import alignet
import alignet_verdicts
import alignet_worlds
from alignbench.alignet.labelled_triplets import LabelledTriplets
from alignbench.alignet.teacher_features import teacher_features
from alignbench.alignet.world_files import WorldFiles
from alignbench.datasets import levels_people, shapes_levels
from alignbench.datasets.levels_people import object_judgments
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.transforms.evaluation.odd_one_out import to_triplets
from stage_inputs import write_stage_inputs


def softmax(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True))


def test_a_world_is_the_packaged_one_for_a_while() -> None:
    with alignet_worlds.world_of(3) as world:
        assert shapes_levels.WORLD is world
        assert list(shapes_levels.OBJECTS.read(None, ("testset",)).images.names) == list(
            object_judgments(LevelsWorld(3), ("testset",)).images.names
        )
    assert shapes_levels.WORLD.seed == 0


def test_people_follow_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(384, 5))
    monkeypatch.setattr(alignet_worlds, "embedded", lambda model, images: rows[: len(images.names)])
    with alignet_worlds.world_of(1, "a model"):
        found = shapes_levels.OBJECTS.read(None, ("testset",))
    assert found.responses is None
    triplets = to_triplets(found)
    own = object_judgments(LevelsWorld(1), ("testset",))
    np.testing.assert_array_equal(np.sort(triplets, axis=1), np.sort(to_triplets(own), axis=1))
    i, j, k = (rows[column] / np.linalg.norm(rows[column], axis=1, keepdims=True) for column in triplets.T)
    p = softmax(5.0 * np.stack([(a * b).sum(axis=1) for a, b in ((i, j), (i, k), (j, k))], axis=1))
    expected, chosen = (p**2).sum(axis=1).mean(), p[:, 0].mean()  # of the pair that was kept
    assert abs(chosen - expected) < 4 * p.max(axis=1).std() / np.sqrt(len(p))
    assert expected > 0.5


def test_own_features_are_as_unsure_as_the_teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = write_stage_inputs(tmp_path / "inputs")

    class Files(WorldFiles):
        features = inputs.features

    files = Files(tmp_path)
    files.pictures.mkdir()
    for number in range(30):
        Image.new("RGB", (2, 2)).save(files.pictures / f"{number:02d}.png")
    rows = 40.0 + 9.0 * np.random.default_rng(1).normal(size=(30, 6))
    monkeypatch.setattr(alignet_worlds, "embedded", lambda model, images: rows[: len(images.names)])
    path = alignet_worlds.own_features("a model", files, Path(inputs.teacher), tmp_path / "own.safetensors")
    with teacher_features(path, None, None).opened() as of:
        found = of(slice(None)).astype(np.float64)
    scale = found[0, 0] / (rows - rows.mean(axis=0))[0, 0]
    np.testing.assert_allclose(found, scale * (rows - rows.mean(axis=0)), rtol=1e-4, atol=1e-5)

    def entropy(points: np.ndarray) -> float:
        i, j, k = np.array([np.random.default_rng(n).permutation(len(points))[:3] for n in range(20_000)]).T
        pairs = ((i, j), (i, k), (j, k))
        p = softmax(np.stack([(points[a] * points[b]).sum(axis=1) for a, b in pairs], axis=1))
        return float(-(p * np.log(p + 1e-300)).sum(axis=1).mean())

    assert entropy(found) == pytest.approx(entropy(np.asarray(inputs.seen)), abs=0.03)


def test_shuffled_labels_tell_nothing_of_their_triplets(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    labels = tmp_path / "labels"
    labels.mkdir()
    triplets = np.array([rng.permutation(50)[:3] for _ in range(3_000)], dtype=np.int32)
    similarities = -np.sort(-rng.normal(size=(3_000, 3)).astype(np.float32), axis=1)
    np.save(labels / "triplets.npy", triplets)
    np.save(labels / "similarities.npy", similarities)
    (labels / "names.json").write_text(json.dumps([f"{number}.png" for number in range(50)]))
    (labels / "labels.json").write_text(json.dumps({"settings": {"model": "own"}}))
    found = LabelledTriplets.open(alignet_worlds.shuffled_labels(labels, tmp_path / "shuffled")).check()
    np.testing.assert_array_equal(np.sort(found.triplets, axis=1), np.sort(triplets, axis=1))
    np.testing.assert_array_equal(np.sort(found.similarities[:, 0]), np.sort(similarities[:, 0]))
    assert (found.similarities != similarities).any(axis=1).mean() > 0.99
    assert (found.triplets[:, 2] == triplets[:, 2]).mean() == pytest.approx(1 / 3, abs=0.04)
    assert found.record["settings"] == {"model": "own"}


# --------------------------------------------------------------------------------------------- verdicts


def results(arm: str, measure: str, rows: list[tuple[float, float]]) -> dict[str, dict[int, dict[str, list[float]]]]:
    return {arm: {world: {measure: [*row, -0.5, 0.5]} for world, row in enumerate(rows, 1)}}


@pytest.mark.parametrize(
    ("afters", "so"), [((0.52, 0.54, 0.56), "not shown"), ((0.59, 0.6, 0.61), "yes"), ((0.42, 0.43, 0.44), "NO")]
)
def test_what_is_so_is_said_by_the_interval_over_worlds(afters: tuple[float, ...], so: str) -> None:
    """The first: mean 0.14, deviation 0.02, t(2) 4.3027: 0.0497 to both sides."""
    found = results("main", "coarse", [(0.4, after) for after in afters])
    line = next(line for line in alignet_verdicts.report(found) if line.startswith("coarse accuracy"))
    assert line.endswith(so)
    assert "-0.500 .. +0.500" in line
    if so == "not shown":
        assert "+0.1400 (+0.0903 .. +0.1897)" in line


def test_arms_are_compared_in_the_same_worlds() -> None:
    found = results("lambda / 10", "distance", [(0.0, 2.0), (0.0, 3.0), (0.0, 9.0)])
    found |= results("lambda 0", "distance", [(0.0, 3.1), (0.0, 4.2)])
    line = next(line for line in alignet_verdicts.report(found) if line.startswith("lambda x sum(lr) 0"))
    assert "  2  +1.1500" in line
    rest = [line for line in alignet_verdicts.report(found) if "not run" in line]
    assert len(rest) == len(alignet_verdicts.EXPECTED) - 1
    (row,) = [line for line in alignet_verdicts.table(found, ["distance"]) if line.startswith("lambda 0")]
    assert row.split()[3:6] == ["2", "0.000", "3.650"]


def test_measures_are_named_by_task_and_subset() -> None:
    row = {"before": 0.5, "after": 0.6, "difference_low": 0.0, "difference_high": 0.2, "ceiling": 0.8}
    rows = [
        row | {"task": "human choices", "subset": level, "measure": "accuracy"} for level in alignet_verdicts.LEVELS
    ]
    rows += [
        row | {"task": "human uncertainty", "subset": level, "measure": "entropy_spearman", "before": float("nan")}
        for level in alignet_verdicts.LEVELS
    ]
    rows += [
        row | {"task": "few-shot", "subset": "", "measure": "accuracy, 5 a class"},
        row | {"task": "distribution shift", "subset": "other kind", "measure": "accuracy", "after": 0.1},
        row | {"task": "relative distance", "subset": "", "measure": "within a class, over the mean"},
    ]
    found = alignet_verdicts.measures_of(rows)
    assert found["coarse"] == found["few-shot"] == found["within a class, over the mean"] == [0.5, 0.6, 0.0, 0.2]
    assert found["boundary of ceiling"] == pytest.approx([0.625, 0.75, 0.0, 0.25])
    assert found["mean of levels"][:2] == pytest.approx([0.5, 0.6])
    assert found["uncertainty"][:2] == pytest.approx([0.0, 0.6]), "a model at chance tells nothing"
    assert found["shift"][1] == 0.1
    assert "response times" not in found


# ------------------------------------------------------------------------------------------------- arms


@pytest.mark.slow
def test_a_world_in_its_smallest_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(levels_people, "TRIPLETS", 80)
    monkeypatch.setattr(alignet_worlds, "_EACH", 2)
    alignet_worlds.random_student(7, tmp_path / "world-1" / "base-3")
    asked = ["--output", str(tmp_path), "--seeds", "1", "--arms", "random start", "--base-steps", "3", "--steps", "6"]
    asked += ["--epochs", "2", "--triplets", "200", "--pictures", "4", "--labelled", "1"]
    alignet.main(asked)
    shown = capsys.readouterr().out
    assert shown.count("s of processor") == 1
    row = json.loads((tmp_path / "results.jsonl").read_text())
    assert {"coarse", "fine", "boundary", "mean of levels", "RSA", "uncertainty", "distance"} <= {*row["measures"]}
    assert row["measures"]["fine"][1] == pytest.approx(1 / 3, abs=0.2)
    assert row["measures"]["distance"][1] > 0.0
    monkeypatch.setattr(alignet, "run_arm", None)
    alignet.main(asked)
    again = capsys.readouterr().out
    assert "s of processor" not in again, "what is finished is taken"
    assert again.split("\n", 1)[1] in shown
    with pytest.raises(SystemExit):
        alignet.main([*asked, "--arms", "none"])
