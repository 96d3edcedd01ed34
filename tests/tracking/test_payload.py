"""What a run is logged as, by hand-made curves: points over depth, the summary, the lines of charts, the settings."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.results.layer_curve import COLUMNS, LayerCurve
from alignbench.results.published import published_curves
from alignbench.results.run_record import RunRecord
from alignbench.tracking.payload import SELECTED, charts, configuration, parts, run_title, scores_by_depth, summary

SUBSETS = (("all", 0.5), ("trainset", 0.25))


def curve_of(model: str, dataset: str, subset: str, rows: pd.DataFrame, **values: object) -> LayerCurve:
    given = {"model": model, "dataset": dataset, "subset": subset, "level": "low", "protocol": "paper"}
    counted = {"tokens": "all", "ci_low": np.nan, "ci_high": np.nan, "n": 3000, "n_clusters": 25}
    return LayerCurve(rows.assign(**(given | counted | values))[list(COLUMNS)].reset_index(drop=True))


def test_the_published_curve_is_a_line_of_the_chart() -> None:
    model = "openai/clip-vit-base-patch32"
    every = published_curves()
    theirs = every[(every["model"] == model) & (every["dataset"] == "tid2013")]
    ours = curve_of(model, "tid2013", "all", theirs.assign(value=theirs["value"] / 2))
    ssim = pd.DataFrame({"distance": ["ssim"], "layer": ["image"], "depth": [0.0], "metric": ["spearman"]})
    near = curve_of("ssim", "tid2013", "all", ssim.assign(value=0.6))
    fewer = curve_of("ms-ssim", "tid2013", "all", ssim.assign(value=0.7), n=100)
    drawn = charts(ours, [near, fewer])
    assert drawn.keys() == {f"curves/{distance}" for distance in theirs["distance"].unique()}
    for distance in theirs["distance"].unique():
        of_distance = theirs[(theirs["distance"] == distance) & (theirs["metric"] == "spearman")].sort_values("depth")
        mine, published, baseline = drawn[f"curves/{distance}"]
        assert (mine.name, published.name, baseline.name) == (model, "published", "ssim ssim")
        assert published.depth == mine.depth == tuple(of_distance["depth"])
        assert published.value == pytest.approx(tuple(of_distance["value"]))
        assert mine.value == pytest.approx(tuple(of_distance["value"] / 2))
        assert (baseline.depth, baseline.value) == ((0.0, 100.0), (0.6, 0.6))


def test_layers_without_a_score_and_breakdowns_are_left_out() -> None:
    layers = pd.DataFrame({"layer": ["layer_0", "layer_1", "projection"], "depth": [2.5, 97.5, 100.0]})
    rows = layers.assign(distance="cosine", metric="accuracy", value=[np.nan, 0.5, 0.75])
    whole, part = (curve_of("a", "nights", name, rows).frame for name in ("all", "votes_08"))
    curve = LayerCurve(pd.concat([whole, part], ignore_index=True))
    assert list(scores_by_depth(curve)) == [
        {"depth": 97.5, "align/cosine/accuracy": 0.5, "low/accuracy/curve/cosine": 0.5},
        {"depth": 100.0, "align/cosine/accuracy": 0.75, "low/accuracy/curve/cosine": 0.75},
    ]
    assert summary(curve) == {
        "best/cosine": 0.5,
        "best_layer/cosine": "layer_1",
        "best_depth/cosine": 97.5,
        "best_is": SELECTED,
        "projection/cosine": 0.75,
        "low/accuracy/best/cosine": 0.5,
        "low/accuracy/projection/cosine": 0.75,
        "data/part": "3,000 of 20,019 triplets",
    }


def test_the_level_names_the_main_subset_alone_and_a_baseline_goes_from_end_to_end() -> None:
    rows = pd.DataFrame({"layer": ["image"], "depth": [0.0], "distance": ["ssim"], "metric": ["spearman"]})
    first, second = (curve_of("ssim", "kadid10k", name, rows.assign(value=score)).frame for name, score in SUBSETS)
    curve = LayerCurve(pd.concat([first, second], ignore_index=True))
    assert list(scores_by_depth(curve)) == [
        {
            **{"depth": 0.0, "align/ssim/spearman": 0.5, "align/ssim/spearman/trainset": 0.25},
            "low/spearman/baseline": 0.5,
        },
        {"depth": 100.0, "low/spearman/baseline": 0.5},
    ]
    assert not [name for name in summary(curve) if name.startswith("low/")]


def test_a_model_without_a_card_has_no_factors() -> None:
    found = configuration(
        RunRecord.from_json({"label": "mine", "settings": {"model": "mine", "seed": 1}, "factors": {}, "level": "low"})
    )
    assert (found["model"], found["seed"], found["level"]) == ("mine", 1, "low")
    assert "architecture" not in found


def test_factors_that_were_given_stand_beside_those_of_the_card() -> None:
    told = {
        "label": "mine",
        "checkpoint": "clip",
        "settings": {"model": "mine"},
        "factors": {"step": 1000, "loss": "x"},
    }
    found = configuration(RunRecord.from_json(told))
    assert {name: found[name] for name in ("model", "checkpoint", "step", "loss")} == {
        **{"model": "mine", "checkpoint": "clip", "step": 1000, "loss": "x"}
    }


def test_layers_are_told_where_they_are_not_the_usual_ones_and_what_the_projection_is() -> None:
    settings = {"model": "mine", "layers": ["avgpool", "classifier.3"]}
    told = {"projection": "average of the map", "trained_on": "trained on it"}
    found = configuration(RunRecord.from_json({"label": "mine", "settings": settings, **told}))
    assert found["layers"] == ["avgpool", "classifier.3"]
    assert found.items() >= told.items()
    plain = configuration(RunRecord.from_json({"label": "mine", "settings": {"model": "mine"}}))
    assert not {"layers", "projection", "trained_on"} & set(plain)


def test_a_part_is_in_the_title_and_has_keys_of_its_own() -> None:
    rows = pd.DataFrame(
        {"layer": ["image"], "depth": [0.0], "distance": ["ssim"], "metric": ["accuracy"], "value": 0.5}
    )
    whole = curve_of("ssim", "nights", "all", rows, n=20_019)
    assert (run_title(whole), parts(whole)) == ("ssim on NIGHTS", {})
    subsets = [
        curve_of("ssim", "nights", name, rows, n=9, protocol="corrected").frame for name in ("test", "test-imagenet")
    ]
    part = LayerCurve(pd.concat(subsets, ignore_index=True))
    assert run_title(part) == "ssim on NIGHTS (9 of 1,824 test triplets)"
    assert parts(part) == {
        "data/part": "9 of 1,824 test triplets",
        "data/part/test-imagenet": "9 from 9 of 1,824 test triplets",
    }
