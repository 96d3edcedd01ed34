"""What a linear readout reaches, on the page: curves over depth, the highest layer and the projection."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from alignbench.report.page.readouts import collect_readouts
from alignbench.report.page.transforms import read_transforms
from pages import words
from transform_pages import AFTER, DEPTHS, SIMULATED, parsed, write_learned


def test_curves_are_those_of_the_ceilings(page: Path) -> None:
    data = json.loads(parsed(page).data)
    charts = [data["charts"][f"readout-{index}"] for index in range(2)]
    assert [chart["score"] for chart in charts] == ["odd-one-out accuracy (cosine)"] * 2
    assert charts[0]["ceiling"] == {"name": "noise ceiling", "values": [0.6767]}
    assert charts[1]["ceiling"] is None
    lines = {line["name"]: data["curves"][line["curve"]] for line in charts[0]["lines"]}
    assert list(lines) == ["zero-shot", "aligned"]
    assert [chart["chance"] for chart in charts] == [pytest.approx(1 / 3)] * 2
    assert charts[0]["span"][0] < 1 / 3
    assert charts[0]["span"][1] > 0.6767, "the ceiling lies above all"
    aligned = lines["aligned"]
    assert aligned["layers"] == list(DEPTHS)
    assert aligned["x"] == list(DEPTHS.values())
    np.testing.assert_allclose(aligned["y"], AFTER, rtol=5e-5)
    np.testing.assert_allclose(aligned["low"], np.array(AFTER) - 0.02, rtol=5e-5)
    np.testing.assert_allclose(aligned["high"], np.array(AFTER) + 0.02, rtol=5e-5)
    assert aligned["n"] == 1234
    np.testing.assert_allclose(lines["zero-shot"]["low"], [0.37] * 4, rtol=5e-5)
    keys = [key for line in charts[0]["lines"] for key in line["keys"]]
    boxes = {attrs.get("data-key") for _, attrs in parsed(page).elements}
    assert keys == ["readout:before", "readout:after"]
    assert boxes.issuperset(keys)


def test_the_table_says_the_highest_layer_and_the_projection(page: Path) -> None:
    [table] = [table for table in parsed(page).tables if "highest at (depth)" in table[0]]
    first, second = table[1:]
    assert first == [
        "clip",
        "THINGS, trainset 1,234 triplets, noise ceiling 0.677",
        "global",
        "layer_3 (97.5 %)",
        "0.400 \N{RIGHTWARDS ARROW} 0.620",
        "+0.220 (+0.195 .. +0.245)",
        "0.400 (0.370 .. 0.430)",
        "0.600 (0.580 .. 0.620)",
    ]
    assert second[0] == "my/clip"
    assert second[1].endswith(SIMULATED)
    assert second[3] == "layer_2 (43.5 %)"
    assert second[-2:] == ["-", "-"], "no transform of the projection was learned"


def test_the_section_comes_after_the_findings_and_says_how_it_is_made(page: Path) -> None:
    found = parsed(page)
    order = [attrs["id"] for tag, attrs in found.elements if tag == "section"]
    assert order == ["answer", "everything", "best", "findings", "readouts", "costs", "provenance"]
    section = words(found.sections["readouts"])
    for said in ("a triplet with objects on both sides of a split is dropped", "the transform that never saw these"):
        assert said in section
    assert section.count(SIMULATED) == 2, "in the chart and in the table"
    assert "3 folds of 240 objects, 1,234 judged triplets, cls tokens; clip__things__global__11111111" in section
    assert f"shapes-high: {SIMULATED}" in words(found.sections["answer"])
    assert "2 folders of learned transforms and 2 judged transforms" in words(found.sections["answer"])


def test_folders_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for key in ("aaaaaaaa", "bbbbbbbb"):
        write_learned(tmp_path, key=key)
    write_learned(tmp_path, objective="naive")
    titles = [panel.title for panel in collect_readouts(read_transforms([tmp_path])[0].learned).panels]
    named = "clip on THINGS, trainset: global"
    assert titles == [f"{named} (aaaaaaaa)", f"{named} (bbbbbbbb)", "clip on THINGS, trainset: naive"]


def test_a_teacher_of_test_triplets_is_marked(tmp_path: Path) -> None:
    for key, saw_test in (("aaaaaaaa", True), ("bbbbbbbb", False)):
        folder = write_learned(tmp_path, objective="soft", key=key)
        settings = {"folds": 3, "targets": {"kind": "frequencies", "saw_test": saw_test}}
        (folder / "learned.json").write_text(json.dumps({"settings": settings}))
    write_learned(tmp_path, objective="global")
    notes = [panel.note for panel in collect_readouts(read_transforms([tmp_path])[0].learned).panels]
    told = [note.partition("cls tokens")[2].partition(";")[0] for note in notes]
    assert told == ["", ", targets frequencies, of triplets that models are tested on", ", targets frequencies"]
