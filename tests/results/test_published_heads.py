"""Published scores of heads beside ours: the table as it was published, and which of ours it stands beside."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.results.head_scores import read_scores
from alignbench.results.published import COLUMNS
from alignbench.results.published_heads import (
    compare_heads,
    heads_obstacle,
    published_heads,
    published_heads_name,
)
from score_folders import write_scores

BASE_32 = "openai/clip-vit-base-patch32"
CCS = {  # heads of high, moderate and low consistency, of 48 or 64
    BASE_32: (8, 13, 4, 48),
    "open_clip:ViT-B-32/datacomp_m_s128m_b4k": (11, 9, 8, 48),
    "openai/clip-vit-base-patch16": (10, 14, 4, 48),
    "open_clip:ViT-B-16/laion2b_s34b_b88k": (13, 12, 6, 48),
    "openai/clip-vit-large-patch14": (16, 13, 11, 64),
    "open_clip:ViT-L-14/laion2b_s32b_b82k": (21, 14, 3, 64),
}
PAPER = {  # entanglement and association
    BASE_32: (0.437, 0.437),
    "open_clip:ViT-B-16/laion2b_s34b_b88k": (0.541, 0.166),
    "openai/clip-vit-large-patch14": (0.359, 0.453),
    "open_clip:ViT-L-14/laion2b_s32b_b82k": (0.343, 0.562),
}


def test_the_table_is_as_published() -> None:
    table = {(row.model, row.measure): row.value for row in published_heads().itertuples()}
    expected = {}
    for model, (high, moderate, low, heads) in CCS.items():
        expected |= {(model, "ccs_high"): high / heads, (model, "ccs_moderate"): moderate / heads}
        expected[model, "ccs_low"] = low / heads
    for model, (entanglement, association) in PAPER.items():
        expected |= {(model, "entanglement"): entanglement, (model, "association"): association}
    assert table == pytest.approx(expected)


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("open_clip:ViT-L-14-quickgelu/openai", "openai/clip-vit-large-patch14"),
        ("laion/CLIP-ViT-B-16-laion2B-s34B-b88K", "open_clip:ViT-B-16/laion2b_s34b_b88k"),
        ("open_clip:hf-hub:laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "open_clip:ViT-L-14/laion2b_s32b_b82k"),
        (BASE_32, BASE_32),
        ("shapes-clip", None),
        (f"{BASE_32}@random-0", None),
    ],
)
def test_a_model_is_known_by_all_of_its_names(label: str, name: str | None) -> None:
    assert published_heads_name(label) == name


def test_ours_stand_beside_what_may_mean_the_same(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it", BASE_32, values={"entangled": 0.9, "unique": 0.1, "ccs_high": 0.25})
    table = compare_heads(folder)
    assert tuple(table.columns) == COLUMNS
    rows = {row.metric: row for row in table.itertuples()}
    assert set(rows) == {
        *("association_all", "association_some", "association_mean", "entangled", "unique"),
        *("ccs_high", "ccs_moderate", "ccs_low"),
    }
    assert (rows["entangled"].ours, rows["entangled"].published) == (0.9, 0.437)
    assert rows["unique"].difference == pytest.approx(0.1 - 0.437)
    assert "looks like the share of heads with a label of their own (unique)" in rows["entangled"].note
    assert (rows["ccs_high"].ci_low, rows["ccs_high"].published) == pytest.approx((0.15, 8 / 48))
    assert table["within"].isna().all(), "nothing is judged by it"
    assert table["n"].tolist() == [48] * 8


def test_scores_that_are_not_there_are_not_compared(tmp_path: Path) -> None:
    folder = write_scores(tmp_path / "it", BASE_32)
    lines = (folder / "scores.csv").read_text().splitlines()
    (folder / "scores.csv").write_text("\n".join(line for line in lines if not line.startswith("ccs_high")) + "\n")
    assert "ccs_high" not in set(compare_heads(folder)["metric"])
    assert len(compare_heads(folder)) == 7


def test_other_models_and_layers_are_not_compared(tmp_path: Path) -> None:
    other = write_scores(tmp_path / "a", "shapes-clip")
    assert heads_obstacle(read_scores(other)[0]) == "nothing is published of heads of shapes-clip"
    assert compare_heads(other).empty
    early = write_scores(tmp_path / "b", BASE_32, layers=[1, 2, 3, 4])
    assert heads_obstacle(read_scores(early)[0]) == (
        "its heads are of layers [1, 2, 3, 4], the published of [9, 10, 11, 12]"
    )
    assert compare_heads(early).empty
    large = write_scores(tmp_path / "c", "openai/clip-vit-large-patch14", layers=[21, 22, 23, 24])
    assert heads_obstacle(read_scores(large)[0]) == ""
