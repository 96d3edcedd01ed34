"""Which runs a name stands for: labels, folders, and what is neither."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from alignbench.errors import DataError, UsageError
from alignbench.study.named_runs import LabelledRuns, check_one_model
from labelled_runs import copy_labels, folder, write_labelled


def test_a_label_stands_for_all_its_finished_runs(labels: Path) -> None:
    found = LabelledRuns(labels).named("two")
    assert {run.folder for run in found.runs} == {folder(labels, "two", "tid2013"), folder(labels, "two", "nights")}
    assert (found.name, found.by_label, set(found.datasets)) == ("two", True, {"tid2013", "nights"})
    [on_nights] = found.on("nights")
    assert on_nights.folder == folder(labels, "two", "nights")
    assert found.on("things") == ()


def test_a_copy_of_a_run_is_no_other_run(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    own = folder(place, "two", "nights")
    shutil.copytree(own, place / "zz-copy")
    found = LabelledRuns(place).named("two")
    assert {run.folder for run in found.runs} == {own, folder(place, "two", "tid2013")}


def test_of_many_labels_some_are_named(labels: Path, tmp_path: Path) -> None:
    own = folder(labels, "two", "nights")
    for number in range(14):
        copy = Path(shutil.copytree(own, tmp_path / f"{number:02}"))
        record = json.loads((copy / "run.json").read_text())
        (copy / "run.json").write_text(json.dumps(record | {"label": f"m{number:02}"}))
    with pytest.raises(DataError, match=r"labels there: m00, m01, .*, m11 and 2 more$"):
        LabelledRuns(tmp_path).named("quite-another")


def test_a_run_folder_comes_before_a_label_of_its_name(
    labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shutil.copytree(folder(labels, "one", "nights"), "two")
    found = LabelledRuns(labels).named("two")
    assert (found.by_label, [run.folder for run in found.runs]) == (False, [Path("two")])
    shutil.rmtree("two")
    Path("two").mkdir()  # as where a checkpoint lies in a folder of the label's name
    assert LabelledRuns(labels).named("two").by_label


def test_folders_need_no_place_of_labels(labels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = LabelledRuns(tmp_path / "nowhere")
    for name in (folder(labels, "one", "nights"), str(folder(labels, "one", "nights"))):
        [run] = named.named(name).runs
        assert run.label == "one"
    monkeypatch.setenv("HOME", str(labels))
    [run] = named.named(f"~/{folder(labels, 'two', 'nights').name}").runs
    assert run.label == "two"


def test_what_is_not_whole_is_no_run_of_a_label(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    (folder(place, "two", "nights") / "curve.csv").unlink()
    (folder(place, "one", "things") / "run.json").write_text("{")
    runs = LabelledRuns(place)
    assert runs.skipped == (), "nothing is read before a label is looked for"
    assert runs.named("two").datasets == ("tid2013",)
    assert len(runs.skipped) == 2
    assert all(any(name in line for line in runs.skipped) for name in ("two__nights", "one__things"))
    with pytest.raises(DataError, match=r"no run in .*runs has that label \(2 folders there hold no whole run\)"):
        LabelledRuns(place).named("three")


def test_an_unknown_label_ends_with_the_nearest_ones(labels: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"'pixel' is no run folder, .* has that label: did you mean pixels\?"):
        LabelledRuns(labels).named("pixel")
    with pytest.raises(DataError, match="labels there: deep, one, pixels, ssim, two"):
        LabelledRuns(labels).named("quite-another")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="there is no finished run"):
        LabelledRuns(tmp_path / "empty").named("one")
    with pytest.raises(DataError, match=r"nowhere is no folder, .* give the folder of your runs by --runs"):
        LabelledRuns(tmp_path / "nowhere").named("one")


@pytest.mark.parametrize("name", ["./one", "../one", "/one", "~/one", "one/"])
def test_what_can_only_be_a_path_is_not_looked_for_among_labels(labels: Path, name: str) -> None:
    with pytest.raises(DataError, match="one is not there: name a folder that `alignbench run` made"):
        LabelledRuns(labels).named(name)


def test_a_folder_of_runs_is_none_and_names_some(labels: Path) -> None:
    with pytest.raises(DataError, match=r"is no run folder: name one of those in it, such as .* or .* or "):
        LabelledRuns(labels).named(labels)


# --- One label, one model ---------------------------------------------------------------------------------------------


def test_a_label_of_other_weights_is_refused_and_the_told_apart_name_is_taken(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    other = write_labelled(place, "one", "tid2013", settings={"model_fingerprint": "f" * 64})
    own = folder(labels, "one", "nights")
    record = json.loads((own / "run.json").read_text())["settings"]["model_fingerprint"]
    named = LabelledRuns(place)
    with pytest.raises(UsageError, match="one is the label of different weights, which are never mixed") as refusal:
        check_one_model(named.named("one"), ("tid2013",))
    assert str(other) in str(refusal.value)
    check_one_model(named.named("one"), ("nights",))  # where there is no other
    with pytest.raises(UsageError, match="never mixed"):  # nor may it be another model on another data set
        check_one_model(named.named("one"), ("nights", "tid2013"))
    names = [name for name in str(refusal.value).split("'") if name.startswith("one [")]
    assert len(names) == 2
    for name in names:
        digests = {run.settings.model_fingerprint for run in named.named(name).runs}
        assert digests in ({record}, {"f" * 64})


def test_a_label_of_other_transforms_is_refused(labels: Path, tmp_path: Path) -> None:
    place = copy_labels(labels, tmp_path / "runs")
    transform = {"name": "t", "layer": "projection", "sha256": "0" * 64}
    write_labelled(place, "two", "things", settings={"transform": transform})
    named = LabelledRuns(place).named("two")
    with pytest.raises(UsageError, match="different transforms"):
        check_one_model(named, ("tid2013", "things"))
    check_one_model(named, ("tid2013", "nights"))
