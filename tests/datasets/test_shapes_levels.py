"""The packaged data sets of the world with known similarities: what they promise, and that they are measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench import Cell
from alignbench.datasets import DATASETS
from alignbench.datasets.levels_people import level_judgments, object_judgments
from alignbench.datasets.levels_world import LevelsWorld
from alignbench.errors import UsageError
from alignbench.measurement.run import measure_cell

SUBSETS = {"shapes-levels": ("coarse", "fine", "boundary"), "shapes-objects": ("trainset", "testset")}
every_set = pytest.mark.parametrize("name", list(SUBSETS))


@every_set
def test_it_is_the_world_of_seed_0(name: str) -> None:
    made = {"shapes-levels": level_judgments, "shapes-objects": object_judgments}[name](LevelsWorld(0), SUBSETS[name])
    found = DATASETS.load(name).read(None, ("all",))
    assert found.dataset == name
    assert found.fingerprint(found.images.identities()) == made.fingerprint(made.images.identities())


@every_set
def test_all_is_every_subset_scored_by_itself(name: str) -> None:
    data_set = DATASETS.load(name)
    found = data_set.read(None, ("all",))
    assert tuple(subset.name for subset in found.subsets) == SUBSETS[name]
    for subset in found.subsets:
        assert len(subset.rows) == data_set.published_counts("paper")[subset.name]
    one = data_set.read(None, SUBSETS[name][1:2] * 2)
    assert [subset.name for subset in one.subsets] == [SUBSETS[name][1]]


@every_set
def test_it_says_that_it_is_simulated_and_takes_no_files(name: str, tmp_path: Path) -> None:
    data_set = DATASETS.load(name)
    assert data_set.packaged
    assert "not human data" in data_set.summary
    assert data_set.subsets == (*SUBSETS[name], "all")
    with pytest.raises(UsageError, match=f"{name} is drawn on demand and takes no --data-root"):
        data_set.read(tmp_path, ("all",))
    with pytest.raises(UsageError, match=f"unknown subset of {name} '{SUBSETS[name][0]}x': did you mean"):
        data_set.read(None, (f"{SUBSETS[name][0]}x",))


@pytest.mark.parametrize("protocol", [pytest.param("paper", marks=pytest.mark.slow), "corrected"])
def test_a_run_scores_each_level_like_levels(protocol: str) -> None:
    """Accuracy by hand, and the scores that Levels has of people's uncertainty and ceilings."""
    run = measure_cell(Cell("pixels", "shapes-levels", limit=200, protocol=protocol))
    frame = run.curve.frame
    assert run.judgments.observers == "simulated observers"
    metrics = {"accuracy", "accuracy_over_objects", "entropy_spearman", "log_rt_spearman"}
    if protocol == "corrected":
        metrics |= {"ceiling_loo", "ceiling_max_share", "ceiling_entropy_spearman", "ceiling_log_rt_spearman"}
    for name in SUBSETS["shapes-levels"]:
        rows = frame[frame["subset"] == name]
        assert metrics <= set(rows["metric"])
        assert (rows["n"] == 200).all()
    pixels = {
        index: np.asarray(run.judgments.images.open(index), dtype=np.float64)
        for index in range(len(run.judgments.images.names))
    }
    (subset,) = (each for each in run.judgments.subsets if each.name == "boundary")
    right = []
    for pairs in run.judgments.pairs[run.judgments.judged[subset.rows]].tolist():
        apart = [float(((pixels[a] - pixels[b]) ** 2).sum()) for a, b in pairs]
        right.append(apart[0] < min(apart[1:]))
    row = frame[(frame["subset"] == "boundary") & (frame["metric"] == "accuracy")]
    assert row["value"].iloc[0] == pytest.approx(np.mean(right), abs=1e-9)
