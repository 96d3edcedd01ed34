"""How much of a published data set a curve is of is told from its rows, and a whole one says nothing."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest

from alignbench import LayerCurve
from alignbench.results.extent import data_set_title, extents, measured_on, named_subset, part_of, place_name
from made_curves import curve_of


def of_subsets(protocol: str, **counts: int) -> LayerCurve:
    """A curve of NIGHTS with as many judgments of each subset, whose hyphens are written as underscores here."""
    frames = [
        curve_of(subset=name.replace("_", "-"), n=count, protocol=protocol).frame for name, count in counts.items()
    ]
    return LayerCurve(pd.concat(frames, ignore_index=True))


@pytest.mark.parametrize(
    ("dataset", "subset", "metric", "protocol", "n", "said"),
    [
        ("tid2013", "all", "spearman", "paper", 3_000, ""),
        ("tid2013", "all", "spearman", "corrected", 1_500, "1,500 of 3,000 ratings"),
        ("tid2013", "distortion_07", "spearman", "paper", 125, "125 of 3,000 ratings"),
        ("kadid10k", "all", "spearman", "paper", 10_124, "10,124 of 10,125 ratings"),
        ("nights", "all", "accuracy", "paper", 100, "100 of 20,019 triplets"),
        ("nights", "all", "accuracy", "paper", 20_020, "20,020 triplets, more than the 20,019 published"),
        ("nights", "test", "accuracy", "corrected", 1_824, ""),
        ("nights", "test", "accuracy", "corrected", 12, "12 of 1,824 test triplets"),
        ("nights", "test-imagenet", "accuracy", "corrected", 7, "7 of 1,824 test triplets"),
        ("nights", "train", "accuracy", "corrected", 7, ""),
        ("things", "testset1", "accuracy", "paper", 10, "10 of 15,640 testset1 triplets"),
        ("things", "validationset", "accuracy", "corrected", 453_642, ""),
        ("shapes-high", "test", "accuracy", "paper", 30, "30 of 35,000 test triplets"),
        ("bapps", "val", "accuracy", "paper", 30, ""),
        ("of nobody", "all", "accuracy", "paper", 30, ""),
    ],
)
def test_it_is_said_what_part_a_curve_is_of(
    dataset: str, subset: str, metric: str, protocol: str, n: int, said: str
) -> None:
    curve = curve_of(dataset=dataset, subset=subset, metric=metric, protocol=protocol, n=n)
    assert extents(curve) == {subset: said}


def test_halves_are_parts_if_what_they_are_halves_of_is_one() -> None:
    whole = of_subsets("corrected", test=1_824, test_imagenet=800, test_no_imagenet=1_024)
    assert set(extents(whole).values()) == {""}
    assert measured_on(whole) == "NIGHTS"
    part = of_subsets("corrected", test_imagenet=5, test=12, test_no_imagenet=7)
    assert extents(part)["test-imagenet"] == "5 from 12 of 1,824 test triplets"
    assert measured_on(part) == "NIGHTS (12 of 1,824 test triplets)"


def test_a_limit_is_said_where_nobody_knows_how_much_was_published() -> None:
    frame = curve_of(dataset="bapps", subset="val", n=30).frame
    assert measured_on(LayerCurve(frame, limit=30)) == "BAPPS val (the first 30 val triplets)"
    assert measured_on(LayerCurve(frame, limit=31)) == "BAPPS val", "it left nothing out"
    assert extents(LayerCurve(curve_of(n=20_019).frame, limit=20_019)) == {"all": ""}


def test_under_the_corrected_protocol_a_subset_is_always_named() -> None:
    assert [named_subset(name, "paper") for name in ("all", "test", "testset1", "val")] == ["", "", "", "val"]
    assert place_name("nights", "test", "corrected") == "NIGHTS test"
    assert measured_on(of_subsets("corrected", test=1_824)) == "NIGHTS test"


@pytest.mark.parametrize(
    ("dataset", "subsets", "count", "limit", "said"),
    [
        ("shapes-high", ["test"], 35_000, None, ""),
        ("shapes-high", ["test"], 4_000, 4_000, "4,000 of 35,000 test triplets"),
        ("shapes-high", ["test"], 35_001, None, "35,001 test triplets, more than the 35,000 published"),
        ("things", ["testset1"], 15_639, None, "15,639 of 15,640 testset1 triplets"),
        ("things", ["testset1", "validationset"], 469_282, None, ""),
        ("things", ["testset1", "validationset"], 200, 100, "200 of 469,282 testset1 and validationset triplets"),
        ("things", ["trainset"], 100, 100, "the first 100 trainset triplets"),
        ("things", ["trainset"], 99, 100, ""),
        ("things", ["trainset"], 99, None, ""),
        ("things", ["all"], 100, 100, "the first 100 triplets"),
        ("of nobody", ["test"], 100, None, ""),
    ],
)
def test_it_is_said_what_part_triplets_are_of(
    dataset: str, subsets: list[str], count: int, limit: int | None, said: str
) -> None:
    assert part_of(dataset, subsets, count, limit) == said


def test_data_sets_are_called_as_their_authors_do() -> None:
    titles = [
        data_set_title(name) for name in ("tid2013", "kadid10k", "bapps", "nights", "things", "shapes-low", "mine")
    ]
    assert titles == ["TID2013", "KADID-10k", "BAPPS", "NIGHTS", "THINGS", "shapes-low", "mine"]


def test_that_a_model_was_trained_on_such_data_is_said_with_the_data_set() -> None:
    told = "trained on NIGHTS' train split"
    assert measured_on(replace(curve_of(n=20_019), trained_on=told)) == f"NIGHTS ({told})"
    assert measured_on(replace(curve_of(n=12), trained_on=told)) == f"NIGHTS (12 of 20,019 triplets; {told})"
