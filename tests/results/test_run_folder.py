"""Run folders: named by what can change a number, complete or absent, and enough to score again without the data."""

import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open

from alignbench import Cell, LayerCurve
from alignbench.errors import AlignbenchError, DataError
from alignbench.measurement.pipeline import measure_cell
from alignbench.report.figures.curves import draw_curve
from alignbench.results.run_folder import Run, find_runs, folder_name, run_hash, write_record, write_run
from alignbench.results.run_record import RunSettings
from alignbench.results.stored_run import StoredRun
from alignbench.statistics.agreement import correct_choices
from alignbench.statistics.choice_scores import score_choices
from alignbench.statistics.scores import RATING_METRICS, score_ratings
from made_curves import curve_of

Folders = Callable[[str], Path]
FILES = {"curve.csv", "distances.safetensors", "judgments.parquet", "run.json", "curve.png", "curve.svg"}
MEASURED = {
    "tid2013": ("all", "distortion_02"),
    "nights": ("all", "test"),
    "things": ("testset1", "validationset"),
}


@pytest.fixture(scope="module")
def runs(tiny_tower: Folders, data_root: Folders) -> dict[str, Run]:
    """A measured run by data set, each with two subsets; `pixels` is a baseline."""
    tower = str(tiny_tower("clip"))
    cells = {name: Cell(tower, name, data_root(name), subsets=subsets) for name, subsets in MEASURED.items()}
    cells["pixels"] = Cell("pixels", "tid2013", data_root("tid2013"))
    found = {name: measure_cell(replace(cell, accelerator="cpu", workers=0)) for name, cell in cells.items()}
    return {name: run for name, run in found.items() if run is not None}


@pytest.fixture(scope="module")
def folder(runs: dict[str, Run], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_run(runs["tid2013"], tmp_path_factory.mktemp("runs"), draw_curve)


def draw_nothing(curve: LayerCurve, folder: Path) -> None:
    for name in ("curve.png", "curve.svg"):
        (folder / name).write_bytes(b"drawn")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


# --- Names ----------------------------------------------------------------------------------------------------------


def test_the_hash_is_that_of_canonical_json() -> None:
    settings = {"model": "größe", "limit": None, "distance": ["cosine", "euclidean"], "seed": 0, "random_init": False}
    text = '{"distance":["cosine","euclidean"],"limit":null,"model":"gr\\u00f6\\u00dfe","random_init":false,"seed":0}'
    assert run_hash(settings) == hashlib.sha256(text.encode()).hexdigest()[:8]
    assert run_hash(dict(reversed(settings.items()))) == run_hash(settings)


def test_the_folder_is_named_by_label_data_set_and_hash() -> None:
    settings = RunSettings.from_json({"seed": 0, "dataset": "nights"})
    label = "open_clip:ViT-B-32/openai@random-3"
    expected = f"open_clip--ViT-B-32--openai@random-3__nights__{run_hash(settings.to_json())}"
    assert folder_name(label, settings) == expected
    assert folder_name(".mine", settings).startswith("_.mine__"), "hidden folders are passed over"


# --- The folder -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*MEASURED, "pixels"])
def test_a_run_folder_is_complete(runs: dict[str, Run], tmp_path: Path, name: str) -> None:
    run = runs[name]
    folder = write_run(run, tmp_path, draw_curve)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]
    of_towers = set() if name == "pixels" else {"channels.csv"}
    assert {path.name for path in folder.iterdir()} == FILES | of_towers
    record = json.loads((folder / "run.json").read_text())
    assert record["label"] == run.curve.label
    assert folder.name == folder_name(record["label"], RunSettings.from_json(record["settings"]))
    assert {"dataset", "protocol", "subset", "distance", "precision", "seed", "limit"} <= record["settings"].keys()
    assert {"versions", "timing", "images_per_second", "peak_memory_gb", "interval"} <= record.keys()
    assert record["timing"]["extract"] > 0
    assert record["images_per_second"] > 0
    assert 0 < record["peak_memory_gb"] < 100
    assert record["pairs"] == len(run.judgments.pairs)
    assert record["images"] == len(run.judgments.images.names)
    assert set(record["interval"]) == set(run.curve.frame["subset"])
    assert record["calibration_judgments"] == 0
    Image.open(folder / "curve.png").verify()
    assert "<svg" in (folder / "curve.svg").read_text()


@pytest.mark.parametrize("name", [*MEASURED, "pixels"])
def test_scoring_the_folder_again_gives_the_curve(runs: dict[str, Run], tmp_path: Path, name: str) -> None:
    folder = write_run(runs[name], tmp_path, draw_nothing)
    judgments = pd.read_parquet(folder / "judgments.parquet")
    more = ["error"] if runs[name].judgments.rating_errors is not None else []
    more += ["objects"] if name == "things" else []
    assert list(judgments.columns) == ["id", "subset", "pairs", "value", "cluster", "stimuli", *more]
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = json.loads(file.metadata()["layers"])
        distances = {distance: file.get_tensor(distance) for distance in file.keys()}  # noqa: SIM118
    seed = json.loads((folder / "run.json").read_text())["settings"]["seed"]
    again: dict[tuple[str, str, str, str], tuple[float, float, float, int, int]] = {}
    for group, rows in judgments.groupby("subset"):
        subset = str(group)
        whole = subset in json.loads((folder / "run.json").read_text())["settings"]["subset"]
        metrics = tuple(RATING_METRICS) if whole else ("spearman",)
        pairs, clusters = np.stack(rows["pairs"].tolist()), np.stack(rows["cluster"].tolist())
        human = rows["value"].to_numpy()
        for distance, values in distances.items():
            if pairs.shape[1] == 1:
                scores = score_ratings(values[:, pairs[:, 0]], human, clusters[:, 0], seed, metrics)
            else:
                right = correct_choices(values, pairs, human.astype(int))
                scores = [score_choices(right, clusters, seed)]
                if whole and "objects" in judgments and len(rows["objects"].iloc[0]):
                    over = score_choices(right, np.stack(rows["objects"].tolist()))
                    scores.append(replace(over, metric="accuracy_over_objects"))
            for found in scores:
                for row, layer in enumerate(layers):
                    ends = (float(end[row]) for end in (found.value, found.low, found.high))
                    again[subset, distance, layer, found.metric] = (*ends, len(rows), found.clusters)
    curve = StoredRun(folder).curve.frame
    assert len(curve) == len(again)
    for row in curve.itertuples():
        expected = again[row.subset, row.distance, row.layer, row.metric]
        assert (row.n, row.n_clusters) == expected[3:]
        # to the last digits, which depend on where in memory an array begins
        np.testing.assert_allclose((row.value, row.ci_low, row.ci_high), expected[:3], rtol=1e-11, atol=1e-13)


def test_stored_judgments_say_which_images_were_compared(runs: dict[str, Run], folder: Path) -> None:
    judgments = pd.read_parquet(folder / "judgments.parquet")
    run = runs["tid2013"]
    whole = judgments[judgments["subset"] == "all"]
    assert len(whole) == 36
    assert whole["id"].is_unique
    for name, [pair] in zip(whole["id"], whole["pairs"], strict=True):
        reference, distorted = (Path(run.judgments.images.names[int(end)]).name for end in run.judgments.pairs[pair])
        assert distorted.lower() == name
        assert reference.lower() == name.split("_")[0] + ".bmp"


# --- Written whole or not at all ------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), RuntimeError("no"), KeyboardInterrupt()])
def test_a_failure_while_writing_leaves_nothing(runs: dict[str, Run], tmp_path: Path, error: BaseException) -> None:
    def fail(curve: LayerCurve, folder: Path) -> None:
        (folder / "curve.png").write_bytes(b"half")
        raise error

    with pytest.raises(AlignbenchError if isinstance(error, OSError) else type(error)):
        write_run(runs["pixels"], tmp_path, fail)
    assert not list(tmp_path.iterdir())


def test_what_another_process_finished_meanwhile_stays(runs: dict[str, Run], tmp_path: Path) -> None:
    import shutil

    theirs = write_run(runs["pixels"], tmp_path / "theirs", draw_nothing)
    (theirs / "curve.png").write_bytes(b"theirs")
    output = tmp_path / "runs"

    def draw(curve: LayerCurve, folder: Path) -> None:
        draw_nothing(curve, folder)
        shutil.copytree(theirs, output / theirs.name)

    folder = write_run(runs["pixels"], output, draw)
    assert list(output.iterdir()) == [folder]
    assert contents(folder) == contents(theirs)


def test_a_failure_while_overwriting_leaves_the_old_run(runs: dict[str, Run], tmp_path: Path) -> None:
    def fail(curve: LayerCurve, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    folder = write_run(runs["pixels"], tmp_path, draw_nothing)
    before = contents(folder)
    with pytest.raises(AlignbenchError, match="No space left"):
        write_run(runs["pixels"], tmp_path, fail, overwrite=True)
    assert list(tmp_path.iterdir()) == [folder]
    assert contents(folder) == before


def test_a_finished_run_is_left_as_it_is(runs: dict[str, Run], tmp_path: Path) -> None:
    folder = write_run(runs["pixels"], tmp_path, draw_nothing)
    before = contents(folder)
    other = replace(runs["pixels"], record=replace(runs["pixels"].record, observers="later"))
    assert write_run(other, tmp_path, draw_nothing) == folder
    assert contents(folder) == before


def test_a_record_is_written_anew_and_nothing_else(folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    write_record(replace(StoredRun(copy).record, factors={"step": 2}), copy)
    assert StoredRun(copy).record == replace(StoredRun(folder).record, factors={"step": 2})
    before, after = contents(folder), contents(copy)
    assert before.keys() == after.keys()
    assert {name for name in before if before[name] != after[name]} == {"run.json"}


def test_overwrite_replaces_a_finished_run(runs: dict[str, Run], tmp_path: Path) -> None:
    folder = write_run(runs["pixels"], tmp_path, draw_nothing)
    (folder / "left over.txt").write_text("from before")
    other = replace(runs["pixels"], record=replace(runs["pixels"].record, observers="later"))
    assert write_run(other, tmp_path, draw_nothing, overwrite=True) == folder
    assert list(tmp_path.iterdir()) == [folder]
    assert set(contents(folder)) == FILES
    assert json.loads((folder / "run.json").read_text())["observers"] == "later"


# --- Reading --------------------------------------------------------------------------------------------------------


def round_trip(curve: LayerCurve, folder: Path) -> LayerCurve:
    folder.mkdir(exist_ok=True)
    curve.frame.to_csv(folder / "curve.csv", index=False)
    (folder / "run.json").write_text('{"label": "m", "settings": {}}')
    return StoredRun(folder).curve


@pytest.mark.parametrize("name", [*MEASURED, "pixels"])
def test_a_curve_comes_back_bit_for_bit(runs: dict[str, Run], tmp_path: Path, name: str) -> None:
    before = runs[name].curve.frame
    after = StoredRun(write_run(runs[name], tmp_path, draw_nothing)).curve.frame
    pd.testing.assert_frame_equal(after, before, check_exact=True, check_dtype=False)


@given(st.lists(st.floats(-1, 1), min_size=1, max_size=30))
def test_every_value_comes_back_bit_for_bit(tmp_path_factory: pytest.TempPathFactory, values: list[float]) -> None:
    found = round_trip(curve_of(value=values), tmp_path_factory.mktemp("run")).frame["value"]
    np.testing.assert_array_equal(found.to_numpy(), np.array(values))


def test_ordinary_values_come_back_bit_for_bit(tmp_path: Path) -> None:
    values = np.random.default_rng(0).uniform(-1, 1, 5000)
    found = round_trip(curve_of(value=values.tolist()), tmp_path / "run").frame["value"]
    np.testing.assert_array_equal(found.to_numpy(), values)


def test_missing_scores_come_back_missing(tmp_path: Path) -> None:
    curve = curve_of(value=[0.5, np.nan], ci_low=[np.nan, np.nan], ci_high=[np.nan, np.nan])
    found = round_trip(curve, tmp_path / "run").frame
    np.testing.assert_array_equal(found["value"].to_numpy(), [0.5, np.nan])
    assert found[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize("label", ["0012", "1e3", "nan", "NA", "true", 'a "quoted", name'])
def test_a_label_comes_back_as_it_was(tmp_path: Path, label: str) -> None:
    assert round_trip(curve_of(model=label), tmp_path / "run").label == label


def test_empty_token_views_stay_empty_text(runs: dict[str, Run], folder: Path) -> None:
    frame = StoredRun(folder).curve.frame
    assert (frame.loc[frame["layer"] == "projection", "tokens"] == "").all()
    assert (frame.loc[frame["layer"] != "projection", "tokens"] == "all").all()


def test_a_folder_without_run_json_is_no_run(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"run\.json"):
        _ = StoredRun(tmp_path).curve
    with pytest.raises(DataError, match="holds no run folder"):
        find_runs([tmp_path])
    assert find_runs([folder]) == find_runs([folder.parent]) == [folder]


# --- The best layer -------------------------------------------------------------------------------------------------


def test_a_baseline_has_one_best_layer(runs: dict[str, Run]) -> None:
    curve = runs["pixels"].curve
    assert curve.best("euclidean")["layer"] == curve.best("euclidean", projection=True)["layer"] == "image"
