"""How models stand, worked out from run folders alone: `curve.csv`, the distances and what people said."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from safetensors.numpy import load_file
from scipy import stats

from studies import BASE_16, BASE_32, CHINESE, DATASETS, SMALL, Made, as_published, write_made

Floats = NDArray[np.float64]
MAIN = "normalized_euclidean"
MODELS = (BASE_16, BASE_32, CHINESE)
TWINS = tuple(f"{BASE_32}@random-{seed}" for seed in range(2))
METRICS = ("pixels", "ssim")


def write_ranked(root: Path) -> Path:
    """Three models, two untrained twins of one, and two baselines, on the paper's three data sets."""
    for dataset, level in DATASETS.items():
        for label in (*MODELS, *TWINS, *METRICS):
            write_made(
                Made(label.partition("@")[0], dataset, SMALL[level], as_published, (MAIN,), label=label),
                root,
            )
    return root


def folder_of(root: Path, label: str, dataset: str) -> Path:
    found = [path.parent for path in root.glob("*/run.json") if _settings(path) == (label, dataset)]
    assert len(found) == 1
    return found[0]


def _settings(path: Path) -> tuple[str, str]:
    record = json.loads(path.read_text())
    return record["label"], record["settings"]["dataset"]


def rows_of(folder: Path, distance: str = MAIN) -> dict[str, dict[str, float]]:
    """Value, ends and depth of each layer of a distance, of the metric that counts; a baseline's only one."""
    with (folder / "curve.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] in ("spearman", "accuracy")]
    of_distance = [row for row in rows if row["distance"] == distance] or rows
    columns = ("value", "ci_low", "ci_high", "depth")
    return {row["layer"]: {name: float(row[name]) for name in columns} for row in of_distance}


def projection_of(folder: Path) -> dict[str, float]:
    rows = rows_of(folder)
    return rows["projection"] if "projection" in rows else rows["image"]


@dataclass(frozen=True)
class Joint:
    """Scores of some labels at the projection on one data set, with their covariance and its degrees of freedom."""

    scores: dict[str, float]
    covariance: Floats
    degrees: float

    def contrast(self, first: str, others: Sequence[str]) -> Floats:
        """Weights of a score minus the mean of others."""
        weights = np.zeros(len(self.scores))
        names = list(self.scores)
        weights[names.index(first)] = 1.0
        for other in others:
            weights[names.index(other)] -= 1.0 / len(others)
        return weights


def joint_of(root: Path, dataset: str, labels: Sequence[str]) -> Joint:
    """Of ratings by leaving out one reference after another, of choices by the sums of each cluster."""
    columns, human, clusters = [], np.zeros(0), np.zeros(0)
    for label in labels:
        folder = folder_of(root, label, dataset)
        table = pd.read_parquet(folder / "judgments.parquet").sort_values("id")
        [(_, distances)] = load_file(folder / "distances.safetensors").items()
        pairs = np.stack(table["pairs"].tolist())
        human = table["value"].to_numpy(np.float64)
        clusters = np.stack(table["cluster"].tolist())[:, 0]
        shown = distances[-1].astype(np.float64)[pairs]
        columns.append(-shown[:, 0] if pairs.shape[1] == 1 else (shown.argmin(axis=1) == human).astype(np.float64))
    judged, names = np.array(columns), np.unique(clusters)
    if dataset == "tid2013":
        scores = np.array([stats.spearmanr(column, human)[0] for column in judged])
        left = np.array(
            [
                [stats.spearmanr(column[clusters != name], human[clusters != name])[0] for column in judged]
                for name in names
            ]
        )
        apart = left - left.mean(axis=0)
        covariance, degrees = (len(names) - 1) / len(names) * apart.T @ apart, len(names) - 1.0
    else:
        scores = judged.mean(axis=1)
        sums = np.array([(judged[:, clusters == name] - scores[:, None]).sum(axis=1) for name in names])
        covariance, degrees = sums.T @ sums / judged.shape[1] ** 2, np.inf
    return Joint(dict(zip(labels, scores.tolist(), strict=True)), covariance, degrees)


def half_widths(joints: Sequence[Joint], families: Sequence[Sequence[Floats]]) -> list[Floats]:
    """Half the widths of intervals of all contrasts that hold together, by drawing normal errors.

    Args:
        joints: Independent samples.
        families: The weights of the contrasts of each.
    """
    rng = np.random.default_rng(7)
    errors, largest = [], np.zeros(20_000)
    for joint, weights in zip(joints, families, strict=True):
        covariance = np.array(weights) @ joint.covariance @ np.array(weights).T
        error = np.sqrt(np.diag(covariance))
        drawn = rng.multivariate_normal(np.zeros(len(error)), covariance, len(largest)) / error
        largest = np.maximum(largest, np.abs(drawn).max(axis=1))
        errors.append(error)
    critical = float(np.quantile(largest, 0.95))
    return [
        error * (stats.t.isf(stats.norm.sf(critical), joint.degrees) if np.isfinite(joint.degrees) else critical)
        for joint, error in zip(joints, errors, strict=True)
    ]


def all_contrasts(joint: Joint) -> dict[tuple[str, tuple[str, ...]], Floats]:
    """What a summary could say: any two models, each beside each baseline, and the trained one beside its twins."""
    named: list[tuple[str, tuple[str, ...]]] = [(one, (other,)) for one, other in combinations(MODELS, 2)]
    named += [(one, (other,)) for one in MODELS for other in METRICS]
    named.append((BASE_32, TWINS))
    return {(one, others): joint.contrast(one, others) for one, others in named}
