"""Ablations on the report page: each arm beside the whole model, with its change."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from ablation_folders import write_ablation
from alignbench.report.page.head_ablations import collect_ablations
from alignbench.report.page.head_reading import read_heads
from alignbench.results.head_alignment import CAVEAT
from pages import words
from transform_pages import parsed, report


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("heads")
    write_ablation(root / "a__ablate__1", "one")
    write_ablation(root / "b__ablate__2", "two", has_groups=False, reference="other")
    write_ablation(root / "c__ablate__3", "one", has_groups=False)
    assert report(root, output=root / "report.html") == 0
    return root / "report.html"


def test_each_arm_stands_beside_the_whole_model(page: Path) -> None:
    first = parsed(page).tables[0]
    assert first[0] == ["ablated", "way", "accuracy", "change", "worst group", "change"]
    assert first[1] == ["nothing", "", "0.800 (0.700 .. 0.900)", "", "0.500 (0.400 .. 0.600) b/y (20 pictures)", ""]
    assert first[2] == [
        *("colours: 5.1,6.0", "mean", "0.600 (0.500 .. 0.700)", "-0.200 (-0.250 .. -0.150)"),
        *("0.250 (0.150 .. 0.350) b/y (20 pictures)", "-0.250 (-0.300 .. -0.200)"),
    ]
    assert first[-1][3:] == [
        *("+0.050 (+0.000 .. +0.100)", "0.900 (0.800 .. 1.000) b/x (20 pictures)", "+0.400 (+0.350 .. +0.450)")
    ]
    assert [row[0] for row in first[3:]] == [
        *("drawn: 5.0,6.1", "head 5.1", "head 6.0", "MLP 5", "attention up to layer 5")
    ]


def test_folders_of_a_model_stand_together(page: Path) -> None:
    tables = parsed(page).tables
    assert [len(table[0]) for table in tables] == [6, 4, 4]
    section = words(parsed(page).sections["head-ablations"])
    places = [section.index(name) for name in ("a__ablate__1", "c__ablate__3", "b__ablate__2")]
    assert places == sorted(places)
    assert "40 pictures, told apart among 2 classes by zero-shot classification." in section
    assert "Means and resampled parts are of the pictures of other." in section
    assert CAVEAT in section
    text = words(page.read_text(encoding="utf-8"))
    assert "What models do without some of their heads, layers or MLPs: one, two." in text
    assert any(attrs.get("href") == "#head-ablations" for tag, attrs in parsed(page).elements if tag == "a")


def test_single_heads_beyond_ten_are_left_out(tmp_path: Path) -> None:
    folder = write_ablation(tmp_path / "it", has_groups=False)
    table = pd.read_csv(folder / "ablations.csv", keep_default_na=False)
    (head,) = table[(table["kind"] == "head") & (table["layer"] == 6)].to_dict("records")
    more = [{**head, "layer": 7, "head": number, "difference": -number / 100} for number in range(12)]
    pd.concat([table, pd.DataFrame(more)]).to_csv(folder / "ablations.csv", index=False)
    (part,) = collect_ablations(read_heads([folder])[0].ablations)
    assert part.left_out == "10 of 14 ablations of single heads, those that change most; all are in the folder"
    names = [row.name for row in part.rows if row.name.startswith("head ")]
    assert names == ["head 5.1", *(f"head 7.{number}" for number in range(3, 12))]
