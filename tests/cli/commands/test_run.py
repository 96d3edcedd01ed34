"""`alignbench run` draws what it found, and runs that fail, repeat or end early leave no half of one."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file

from alignbench.cli.main import main
from command_bench import RUNNING, TREE, USAGE, Bench, Outcome, picture
from patience import PATIENCE

pytestmark = pytest.mark.usefixtures("no_surroundings")


@pytest.mark.parametrize("broken", ["tid2013", "nights"])
def test_failure_of_one_data_set_leaves_the_others(bench: Bench, broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = {dataset: bench.copy(dataset) for dataset in TREE}
    path = picture(broken, roots[broken])
    path.unlink()
    monkeypatch.setenv("ALIGNBENCH_DATA", str(bench.scratch))
    outcome = bench.run(",".join(TREE))
    outcome.complained(RUNNING, f" on {broken}: ", path.name)
    assert [name.split("__")[1] for name in outcome.left] == sorted(set(TREE) - {broken})


def test_identical_run_is_taken_and_overwrite_makes_it_anew(bench: Bench) -> None:
    def stamps(folder: Path) -> dict[str, int]:
        return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}

    root = bench.data("tid2013")
    folder = bench.run("tid2013", root=root).succeeded()
    before, curve = stamps(folder), (folder / "curve.csv").read_bytes()
    again = bench.run("tid2013", root=root)
    assert again.succeeded() == folder
    assert stamps(folder) == before
    assert "is finished" in again.err
    assert bench.run("tid2013", "--overwrite", root=root).succeeded() == folder
    anew = stamps(folder)
    assert anew.keys() == before.keys()
    assert all(anew[name] > before[name] for name in before)
    assert (folder / "curve.csv").read_bytes() == curve
    assert again.left == [folder.name]


@pytest.mark.parametrize("lost", ["run.json", "curve.csv"])
def test_run_folder_that_lost_a_file_is_made_whole(bench: Bench, lost: str) -> None:
    folder = bench.run("tid2013", root=bench.data("tid2013")).succeeded()
    (folder / lost).unlink()
    outcome = bench.run("tid2013", root=bench.data("tid2013"))
    if outcome.code:
        outcome.complained(RUNNING, folder, "--overwrite")
        outcome = bench.run("tid2013", "--overwrite", root=bench.data("tid2013"))
    assert outcome.succeeded() == folder
    assert (folder / lost).is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("workers", "delay"), [(0, 0.0), (1, 2.0)])
def test_ctrl_c_leaves_nothing(tmp_path: Path, workers: int, delay: float) -> None:
    output = tmp_path / "out"
    options = ("--model", "random:shapes-clip", "--dataset", "shapes-low", "--output", str(output))
    process = subprocess.Popen(
        [sys.executable, "-m", "alignbench", "run", *options, "--loader-workers", str(workers)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        start_new_session=True,  # a terminal's Ctrl-C reaches the loader's processes too
        preexec_fn=lambda: signal.signal(
            signal.SIGINT, signal.SIG_DFL
        ),  # a shell that runs us in its background ignores it
    )
    assert process.stderr is not None
    try:
        said = process.stderr.readline()
        assert " on shapes-low: " in said
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    outcome = Outcome(process.returncode, out, said + err, output)
    assert outcome.code == 130
    assert "Traceback" not in outcome.err
    assert not outcome.left
    assert [line for line in err.splitlines() if not line.startswith("alignbench: ")] == []
    assert len(outcome.complaints) == 1
    assert "interrupted" in outcome.complaints[0]


@pytest.mark.draws
def test_run_draws_and_prints_the_folder_last(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["run", "--model", "pixels", "--dataset", "shapes-low", "--limit", "45", "--output", str(tmp_path)]
    assert main(arguments) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"{tmp_path}/pixels__shapes-low__")
    with Image.open(Path(last) / "curve.png") as figure:
        assert min(figure.size) > 500
    assert "<path" in (Path(last) / "curve.svg").read_text()


def test_layers_narrow_what_is_measured_and_change_no_number(bench: Bench) -> None:
    root, keys = bench.data("tid2013"), ["subset", "distance", "layer", "metric"]
    whole = bench.run("tid2013", root=root).succeeded()
    few = bench.run("tid2013", "--layers", "projection,layer_1", root=root).succeeded()
    frames = {folder: pd.read_csv(folder / "curve.csv").set_index(keys) for folder in (whole, few)}
    assert list(dict.fromkeys(frames[few].index.get_level_values("layer"))) == ["layer_1", "projection"]
    pd.testing.assert_frame_equal(frames[few], frames[whole].loc[frames[few].index])
    settings = {folder: json.loads((folder / "run.json").read_text())["settings"] for folder in (whole, few)}
    assert settings[few].pop("layers") == ["layer_1", "projection"]
    assert settings[few] == settings[whole], "and nothing of layers where they are the usual ones"
    names = ",".join(dict.fromkeys(frames[whole].index.get_level_values("layer")))
    assert bench.run("tid2013", "--layers", names, root=root).succeeded() == whole


def test_a_run_of_one_layer_is_compared_reported_and_listed(bench: Bench) -> None:
    root = bench.data("tid2013")
    one = bench.run("tid2013", "--layers", "layer_2", root=root).succeeded()
    other = bench.run("tid2013", "--layers", "vision_model.encoder.layers.1.mlp", root=root).succeeded()
    (row,) = json.loads(bench.command("compare", one, other, "--json").out)["rows"]
    scores = [
        pd.read_csv(folder / "curve.csv").set_index(["subset", "distance", "metric"])["value"]
        for folder in (one, other)
    ]
    assert row["difference"] == pytest.approx((scores[0] - scores[1])["all", "normalized_euclidean", "spearman"])
    assert (row["first_layer"], row["second_layer"]) == ("layer_2", "vision_model.encoder.layers.1.mlp")
    for ending in (".csv", ".html"):
        assert bench.command("report", one, other, "--output", bench.scratch / f"report{ending}").code == 0
    assert bench.command("leaderboard", one, other).code == 0


def test_a_cnn_is_measured_from_stem_to_pooled_output(bench: Bench) -> None:
    options, root = ("--random-init", "--distance", "cosine"), bench.data("nights")
    folder = bench.run("nights", *options, model="torchvision:squeezenet1_1", root=root).succeeded()
    frame = pd.read_csv(folder / "curve.csv")
    assert list(dict.fromkeys(frame["layer"])) == ["stem", "stage_1", "stage_2", "stage_3"]
    narrowed = bench.run(
        "nights", *options, "--layers", "classifier", "--tokens", "mean", model="torchvision:squeezenet1_1", root=root
    ).succeeded()
    logits = load_file(narrowed / "distances.safetensors")["cosine"]
    stored = pd.read_parquet(narrowed / "judgments.parquet")
    assert np.isfinite(logits).all()
    assert len(stored)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--layers", "layer_9"), ("unknown layer 'layer_9'", "did you mean layer_")),
        (
            ("--layers", "vision_model"),
            ("vision_model is no layer: it gives a BaseModelOutputWithPooling and no tensor",),
        ),
        (("--layers", ","), ("no layer to measure: leave out --layers",)),
        (("--layers", "vision_model.embeddings.patch_embedding", "--tokens", "cls"), ("patch_embedding has none",)),
    ],
)
def test_what_is_no_layer_is_refused(bench: Bench, options: tuple[str, ...], words: tuple[str, ...]) -> None:
    bench.run("tid2013", *options, root=bench.data("tid2013")).refused(USAGE, *words)


def test_labels_and_factors_are_in_the_record_and_in_the_folders_name(bench: Bench) -> None:
    root = bench.data("tid2013")
    options = ("--label", "step 7", "--factor", "step=7", "--factor", "data=own,frozen=true")
    folder = bench.run("tid2013", *options, root=root).succeeded()
    record = json.loads((folder / "run.json").read_text())
    assert folder.name.startswith("step 7__tid2013__")
    assert (record["label"], record["checkpoint"]) == ("step 7", "clip")
    assert record["factors"] == {"step": 7, "data": "own", "frozen": True}
    again = bench.run("tid2013", "--label", "step 7", "--factor", "step=8", root=root)
    assert again.succeeded() == folder
    assert "its factors are now step=8" in again.err
    assert json.loads((folder / "run.json").read_text()) == record | {"factors": {"step": 8}}
    bench.run("tid2013", "--label", "step 7", root=root).succeeded()
    assert json.loads((folder / "run.json").read_text())["factors"] == {"step": 8}, "nothing was given"


def test_two_checkpoints_of_one_name_are_not_mixed(bench: Bench) -> None:
    root = bench.data("tid2013")
    for place, family in (("a", "clip"), ("b", "siglip")):
        shutil.copytree(bench.tower(family), bench.scratch / place / "checkpoint")
    models = ",".join(str(bench.scratch / place / "checkpoint") for place in "ab")
    bench.run("tid2013", model=models, root=root).refused(USAGE, "are both called checkpoint", "--label")
    first = bench.run("tid2013", model=bench.scratch / "a" / "checkpoint", root=root).succeeded()
    second = bench.run("tid2013", model=bench.scratch / "b" / "checkpoint", root=root)
    assert second.succeeded() != first
    assert f"{first} has the label checkpoint too, and other weights" in second.err
    both = bench.run("tid2013", "--label", "first,second", model=models, root=root)
    both.succeeded()
    assert [name.split("__")[0] for name in both.left] == ["checkpoint", "checkpoint", "first", "second"]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--label", "a,b"), "names 2 of 1 models"),
        (("--label", "ssim"), "is the name of another model"),
        (("--factor", "step"), "'step' is no key=value"),
        (("--factor", "step=1", "--factor", "step=2"), "step has two values"),
        (("--factor", "seed=1"), "seed is called like a setting"),
    ],
)
def test_what_is_no_label_or_factor_is_refused_before_the_work(
    bench: Bench, options: tuple[str, ...], words: str
) -> None:
    bench.run("tid2013", *options, root=bench.data("tid2013")).refused(USAGE, words)


def test_json_is_all_that_stdout_holds(bench: Bench) -> None:
    outcome = bench.run("tid2013", "--json", "--label", "mine", root=bench.data("tid2013"))
    rows = json.loads(outcome.out)
    with (Path(rows[0]["folder"]) / "curve.csv").open(newline="") as file:
        written = [row for row in csv.DictReader(file) if (row["subset"], row["metric"]) == ("all", "spearman")]
    assert [row["distance"] for row in rows] == ["normalized_euclidean", "euclidean", "cosine"]
    for row in rows:
        assert (row["label"], row["dataset"], row["chance"]) == ("mine", "tid2013", 0)
        scores = {each["layer"]: float(each["value"]) for each in written if each["distance"] == row["distance"]}
        assert row["projection"] == scores.pop("projection")
        assert row["best"] == scores[row["best_layer"]] == max(scores.values())
