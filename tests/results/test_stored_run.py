"""A run folder read back: part by part, distances only where they are asked for; what is wrong is said in a line."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import safetensors
from safetensors.numpy import load_file, save_file

from alignbench.cli.main import main
from alignbench.errors import DataError
from alignbench.results.stored_run import StoredRun
from alignbench.study.study import read_study
from denied import deny
from run_folders import refused
from studies import BASE_16, BASE_32, Made, as_published, write_made

NAMES = ("normalized_euclidean", "cosine")
FILES = ("run.json", "curve.csv", "distances.safetensors", "judgments.parquet")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_made(Made(BASE_16, "tid2013", 120, as_published, NAMES, parts=True), tmp_path_factory.mktemp("runs"))


def test_its_parts_are_those_of_its_files(folder: Path) -> None:
    run, stored = StoredRun(folder), load_file(folder / "distances.safetensors")
    record = json.loads((folder / "run.json").read_text())
    assert (run.label, run.record.kind) == (BASE_16, "rating")
    assert run.settings.to_json() == record["settings"]
    assert (run.curve.dataset, run.curve.level, run.curve.protocol) == ("tid2013", "low", "paper")
    assert not run.curve.is_simulated
    assert len(run.layers) == len(run.depths) == 14
    assert run.depths[-1] == 100.0
    assert list(run.shapes) == ["normalized_euclidean", "cosine"], "as they are ordered everywhere"
    assert run.shapes == {name: stored[name].shape for name in NAMES}
    for name, values in run.all_distances().items():
        np.testing.assert_array_equal(values, stored[name])


def test_distances_are_of_the_layers_that_are_asked_for(folder: Path) -> None:
    run, stored = StoredRun(folder), load_file(folder / "distances.safetensors")
    np.testing.assert_array_equal(run.distances(NAMES), np.concatenate([stored[name] for name in NAMES]))
    found = run.distances(["cosine"], ("projection", "layer_2"))
    np.testing.assert_array_equal(found, stored["cosine"][[13, 2]])


def test_judgments_are_read_by_subset_or_as_rows_without_breakdowns(folder: Path) -> None:
    run = StoredRun(folder)
    rows = run.judgment_rows()
    assert set(rows["subset"]) == {"all"}
    assert len(rows) == 120
    found = run.judgments(["all", "distortion_03"])
    np.testing.assert_array_equal(found["all"].human, rows.sort_values("id")["value"])
    assert len(found["distortion_03"].human) == 5
    with pytest.raises(DataError, match=r"judgments\.parquet cannot be used \(it lacks subset none\): measure it"):
        run.judgments(["none"])


def test_a_study_reads_no_distances_before_it_scores(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    opens = safetensors.safe_open

    class Watched:
        def __init__(self, *given: Any, **options: Any) -> None:
            self.file = opens(*given, **options)

        def __enter__(self) -> "Watched":
            self.file.__enter__()
            return self

        def __exit__(self, *what: Any) -> None:
            self.file.__exit__(*what)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def get_tensor(self, name: str) -> Any:
            read.append(name)
            return self.file.get_tensor(name)

    monkeypatch.setattr(safetensors, "safe_open", Watched)
    study, _ = read_study([folder])
    assert not read
    [group] = study.groups
    assert group.scores([(BASE_16, "cosine")])[0].shape[0] == 14
    assert sorted(read) == sorted(NAMES)


def test_a_record_of_another_version_is_read_as_far_as_it_is_needed(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    older = tmp_path / "older"
    shutil.copytree(folder, older)
    record = json.loads((older / "run.json").read_text())
    kept = {name: record["settings"][name] for name in ("model", "dataset", "protocol", "data_fingerprint")}
    settings = kept | {"colour": "grey"}
    (older / "run.json").write_text(json.dumps({"label": BASE_16, "kind": "rating", "settings": settings}))
    study, skipped = read_study([older])
    assert not skipped
    assert study.runs[0].settings.to_json() == settings
    assert study.runs[0].observers == "people"
    assert study.groups[0].condition[2:] == ("", "", "", "")
    line = refused(capsys, "compare", folder, older)
    assert f"{older / 'run.json'} lacks what a comparison needs: measure it again with --overwrite" in line
    del settings["protocol"]
    (older / "run.json").write_text(json.dumps({"label": BASE_16, "kind": "rating", "settings": settings}))
    [line] = read_study([folder, older])[1]
    assert line == f"{older / 'run.json'} lacks what a study needs: measure it again with --overwrite"


# --- What may not be read --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    root = tmp_path_factory.mktemp("two")
    return [write_made(Made(model, "tid2013", 60, as_published, NAMES), root) for model in (BASE_16, BASE_32)]


def said_of(path: Path) -> str:
    return f"{path} cannot be read (Permission denied): ask its owner to make it readable"


@pytest.mark.parametrize("name", FILES)
def test_a_study_says_what_to_do_of_a_file_that_may_not_be_read(
    two: list[Path], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    deny(monkeypatch, two[0] / name)
    study, skipped = read_study(two)
    assert [run.label for run in study.runs] == [BASE_32]
    assert skipped == (said_of(two[0] / name),)


@pytest.mark.parametrize("name", FILES)
def test_compare_says_it_too(
    two: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    deny(monkeypatch, two[1] / name)
    assert said_of(two[1] / name) in refused(capsys, "compare", *two)


@pytest.mark.parametrize("name", ["run.json", "curve.csv"])
def test_reproduce_says_it_too(
    two: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    deny(monkeypatch, two[0] / name)
    assert main(["reproduce", str(two[0])]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert said_of(two[0] / name) in line


def test_a_figure_says_it_too(
    two: list[Path], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    deny(monkeypatch, two[0] / "curve.csv")
    assert said_of(two[0] / "curve.csv") in refused(capsys, "report", *two, "--output", tmp_path / "figure.png")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_not_there_is_to_be_measured_again(two: list[Path], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    for other in FILES:
        if other != name:
            (folder / other).write_bytes((two[0] / other).read_bytes())
    run = StoredRun(folder)
    read = {
        "run.json": lambda: run.record,
        "curve.csv": lambda: run.curve,
        "distances.safetensors": lambda: run.shapes,
        "judgments.parquet": run.judgment_rows,
    }
    with pytest.raises(DataError, match=f"^{re.escape(str(folder))}.*: measure it again"):
        read[name]()


# --- What someone else may have written -------------------------------------------------------------------------------

DEEP: Any = json.loads("[" * 300 + "]" * 300)
ODD_RECORDS: list[tuple[str, Any]] = [
    ("label", 5),
    ("label", "\ud800"),
    ("settings", []),
    ("settings.seed", 10**30),
    ("settings.limit", [1]),
    ("settings.subset", [1, 2]),
    ("settings.transform", {"name": 1}),
    ("images", float("nan")),
    ("pairs", True),
    ("factors", {"loss": [1]}),
    ("timing", {"extract": "x"}),
    ("versions", {"torch": {"a": 1}}),
    ("interval", {"all": None}),
    ("images_per_second", float("inf")),
    ("details", DEEP),
]


def with_record(folder: Path, key: str, value: Any) -> None:
    record = json.loads((folder / "run.json").read_text())
    *outer, last = key.split(".")
    inner = record
    for name in outer:
        inner = inner[name]
    inner[last] = value
    (folder / "run.json").write_text(json.dumps(record))


@pytest.mark.parametrize(("key", "value"), ODD_RECORDS, ids=range(len(ODD_RECORDS)))
def test_an_odd_record_is_named_and_left_out(two: list[Path], tmp_path: Path, key: str, value: Any) -> None:
    odd = Path(shutil.copytree(two[0], tmp_path / "odd"))
    with_record(odd, key, value)
    study, [line] = read_study([odd, two[1]])
    assert [run.label for run in study.runs] == [BASE_32]
    assert line.startswith(f"{odd / 'run.json'} cannot be used (")
    assert line.endswith("): measure it again with --overwrite")
    assert len(line) < 300 + len(str(odd))


def with_lines(old: str, new: str) -> Callable[[str], str]:
    return lambda text: text.replace(old, new)


ODD_CURVES: list[Callable[[str], str]] = [
    lambda text: re.sub(r"^(([^,]*,){10})[^,]*", r"\1inf", text, count=1, flags=re.MULTILINE),
    with_lines(",60,", ",many,"),
    with_lines(",60,", ",,"),
    with_lines(",60,", ",True,"),
    with_lines(",spearman,", ",kendall,"),
    lambda text: text.replace(BASE_16, "other", 1),
    lambda text: text.splitlines()[0],
    lambda text: text[:200],
    lambda text: "\0" * 100,
]


@pytest.mark.parametrize("change", ODD_CURVES, ids=range(len(ODD_CURVES)))
def test_an_odd_curve_is_named_and_left_out(two: list[Path], tmp_path: Path, change: Callable[[str], str]) -> None:
    odd = Path(shutil.copytree(two[0], tmp_path / "odd"))
    path = odd / "curve.csv"
    path.write_text(change(path.read_text()))
    study, [line] = read_study([odd, two[1]])
    assert [run.label for run in study.runs] == [BASE_32]
    assert str(odd) in line


@pytest.mark.parametrize("layers", ["5", "{}", '[["image"]]', "[1, 2]", "[" * 5000, "x", None])
def test_an_odd_header_of_distances_is_named(two: list[Path], tmp_path: Path, layers: str | None) -> None:
    odd = Path(shutil.copytree(two[0], tmp_path / "odd"))
    path = odd / "distances.safetensors"
    save_file(load_file(path), path, metadata=None if layers is None else {"layers": layers})
    _, [line] = read_study([odd, two[1]])
    assert line.startswith(f"{path} cannot be read")


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("subset", True, "column subset is of another type"),
        ("pairs", None, "column pairs is of another type"),
        ("pairs", ["x"], "column pairs is of another type"),
        ("pairs", [-1], "a value or a pair that cannot be"),
        ("value", "x", "column value is of another type"),
        ("value", float("inf"), "a value or a pair that cannot be"),
        ("id", None, "column id"),
        ("cluster", 3, "column cluster is of another type"),
        ("stimuli", [["a"]], "column stimuli is of another type"),
    ],
)
def test_odd_judgments_are_named(two: list[Path], tmp_path: Path, column: str, value: Any, words: str) -> None:
    odd = Path(shutil.copytree(two[0], tmp_path / "odd"))
    path = odd / "judgments.parquet"
    table = pd.read_parquet(path)
    table[column] = pd.Series([value] * len(table))
    table.to_parquet(path)
    _, [line] = read_study([odd, two[1]])
    assert line.startswith(f"{path} cannot be used (")
    assert words in line
    if "another type" in words:
        with pytest.raises(DataError, match=words):
            StoredRun(odd).judgment_rows()


@pytest.mark.parametrize("kept", [30, -30, -1, 1])
def test_a_curve_that_lost_its_last_rows_is_refused(folder: Path, tmp_path: Path, kept: int) -> None:
    torn = Path(shutil.copytree(folder, tmp_path / "torn")) / "curve.csv"
    lines = torn.read_text().splitlines(keepends=True)
    torn.write_text("".join(lines[: kept + (kept > 0)]))
    with pytest.raises(DataError, match=r"curve\.csv lacks rows that its run had: measure it again"):
        _ = StoredRun(torn.parent).curve


def test_a_limit_comes_back_with_the_curve(folder: Path, tmp_path: Path) -> None:
    limited = Path(shutil.copytree(folder, tmp_path / "limited"))
    with_record(limited, "settings.limit", 120)
    assert (StoredRun(folder).curve.limit, StoredRun(limited).curve.limit) == (None, 120)
