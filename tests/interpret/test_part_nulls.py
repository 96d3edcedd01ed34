"""Nulls and sums on planted heads: the one that people see is beyond them, and is what is chosen first."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from alignbench.datasets.judgments import Subset
from alignbench.interpret.align_job import Nulls
from alignbench.interpret.part_nulls import PartsUnderTest, fill_nulls, sum_heads
from alignbench.interpret.part_scores import ProtocolData, ScoredParts, score_parts
from alignbench.measurement.pair_distances import CellData
from alignbench.results.head_alignment import COLUMNS, CUMULATIVE_COLUMNS, NULLS
from planted_heads import PLANTED, RANK, PlantedWorld, plant

HOW = Nulls(draws=199, twins=3, splits=4)
KEY = (PLANTED.kind, PLANTED.layer, PLANTED.head)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> PlantedWorld:
    return plant(tmp_path_factory.mktemp("planted") / "own__heads__0")


@pytest.fixture(scope="module")
def scored(world: PlantedWorld) -> ScoredParts:
    return score_parts(world.scored, "centred_cosine")


@pytest.fixture(scope="module")
def twins(world: PlantedWorld, tmp_path_factory: pytest.TempPathFactory) -> list[ProtocolData]:
    """Other heads, held against the same choices."""
    root = tmp_path_factory.mktemp("twins")
    return [replace(plant(root / str(seed), seed).scored, data=world.scored.data) for seed in (1, 2, 3)]


def judged(scored: ScoredParts, distance: str = "centred_cosine", how: Nulls = HOW) -> PartsUnderTest:
    return PartsUnderTest(scored.measured, distance, how, seed=0)


def test_only_the_head_that_people_see_is_beyond_the_nulls(scored: ScoredParts, twins: list[ProtocolData]) -> None:
    filled = fill_nulls(scored.rows, judged(scored), twins)
    assert tuple(filled.columns) == COLUMNS
    assert scored.rows[list(NULLS)].isna().all(axis=None)  # which are left as they were
    pd.testing.assert_frame_equal(filled.drop(columns=list(NULLS)), scored.rows.drop(columns=list(NULLS)))
    own = filled[(filled["measure"] == "accuracy") & (filled["distance"] == "centred_cosine")]
    alone = own[own["way"] == "alone"].set_index(["kind", "layer", "head"])[list(NULLS)].sort_index()
    assert (alone.loc[KEY] < 0.05).all()
    heads = alone.loc["head"].drop(KEY[1:])
    assert (heads > 0.05).all(axis=None)
    assert alone.loc["mlp", "p_choices"].notna().all()
    assert alone.loc["mlp", "p_subspace"].isna().all()
    assert alone.loc["mlp", "p_twin"].notna().all()
    assert alone.loc[["embedding", "all"]].isna().all(axis=None)
    rest = filled.drop(own[own["way"] == "alone"].index)
    assert rest[list(NULLS)].isna().all(axis=None)


def test_what_is_not_asked_for_is_not_drawn(scored: ScoredParts) -> None:
    how = Nulls(draws=0, twins=0, splits=0)
    filled = fill_nulls(scored.rows, judged(scored, how=how), [])
    assert filled[list(NULLS)].isna().all(axis=None)
    table, notes = sum_heads(judged(scored, how=how))
    assert table.empty
    assert tuple(table.columns) == CUMULATIVE_COLUMNS
    assert notes == ()


def test_a_cosine_that_is_not_centred_has_no_subspaces(world: PlantedWorld) -> None:
    plain = score_parts(world.scored, "cosine")
    filled = fill_nulls(plain.rows, judged(plain, "cosine", Nulls(19, 0, 0)), [])
    assert filled["p_subspace"].isna().all()
    assert filled["p_choices"].notna().sum() == 8


def test_the_distances_of_heads_are_those_that_are_scored(scored: ScoredParts) -> None:
    heads = judged(scored)
    _, rows = heads.distinct
    for number, component in enumerate(heads.heads):
        found = heads.distances(heads.features(component)[rows])
        np.testing.assert_allclose(found, heads.alone[number], rtol=1e-5, atol=1e-7)
    some = np.array([5, 0, 7])
    found = heads.distances(heads.features(heads.heads[0])[rows], some)
    np.testing.assert_allclose(found, heads.alone[0][some], rtol=1e-5, atol=1e-7)


def test_sums_begin_with_the_head_that_people_see(scored: ScoredParts) -> None:
    table, notes = sum_heads(judged(scored))
    assert notes == ()
    assert tuple(table.columns) == CUMULATIVE_COLUMNS
    assert len(table) == 4 * 2 * 6 * 2
    chosen = table[table["kind"] == "chosen"].groupby("heads")["value"].mean()
    by_chance = table[table["kind"] == "random"].groupby("heads")["value"].mean()
    assert chosen[1] > 0.85
    assert chosen[1] > by_chance[1] + 0.2
    assert chosen[6] == pytest.approx(by_chance[6], abs=1e-9)  # all of them, in whatever order
    assert set(table["measure"]) == {"accuracy"}
    assert set(table["part"]) == {"testset1"}


def test_too_few_judgments_are_said(world: PlantedWorld) -> None:
    said = world.scored.data.judgments
    subset = Subset("testset1", said.subsets[0].rows[:1], said.subsets[0].clusters[:1])
    few = replace(said, subsets=(subset,)).used()
    data = CellData(world.scored.data.data_set, few, few.images.names)
    scored = score_parts(replace(world.scored, data=data), "centred_cosine")
    table, notes = sum_heads(judged(scored))
    assert table.empty
    assert len(notes) == 1
    assert "too few to score heads on" in notes[0]


def test_the_rank_of_a_head_is_that_of_what_it_carries(scored: ScoredParts, monkeypatch: pytest.MonkeyPatch) -> None:
    from alignbench.interpret import part_nulls

    ranks: list[int] = []
    real = part_nulls.subspace_scores
    monkeypatch.setattr(
        part_nulls, "subspace_scores", lambda span, rank, *rest: (ranks.append(rank), real(span, rank, *rest))[1]
    )
    fill_nulls(scored.rows, judged(scored, how=Nulls(19, 0, 0)), [])
    assert ranks == [RANK, RANK]  # once for each layer, as its heads have the same
