"""Two planted models on the same judgments: the head that one of them lacks is found, and by how much."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from alignbench.errors import UsageError
from alignbench.interpret.components import OutputParts
from alignbench.interpret.head_differences import compare_heads
from alignbench.interpret.part_distances import read_part_distances
from alignbench.interpret.store import HeadStore
from alignbench.results.head_alignment import read_head_alignment
from alignbench.results.head_differences import COLUMNS, read_comparison
from planted_heads import PLANTED, SHAPE, PlantedWorld, plant
from scored_heads import write_scored

KEY = ["kind", "layer", "head", "way"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PlantedWorld:
    return plant(tmp_path_factory.mktemp("planted") / "own__heads__0")


@pytest.fixture(scope="module")
def folders(world: PlantedWorld, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The planted model, and another that has lost what the planted head carries."""
    root = tmp_path_factory.mktemp("heads")
    lost = plant(root / "lost__heads__0").scored.parts.store  # the same numbers
    with SHAPE.layer_shard(lost.folder, PLANTED.layer).mapped() as tensors:
        rows = torch.from_numpy(np.random.default_rng(9).permutation(SHAPE.pictures))
        tensors[f"head_{PLANTED.head}"][:] = tensors[f"head_{PLANTED.head}"][rows]
    other = replace(world.scored, parts=OutputParts(HeadStore.open(lost.folder)))
    return write_scored(root, "whole", world.scored), write_scored(root, "lost", other)


def test_the_head_that_was_lost_is_found(world: PlantedWorld, folders: tuple[Path, Path]) -> None:
    judgments = world.scored.data.judgments
    folder, is_finished = compare_heads(*folders, {"corrected": judgments})
    assert not is_finished
    assert folder.name.startswith("whole__against__")
    record, table = read_comparison(folder)
    assert tuple(table.columns) == COLUMNS
    assert (record["first"], record["second"]) == ("whole", "lost")
    indexed = table.set_index(KEY)
    for which, place in zip(("first", "second"), folders, strict=True):
        own = read_head_alignment(place)[0]
        own = own[(own["measure"] == "accuracy") & (own["distance"] == "centred_cosine")].set_index(KEY)["value"]
        pd.testing.assert_series_equal(indexed[which].sort_index(), own.sort_index(), check_names=False, rtol=1e-9)
    np.testing.assert_allclose(table["difference"], table["first"] - table["second"], atol=1e-12)
    lost = indexed.loc[(PLANTED.kind, PLANTED.layer, PLANTED.head, "alone")]
    assert lost["difference"] > 0.4
    for name in ("", "_together"):
        assert 0.3 < lost["low" + name] < lost["difference"] < lost["high" + name] < 0.8
    alone = indexed.loc["head"].drop((PLANTED.layer, PLANTED.head))
    untouched = alone[alone.index.get_level_values("way") == "alone"]
    assert (untouched[["difference", "low", "high", "low_together", "high_together"]] == 0).all(axis=None)
    assert indexed.loc[("all", 0, -1, "alone")]["difference"] > 0.05


def test_intervals_are_those_of_the_mean_of_differences(world: PlantedWorld, folders: tuple[Path, Path]) -> None:
    """By clusters of three answers each: 1.96 standard errors of their mean difference."""
    judgments = world.scored.data.judgments
    _, table = read_comparison(compare_heads(*folders, {"corrected": judgments})[0])
    clusters = judgments.subsets[0].clusters[:, 0]
    for row in table[table["kind"] == "all"].to_dict("records"):
        each = []
        for folder in folders:
            curves, distances = read_part_distances(folder)["corrected"]
            number = [curve.component.kind for curve in curves].index("all")
            options = distances[number][judgments.judged]
            each.append((options[:, 0] == options.min(axis=1)).astype(float))
        apart = np.array([(each[0] - each[1])[clusters == cluster].mean() for cluster in np.unique(clusters)])
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        assert row["difference"] == pytest.approx(apart.mean(), abs=1e-9)
        assert row["low"] == pytest.approx(apart.mean() - 1.96 * error, abs=0.25 * error)
        assert row["high"] == pytest.approx(apart.mean() + 1.96 * error, abs=0.25 * error)


def test_what_is_there_is_taken_again(world: PlantedWorld, folders: tuple[Path, Path]) -> None:
    judged = {"corrected": world.scored.data.judgments}
    first, _ = compare_heads(*folders, judged)
    assert compare_heads(*folders, judged) == (first, True)
    assert compare_heads(*folders[::-1], judged)[0] != first
    assert compare_heads(*folders, judged, seed=1)[0] != first


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"judgments": {"all": "1"}}, "were not scored on the same judgments"),
        ({"distance": "euclidean"}, "differ in the distance"),
        ({"scoring": 1}, "differ in the scoring"),
    ],
)
def test_what_cannot_be_compared_is_refused(
    changed: dict[str, object], said: str, world: PlantedWorld, folders: tuple[Path, Path], tmp_path: Path
) -> None:
    other = write_scored(tmp_path, "other", world.scored, **changed)
    with pytest.raises(UsageError, match=said):
        compare_heads(folders[0], other, {"corrected": world.scored.data.judgments})
