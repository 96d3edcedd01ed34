"""Distances are called in figures and tables so that each is known from the others, those of metrics included."""

from __future__ import annotations

from alignbench.distances.names import DISTANCES, common_distance, distance_name


def test_no_two_distances_are_read_alike() -> None:
    names = [distance_name(distance) for distance in DISTANCES]
    assert len(set(names)) == len(DISTANCES) == 3
    assert not any("_" in name for name in names), "these are words for people"


def test_the_distance_of_a_metric_is_called_as_the_metric_calls_it() -> None:
    for distance in ("lpips-alex", "ms-ssim", "ΔE_2000", ""):
        assert distance_name(distance) == distance


def test_the_distance_side_by_side_is_the_first_that_all_have() -> None:
    assert common_distance({"a": {"cosine", "euclidean"}, "b": DISTANCES}) == "euclidean"
    assert common_distance({"a": DISTANCES, "b": DISTANCES[::-1]}) == "normalized_euclidean"
    assert common_distance({"a": {"cosine"}, "b": {"euclidean"}}) == ""
    assert common_distance({}) == ""
