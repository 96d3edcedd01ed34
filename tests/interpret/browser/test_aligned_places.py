"""Scores of heads by place: what is said of each, and by which null it is told from chance."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from alignbench.interpret.browser.aligned_places import HeadScore, address_name, aligned_places
from alignbench.interpret.browser.head_folders import head_folders
from browsed_folders import browse_alignment, browsed_store
from head_folders import PLACES, alignment_table

NAN = float("nan")


def score(value: float = 0.5, p_choices: float = NAN, p_subspace: float = NAN, p_twin: float = NAN) -> HeadScore:
    return HeadScore(value, 0.4, 0.6, 0.0, p_choices, p_subspace, p_twin)


@pytest.mark.parametrize(
    ("of", "is_separable"),
    [
        (score(p_choices=0.001, p_subspace=0.3), False),
        (score(p_choices=0.6, p_subspace=0.05), True),
        (score(p_choices=0.05), True),
        (score(p_choices=0.051), False),
        (score(p_twin=0.001), None),
        (score(value=NAN, p_choices=0.001), None),
    ],
)
def test_subspaces_count_before_choices(of: HeadScore, is_separable: bool | None) -> None:
    assert of.is_separable is is_separable


def test_scores_are_those_of_the_table(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    table = alignment_table(places=PLACES[::-1])
    browse_alignment(tmp_path, store, table=table)
    found = aligned_places(head_folders(store).alignments)
    assert [each.title for each in found] == [
        "low level, TID2013, paper protocol, cosine",
        "middle level, NIGHTS, paper protocol, cosine",
        "high level, shapes-high (simulated observers), paper protocol, cosine",
    ]
    assert [each.unit for each in found] == ["Spearman correlation", *["agreement with the choices"] * 2]
    for place, level in zip(found, ("low", "middle", "high"), strict=True):
        rows = table[(table["level"] == level) & (table["kind"] == "head")]
        assert set(place.scores) == set(zip(rows["layer"], rows["head"], strict=True))
        for (layer, head), own in place.scores.items():
            both = rows[(rows["layer"] == layer) & (rows["head"] == head)].set_index("way")
            alone = both.loc["alone"]
            assert own.left_out == pytest.approx(0.6 - both.loc["left_out", "value"], abs=1e-12)
            for name in ("value", "low", "high", "p_choices", "p_subspace", "p_twin"):
                assert getattr(own, name) == alone[name]


def test_a_head_that_is_scored_in_one_way_only_has_no_loss(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    table = alignment_table()
    browse_alignment(tmp_path, store, table=table[table["way"] == "alone"])
    assert all(
        np.isnan(each.left_out)
        for place in aligned_places(head_folders(store).alignments)
        for each in place.scores.values()
    )


def test_two_alignments_of_one_place_are_told_apart(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    low = alignment_table(places=PLACES[:1])
    browse_alignment(tmp_path, store, "a__align__0", low)
    browse_alignment(tmp_path, store, "b__align__0", low, limit=300)
    browse_alignment(tmp_path, store, "c__align__0", low, transform={"name": "learned"})
    found = aligned_places(head_folders(store).alignments)
    assert [each.title for each in found] == [
        "low level, TID2013, paper protocol, cosine [a__align__0]",
        "low level, TID2013, paper protocol, cosine [b__align__0]",
        "low level, TID2013, paper protocol, cosine, through learned",
    ]
    assert len({each.id for each in found}) == 3


def test_subsets_of_a_data_set_are_told_apart(tmp_path: Path) -> None:
    store = browsed_store(tmp_path)
    places = [("low", "kadid10k", part, "spearman", "cosine", "corrected") for part in ("all", "test")]
    browse_alignment(tmp_path, store, table=pd.concat([alignment_table(places=(place,)) for place in places]))
    titles = [each.title for each in aligned_places(head_folders(store).alignments)]
    assert titles == [f"low level, KADID-10k {part}, corrected protocol, cosine" for part in ("all", "test")]


def test_a_name_holds_what_an_address_may() -> None:
    assert address_name("alone", "a b/ü?&#", "0") == "alone.a-b-----.0"
