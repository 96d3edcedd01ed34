"""Runs of one label and other weights are told apart, whatever else is alike."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from alignbench.results.namesakes import have_other_weights, namesakes, tell_apart
from alignbench.results.run_folder import write_record
from alignbench.results.stored_run import StoredRun
from alignbench.study.named_runs import NamedRuns, check_one_model
from factor_grid import made
from studies import BASE_16, write_made

Write = Callable[..., StoredRun]


def written(root: Path, weights: str, label: str = "mine", dataset: str = "tid2013", **settings: object) -> StoredRun:
    given = {"model_fingerprint": weights, **settings}
    level = {"tid2013": "low", "nights": "middle"}[dataset]
    return StoredRun(write_made(made(BASE_16, dataset, level, label=label, settings=given), root))


def test_the_digest_of_the_weights_tells_them_apart_on_every_data_set(tmp_path: Path) -> None:
    runs = [
        written(tmp_path, "a" * 64),
        written(tmp_path, "b" * 64),
        written(tmp_path, "a" * 64, dataset="nights"),
        written(tmp_path, "c" * 64, label="other"),
    ]
    apart, [line] = tell_apart(runs)
    assert [run.label for run in apart] == ["mine [aaaaaaaa]", "mine [bbbbbbbb]", "mine [aaaaaaaa]", "other"]
    assert [run.curve.label for run in apart] == [run.label for run in apart]
    assert [run.curve.checkpoint for run in apart] == ["mine", "mine", "mine", ""]
    assert line.startswith("mine is the label of different weights: mine [aaaaaaaa] in ")
    assert all(run.folder.name in line for run in runs[:3])
    assert runs[3].folder.name not in line


def test_features_that_exist_are_a_file_for_each_data_set(tmp_path: Path) -> None:
    runs = [written(tmp_path, "a" * 64), written(tmp_path, "b" * 64, dataset="nights")]
    files = [replace(run.record, checkpoint=f"features:{run.settings.dataset}.npz") for run in runs]
    assert not have_other_weights(*files)
    assert have_other_weights(runs[0].record, runs[1].record)
    assert have_other_weights(files[0], runs[1].record)
    assert have_other_weights(files[0], replace(files[1], dataset="tid2013"))
    for record, run in zip(files, runs, strict=True):
        write_record(record, run.folder)
    runs = [StoredRun(run.folder) for run in runs]
    assert tell_apart(runs) == (runs, ())
    assert not list(namesakes(files[0], tmp_path))
    check_one_model(NamedRuns("mine", tuple(runs), True), ("tid2013", "nights"))
    other = written(tmp_path, "c" * 64, dataset="nights", precision="bf16")
    write_record(replace(other.record, checkpoint="features:other.npz"), other.folder)
    apart, lines = tell_apart([*runs, StoredRun(other.folder)])
    assert len(lines) == 1
    assert [run.label for run in apart] == ["mine [aaaaaaaa]", "mine [bbbbbbbb]", "mine [cccccccc]"]


def test_runs_of_the_same_weights_or_of_none_keep_their_label(tmp_path: Path) -> None:
    runs = [written(tmp_path, "a" * 64), written(tmp_path, "a" * 64, precision="bf16")]
    assert tell_apart(runs) == (runs, ())


def test_digests_that_begin_alike_are_shown_longer(tmp_path: Path) -> None:
    runs = [written(tmp_path, "a" * 9 + "0" * 55), written(tmp_path, "a" * 9 + "1" * 55)]
    assert [run.label for run in tell_apart(runs)[0]] == ["mine [aaaaaaaaa0000000]", "mine [aaaaaaaaa1111111]"]


def test_marks_of_twins_and_transforms_stay_at_the_end(tmp_path: Path) -> None:
    transform = {"name": "t", "layer": "projection", "sha256": "0" * 64}
    runs = [
        written(tmp_path, "a" * 64),
        written(tmp_path, "b" * 64, label="mine@t", transform=transform),
        written(tmp_path, "c" * 64, label="mine@random-0", random_init=True),
        written(tmp_path, "d" * 64, label="mine@random-1", random_init=True),
    ]
    apart, lines = tell_apart(runs)
    named = ["mine [aaaaaaaa]", "mine [bbbbbbbb]@t", "mine@random-0", "mine@random-1"]
    assert [run.label for run in apart] == named
    assert len(lines) == 1, "a model and its untrained twins have other weights, as they should"
    again = written(tmp_path, "e" * 64, label="mine@random-0", random_init=True)
    apart, lines = tell_apart([runs[0], *runs[2:], again])
    assert [run.label for run in apart] == [
        *("mine", "mine [cccccccc]@random-0", "mine@random-1", "mine [eeeeeeee]@random-0")
    ]


def test_namesakes_are_found_before_a_report_is_made(tmp_path: Path) -> None:
    first, second = written(tmp_path, "a" * 64), written(tmp_path, "b" * 64, dataset="nights")
    written(tmp_path, "c" * 64, label="mine__too")
    assert list(namesakes(first.record, tmp_path)) == [second.folder]
    assert list(namesakes(written(tmp_path / "x", "a" * 64).record, tmp_path / "x")) == []
    (second.folder / "run.json").write_text("{")
    assert list(namesakes(first.record, tmp_path)) == []


def test_layers_tell_apart_what_one_model_scores_at_them(tmp_path: Path) -> None:
    many = ["stem", "stage_1", "stage_2", "stage_3"]
    others = [[*many[1:], "stage_4"], many]
    runs = [
        written(tmp_path, "a" * 64),
        written(tmp_path, "a" * 64, layers=["avgpool"]),
        written(tmp_path, "a" * 64, layers=["avgpool", "fc"]),
        written(tmp_path, "a" * 64, layers=many),
        written(tmp_path, "a" * 64, dataset="nights"),
        written(tmp_path, "b" * 64, label="{other}", layers=["avgpool"]),
    ]
    apart, [line] = tell_apart(runs)
    assert [run.label for run in apart] == [
        *("mine", "mine [avgpool]", "mine [avgpool, fc]", "mine [4 layers]", "mine", "{other}")
    ]
    assert apart[0] is runs[0]
    assert line.startswith("mine was measured at different layers: mine in ")
    assert f"mine [avgpool] in {runs[1].folder.name}" in line
    apart, _ = tell_apart([written(tmp_path / "x", "a" * 64, layers=layers) for layers in others])
    assert [run.label for run in apart] == [f"mine [{', '.join(layers)}]" for layers in others]
    [one, other], [line] = tell_apart([written(tmp_path / "y", "a" * 64, label="{0}", layers=[name]) for name in "xy"])
    assert (one.label, other.label) == ("{0} [x]", "{0} [y]")
    assert line.startswith("{0} was measured at different layers")


def test_layers_of_other_weights_are_marked_after_these(tmp_path: Path) -> None:
    random = {"label": "mine@random-0", "random_init": True}
    runs = [
        written(tmp_path, "a" * 64, **random),
        written(tmp_path, "a" * 64, layers=["avgpool"], **random),
        written(tmp_path, "b" * 64, layers=["avgpool"], **random),
    ]
    apart, lines = tell_apart(runs)
    assert [run.label for run in apart] == [
        f"mine {mark}@random-0" for mark in ("[aaaaaaaa]", "[aaaaaaaa] [avgpool]", "[bbbbbbbb]")
    ]
    assert [line.partition(": ")[0] for line in lines] == [
        "mine@random-0 is the label of different weights",
        "mine@random-0 was measured at different layers",
    ]
