"""Arms of a store of random numbers, against sums over all of its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from alignbench.errors import DataError, UsageError
from alignbench.interpret.ablation.arms import Arm, StoredArms, arms_of, kept_heads, random_groups
from alignbench.interpret.store import HeadStore, StoreShape
from head_stores import random_contributions, write_store

SHAPE = StoreShape(pictures=5, blocks=4, layers=(3, 4), heads=2, width=3, dtype="fp32", has_class=True)
VALUES = random_contributions(5, 9, 3).astype(np.float64)  # heads 3.0, 3.1, 4.0, 4.1, embedding, four MLPs


@pytest.fixture
def store(tmp_path: Path) -> HeadStore:
    made = write_store(tmp_path / "it", SHAPE)
    with SHAPE.others_shard(made.folder).mapped() as tensors:
        tensors["left_out"][:] = 100.0
    return HeadStore.open(made.folder)


@pytest.mark.parametrize(
    ("arm", "places", "more"),
    [
        (Arm("all"), range(9), 100.0),
        (Arm("head", 4, 0), [2], 0.0),
        (Arm("layer", 3), [0, 1], 0.0),
        (Arm("group", heads=((4, 1), (3, 0))), [0, 3], 0.0),
        (Arm("random", heads=((3, 1),)), [1], 0.0),
        (Arm("mlp", 2), [6], 0.0),
        (Arm("mlps"), [5, 6, 7, 8], 0.0),
        (Arm("class"), [0] * 10, 0.0),  # 1 + 2 + 3 + 4 times the first head
        (Arm("early", 2), [], 100.0),
        (Arm("early", 3), [0, 1], 100.0),
        (Arm("early", 4), [0, 1, 2, 3], 100.0),
    ],
)
def test_an_arm_is_the_sum_of_its_parts(arm: Arm, places: list[int], more: float, store: HeadStore) -> None:
    wanted = sum((VALUES[:, place] for place in places), np.full((5, 3), more))
    found = StoredArms(store).rows(arm)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, wanted, atol=1e-5)


def test_early_attention_is_gone_on_with_in_any_order(store: HeadStore) -> None:
    stored = StoredArms(store)
    for layer in (3, 4, 2, 4, 3):
        wanted = 100.0 + VALUES[:, : 2 * (layer - 2)].sum(axis=1)
        np.testing.assert_allclose(stored.rows(Arm("early", layer)), wanted, rtol=1e-5)


def test_a_constant_belongs_to_the_whole(tmp_path: Path) -> None:
    shape = StoreShape(pictures=5, blocks=1, layers=(1,), heads=2, width=3, dtype="fp32", has_constant=True)
    store = write_store(tmp_path / "siglip", shape)
    wanted = random_contributions(5, 4, 3).sum(axis=1) + 0.5
    np.testing.assert_allclose(StoredArms(store).rows(Arm("all")), wanted, atol=1e-5)


def test_kinds_have_their_arms(store: HeadStore) -> None:
    assert kept_heads(store) == [(3, 0), (3, 1), (4, 0), (4, 1)]
    assert arms_of(store, "head") == [Arm("head", *head) for head in kept_heads(store)]
    assert arms_of(store, "layer") == [Arm("layer", 3), Arm("layer", 4)]
    assert arms_of(store, "mlp") == [Arm("mlp", layer) for layer in (1, 2, 3, 4)]
    assert arms_of(store, "early") == [Arm("early", layer) for layer in (2, 3, 4)]
    assert arms_of(store, "mlps") == [Arm("mlps")]
    assert arms_of(store, "class") == [Arm("class")]
    with pytest.raises(UsageError, match="unknown --by 'heads': did you mean head"):
        arms_of(store, "heads")


def test_a_store_of_all_layers_begins_with_the_first(tmp_path: Path) -> None:
    shape = StoreShape(pictures=2, blocks=2, layers=(1, 2), heads=1, width=3, dtype="fp32")
    store = write_store(tmp_path / "all", shape)
    assert arms_of(store, "early") == [Arm("early", 1), Arm("early", 2)]
    with pytest.raises(DataError, match="has no class part"):
        arms_of(store, "class")


def test_drawn_groups_have_as_many_other_heads(store: HeadStore) -> None:
    (drawn,) = random_groups(store, [(3, 1), (4, 0)], 1, seed=0)
    assert drawn.heads == ((3, 0), (4, 1))
    alone = [arm.heads[0] for arm in random_groups(store, [(3, 1)], 3, seed=0)]
    assert sorted(alone) == [(3, 0), (4, 0), (4, 1)]
    assert {random_groups(store, [(3, 1)], 1, seed=seed)[0].heads[0] for seed in range(20)} == set(alone)
    assert random_groups(store, kept_heads(store), 0, seed=0) == []
    with pytest.raises(UsageError, match=r"--random 1: of 1 other heads there are 0 groups of 3: draw or name"):
        random_groups(store, kept_heads(store)[:3], 1, seed=0)
    with pytest.raises(UsageError, match=r"--random 4: of 3 other heads there are 3 groups of 1"):
        random_groups(store, [(3, 1)], 4, seed=0)
