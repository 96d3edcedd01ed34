"""Which runs of two names are compared: on each data set, measured alike, by which distances, at which layers."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.errors import DataError, UsageError
from alignbench.results.stored_run import StoredRun
from alignbench.study.named_runs import LabelledRuns
from alignbench.study.run_pairs import RunPair, check_layer, nearest_run, run_pairs, unlike
from labelled_runs import copy_labels, folder, write_labelled


def pairs(
    place: Path, first: str | Path, second: str | Path, datasets: tuple[str, ...] = (), distances: tuple[str, ...] = ()
) -> list[tuple[str, str, tuple[str, ...]]]:
    """Names of the folders of the pairs, and their distances."""
    named = LabelledRuns(place)
    found = run_pairs(named.named(first), named.named(second), datasets, distances)
    assert all(pair.dataset == pair.second.settings.dataset for pair in found)
    return [(pair.first.folder.name, pair.second.folder.name, pair.distances) for pair in found]


def name(place: Path, label: str, dataset: str) -> str:
    return folder(place, label, dataset).name


# --- Data sets --------------------------------------------------------------------------------------------------------


def test_labels_meet_on_every_data_set_that_both_have_from_low_to_high(labels: Path) -> None:
    expected = [
        (name(labels, "one", dataset), name(labels, "two", dataset), ("normalized_euclidean",))
        for dataset in ("tid2013", "nights")
    ]
    assert pairs(labels, "one", "two") == expected
    assert pairs(labels, "one", "two", ("nights",)) == expected[1:]


def test_a_folder_stands_beside_the_label_on_its_data_set(labels: Path) -> None:
    run = folder(labels, "one", "nights")
    assert pairs(labels, run, "two") == [(run.name, name(labels, "two", "nights"), ("normalized_euclidean",))]
    assert pairs(labels, "two", run)[0][:2] == (name(labels, "two", "nights"), run.name)


def test_a_data_set_that_one_lacks_is_refused(labels: Path) -> None:
    with pytest.raises(DataError, match="two has no run on things, only on "):
        pairs(labels, "one", "two", ("things",))
    with pytest.raises(UsageError, match=r"unknown data set 'night': did you mean nights\?"):
        pairs(labels, "one", "two", ("night",))
    with pytest.raises(DataError, match=r"the runs share no judgments: .*things.* is on things and deep is on tid2013"):
        pairs(labels, folder(labels, "one", "things"), "deep")


def test_a_run_is_not_compared_with_itself(labels: Path) -> None:
    with pytest.raises(UsageError, match="two and two are one run"):
        pairs(labels, "two", "two")


# --- Which of several -------------------------------------------------------------------------------------------------


def test_of_several_runs_those_are_taken_that_were_measured_alike(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    write_labelled(place, "one", "nights", settings={"tokens": "cls"})
    write_labelled(place, "one", "nights", settings={"limit": 50})
    named = LabelledRuns(place)
    [found] = run_pairs(named.named("one"), named.named("two"), ("nights",), ())
    assert (found.first.folder.name, found.chosen) == (folder(labels, "one", "nights").name, True)
    [other] = run_pairs(named.named("one"), named.named("two"), ("tid2013",), ())
    assert not other.chosen


def test_runs_at_the_same_layers_come_first_and_others_are_said(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    narrow = write_labelled(place, "one", "nights", settings={"layers": ["stage_1"]})
    usual = [name(labels, label, "nights") for label in ("one", "two")]
    assert pairs(place, "one", "two", ("nights",)) == [(*usual, ("normalized_euclidean",))]
    both = [StoredRun(narrow), StoredRun(place / usual[1])]
    assert list(unlike(*both)) == [("layers", "stage_1", "the usual ones")]
    write_labelled(place, "two", "nights", settings={"layers": ["fc", "conv"]})
    with pytest.raises(UsageError, match=r"^two has 2 runs on nights, and it is not clear which to compare"):
        pairs(place, narrow, "two", ("nights",))
    assert pairs(place, narrow, "two [fc, conv]", ("nights",))[0][0] == narrow.name


def test_a_single_pair_of_one_protocol_is_taken_though_it_was_measured_differently(
    labels: Path, tmp_path: Path
) -> None:
    place = tmp_path / "runs"
    write_labelled(place, "one", "nights", protocol="corrected")
    cls = write_labelled(place, "one", "nights", settings={"tokens": "cls"})
    two = write_labelled(place, "two", "nights")
    assert pairs(place, "one", "two") == [(cls.name, two.name, ("normalized_euclidean",))]
    [differing] = unlike(StoredRun(cls), StoredRun(two))
    assert differing == ("tokens", "cls", "all")


def test_where_it_is_not_clear_which_run_is_meant_the_folders_are_named(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    cls = [write_labelled(place, label, "nights", settings={"tokens": "cls"}) for label in ("one", "two")]
    with pytest.raises(UsageError, match="one has 2 runs on nights, and it is not clear which to compare") as refusal:
        pairs(place, "one", "two")
    assert str(cls[0]) in str(refusal.value)
    assert [pair[:2] for pair in pairs(place, cls[0], "two")] == [(cls[0].name, cls[1].name)]
    with pytest.raises(UsageError, match="one has 2 runs on nights"):
        pairs(place, "one", "pixels", ("nights",))  # a baseline fits either
    for limit in (10, 20, 30, 40):
        write_labelled(tmp_path / "limited", "two", "tid2013", settings={"limit": limit})
    with pytest.raises(UsageError, match="two has 4 runs on tid2013") as refusal:  # measured otherwise, all of them
        pairs(tmp_path / "limited", folder(labels, "one", "tid2013"), "two")
    assert str(refusal.value).count(str(tmp_path)) == 3
    assert str(refusal.value).endswith(", or another")


def test_two_runs_that_are_named_are_compared_however_they_were_measured(labels: Path, tmp_path: Path) -> None:
    cls = write_labelled(tmp_path, "two", "nights", settings={"tokens": "cls"})
    assert pairs(labels, folder(labels, "one", "nights"), cls)[0][1] == cls.name


def test_runs_of_one_distance_each_are_found_by_it(labels: Path, tmp_path: Path) -> None:
    apart = {
        (label, distance): write_labelled(tmp_path, label, "nights", distances=(distance,)).name
        for label in ("one", "two")
        for distance in ("cosine", "euclidean")
    }
    found = pairs(tmp_path, "one", "two", (), ("all",))
    assert found == [(apart["one", each], apart["two", each], (each,)) for each in ("euclidean", "cosine")]
    assert pairs(tmp_path, "one", "two") == found[:1]


def test_the_run_that_is_given_is_the_one_measured_alike(labels: Path, tmp_path: Path) -> None:
    named = LabelledRuns(labels)
    beside = StoredRun(folder(labels, "one", "nights"))
    assert nearest_run(named.named("pixels"), beside).folder == folder(labels, "pixels", "nights")
    with pytest.raises(DataError, match="ssim has no run on nights: measure it there too, or narrow --dataset"):
        nearest_run(named.named("ssim"), beside)
    for limit in (10, 20):
        write_labelled(tmp_path, "pixels", "nights", settings={"limit": limit})
    with pytest.raises(UsageError, match="pixels has 2 runs on nights"):
        nearest_run(LabelledRuns(tmp_path).named("pixels"), beside)


# --- Distances --------------------------------------------------------------------------------------------------------


def distances_of(place: Path, first: str, second: str, *wanted: str) -> tuple[str, ...]:
    [(_, _, found)] = pairs(place, first, second, ("tid2013",), wanted)
    return found


def test_the_normalised_distance_is_taken_if_both_have_it(labels: Path) -> None:
    assert distances_of(labels, "one", "two") == ("normalized_euclidean",)
    assert distances_of(labels, "one", "deep") == ("cosine",)
    assert distances_of(labels, "one", "pixels") == ("normalized_euclidean",)
    assert distances_of(labels, "deep", "pixels") == ("cosine",)
    assert distances_of(labels, "pixels", "ssim") == (), "baselines have one each"


def test_distances_are_asked_for_by_name_or_all(labels: Path) -> None:
    assert distances_of(labels, "one", "two", "all") == ("normalized_euclidean", "cosine")
    assert distances_of(labels, "one", "two", "cosine", "normalized_euclidean") == ("cosine", "normalized_euclidean")
    assert distances_of(labels, "ssim", "one", "cosine") == ("cosine",)
    assert distances_of(labels, "pixels", "ssim", "all") == distances_of(labels, "pixels", "ssim", "ssim") == ()


def test_a_distance_that_a_run_lacks_is_refused(labels: Path) -> None:
    with pytest.raises(UsageError, match="deep has no distance normalized_euclidean on tid2013, only cosine: measure"):
        distances_of(labels, "one", "deep", "normalized_euclidean")
    with pytest.raises(UsageError, match=r"unknown distance 'cosin': did you mean cosine\?"):
        distances_of(labels, "one", "two", "cosin")
    with pytest.raises(UsageError, match=r"pixels and ssim have one distance each \(euclidean, ssim\): leave out"):
        distances_of(labels, "pixels", "ssim", "cosine")


def test_runs_without_a_distance_in_common_are_refused(labels: Path, tmp_path: Path) -> None:
    other = write_labelled(tmp_path, "two", "tid2013", distances=("euclidean",))
    with pytest.raises(UsageError, match=r"share no distance \(cosine and euclidean\): measure one of them again"):
        pairs(labels, "deep", other)


# --- Layers -----------------------------------------------------------------------------------------------------------


def pair_of(place: Path, first: str, second: str) -> RunPair:
    one, other = (StoredRun(folder(place, label, "tid2013")) for label in (first, second))
    return RunPair(one, other, (), chosen=False)


@pytest.mark.parametrize("at", ["projection", "best", "curve", "all", "layer_3"])
def test_layers_that_both_have_and_places_of_every_run_are_taken(labels: Path, at: str) -> None:
    for second in ("two", "deep", "pixels"):
        check_layer(at, pair_of(labels, "one", second))


def test_a_layer_that_a_run_lacks_is_refused_with_those_that_it_has(labels: Path) -> None:
    for first, second in (("one", "deep"), ("deep", "one")):
        with pytest.raises(UsageError, match=r"one has no layer layer_20 on tid2013: use .*layer_12") as refusal:
            check_layer("layer_20", pair_of(labels, first, second))
        assert "--at curve compares models of different depth" in str(refusal.value)
    with pytest.raises(UsageError, match="one has no layer layer_99") as refusal:
        check_layer("layer_99", pair_of(labels, "one", "two"))
    assert "different depth" not in str(refusal.value)
    with pytest.raises(UsageError, match="deep has no layer nothing"):
        check_layer("nothing", pair_of(labels, "pixels", "deep"))
    with pytest.raises(UsageError, match="--at layer_1: pixels and ssim have one score each, and no layers"):
        check_layer("layer_1", pair_of(labels, "pixels", "ssim"))
