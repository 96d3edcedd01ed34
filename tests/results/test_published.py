"""The published curves: which runs they can stand beside, and what is said of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from alignbench.results.published import (
    ODDITIES,
    caveats,
    compare_with_published,
    obstacle,
    oddity,
    published_curves,
    published_for,
    published_name,
)
from alignbench.results.run_record import RunSettings
from published_runs import BASE_16, BASE_32, BIOMED, MAIN, WHOLE, Edit, curve_like, published_lines


def settings_like(**settings: object) -> RunSettings:
    return RunSettings.from_json(settings)


# --- The table ------------------------------------------------------------------------------------------------------


def test_the_table_is_read_as_it_stands() -> None:
    frame, lines = published_curves(), list(published_lines())
    assert len(frame) == len(lines) == 490
    np.testing.assert_array_equal(frame["value"], [float(line["value"]) for line in lines])
    assert frame["layer"].tolist() == [line["layer"] for line in lines]


def test_who_changes_the_table_changes_a_copy() -> None:
    mine = published_curves()
    mine["value"] = 0.0
    assert published_curves()["value"].min() > 0.0


@pytest.mark.parametrize("dataset", ["nights", "things"])
def test_published_shares_are_whole_numbers_of_judgments(dataset: str) -> None:
    """Shares of the number of judgments that the notes name, to the five decimals that are published."""
    frame = published_curves()
    value = frame.loc[(frame["dataset"] == dataset) & (frame["layer"] != "image"), "value"].to_numpy()
    np.testing.assert_allclose(np.round(value * WHOLE[dataset]) / WHOLE[dataset], value, rtol=0, atol=5.001e-6)


def test_every_published_tower_has_all_its_layers() -> None:
    frame = published_curves()
    towers = frame[frame["layer"] != "image"]
    for (model, *_), rows in towers.groupby(["model", "dataset", "distance", "metric"]):
        blocks = 24 if "large" in model else 12
        assert rows["layer"].tolist() == [*(f"layer_{i}" for i in range(blocks + 1)), "projection"]
        np.testing.assert_allclose(rows["depth"], [2.5, *np.linspace(7.5, 97.5, blocks), 100.0], atol=6e-4)


# --- Which run is which ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("label", "name"),
    [
        (BASE_32, BASE_32),
        ("clip-vit-base-patch32", BASE_32),
        ("clip-vit-large-patch14", "openai/clip-vit-large-patch14"),
        ("clip-vit-large-patch14-336", "openai/clip-vit-large-patch14-336"),
        (f"open_clip:hf-hub:{BIOMED}", BIOMED),
        ("ssim", "ssim"),
        ("lpips-alex", "lpips"),
        ("lpips-vgg", "lpips"),
        ("ms-ssim", None),
        (f"{BASE_32}@random-0", None),
        ("clip-vit-base-patch32@random-1", None),
        (f"{BASE_32}@glocal", None),
        ("someone/clip-vit-base-patch32", None),
        ("clip-vit-base", None),
        ("openai", None),
        ("", None),
    ],
)
def test_a_label_stands_for_a_published_model_or_for_none(label: str, name: str | None) -> None:
    assert published_name(label) == name


def test_a_curve_gets_the_published_values_of_its_model_data_set_and_distances() -> None:
    curve = curve_like(BASE_16, "nights", edit=lambda frame: frame[frame["distance"] == "cosine"])
    found = published_for(curve)
    assert found["value"].tolist() == [
        float(line["value"])
        for line in published_lines()
        if (line["model"], line["dataset"], line["distance"]) == (BASE_16, "nights", "cosine")
    ]
    assert set(found["subset"]) == {"all"}


def test_a_baseline_is_matched_whatever_its_distance_is_called() -> None:
    curve = curve_like("lpips", "nights", label="lpips-vgg", edit=lambda frame: frame.assign(distance="lpips-vgg"))
    [row] = published_for(curve).to_dict("records")
    assert (row["value"], row["distance"], row["model"]) == (0.681, "lpips-vgg", "lpips")


def cut(layers: int) -> Edit:
    return lambda frame: frame[frame["layer"].isin([f"layer_{i}" for i in range(layers)] + ["projection"])]


@pytest.mark.parametrize(
    ("label", "edit", "reason"),
    [
        (BASE_32, lambda f: f.assign(protocol="corrected"), "corrected protocol"),
        (BASE_32, lambda f: f.assign(tokens=f["tokens"].replace("all", "cls")), "cls tokens"),
        (BASE_32, lambda f: f.assign(tokens=f["tokens"].replace("all", "mean")), "mean tokens"),
        (BASE_32, lambda f: f.assign(subset="test"), "lacks subset all"),
        (BASE_32, lambda f: f.assign(dataset="kadid10k"), "nothing is published on kadid10k"),
        (BASE_32, lambda f: f.assign(distance="cosine"), "only normalized_euclidean is published"),
        (f"{BASE_32}@random-0", None, "nothing is published of this model"),
        (f"{BASE_32}@glocal", None, "nothing is published of this model"),
        ("clip-vit-base-patch32", cut(7), "another network"),
    ],
)
def test_what_cannot_be_compared_is_not(label: str, edit: Edit | None, reason: str) -> None:
    curve = curve_like(BASE_32, "nights", label=label, edit=edit)
    assert reason in obstacle(curve)
    assert published_for(curve).empty
    assert compare_with_published(curve, settings_like()).empty


@pytest.mark.parametrize("dataset", MAIN)
def test_what_can_be_compared_is(dataset: str) -> None:
    assert obstacle(curve_like(BASE_32, dataset)) == ""
    assert len(compare_with_published(curve_like(BASE_32, dataset), settings_like())) == 14


def test_things_needs_the_subset_of_the_paper() -> None:
    assert "testset1" in obstacle(curve_like(BASE_32, "things", edit=lambda f: f.assign(subset="validationset")))


# --- Numbers --------------------------------------------------------------------------------------------------------


def test_ours_and_theirs_stand_side_by_side() -> None:
    """Two values of the published table, by hand: 0.54903 at layer_0 and 0.8391 at the projection of base-32."""

    def measured(frame: pd.DataFrame) -> pd.DataFrame:
        frame = frame.set_index("layer", drop=False)
        frame.loc["layer_0", ["value", "ci_low", "ci_high"]] = [0.57, 0.56, 0.58]
        frame.loc["projection", ["value", "ci_low", "ci_high"]] = [0.83, 0.82, 0.84]
        frame.loc["layer_3", ["ci_low", "ci_high"]] = np.nan
        return frame.reset_index(drop=True)

    table = compare_with_published(curve_like(BASE_32, "nights", edit=measured), settings_like()).set_index("layer")
    first, last = table.loc["layer_0"], table.loc["projection"]
    assert (first["ours"], first["published"]) == (0.57, 0.54903)
    assert first["difference"] == pytest.approx(0.02097)
    assert last["difference"] == pytest.approx(-0.0091)
    assert (bool(first["inside"]), bool(last["inside"])) == (False, True)
    assert pd.isna(table.loc["layer_3", "inside"]), "without an interval nothing lies inside it"
    others = table.drop(index=["layer_0", "projection"])
    assert (others["difference"] == 0.0).all()
    assert (table["published_model"] == BASE_32).all()


@pytest.mark.parametrize(("low", "high", "inside"), [(0.681, 0.7, True), (0.6, 0.681, True), (0.6811, 0.7, False)])
def test_the_ends_of_an_interval_are_inside(low: float, high: float, inside: bool) -> None:
    curve = curve_like("lpips", "nights", label="lpips-alex", edit=lambda f: f.assign(ci_low=low, ci_high=high))
    assert compare_with_published(curve, settings_like())["inside"].tolist() == [inside]


@pytest.mark.parametrize(("apart", "within"), [(0.005, True), (-0.005, True), (0.0051, False), (-0.0051, False)])
def test_a_recomputation_is_judged_by_a_tolerance_whatever_the_interval(apart: float, within: bool) -> None:
    curve = curve_like(BASE_32, "nights", apart, edit=lambda f: f.assign(ci_low=0.0, ci_high=1.0))
    table = compare_with_published(curve, settings_like())
    assert (table["within"] == within).all()
    assert table["inside"].all()


def test_every_metric_and_distance_that_both_have_is_compared_and_no_other() -> None:
    def measured(frame: pd.DataFrame) -> pd.DataFrame:
        parts = [frame, frame.assign(metric="kendall"), frame.assign(subset="distortion_07", value=0.9)]
        return pd.concat(parts, ignore_index=True)

    table = compare_with_published(curve_like(BASE_16, "tid2013", 0.002, edit=measured), settings_like())
    assert table.groupby(["distance", "metric"]).size().to_dict() == {
        **{(distance, metric): 14 for distance in ("cosine", "euclidean") for metric in ("pearson", "spearman")},
        ("normalized_euclidean", "spearman"): 14,
    }
    np.testing.assert_allclose(table["difference"], 0.002, atol=1e-12)
    assert set(table["subset"]) == {"all"}


def test_scores_that_are_missing_give_no_difference() -> None:
    def measured(frame: pd.DataFrame) -> pd.DataFrame:
        return frame.assign(**{name: frame[name].where(frame["layer"] != "layer_2") for name in ("value", "ci_low")})

    table = compare_with_published(curve_like(BASE_32, "nights", edit=measured), settings_like()).set_index("layer")
    assert np.isnan(table.loc["layer_2", "difference"])
    assert pd.isna(table.loc["layer_2", "inside"])
    assert pd.isna(table.loc["layer_2", "within"])
    assert table["difference"].count() == 13


# --- What is said ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "dataset", "layer", "value", "words"),
    [
        (BIOMED, "things", "projection", "0.49201", "0.49201 cannot come from the released script"),
        ("ssim", "tid2013", "image", "0.554", "0.554 is given for both TID2013 and NIGHTS"),
        ("ssim", "nights", "image", "0.554", "0.554 is given for both TID2013 and NIGHTS"),
        ("perceptnet", "nights", "image", "0.482", "0.482 is below chance"),
        ("lpips", "tid2013", "image", "0.685", "0.7445 (alex), 0.6696 (vgg)"),
        ("lpips", "nights", "image", "0.681", "variant"),
        ("lpips", "things", "image", "0.332", "variant"),
        ("pixels", "tid2013", "image", "0.687", "0.687 equals the rank correlation of PSNR"),
    ],
)
def test_oddities_are_said_of_the_values_that_are_odd(
    model: str, dataset: str, layer: str, value: str, words: str
) -> None:
    assert words in oddity(model, dataset, layer)
    [found] = [
        line["value"]
        for line in published_lines()
        if (line["model"], line["dataset"], line["layer"]) == (model, dataset, layer)
    ]
    assert found == value, "the text quotes the table"


def test_nothing_else_is_odd() -> None:
    known = {(odd.model, odd.dataset, odd.layer) for odd in ODDITIES}
    assert len(known) == len(ODDITIES) == 8
    assert {(line["model"], line["dataset"], line["layer"]) for line in published_lines()} >= known
    assert oddity(BIOMED, "things", "layer_12") == ""
    assert oddity(BIOMED, "nights", "projection") == ""


def test_the_note_of_a_row_holds_its_oddity() -> None:
    table = compare_with_published(curve_like(BIOMED, "things"), settings_like()).set_index("layer")
    assert "cannot come from the released script" in table.loc["projection", "note"]
    assert "released script" not in table.loc["layer_12", "note"]
    vgg = curve_like("lpips", "tid2013", label="lpips-vgg")
    assert "0.6696" in compare_with_published(vgg, settings_like())["note"].iloc[0]


def test_a_whole_run_of_the_paper_needs_no_note() -> None:
    settings = settings_like(precision="fp32", resize="checkpoint", limit=None)
    for dataset in ("tid2013", "nights"):
        assert caveats(curve_like(BASE_32, dataset), settings) == []
    assert caveats(curve_like("pixels", "nights"), settings_like(precision="fp32", resize=224)) == []


@pytest.mark.parametrize(
    ("label", "edit", "settings", "words"),
    [
        (BASE_32, lambda f: f.assign(n=100), {}, "ours is of 100 judgments, theirs of 20,019"),
        (BASE_32, None, {"precision": "bf16"}, "ours is in bf16"),
        (BASE_32, None, {"resize": "squash"}, "squashed"),
        ("clip-vit-base-patch32", None, {}, f"taken for {BASE_32} by the name of its folder"),
    ],
)
def test_what_else_differs_is_said(label: str, edit: Edit | None, settings: dict[str, object], words: str) -> None:
    curve = curve_like(BASE_32, "nights", label=label, edit=edit)
    [note] = caveats(curve, settings_like(**settings))
    assert words in note
    assert compare_with_published(curve, settings_like(**settings))["note"].tolist() == [note] * 14


def test_things_is_said_to_need_a_paired_comparison() -> None:
    [note] = caveats(curve_like(BASE_32, "things"), settings_like())
    assert "1 to 2 points" in note


def test_channel_means_fitted_on_more_than_testset1_are_said() -> None:
    def both(frame: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([frame, frame.assign(subset="validationset", n=453_642)], ignore_index=True)

    curve = curve_like(BASE_32, "things", edit=both)
    notes = caveats(curve, settings_like())
    assert "channel means are fitted on testset1 and validationset together, theirs on testset1" in notes
    assert set(compare_with_published(curve, settings_like())["n"]) == {15_640}
