"""The factors of a study: which models are their options, what else differs, and the paired differences."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

import alignbench
from alignbench.study.comparison import Question, compared_distances
from alignbench.study.corrected_rows import corrected_rows
from alignbench.study.factors import compare_factors
from alignbench.study.study import Study
from factor_grid import LAION, MAIN, by_name, made, study_of
from studies import (
    BASE_16,
    BASE_32,
    DISTANCES,
    LARGE_14,
    SIGLIP,
    write_made,
)

SWEEPS = Path(alignbench.__file__).parent.parent / "sweeps"


# --- Options --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["architecture", "activation", "language", "data"])
def test_options_are_those_of_the_sweep_of_that_name(grid: Study, name: str) -> None:
    sweep = yaml.safe_load((SWEEPS / f"{name}.yaml").read_text())["parameters"]["model"]["values"]
    found = {option.label for option in by_name(grid)[name].options}
    assert found - {LAION} == set(sweep)
    assert (LAION in found) == (name == "data"), "it differs from base-16 in its data alone"


def test_the_reference_comes_first_and_options_are_named_by_what_they_are(grid: Study) -> None:
    factors = by_name(grid)
    assert [option.shown for option in factors["architecture"].options] == [
        *("base-16", "base-32", "large-14", "large-14-336")
    ]
    assert [option.shown for option in factors["activation"].options] == ["CLIP (softmax)", "SigLIP (sigmoid)"]
    assert [option.shown for option in factors["language"].options] == ["CLIP (English)", "Chinese-CLIP (Chinese)"]
    assert [option.shown for option in factors["data"].options] == [
        *("CLIP (WIT-400M)", "BiomedCLIP (PMC-15M)", f"{LAION} (LAION-2B)")
    ]
    assert [option.label for option in factors["distance"].options] == list(DISTANCES)


def test_one_option_is_no_factor(tmp_path: Path) -> None:
    study = study_of(tmp_path, made(SIGLIP), made("ssim"), made("pixels"))
    assert compare_factors(study) == ()


def test_only_trained_models_are_options_of_the_cards(tmp_path: Path) -> None:
    study = study_of(
        tmp_path,
        made(BASE_16),
        made(BASE_32, label=f"{BASE_32}@random-0"),
        made(SIGLIP, label=f"{SIGLIP}@mine", settings={"transform": "mine"}),
    )
    assert compare_factors(study) == ()


def test_the_same_architecture_twice_is_told_apart(tmp_path: Path) -> None:
    runs = (made(BASE_16), made(BASE_32), made("open_clip:ViT-B-32/openai"), made("open_clip:ViT-B-16/openai"))
    found = by_name(study_of(tmp_path, *runs))["architecture"].options
    assert [option.shown for option in found] == [
        *("base-16", f"base-32, {BASE_32}", "base-32, open_clip:ViT-B-32/openai")
    ]


# --- Differences ----------------------------------------------------------------------------------------------------


def test_every_two_options_are_compared_at_both_places(grid: Study) -> None:
    factor = by_name(grid)["architecture"]
    labels = [option.label for option in factor.options]
    expected = [(*pair, place) for pair in combinations(labels, 2) for place in ("best layer", "projection")]
    table = factor.differences
    assert list(table[["first", "second", "place"]].itertuples(index=False, name=None)) == expected
    assert set(table["distance"]) == set(MAIN)
    assert (set(table["dataset"]), set(table["level"]), set(table["protocol"])) == ({"tid2013"}, {"low"}, {"paper"})


def test_rows_are_those_of_compare_corrected_for_the_table(grid: Study) -> None:
    table = by_name(grid)["data"].differences
    folders = {(run.dataset, run.label): run.folder for run in grid.runs}
    assert len(table) == 8, "three pairs at low and one at middle, at two places each"
    asked = []
    for row in table.itertuples():
        question = Question((MAIN[0],), "projection" if row.place == "projection" else "best")
        asked += compared_distances(folders[row.dataset, row.first], folders[row.dataset, row.second], question)
    expected = corrected_rows(asked)
    for ours, theirs in (("value_first", "first"), ("value_second", "second"), *[(name, name) for name in _NUMBERS]):
        np.testing.assert_allclose(table[ours], expected[theirs], rtol=1e-9, atol=1e-12, err_msg=ours)
    np.testing.assert_allclose(table["p_corrected"], np.minimum(1.0, 8 * table["p"]), rtol=1e-12)
    off = (table["corrected_low"] > 0) | (table["corrected_high"] < 0)
    assert table["separable"].tolist() == off.tolist() == (table["p_corrected"] < 0.05).tolist()
    assert 0 < table["separable"].sum() < len(table), "the data were to have both"


_NUMBERS = ("difference", "ci_low", "ci_high", "p", "corrected_low", "corrected_high", "corrected_smallest", "n")


def test_values_are_those_of_the_curves(grid: Study) -> None:
    curves = {(run.dataset, run.label): pd.read_csv(run.folder / "curve.csv") for run in grid.runs}
    for row in by_name(grid)["language"].differences.itertuples():
        for label, value, layer in (
            (row.first, row.value_first, row.first_layer),
            (row.second, row.value_second, row.second_layer),
        ):
            rows = curves[row.dataset, label]
            rows = rows[(rows["metric"].isin(["spearman", "accuracy"])) & (rows["distance"] == MAIN[0])]
            at_end = rows["layer"] == "projection"
            best = rows[at_end if row.place == "projection" else ~at_end].sort_values("value").iloc[-1]
            assert (value, layer) == (pytest.approx(best["value"], abs=1e-12), best["layer"])


def test_distances_of_one_model_are_compared_within_it(grid: Study) -> None:
    table = by_name(grid)["distance"].differences
    pairs = list(combinations(DISTANCES, 2))
    for dataset in ("tid2013", "nights"):
        some = table[table["dataset"] == dataset]
        assert list(some[["first", "second"]].drop_duplicates().itertuples(index=False, name=None)) == pairs
        assert set(some["distance"]) == {f"{one} / {other}" for one, other in pairs}
    curve = pd.read_csv(next(r.folder for r in grid.runs if (r.dataset, r.label) == ("nights", BASE_16)) / "curve.csv")
    ends = curve[(curve["layer"] == "projection") & (curve["metric"] == "accuracy")].set_index("distance")["value"]
    row = table[(table["dataset"] == "nights") & (table["place"] == "projection")].iloc[0]
    assert row["difference"] == pytest.approx(ends["normalized_euclidean"] - ends["euclidean"], abs=1e-12)


def test_distances_of_several_models_name_the_model(tmp_path: Path) -> None:
    study = study_of(tmp_path, *(made(model, distances=DISTANCES[1:]) for model in (BASE_16, BASE_32)))
    factor = by_name(study)["distance"]
    assert list(factor.differences["first"].unique()) == [f"{BASE_16}, euclidean", f"{BASE_32}, euclidean"]
    assert [option.label for option in factor.options] == ["euclidean", "cosine"]


def test_a_distance_that_all_have_stands_in_for_the_normalised_one(tmp_path: Path) -> None:
    study = study_of(tmp_path, made(BASE_16, distances=DISTANCES), made(BASE_32, distances=("cosine",)))
    assert set(by_name(study)["architecture"].differences["distance"]) == {"cosine"}


def test_the_normalised_distance_goes_before_others_that_all_have(tmp_path: Path) -> None:
    study = study_of(tmp_path, *(made(model, distances=("cosine", *MAIN)) for model in (BASE_16, BASE_32)))
    assert set(by_name(study)["architecture"].differences["distance"]) == set(MAIN)


def test_training_is_what_lies_between_a_model_and_its_untrained_twins(tmp_path: Path) -> None:
    def target(label: str, dataset: str, distance: str, layer: str) -> float:
        return 0.3 if "@random" in label else 0.7

    twins = [f"shapes-clip@random-{seed}" for seed in (0, 1)]
    runs = [made("shapes-clip", "shapes-low", target=target, label=label) for label in ("shapes-clip", *twins)]
    study = study_of(tmp_path, *runs, made("shapes-clip", "shapes-low", target=target, label="other@random-0"))
    factor = by_name(study)["training"]
    assert [option.label for option in factor.options] == ["shapes-clip", *twins]
    table = factor.differences
    assert set(zip(table["first"], table["second"], strict=True)) == {("shapes-clip", twin) for twin in twins}
    assert table["separable"].all()
    assert table["difference"].between(0.3, 0.5).all()
    assert any("simulated observers" in note for note in factor.notes)


# --- Notes ----------------------------------------------------------------------------------------------------------


def test_notes_say_what_intervals_are_over_and_how_many_checkpoints_there_are(grid: Study) -> None:
    for factor in compare_factors(grid):
        assert any("over stimuli, not over trained models" in note for note in factor.notes)
        assert any("one checkpoint" in note for note in factor.notes)
        assert any(f"for the {len(factor.differences)} rows" in note for note in factor.notes)
    [first] = [note for note in by_name(grid)["data"].notes if "over stimuli" in note]
    assert "TID2013: cluster jackknife t, 25 clusters; NIGHTS: percentile cluster bootstrap, 300 clusters" in first


def test_options_without_a_run_on_a_data_set_are_said(grid: Study) -> None:
    assert f"NIGHTS: no run of {LAION}." in by_name(grid)["data"].notes
    assert not any("no run" in note for note in by_name(grid)["distance"].notes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"protocol": "corrected"}, "they differ in protocol (corrected; paper)"),
        ({"size": 100}, "they differ in judgments (100 of data"),
        ({"distances": ("cosine",)}, "they have no distance in common"),
    ],
)
def test_pairs_that_are_not_compared_are_said_with_the_reason(
    tmp_path: Path, changes: dict[str, Any], reason: str
) -> None:
    study = study_of(tmp_path, made(BASE_16), replace(made(BASE_32), **changes), made(LARGE_14))
    factor = by_name(study)["architecture"]
    assert len(factor.differences) == 2
    assert BASE_32 not in {*factor.differences["first"], *factor.differences["second"]}
    notes = [note for note in factor.notes if note.startswith("TID2013: not compared")]
    assert len(notes) == 1
    assert reason in notes[0]
    assert f"{BASE_16} with {BASE_32}, {BASE_32} with {LARGE_14}" in notes[0]


def test_a_record_without_factors_takes_part_by_its_published_name(tmp_path: Path) -> None:
    folder = write_made(made(BASE_32, label="clip-vit-base-patch32"), tmp_path)
    record = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps(record | {"factors": {}}))
    factor = by_name(study_of(tmp_path, made(BASE_16)))["architecture"]
    assert [option.label for option in factor.options] == [BASE_16, "clip-vit-base-patch32"]
