"""A teacher on the small THINGS: the control learns what `global` does, and the test set is refused or marked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from alignbench.alignet.embedding_training import EmbeddingRecipe
from alignbench.alignet.soft_targets import TeacherTargets
from alignbench.alignet.teacher import checked_targets, is_test, learn_teacher
from alignbench.errors import UsageError
from alignbench.extraction.features import Reading, ReadyTower
from alignbench.transforms import AffineTransform
from alignbench.transforms.learning.folder import Destination, is_learned, read_record
from alignbench.transforms.learning.recipe import Recipe
from alignbench.transforms.learning.run import LearningConfig, learn_transforms
from learned_jobs import Remembering, draw
from pixel_tower import PixelTower

RECIPE = Recipe("soft", epochs=3, fewest_epochs=1, triplets=8)


def job(root: Path, **options: Any) -> LearningConfig:
    return replace(LearningConfig("things", root, recipe=RECIPE, folds=2, pixel_cache="off"), **options)


def tower() -> ReadyTower:
    return ReadyTower(PixelTower(), "pixels", Reading(batch_size=4, workers=0))


def test_the_control_learns_what_the_hard_objective_does(things_root: Path, tmp_path: Path) -> None:
    given = job(things_root)
    heard = Remembering()
    soft, there = learn_teacher(given, tower(), TeacherTargets("hard"), Destination(tmp_path, draw), heard)
    assert not there
    hard, _ = learn_transforms(
        replace(given, recipe=replace(RECIPE, objective="global")), tower(), Destination(tmp_path, draw)
    )
    one, other = (AffineTransform.load(folder / "projection.safetensors") for folder in (soft, hard))
    np.testing.assert_allclose(one.weights, other.weights, atol=1e-6)
    assert "targets" not in other.provenance
    assert one.provenance["targets"] == {"kind": "hard", "saw_test": False}
    assert learn_teacher(given, tower(), TeacherTargets("hard"), Destination(tmp_path, draw)) == (soft, True)
    (soft / "judged.csv").unlink()
    assert is_learned(soft)
    assert learn_teacher(given, tower(), TeacherTargets("hard"), Destination(tmp_path, draw)) == (soft, False)


def test_test_triplets_are_refused_or_everything_that_comes_from_them_is_marked(
    things_root: Path, tmp_path: Path
) -> None:
    assert [is_test(name) for name in ("testset1", "test", "all", "coarse")] == [True] * 4
    assert not any(is_test(name) for name in ("trainset", "validationset", "calibration"))
    given, asked = job(things_root, subsets=("trainset", "testset1")), TeacherTargets("frequencies")
    with pytest.raises(UsageError, match=r"subset testset1 of things is taken for one that models are tested on"):
        checked_targets(given, asked)
    allowed = checked_targets(given, asked, allow_test=True)
    assert allowed.saw_test
    assert not checked_targets(job(things_root), asked, allow_test=True).saw_test
    folder, _ = learn_teacher(given, tower(), allowed, Destination(tmp_path, draw))
    record = read_record(folder)
    assert record["settings"]["targets"]["saw_test"] is True
    assert all(fold["left_out"] > 0 for fold in record["fold_targets"]), "the trainset has triplets without repeats"
    assert AffineTransform.load(folder / "projection.safetensors").provenance["targets"]["saw_test"] is True


def test_the_seed_of_the_recipe_is_that_of_the_embedding(things_root: Path) -> None:
    asked = TeacherTargets(embedding=EmbeddingRecipe(dimensions=7))
    found = checked_targets(job(things_root, recipe=replace(RECIPE, seed=5)), asked)
    assert found.embedding == EmbeddingRecipe(dimensions=7, seed=5)


def test_probabilities_and_the_objective_soft_go_together(things_root: Path, tmp_path: Path) -> None:
    for recipe, targets in ((RECIPE, None), (Recipe("global"), TeacherTargets("hard"))):
        with pytest.raises(UsageError, match="probabilities go with the objective soft, and it with them"):
            learn_transforms(job(things_root, recipe=recipe), tower(), Destination(tmp_path, draw), None, targets)
