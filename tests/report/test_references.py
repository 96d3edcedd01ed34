"""Published curves asked for by name stand where the paper measured, under their names, each in its own look."""

import csv
from pathlib import Path

import pytest

import alignbench
from alignbench.errors import UsageError
from alignbench.report.references import find_published, reference_look, references_at
from alignbench.results.published import published_models

BASE_16 = "openai/clip-vit-base-patch16"
MAIN = "normalized_euclidean"


def table() -> list[dict[str, str]]:
    path = Path(alignbench.__file__).parent / "assets" / "published_curves.csv"
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_values_are_those_of_the_published_file() -> None:
    [found] = references_at(("nights", "all"), [BASE_16], [MAIN], named=False)
    there = [
        (float(row["depth"]), row["layer"], float(row["value"]))
        for row in table()
        if (row["model"], row["dataset"], row["distance"]) == (BASE_16, "nights", MAIN)
    ]
    assert list(zip(found.rows["depth"], found.rows["layer"], found.rows["value"], strict=True)) == sorted(there)
    assert (found.name, found.model, found.distance) == ("published clip-vit-base-patch16", BASE_16, MAIN)


def test_a_correlation_by_products_of_moments_is_none_of_the_curve() -> None:
    [found] = references_at(("tid2013", "all"), [BASE_16], ["cosine"], named=True)
    there = [
        row for row in table() if (row["model"], row["dataset"], row["distance"]) == (BASE_16, "tid2013", "cosine")
    ]
    assert {row["metric"] for row in there} == {"spearman", "pearson"}
    assert len(found.rows) == len(there) / 2
    assert found.name == "published clip-vit-base-patch16, cosine"


@pytest.mark.parametrize("place", [("things", "all"), ("nights", "test"), ("shapes-low", "all"), ("mine", "all")])
def test_nothing_stands_where_the_paper_did_not_measure(place: tuple[str, str]) -> None:
    assert references_at(place, published_models(), [MAIN], named=False) == ()


def test_baselines_have_no_distance_to_be_chosen_and_each_has_its_look() -> None:
    found = references_at(("things", "testset1"), published_models(), ["cosine"], named=True)
    flat = [one for one in found if not one.distance]
    assert sorted(one.name for one in flat) == [
        "published lpips",
        "published perceptnet",
        "published pixels",
        "published ssim",
    ]
    assert all(len(one.rows) == 1 for one in flat)
    looks = {str(one.look) for one in references_at(("nights", "all"), published_models(), [MAIN], named=False)}
    assert len(looks) == len(published_models()), "as many looks as models"


def test_twelve_looks_differ() -> None:
    assert len({str(reference_look(number)) for number in range(12)}) == 12


@pytest.mark.parametrize("name", [BASE_16, "clip-vit-base-patch16"])
def test_a_model_is_found_by_its_name_with_and_without_its_owner(name: str) -> None:
    assert find_published([name, "ssim", name]) == (BASE_16, "ssim")


@pytest.mark.parametrize(("name", "near"), [("clip-vit-base-patch61", "clip-vit-base-patch16 or"), ("zzz", "valid: ")])
def test_a_name_under_which_nothing_is_published_is_refused_with_all_that_is(name: str, near: str) -> None:
    with pytest.raises(UsageError) as found:
        find_published(["ssim", name])
    text = str(found.value)
    assert text.startswith(f"unknown published model '{name}': ")
    assert near in text
    assert all(model.rpartition("/")[2] in text for model in published_models())
    assert "\n" not in text
