"""The packaged base student: good at what is near, poor at what is far, as the world's people see it."""

from __future__ import annotations

import numpy as np
import pytest

from alignbench import Cell
from alignbench.datasets.levels_people import choice_probabilities
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.measurement.run import measure_cell
from alignbench.models.checkpoints import checkpoint_folder

FOLDER = checkpoint_folder("shapes-levels-vit")


def test_weights_are_small_enough_to_ship() -> None:
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < 3_000_000


@pytest.mark.slow
def test_local_structure_is_good_and_global_structure_is_poor() -> None:
    """Shares of what the best possible choice would reach beyond a guess, from the true probabilities."""
    run = measure_cell(Cell("shapes-levels-vit", "shapes-levels", layers=("projection",)))
    frame, world = run.curve.frame, LevelsWorld(0)
    rows = frame[(frame["distance"] == "normalized_euclidean") & (frame["metric"] == "accuracy")].set_index("subset")
    reached = {}
    leaves = world.pictures("levels", 20)
    places = dict(zip(leaves.names, leaves.leaves.tolist(), strict=True))
    for subset in run.judgments.subsets:
        pairs = run.judgments.pairs[run.judgments.judged[subset.rows]]
        triplets = np.array([sorted(set(each.ravel().tolist())) for each in pairs])
        names = np.array([places[name] for name in run.judgments.images.names])
        best = choice_probabilities(world, names[triplets]).max(axis=1).mean()
        reached[subset.name] = (rows["value"][subset.name] - 1 / 3) / (best - 1 / 3)
    assert reached["boundary"] > 0.85
    assert reached["fine"] > 0.75
    assert reached["coarse"] < 0.4
