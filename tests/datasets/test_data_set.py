"""A data set's folder is there and holds something, or the user is told what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from alignbench.datasets import DATASETS
from alignbench.datasets.data_set import root_folder
from alignbench.errors import DataError, UsageError


def test_without_a_folder_the_option_and_the_variable_are_named() -> None:
    told = r"^nights needs --data-root DIR \(or \$ALIGNBENCH_DATA/nights\); `alignbench datasets` says where to get it$"
    with pytest.raises(UsageError, match=told):
        root_folder("nights", None)


@pytest.mark.parametrize(
    ("place", "said"),
    [("none", "is not a folder: check --data-root"), ("file", "is not a folder"), ("empty", "is empty: see")],
)
def test_a_folder_that_holds_no_data_is_refused_by_its_path(tmp_path: Path, place: str, said: str) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError) as refused:
        root_folder("nights", tmp_path / place)
    assert str(refused.value).startswith(f"data root {tmp_path / place} of nights {said}")


def test_a_folder_is_taken_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    given = Path("döner 東京")
    (given / "images").mkdir(parents=True)
    assert root_folder("things", given) == given, "messages name it as the user did"
    (tmp_path / "link").symlink_to(given)
    assert root_folder("things", Path("link")) == Path("link")


@pytest.mark.parametrize("name", DATASETS.names())
def test_what_is_measured_by_default_is_documented_and_shares_nothing_with_calibration(name: str) -> None:
    data_set = DATASETS.load(name)
    assert data_set.default_subset in data_set.subsets
    assert data_set.corrected is not None
    assert set(data_set.corrected.subsets) <= set(data_set.subsets)
    assert data_set.corrected.calibration not in (*data_set.corrected.subsets, data_set.default_subset)


@pytest.mark.parametrize("name", ["shapes-low", "shapes-middle", "shapes-high"])
def test_packaged_sets_have_as_many_judgments_as_they_say(name: str) -> None:
    data_set = DATASETS.load(name)
    counts = data_set.published_counts("paper")
    read = data_set.read(None, tuple(counts))
    assert {subset.name: len(subset.rows) for subset in read.subsets} == counts
    assert list(counts) == ["test", "trainset"]


def test_where_votes_are_filtered_other_counts_hold() -> None:
    nights = DATASETS.load("nights")
    assert nights.published_counts("paper") == {"all": 20_019}
    assert nights.published_counts("corrected") == {"test": 1_824}


def test_sets_that_may_lack_a_noise_ceiling_say_why() -> None:
    notes = {name: DATASETS.load(name).ceiling_note for name in ("tid2013", "kadid10k", "nights", "things")}
    assert notes["nights"] == "not estimable: selected for unanimity"
    assert "put it beside mos_with_names.txt" in notes["tid2013"]
    assert "column var" in notes["kadid10k"]
    assert notes["things"] == "", "its authors publish one"


def test_the_usual_folder_is_below_that_of_the_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nights, packaged = DATASETS.load("nights"), DATASETS.load("shapes-low")
    monkeypatch.delenv("ALIGNBENCH_DATA", raising=False)
    assert nights.usual_root() is None
    for base in (str(tmp_path), ""):
        monkeypatch.setenv("ALIGNBENCH_DATA", base)
        assert nights.usual_root() == (tmp_path / "nights" if base else None)
        assert packaged.usual_root() is None


def test_it_is_there_if_its_folder_holds_something_or_it_needs_none(tmp_path: Path) -> None:
    nights = DATASETS.load("nights")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()
    assert nights.is_there(tmp_path)
    for place in (tmp_path / "empty", tmp_path / "file", tmp_path / "none", tmp_path / ("x" * 300), None):
        assert not nights.is_there(place)
    assert DATASETS.load("shapes-low").is_there(None)
