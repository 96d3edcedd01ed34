"""The curves in the page are those of the runs, each once; charts say which are shown and which boxes hide them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from alignbench.report.page.charts import Charts
from alignbench.report.page.page import Beside, study_page
from alignbench.study.factors import Factor, FactorOption
from alignbench.study.study import Study
from drawn_curves import baseline_curve, tower_curve
from pages import Parsed
from studies import BASE_16, BASE_32, DATASETS
from study_pages import COSINE, MAIN, SIZES, TWINS, architecture, difference, select_rows, values_of


def lines_of(parsed: Parsed, slug: str, name: str, kind: str) -> list[dict[str, Any]]:
    """The curves of a chart that belong to a model and are of a kind."""
    data = json.loads(parsed.data)
    lines = data["charts"][slug]["lines"]
    return [
        data["curves"][line["curve"]]
        for line in lines
        if f"model:{name}" in line["keys"] and line["look"]["kind"] == kind
    ]


@pytest.mark.parametrize("index", range(3))
@pytest.mark.parametrize("label", [BASE_16, BASE_32])
def test_a_curve_goes_through_the_scores_of_its_run(
    parsed: Parsed, folders: list[Path], label: str, index: int
) -> None:
    dataset = list(DATASETS)[index]
    for section in ("everything", "factor-architecture"):
        curves = lines_of(parsed, f"{section}-{index}", label, "tower")
        for curve, distance in zip(curves, (MAIN, COSINE), strict=True):
            rows = select_rows(folders, label, dataset, distance)
            assert curve["layers"] == [row["layer"] for row in rows]
            for column, shown in (("depth", "x"), ("value", "y"), ("ci_low", "low"), ("ci_high", "high")):
                np.testing.assert_allclose(curve[shown], values_of(rows, column), rtol=5e-5)
            assert curve["n"] == SIZES[dataset]


def test_a_curve_is_in_the_page_once_whatever_the_number_of_charts(parsed: Parsed) -> None:
    data = json.loads(parsed.data)
    towers = 2 * 3 * 2  # two models, each with two distances
    published = 2 * 3 + 2 * 3  # the two models' normalised ones and the two baselines, but for one exception:
    published += 3  # the paper has base-16's cosine too
    assert len(data["curves"]) == towers + published + 2 * 3 + 2 * 3  # and bands of twins, and baselines


def test_twins_are_a_band_around_their_mean(parsed: Parsed, folders: list[Path]) -> None:
    twins = np.array([values_of(select_rows(folders, twin, "nights", MAIN)) for twin in TWINS])
    curve = lines_of(parsed, "everything-1", f"{BASE_32}, 2 untrained twins", "twins")[0]
    for shown, expected in (("y", twins.mean(axis=0)), ("low", twins.min(axis=0)), ("high", twins.max(axis=0))):
        np.testing.assert_allclose(curve[shown], expected, rtol=5e-5)


def test_published_values_stand_beside_ours(parsed: Parsed) -> None:
    from studies import published

    [curve, _] = lines_of(parsed, "everything-2", BASE_16, "published")
    theirs = [published()[BASE_16, "things", MAIN, layer] for layer in curve["layers"]]
    assert len(theirs) == 14
    np.testing.assert_allclose(curve["y"], theirs, rtol=5e-5)
    assert "low" not in curve, "nothing is known of their intervals"


def test_published_curves_that_were_asked_for_have_a_name_a_box_and_greys(study: Study) -> None:
    from studies import SIGLIP, published

    text = study_page(study, [architecture()], [], Beside(published=(SIGLIP, "ssim")))
    found = Parsed(text)
    data = json.loads(found.data)
    name = f"published {SIGLIP.rpartition('/')[2]}, normalised Euclidean"
    for index, dataset in enumerate(DATASETS):
        for section in ("everything", "factor-architecture"):
            lines = data["charts"][f"{section}-{index}"]["lines"]
            [line] = [line for line in lines if line["name"] == name]
            assert line["keys"] == [f"reference:{name}", f"distance:{MAIN}"]
            assert line["look"]["kind"] == "reference"
            assert re.fullmatch(r"#(\w\w)\1\1", line["look"]["colour"])
            curve = data["curves"][line["curve"]]
            theirs = [published()[SIGLIP, dataset, MAIN, layer] for layer in curve["layers"]]
            np.testing.assert_allclose(curve["y"], theirs, rtol=5e-5)
        [flat] = [line for line in lines if line["name"] == "published ssim"]
        assert data["curves"][flat["curve"]]["layers"] == ["image"]
    boxes = [attrs.get("data-key") for tag, attrs in found.elements if tag == "input"]
    assert boxes.count(f"reference:{name}") == boxes.count("reference:published ssim") == 1
    assert "published curves" in found.sections["everything"]


def test_charts_have_chance_and_an_axis_that_shows_it(parsed: Parsed) -> None:
    charts = json.loads(parsed.data)["charts"]
    assert [charts[f"everything-{index}"]["chance"] for index in range(3)] == [0.0, 0.5, pytest.approx(1 / 3)]
    for chart in charts.values():
        assert chart["span"][0] < chart["chance"] < chart["span"][1]


@pytest.mark.parametrize(
    ("has", "expected"),
    [
        ({"a": [MAIN, COSINE], "b": [MAIN, COSINE]}, (MAIN,)),
        ({"a": [MAIN, COSINE], "b": [COSINE]}, (MAIN, COSINE)),
        ({"a": ["euclidean", COSINE], "b": [COSINE]}, (COSINE,)),
        ({"a": ["euclidean"], "b": [COSINE]}, ("euclidean", COSINE)),
    ],
)
def test_as_few_distances_are_ticked_as_leave_no_model_out(
    has: dict[str, list[str]], expected: tuple[str, ...]
) -> None:
    curves = [tower_curve(label, distances=tuple(names)) for label, names in has.items()]
    assert Charts(curves).at_first == expected
    assert Charts([baseline_curve("pixels")]).at_first == ()


def test_a_factor_shows_its_options_their_twins_and_all_baselines(study: Study) -> None:
    factor = architecture()
    only = Factor(factor.name, "?", (factor.options[0],), factor.differs, factor.differences, ())
    found = Parsed(study_page(study, [only], []))
    lines = json.loads(found.data)["charts"]["factor-architecture-0"]["lines"]
    assert {line["keys"][0] for line in lines} == {f"model:{BASE_16}", "model:pixels", "model:ssim"}


def test_distances_that_are_compared_have_boxes_of_their_own(study: Study) -> None:
    options = tuple(FactorOption(name, name) for name in (MAIN, COSINE))
    rows = [
        difference("nights", "projection", 0.1, 0.05, 0.15)
        | {"first": f"{label}, {MAIN}", "second": f"{label}, {COSINE}", "distance": f"{MAIN} / {COSINE}"}
        for label in (BASE_16, BASE_32)
    ]
    found = Parsed(study_page(study, [Factor("distance", "?", options, pd.DataFrame(), pd.DataFrame(rows), ())], []))
    boxes = {attrs["data-key"]: "checked" in attrs for tag, attrs in found.elements if attrs.get("data-key")}
    own = {key.removeprefix("factor-distance "): on for key, on in boxes.items() if key.startswith("factor-distance ")}
    assert own == {
        **{f"model:{BASE_16}": True, f"model:{BASE_32}": False, f"model:{BASE_32}, 2 untrained twins": False},
        **{f"distance:{MAIN}": True, f"distance:{COSINE}": True},
    }
    assert boxes[f"distance:{MAIN}"]
    assert not boxes[f"distance:{COSINE}"], "elsewhere one at first, for legibility"
    lines = json.loads(found.data)["charts"]["factor-distance-0"]["lines"]
    towers = [line for line in lines if line["look"]["kind"] == "tower"]
    assert {key for line in towers for key in line["keys"]} <= {f"factor-distance {key}" for key in own}
    colours = {(key, line["look"]["colour"]) for line in towers for key in line["keys"] if "distance:" in key}
    assert len(colours) == 2, "a colour for each distance, whatever the model"
    keys = [attrs["data-keys"] for tag, attrs in found.elements if tag == "tr" and attrs.get("data-keys")]
    assert f'["factor-distance model:{BASE_32}"]' in keys
    [table] = [table for table in found.tables if "separable (corrected p)" in table[0]]
    assert [[row[0], row[-1]] for row in table[1:]] == [
        [f"{MAIN} \N{MINUS SIGN} {COSINE} projection", label] for label in (BASE_16, BASE_32)
    ]
