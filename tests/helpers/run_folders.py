"""Runs the command line in this process, and compares the folder that it leaves with what a reference expects.

Folders are read by plain libraries, without the package's own readers.
"""

import csv
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open

from drawing import do_not_draw as do_not_draw
from reference import Array, HumanJudgments, Interval, agreement
from reference_scores import choice_score, rating_score

TOLERANCE = 1e-6
RATING_METRICS = ("spearman", "pearson", "kendall", "spearman_within")  # the fifth, pearson_logistic, has its own test


@dataclass(frozen=True)
class Expected:
    """What a row of `curve.csv` is to say; an interval of none is not looked at."""

    value: float
    interval: Interval | None
    n: int
    n_clusters: int


Rows = dict[tuple[str, str, str, str], Expected]  # by subset, distance, layer and metric


def run_command(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Path:
    """Runs `alignbench run`; the last line that it prints is the run folder."""
    from alignbench.cli.main import main

    capsys.readouterr()
    assert main(["run", *map(str, arguments), "--loader-workers", "0"]) == 0, capsys.readouterr().err
    return Path(capsys.readouterr().out.strip().splitlines()[-1])


def refused(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """Runs a command that is to fail in one line without a traceback, and returns that line."""
    from alignbench.cli.main import main

    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    lines = [line for line in capsys.readouterr().err.strip().splitlines() if "warning" not in line]
    assert code in (1, 2)
    errors = [
        line for line in lines if " on " not in line or ", cpu" not in line
    ]  # without the line that a run starts with
    assert len(errors) == 1, errors
    assert "unexpected" not in errors[0]
    return errors[0]


def read_record(folder: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads((folder / "run.json").read_text())
    return record


def read_curve(folder: Path) -> dict[tuple[str, str, str, str], dict[str, str]]:
    """The rows of `curve.csv` by subset, distance, layer and metric."""
    with (folder / "curve.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    rows = {(row["subset"], row["distance"], row["layer"], row["metric"]): row for row in found}
    assert len(rows) == len(found)
    return rows


def read_distances(folder: Path, judgments: HumanJudgments, subset: str) -> dict[tuple[str, str], Array]:
    """Distances by (distance, layer), (judgments, pairs of a judgment), once the judgments are the reference's."""
    table = pd.read_parquet(folder / "judgments.parquet")
    frame = table[table["subset"] == subset]
    assert frame["id"].is_unique
    assert len(frame) == len(judgments.values)
    np.testing.assert_allclose(frame["value"].to_numpy(dtype=float), judgments.values, rtol=1e-12)
    assert memberships(frame["cluster"].tolist()) == memberships(judgments.clusters)
    pairs = np.stack(frame["pairs"].tolist()).astype(int)
    tensors: dict[tuple[str, str], Array] = {}
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = json.loads(file.metadata()["layers"])
        used = set(np.concatenate(table["pairs"].tolist()).tolist())
        for name in file.keys():  # noqa: SIM118
            values = file.get_tensor(name)
            assert values.dtype == np.float64
            assert values.shape == (len(layers), len(used)), "a pair that no judgment names"
            tensors |= {(name, layer): values[row][pairs] for row, layer in enumerate(layers)}
    return tensors


def memberships(clusters: Sequence[Sequence[Hashable]]) -> list[list[int]]:
    """The judgments of each cluster, whatever the clusters are called."""
    members: dict[Hashable, list[int]] = {}
    for index, labels in enumerate(clusters):
        for label in labels:
            members.setdefault(label, []).append(index)
    return sorted(members.values())


def check_distances(found: dict[tuple[str, str], Array], expected: dict[tuple[str, str], Array]) -> None:
    assert found.keys() == expected.keys()
    for key, distances in expected.items():
        # Before the first block the class token is the same for all images: the normalised distance is undefined there.
        values = found[key] if distances.any() else np.nan_to_num(found[key])
        np.testing.assert_allclose(values, distances, rtol=TOLERANCE, atol=0, err_msg=str(key))


def plain_rows(
    subset: str,
    judgments: HumanJudgments,
    distances: dict[tuple[str, str], Array],
    share: Callable[..., Array] = agreement,
) -> Rows:
    """The correlations or the accuracy of a subset, and the level's own score of its breakdowns.

    Args:
        subset: Its name.
        judgments: What people said.
        distances: By name and layer, (judgments, pairs of a judgment).
        share: How ties count.
    """
    rows: Rows = {}
    parts = {subset: list(range(len(judgments.values))), **judgments.parts}
    for part, kept in parts.items():
        some = judgments.some(kept)
        counts = len(kept), len({label for labels in some.clusters for label in labels})
        metrics = RATING_METRICS if part == subset else ("spearman",)
        for (name, layer), values in distances.items():
            if judgments.kind == "choice":
                scores = {"accuracy": choice_score(share(values[kept], some.values), some)}
            else:
                scores = {metric: rating_score(metric, values[kept], some) for metric in metrics}
            rows |= {(part, name, layer, metric): Expected(*score, *counts) for metric, score in scores.items()}
            objects = some.objects()
            if part == subset and objects is not None and not some.by_object:
                over = choice_score(share(values[kept], some.values), replace(some, clusters=objects))
                among = len(kept), len({name for row in objects for name in row})
                rows[part, name, layer, "accuracy_over_objects"] = Expected(*over, *among)
    return rows


def check_rows(found: dict[tuple[str, str, str, str], dict[str, str]], expected: Rows, **constant: str) -> None:
    """Compares rows of `curve.csv`: what they are called, values, intervals and counts."""
    for key, row in expected.items():
        line = found[key]
        assert {column: line[column] for column in constant} == constant
        assert (int(line["n"]), int(line["n_clusters"])) == (row.n, row.n_clusters), key
        assert float(line["value"]) == pytest.approx(row.value, rel=0, abs=TOLERANCE, nan_ok=True), key
        if row.interval is None:
            continue
        # The t interval of an accuracy may leave [0, 1]: it is cut off there.
        bounds = (
            (0, 1)
            if key[3] in ("accuracy", "accuracy_over_objects") or key[3].startswith("ceiling")
            else (-np.inf, np.inf)
        )
        ends = [float(line[end] or "nan") for end in ("ci_low", "ci_high")]
        np.testing.assert_allclose(ends, np.clip(row.interval, *bounds), rtol=0, atol=TOLERANCE, err_msg=str(key))


def orderable(expected: Array, found: Array, judgments: HumanJudgments, doubtful: int = 1) -> Array:
    """The reference's distances, but the found ones where float32 cannot tell which of two competing ones is smaller.

    The two sets agree within the tolerance, so that distances twice as far apart are in the same order in both.

    Args:
        expected: The reference's, (judgments, pairs of a judgment).
        found: The package's.
        judgments: What people said.
        doubtful: At most so many choices may be undecided.
    """
    if judgments.kind == "rating":
        ordered = np.sort(expected[:, 0])
        return found if (np.diff(ordered) <= 2 * TOLERANCE * ordered[1:]).any() else expected
    ordered = np.sort(expected, axis=1)
    close = (np.diff(ordered, axis=1) <= 2 * TOLERANCE * ordered[:, 1:])[:, 0]
    assert close.sum() <= doubtful, "the data were to have clear distances, apart from ties by construction"
    return np.where(close[:, None], found, expected)
