"""Scores of parts on planted heads: one of them is what people see."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.interpret.components import WHOLE, PartCurve
from alignbench.interpret.part_scores import ScoredParts, measure_parts, score_parts, score_rows
from alignbench.results.head_alignment import COLUMNS
from planted_heads import PLANTED, PlantedWorld, plant


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PlantedWorld:
    return plant(tmp_path_factory.mktemp("planted") / "own__heads__0")


@pytest.fixture(scope="module")
def scored(world: PlantedWorld) -> ScoredParts:
    return score_parts(world.scored, "centred_cosine")


def accuracies(rows: pd.DataFrame, way: str) -> pd.Series:
    mine = rows[(rows["measure"] == "accuracy") & (rows["way"] == way) & (rows["distance"] == "centred_cosine")]
    return mine.set_index(["kind", "layer", "head"])["value"]


def test_the_head_that_people_see_is_near_the_ceiling(scored: ScoredParts) -> None:
    alone, without = accuracies(scored.rows, "alone"), accuracies(scored.rows, "left_out")
    ceiling = scored.rows[scored.rows["measure"] == "ceiling_max_share"]["value"].iloc[0]
    planted, whole = (PLANTED.kind, PLANTED.layer, PLANTED.head), ("all", 0, -1)
    assert ceiling - 0.06 < alone[planted] <= ceiling
    others = alone.drop([planted, whole])
    assert others.between(1 / 3 - 0.1, 1 / 3 + 0.1).all()
    assert without[planted] < alone[whole] - 0.08
    assert (without.drop(planted) > without[planted]).all()


def test_rows_have_intervals_and_the_columns_of_the_table(scored: ScoredParts) -> None:
    rows = scored.rows
    assert tuple(rows.columns) == COLUMNS
    mine = rows[rows["measure"] == "accuracy"]
    assert ((mine["low"] < mine["value"]) & (mine["value"] < mine["high"])).all()
    assert (mine["n"] == 450).all()
    assert scored.intervals == {"testset1": "percentile cluster bootstrap"}
    assert len(mine[mine["distance"] == "centred_cosine"]) == 2 * 9 + 1
    assert set(mine[mine["distance"] != "centred_cosine"]["kind"]) == {"all"}
    assert scored.constant == ()


def test_distances_of_parts_are_those_of_the_pairs(world: PlantedWorld) -> None:
    curves = (PartCurve(PLANTED), PartCurve(WHOLE))
    measured = measure_parts(world.scored, curves, ("euclidean",))
    features = world.scored.parts.store.head(2, 1).astype(np.float64)
    names = measured.judgments.images.names
    rows = np.array([world.scored.parts.store.names.index(name) for name in names])
    a, b = (features[rows][measured.judgments.pairs[:, end]] for end in (0, 1))
    found = measured.found.values["euclidean"]
    assert found.shape == (2, len(measured.judgments.pairs))
    np.testing.assert_allclose(found[0], np.sqrt(((a - b) ** 2).mean(axis=1)), rtol=1e-5)
    rows_of, _ = score_rows(measured)
    assert set(zip(rows_of["kind"], rows_of["distance"], strict=True)) == {("head", "euclidean"), ("all", "euclidean")}
