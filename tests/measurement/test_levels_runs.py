"""Runs on Levels: scores against definitions by hand and scipy, and what reads the run folders."""

from __future__ import annotations

import json
import pickle
import re
import shutil
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import optimize, special, stats

from alignbench import Cell
from alignbench.cli.main import main
from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import distinct_pairs
from alignbench.measurement.protocol import channel_fit, fold_of_pairs
from alignbench.results.extent import extents
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.comparison import compare
from folders import Folders
from layouts import write_levels
from run_folders import read_curve, run_command

Floats = NDArray[np.float64]
Capture = pytest.CaptureFixture[str]
Answer = tuple[str, int, float]  # participant, place of the odd one among the sorted names, log response time
SUBSETS = {"between_class": "coarse", "within_class": "fine", "class_border": "boundary", "class_boundary": "boundary"}
LAYERS = ("layer_0", "layer_1", "layer_2", "layer_3", "projection")
UNCERTAIN = {"entropy_spearman", "log_rt_spearman"}
CEILINGS = {
    *("ceiling_loo", "ceiling_max_share", "ceiling_mean", "responses_per_triplet", "accuracy_of_ceiling"),
    *("accuracy_above_chance_of_ceiling", "ceiling_entropy_spearman", "ceiling_log_rt_spearman"),
}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("levels")
    write_levels(folder, triplets=30, participants=9)
    return folder


def answers(root: Path, subset: str) -> dict[tuple[str, ...], list[Answer]]:
    """The answers to each triplet of a subset, by the sorted names of its pictures."""
    found: dict[tuple[str, ...], list[Answer]] = {}
    table: dict[str, list[dict[str, Any]]] = pickle.loads((root / "pruned_dataset.pkl").read_bytes())
    for who, trials in table.items():
        for trial in trials:
            if trial["exp_trial_type"] == "exp_trial" and SUBSETS[trial["triplet_type"]] == subset:
                names = sorted(trial[key].split("/")[-1] for key in ("image1Path", "image2Path", "image3Path"))
                odd = names.index(trial["selected_image"].split("/")[-1])
                found.setdefault(tuple(names), []).append((who, odd, float(np.log(trial["rt"]))))
    return found


def compared(root: Path, folder: Path) -> dict[tuple[str, str], dict[frozenset[str], float]]:
    """By distance and layer, the distance of every two pictures that are compared, by their names."""
    judgments = DATASETS.load("levels").read(root, ("all",))
    names = [Path(name).name for name in judgments.images.names]
    pairs = [frozenset(names[end] for end in pair) for pair in judgments.pairs.tolist()]
    return {
        (name, layer): dict(zip(pairs, values.tolist(), strict=True))
        for name, layers in load_file(folder / "distances.safetensors").items()
        for layer, values in zip(LAYERS, layers, strict=True)
    }


def by_odd_one(triplet: tuple[str, ...], apart: dict[frozenset[str], float]) -> list[float]:
    """The distance of the two others, for each picture as the odd one."""
    return [apart[frozenset(triplet) - {odd}] for odd in triplet]


def model_entropies(told: dict[tuple[str, ...], list[Answer]], apart: dict[frozenset[str], float]) -> Floats:
    distances = np.array([by_odd_one(triplet, apart) for triplet in told])
    shares = np.array([[np.mean([odd == place for _, odd, _ in each]) for place in range(3)] for each in told.values()])
    scale = distances.std()

    def unlikely(log: float) -> float:
        return -float((shares * special.log_softmax(-distances / scale / np.exp(log), axis=1)).sum())

    best = optimize.minimize_scalar(unlikely, bounds=(-8.0, 12.0), method="bounded", options={"xatol": 1e-10})
    return np.asarray(special.entr(special.softmax(-distances / scale / np.exp(best.x), axis=1)).sum(axis=1))


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_scores_are_those_of_definitions(
    root: Path, tiny_tower: Folders, capsys: Capture, tmp_path: Path, protocol: str
) -> None:
    options = ("--data-root", root, "--protocol", protocol, "--output", tmp_path)
    folder = run_command(capsys, "--model", tiny_tower("clip"), "--dataset", "levels", *options)
    curve, apart = read_curve(folder), compared(root, folder)
    assert {metric for *_, metric in curve} == {"accuracy", "accuracy_over_objects"} | UNCERTAIN | (
        CEILINGS if protocol == "corrected" else set()
    )
    uncertain = 0
    for subset in ("coarse", "fine", "boundary"):
        told = answers(root, subset)
        every = [(triplet, odd) for triplet, each in told.items() for _, odd, _ in each]
        logs = pd.DataFrame([(who, log) for each in told.values() for who, _, log in each], columns=["who", "log"])
        means = logs.groupby("who")["log"].mean()
        times = [np.mean([log - means[who] for who, _, log in each]) for each in told.values()]
        differ = [np.mean([a[1] != b[1] for a, b in combinations(each, 2)]) for each in told.values()]
        for distance, layer in apart:
            rows = {metric: curve[subset, distance, layer, metric] for *_, metric in curve}
            near = {triplet: by_odd_one(triplet, apart[distance, layer]) for triplet in told}
            right = np.mean([near[triplet][odd] == min(near[triplet]) for triplet, odd in every])
            for metric in ("accuracy", "accuracy_over_objects"):
                assert float(rows[metric]["value"]) == pytest.approx(right, abs=1e-9)
            assert (rows["accuracy"]["n"], rows["accuracy"]["n_clusters"]) == (str(len(every)), str(len(told)))
            assert rows["accuracy"]["level"] == "high"
            entropy = model_entropies(told, apart[distance, layer])
            if not rows["entropy_spearman"]["value"]:
                assert entropy.min() > np.log(3.0) - 1e-3, "no finite temperature is the most likely"
                continue
            uncertain += 1
            for metric, people in (("entropy_spearman", differ), ("log_rt_spearman", times)):
                expected = stats.spearmanr(entropy, people).statistic
                assert float(rows[metric]["value"]) == pytest.approx(expected, abs=2e-3)
                assert float(rows[metric]["ci_low"]) < expected < float(rows[metric]["ci_high"])
                assert rows[metric]["n_clusters"] == str(len(told))
        if protocol == "corrected":
            check_ceilings(told, {metric: row for (of, *_, metric), row in curve.items() if of == subset})
    assert uncertain >= 10
    record = json.loads((folder / "run.json").read_text())
    assert record["settings"]["subset"] == ["coarse", "fine", "boundary"]


def check_ceilings(told: dict[tuple[str, ...], list[Answer]], rows: dict[str, dict[str, str]]) -> None:
    """Both ceilings of accuracy, their mean, and the shares of it, over triplets with two answers or more."""
    agree, most = [], []
    for each in told.values():
        chosen = [odd for _, odd, _ in each]
        most.append(max(Counter(chosen).values()) / len(chosen))
        for place, odd in enumerate(chosen):
            others = Counter(chosen[:place] + chosen[place + 1 :])
            best = [option for option, times in others.items() if times == max(others.values())]
            agree.append((odd in best) / len(best))
    loo, largest = float(np.mean(agree)), float(np.mean(most))
    expected = {"ceiling_loo": loo, "ceiling_max_share": largest, "ceiling_mean": (loo + largest) / 2}
    expected["responses_per_triplet"] = len(agree) / len(most)
    accuracy = float(rows["accuracy"]["value"])
    expected["accuracy_of_ceiling"] = accuracy / expected["ceiling_mean"]
    for metric, value in expected.items():
        assert float(rows[metric]["value"]) == pytest.approx(value, rel=1e-9)


def test_a_finished_run_is_scored_anew_compared_and_reported(
    root: Path, tiny_tower: Folders, capsys: Capture, tmp_path: Path
) -> None:
    options = ("--dataset", "levels", "--data-root", root, "--output", tmp_path / "runs", "--distance", "euclidean")
    options = (*options, "--protocol", "corrected")
    tower = run_command(capsys, "--model", tiny_tower("clip"), *options)
    pixels = run_command(capsys, "--model", "pixels", *options[:6], *options[8:])
    older = Path(shutil.copytree(tower, tmp_path / "older"))
    record = json.loads((older / "run.json").read_text())
    (older / "run.json").write_text(json.dumps(record | {"scoring_version": 1}))
    anew, written = ScoredRun(older), ScoredRun(tower)
    assert anew.is_older
    pd.testing.assert_frame_equal(anew.curve.frame, written.curve.frame, rtol=1e-6)
    assert written.curve.chance == pytest.approx(1 / 3)
    assert set(extents(written.curve)) == {"coarse", "fine", "boundary"}
    assert extents(written.curve)["coarse"].endswith(" of 61,727 coarse triplets")
    assert set(written.curve.primary()["metric"]) == {"accuracy"}

    table = compare(tower, pixels)
    [row] = table[(table["subset"] == "fine") & (table["place"] == "projection")].itertuples()
    scores = [read_curve(folder) for folder in (tower, pixels)]
    ends = [
        float(curve["fine", "euclidean", layer, "accuracy"]["value"])
        for curve, layer in zip(scores, ("projection", "image"), strict=True)
    ]
    assert row.difference == pytest.approx(ends[0] - ends[1], abs=1e-9)
    assert row.ci_low < row.difference < row.ci_high
    assert main(["report", str(tmp_path / "runs"), "--output", str(tmp_path / "report.html")]) == 0
    assert "Levels" in (tmp_path / "report.html").read_text(encoding="utf-8")


def test_one_answer_to_each_triplet_has_no_ceiling_and_no_entropy(
    root: Path, tiny_tower: Folders, capsys: Capture, tmp_path: Path
) -> None:
    table = pickle.loads((root / "pruned_dataset.pkl").read_bytes())
    seen = set()
    for who, trials in table.items():
        kept = []
        for trial in trials[1:]:
            names = frozenset(trial[key].split("/")[-1] for key in ("image1Path", "image2Path", "image3Path"))
            kept += [] if names in seen else [trial]
            seen.add(names)
        table[who] = kept
    (tmp_path / "train").symlink_to(root / "train")
    (tmp_path / "pruned_dataset.pkl").write_bytes(pickle.dumps(table))
    options = ("--dataset", "levels", "--subset", "fine", "--protocol", "corrected", "--data-root", tmp_path)
    options = ("--model", tiny_tower("clip"), *options, "--output", tmp_path / "runs", "--loader-workers", "0")
    assert main(["run", *map(str, options)]) == 0
    printed = capsys.readouterr()
    said, folder = " ".join(printed.err.split()), Path(printed.out.strip().splitlines()[-1])
    assert "no noise ceiling of subset fine: no triplet was judged twice" in said
    assert "no entropy_spearman of subset fine: it takes 10 triplets that differ, and 0 can be used" in said
    assert re.search(r"levels fine has \d+ judgments here and 62,549 as published: only a part of it", said)
    metrics = {metric for *_, metric in read_curve(folder)}
    assert metrics == {"accuracy", "accuracy_over_objects", "log_rt_spearman", "ceiling_log_rt_spearman"}


def test_channel_means_are_fitted_on_pairs_of_other_pictures(root: Path) -> None:
    judgments = DATASETS.load("levels").read(root, ("all",))
    fold = fold_of_pairs(judgments)
    distinct = distinct_pairs(judgments.pairs, judgments.images.names, fold)
    fit = channel_fit(Cell("shapes-clip", "levels", root, protocol="corrected"), judgments, distinct, fold)
    weights, pairs = fit.weights.numpy()[fit.fold.numpy()], distinct.pairs.tolist()
    counts = np.bincount(judgments.judged.ravel())
    for own, row in zip(pairs, weights, strict=True):
        others = [all(one % 10 != other % 10 for one in own for other in pair) for pair in pairs]
        np.testing.assert_array_equal(row > 0.0, others)
        np.testing.assert_array_equal(row[others], counts[others])
