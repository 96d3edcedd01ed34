"""Runs on human similarity matrices: scores against scipy on the upper triangle, and what reads the run folders."""

import json
import re
import shutil
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import stats

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import distinct_pairs
from alignbench.errors import DataError
from alignbench.measurement.protocol import channel_fit, fold_of_pairs
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.beyond import beyond
from alignbench.study.comparison import compare
from folders import Folders
from run_folders import read_curve, run_command
from similarity_layouts import people, write_cichy, write_king

Floats = NDArray[np.float64]
Capture = pytest.CaptureFixture[str]
PICTURES = 13
SAID = {"set1": people(3, PICTURES, seed=1), "set2": people(5, PICTURES, seed=2)}
CEILINGS = {"spearman_subjects", "ceiling_subjects_loo", "ceiling_subjects_all", "ceiling_spearman_of_mean"}


@pytest.fixture(scope="module")
def king(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_king(tmp_path_factory.mktemp("king"), SAID)


def triangle(matrix: Floats) -> Floats:
    return np.array([matrix[pair] for pair in combinations(range(PICTURES), 2)])


def measured_triangles(folder: Path) -> dict[tuple[str, str, int], Floats]:
    """Distances of the upper triangle by subset, distance and number of the layer, told by the pictures' names."""
    table, distances = pd.read_parquet(folder / "judgments.parquet"), load_file(folder / "distances.safetensors")
    found = {}
    for subset, rows in table.groupby("subset"):
        for name, values in distances.items():
            for layer, of_layer in enumerate(values):
                matrix = np.full((PICTURES, PICTURES), np.nan)
                for text, [pair] in zip(rows["id"], rows["pairs"], strict=True):
                    first, second = map(int, re.findall(r"p(\d+)\.jpg", text))
                    assert text.startswith(f"king2019-{subset}: ")
                    matrix[first, second] = of_layer[pair]
                found[str(subset), name, layer] = triangle(matrix)
    return found


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_scores_are_correlations_over_the_upper_triangle(
    king: Path, tiny_tower: Folders, capsys: Capture, tmp_path: Path, protocol: str
) -> None:
    options = ("--data-root", king, "--protocol", protocol, "--output", tmp_path)
    folder = run_command(capsys, "--model", tiny_tower("clip"), "--dataset", "king2019", *options)
    curve, layers = read_curve(folder), ("layer_0", "layer_1", "layer_2", "layer_3", "projection")
    triangles = measured_triangles(folder)
    assert len(triangles) == 2 * 3 * len(layers)
    for (subset, distance, layer), values in triangles.items():
        human = triangle(SAID[subset].mean(axis=0))  # less alike, as the distance
        for metric, of_scipy in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
            row = curve[subset, distance, layers[layer], metric]
            assert float(row["value"]) == pytest.approx(of_scipy(values, human).statistic, rel=0, abs=1e-6)
            assert float(row["ci_low"]) < float(row["value"]) < float(row["ci_high"])
            assert (row["level"], row["n"], row["n_clusters"]) == ("high", "78", "13")
    metrics = {metric for *_, metric in curve}
    assert metrics == {"spearman", "pearson"} | (CEILINGS if protocol == "corrected" else set())
    record = json.loads((folder / "run.json").read_text())
    for subset in SAID:
        assert record["interval"][subset].startswith("pictures and subjects crossed t")
    if protocol == "corrected":
        of_mean = {
            subset: float(curve[subset, "cosine", "layer_0", "ceiling_spearman_of_mean"]["value"]) for subset in SAID
        }
        for subset, said in SAID.items():
            two = np.mean([stats.spearmanr(triangle(a), triangle(b)).statistic for a, b in combinations(said, 2)])
            expected = np.sqrt(len(said) * two / (1 + (len(said) - 1) * two))
            assert of_mean[subset] == pytest.approx(expected, rel=1e-9)


def test_a_finished_run_is_scored_anew_and_compared(
    king: Path, tiny_tower: Folders, capsys: Capture, tmp_path: Path
) -> None:
    options = ("--dataset", "king2019", "--data-root", king, "--output", tmp_path / "runs", "--distance", "euclidean")
    tower = run_command(capsys, "--model", tiny_tower("clip"), *options)
    pixels = run_command(capsys, "--model", "pixels", *options[:-2])
    older = Path(shutil.copytree(tower, tmp_path / "older"))
    record = json.loads((older / "run.json").read_text())
    (older / "run.json").write_text(json.dumps(record | {"scoring_version": 1}))
    anew, written = ScoredRun(older), ScoredRun(tower)
    assert anew.is_older
    assert not written.is_older
    pd.testing.assert_frame_equal(anew.curve.frame, written.curve.frame, rtol=1e-6)
    assert anew.intervals == written.intervals

    table = compare(tower, pixels)
    assert set(table["interval"]) == {"pictures and subjects crossed t"}
    assert set(table["n_clusters"]) == {13}
    [row] = table[(table["subset"] == "set1") & (table["place"] == "projection")].itertuples()
    scores = [read_curve(folder) for folder in (tower, pixels)]
    ends = [
        float(curve["set1", "euclidean", layer, "spearman"]["value"])
        for curve, layer in zip(scores, ("projection", "image"), strict=True)
    ]
    assert row.difference == pytest.approx(ends[0] - ends[1], rel=0, abs=1e-6)
    assert row.ci_low < row.difference < row.ci_high
    assert "best layer, cross-fitted" not in set(table["place"]), "a rank correlation of some pictures is another one"

    gains = beyond(tower, pixels)
    [gain] = gains[(gains["subset"] == "set2") & (gains["layer"] == "layer_1")].itertuples()
    y = triangle(SAID["set2"].mean(axis=0))
    x, z = (measured_triangles(run)["set2", "euclidean", layer] for run, layer in ((tower, 1), (pixels, 0)))
    xy, xz, yz = (stats.spearmanr(one, other).statistic for one, other in ((x, y), (x, z), (z, y)))
    assert gain.value == pytest.approx((xy - xz * yz) / np.sqrt((1 - xz**2) * (1 - yz**2)), abs=1e-6)
    assert gain.interval == "pictures and subjects crossed t"
    assert gain.ci_low < gain.value < gain.ci_high
    assert main(["report", str(tmp_path / "runs"), "--output", str(tmp_path / "report.html")]) == 0
    assert "King 2019" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_channel_means_are_fitted_on_pairs_of_other_pictures(king: Path) -> None:
    data_set = DATASETS.load("king2019")
    judgments = data_set.read(king, ("all",))
    cell = Cell("shapes-clip", "king2019", king, protocol="corrected")
    fold = fold_of_pairs(judgments)
    distinct = distinct_pairs(judgments.pairs, judgments.images.names, fold)
    fit = channel_fit(cell, judgments, distinct, fold)
    weights, pairs = fit.weights.numpy()[fit.fold.numpy()], distinct.pairs  # of all pairs in the means of each
    for own, row in zip(pairs.tolist(), weights, strict=True):
        others = [all(one % 10 != other % 10 for one in own for other in pair) for pair in pairs.tolist()]
        np.testing.assert_array_equal(row, others)
    assert weights.mean() > 0.55


@pytest.mark.parametrize(("pictures", "refused"), [(3, True), (4, False)])
def test_too_few_pictures_for_means_of_others(tmp_path: Path, pictures: int, refused: bool) -> None:
    judgments = DATASETS.load("cichy2019").read(write_cichy(tmp_path, people(2, pictures)), ("all",))
    if not refused:
        assert len(np.unique(fold_of_pairs(judgments))) == 6
        return
    with pytest.raises(
        DataError, match=r"cichy2019 are of too few pictures: .* pairs of other pictures, so it needs four"
    ):
        fold_of_pairs(judgments)
