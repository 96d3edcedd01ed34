"""A user's own models in a study: all pairs, and the factors that they were given."""

from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from alignbench.study.factors import Factor
from alignbench.study.own_models import compare_own_models
from factor_grid import made, study_of
from studies import BASE_16, BASE_32, Made

pytestmark = pytest.mark.slow


def own(label: str, **factors: Any) -> Made:
    return made(BASE_16, label=label, details={"factors": factors})


def factors_of(root: Path, *runs: Made) -> dict[str, Factor]:
    return {factor.name: factor for factor in compare_own_models(study_of(root, *runs))}


def pairs(factor: Factor) -> list[tuple[str, str]]:
    rows = factor.differences
    assert list(rows["place"]) == ["best layer", "projection"] * (len(rows) // 2)
    return list(dict.fromkeys(zip(rows["first"], rows["second"], strict=True)))


def test_own_models_are_compared_with_each_other_and_with_the_rest(tmp_path: Path) -> None:
    found = factors_of(tmp_path, own("mine"), own("yours"), made(BASE_16), made(BASE_32), made("ssim"))
    assert list(found) == ["own-models"]
    factor = found["own-models"]
    assert factor.title == "Your models"
    both = {"mine", "yours"}
    assert {frozenset(pair) for pair in pairs(factor)} == {
        frozenset(pair) for pair in combinations([*both, BASE_16, BASE_32], 2) if both & set(pair)
    }
    assert set(factor.differences["distance"]) == {"normalized_euclidean"}
    assert factor.differences["p_corrected"].ge(factor.differences["p"]).all()


def test_models_of_cards_and_one_model_alone_have_no_such_section(tmp_path: Path) -> None:
    assert factors_of(tmp_path / "a", made(BASE_16), made(BASE_32)) == {}
    assert factors_of(tmp_path / "b", own("mine"), made("ssim")) == {}


def test_a_factor_that_was_given_is_compared_by_its_values_in_order(tmp_path: Path) -> None:
    runs = [own(f"s{step}", step=step, data="x") for step in (10_000, 900, 2_000)]
    found = factors_of(tmp_path, *runs, made(BASE_16))
    assert list(found) == ["own-models", "by-step"], "all data are the same"
    factor = found["by-step"]
    assert factor.title == "By step"
    assert [option.shown for option in factor.options] == ["step 900", "step 2000", "step 10000"]
    assert pairs(factor) == [("s2000", "s900"), ("s10000", "s900"), ("s10000", "s2000")]


def test_models_of_one_value_are_no_pair_of_it_and_are_named(tmp_path: Path) -> None:
    found = factors_of(tmp_path, own("a", data="x"), own("b", data="x"), own("c", data="y"))
    factor = found["by-data"]
    assert [option.shown for option in factor.options] == ["data x, a", "data x, b", "data y"]
    assert pairs(factor) == [("c", "a"), ("c", "b")]


def test_what_else_differs_is_said(tmp_path: Path) -> None:
    found = factors_of(tmp_path, own("a", step=1, rate=0.1), own("b", step=2, rate=0.2))
    assert list(found) == ["own-models", "by-step", "by-rate"]
    [row] = found["by-step"].differs.to_dict("records")
    assert row == {"factor": "rate", "step 1": "0.1", "step 2": "0.2"}
    assert list(found["own-models"].differs["factor"]) == ["step", "rate"]


def test_too_many_models_are_compared_in_part_and_that_is_said(tmp_path: Path) -> None:
    runs = [own(f"step {step}", step=step) for step in range(13)]
    found = factors_of(tmp_path, *runs)
    for name in ("own-models", "by-step"):
        assert len(pairs(found[name])) == 12
        assert any("next" in note for note in found[name].notes)
    assert pairs(found["own-models"]) == [(f"step {step}", f"step {step + 1}") for step in range(12)]
    assert pairs(found["by-step"]) == [(f"step {step + 1}", f"step {step}") for step in range(12)]
    few = factors_of(tmp_path / "few", *runs[:11], made(BASE_16), made(BASE_32))["own-models"]
    assert len(pairs(few)) == 55
    assert any("with each other alone" in note for note in few.notes)


def test_of_many_models_those_are_compared_that_agree_in_the_other_factors(tmp_path: Path) -> None:
    runs = [own(f"{arm} {step}", arm=arm, step=step) for arm in "ab" for step in range(9)]
    found = factors_of(tmp_path, *runs)["by-arm"]
    assert pairs(found) == [(f"b {step}", f"a {step}") for step in range(9)]
    assert any("81 pairs, those are compared that agree in every other factor" in note for note in found.notes)
