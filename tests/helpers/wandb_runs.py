"""Reads W&B runs back from their own transaction logs by W&B's own reader, and holds them against run folders."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import wandb

from alignbench.models.cards import cards
from alignbench.results.layer_curve import COLUMNS
from wandb_server import RunServer

KEY = "0123456789" * 4  # as long as a key of W&B's
PIXELS = ("--model", "pixels", "--dataset", "shapes-low", "--limit", "45")
FACTORS = ("architecture", "patch_size", "image_size", "loss", "language", "training_data")


def isolate(patch: pytest.MonkeyPatch, home: Path) -> None:
    """Nothing of the user's W&B is seen, and nothing is written outside of a folder."""
    for name in [name for name in os.environ if name.startswith("WANDB_")]:
        patch.delenv(name)
    for name in ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID", "ALIGNBENCH_WANDB_SECONDS"):
        patch.delenv(name, raising=False)
    home.mkdir(parents=True, exist_ok=True)
    patch.setenv("HOME", str(home))
    patch.setenv("NETRC", str(home / "netrc"))
    patch.setenv("WANDB_SILENT", "true")
    for name in ("DATA", "CACHE", "CONFIG"):
        patch.setenv(f"WANDB_{name}_DIR", str(home / name.lower()))
    patch.chdir(home)


def processes_naming(place: Path) -> list[str]:
    """The command lines of living processes that name a folder; empty where the system does not tell."""
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):  # it ended just now
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in lines if str(place) in line]


def measured(output: Path, *arguments: str | Path) -> None:
    """Measures by the command line, and logs as it says."""
    from alignbench.cli.main import main

    assert main(["run", *map(str, arguments), "--loader-workers", "0", "--output", str(output)]) == 0


@dataclass(frozen=True)
class Logged:
    """A W&B run as its reader gives it, which is asked for what is looked at.

    Attributes:
        folder: W&B's folder of the run.
    """

    folder: Path

    @cached_property
    def records(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._inspect("--json").splitlines()]

    @cached_property
    def state(self) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self._inspect("--summary", "--json"))
        return state

    def of(self, kind: str) -> list[Any]:
        return [record[kind] for record in self.records if record["type"] == kind]

    @property
    def history(self) -> list[dict[str, Any]]:
        return [item["item"] for item in self.of("history")]

    def table(self, key: str) -> pd.DataFrame:
        path = self.folder / "files" / self.state["summary"][key]["path"]
        stored = json.loads(path.read_text())
        return pd.DataFrame(stored["data"], columns=stored["columns"])

    def _inspect(self, *options: str) -> str:
        (file,) = self.folder.glob("*.wandb")
        return subprocess.run(inspect_command(file, options), capture_output=True, text=True, check=True).stdout


def inspect_command(file: Path, options: Sequence[str]) -> list[str]:
    """`wandb leet inspect` of a log; its program itself where that may be called, as its Python part starts slowly."""
    core = Path(wandb.__file__).parent / "bin" / "wandb-core"
    if {"-no-observability", "-run-file"} <= _flags(core):
        return [*map(str, (core, "leet", "inspect", *options, "-no-observability", "-run-file", file))]
    return [sys.executable, "-m", "wandb", "leet", "inspect", *options, str(file)]


@cache
def _flags(core: Path) -> set[str]:
    if not core.is_file():
        return set()
    said = subprocess.run([core, "leet", "inspect", "-h"], capture_output=True, text=True)
    return set((said.stdout + said.stderr).split())


def read_logged(place: Path) -> Logged:
    return Logged(place)


def logged_in(output: Path) -> list[Path]:
    """W&B's folders of runs, in the order in which they were made."""
    return sorted(output.glob(".wandb/*run-*"), key=lambda place: place.stat().st_mtime_ns)


def select_rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "curve.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@dataclass(frozen=True)
class Expected:
    """What a run folder says is logged.

    Attributes:
        folder: The run folder.
        subsets: Those that were asked for; breakdowns are in the table only.
        metric: The level's own score.
    """

    folder: Path
    subsets: tuple[str, ...]
    metric: str

    def suffix(self, subset: str) -> str:
        return "" if subset == self.subsets[0] else f"/{subset}"

    def main_rows(self) -> list[dict[str, str]]:
        return [row for row in select_rows(self.folder) if row["subset"] in self.subsets and row["value"]]

    def key(self, row: dict[str, str]) -> str:
        return f"align/{row['distance']}/{row['metric']}{self.suffix(row['subset'])}"

    def own_scores(self) -> dict[str, list[dict[str, str]]]:
        """Rows of the level's own score, by distance and subset as they are named."""
        found: dict[str, list[dict[str, str]]] = {}
        for row in self.main_rows():
            if row["metric"] == self.metric:
                found.setdefault(f"{row['distance']}{self.suffix(row['subset'])}", []).append(row)
        return found


def check_points(logged: Logged, expected: Expected) -> None:
    """Every score of every layer is a point over depth."""
    points = {(float(row["depth"]), expected.key(row)): float(row["value"]) for row in expected.main_rows()}
    steps = [item for item in logged.history if any(name.startswith("align/") for name in item)]
    assert [item["depth"] for item in steps] == sorted({depth for depth, _ in points})
    found = {
        (item["depth"], name): value for item in steps for name, value in item.items() if name.startswith("align/")
    }
    assert found == pytest.approx(points, rel=1e-12)


def check_axis(logged: Logged, expected: Expected) -> None:
    """Depth is the hidden axis, and the highest score of all layers is in the summary."""
    depth, scores = logged.of("metric")[:2]
    assert depth == {"name": "depth", "options": {"defined": True, "hidden": True}}
    assert (scores["glob_name"], scores["step_metric"], scores["summary"]) == ("align/*", "depth", {"max": True})
    highest: dict[str, float] = {}
    for row in expected.main_rows():
        highest[expected.key(row)] = max(highest.get(expected.key(row), -2.0), float(row["value"]))
    found = {name: value["max"] for name, value in logged.state["summary"].items() if name.startswith("align/")}
    assert found == pytest.approx(highest, rel=1e-12)


def check_summary(logged: Logged, expected: Expected) -> None:
    """The summary of a tower names best layer, its depth and score, and the projection's score."""
    found = logged.state["summary"]
    for name, rows in expected.own_scores().items():
        scores = {row["layer"]: row for row in rows}
        assert found[f"projection/{name}"] == pytest.approx(float(scores.pop("projection")["value"]))
        best = max(scores.values(), key=lambda row: float(row["value"]))
        assert found[f"best/{name}"] == pytest.approx(float(best["value"]))
        assert found[f"best_layer/{name}"] == best["layer"]
        assert found[f"best_depth/{name}"] == pytest.approx(float(best["depth"]))


def check_table(logged: Logged, expected: Expected) -> None:
    """The table is the whole of `curve.csv`, intervals and breakdowns included."""
    table, rows = logged.table("curve"), select_rows(expected.folder)
    assert tuple(table.columns) == COLUMNS
    assert len(table) == len(rows)
    for column in COLUMNS:
        written = [row[column] for row in rows]
        if column in ("depth", "value", "ci_low", "ci_high", "n", "n_clusters"):
            numbers = [float(text or "nan") for text in written]
            np.testing.assert_allclose(pd.to_numeric(table[column]), numbers, rtol=1e-12, err_msg=column)
        else:
            assert table[column].tolist() == written


def check_charts(logged: Logged, expected: Expected, label: str, baselines: dict[str, Expected]) -> None:
    """There is one chart for each distance and subset: the curve, and baselines as horizontal lines.

    Args:
        logged: The run.
        expected: Its folder.
        label: The name of its line.
        baselines: The folders of baselines beside it, each of one distance, by the name of their lines.
    """
    drawn = {name for name in logged.state["summary"] if name.startswith("Custom Chart Tables/")}
    assert drawn == {f"Custom Chart Tables/curves/{name}_table" for name in expected.own_scores()}
    for name, rows in expected.own_scores().items():
        chart = logged.table(f"Custom Chart Tables/curves/{name}_table")
        lines = {line: part[["step", "lineVal"]].to_numpy() for line, part in chart.groupby("lineKey")}
        assert lines.keys() == {label, *baselines}
        ours = [[float(row["depth"]), float(row["value"])] for row in rows]
        np.testing.assert_allclose(lines[label], ours)
        for line, beside in baselines.items():
            subset = rows[0]["subset"]
            (level,) = (float(row["value"]) for (row,) in beside.own_scores().values() if row["subset"] == subset)
            np.testing.assert_allclose(lines[line], [[0.0, level], [100.0, level]])


def check_figures(logged: Logged, expected: Expected) -> None:
    """The figures of a tower are the files of the run folder."""
    for key, name in (("figures/curve", "curve.png"), ("figures/channels", "channels.png")):
        image = logged.state["summary"][key]
        assert (logged.folder / "files" / image["path"]).read_bytes() == (expected.folder / name).read_bytes()


def check_artifact(logged: Logged, expected: Expected) -> None:
    """The whole run folder is an artifact, of which a further one becomes a version."""
    (artifact,) = [found for found in logged.of("artifact") if found["type"] == "layer-curve"]
    assert artifact["name"] == expected.folder.name.replace("@", "-")
    assert artifact["aliases"] == ["latest"]
    digests = {
        name: base64.b64encode(hashlib.md5((expected.folder / name).read_bytes()).digest()).decode()
        for name in (path.name for path in expected.folder.iterdir() if not path.name.startswith("."))
    }
    assert {"run.json", "judgments.parquet", "distances.safetensors", "curve.csv"} < set(digests)
    assert {entry["path"]: entry["digest"] for entry in artifact["manifest"]["contents"]} == digests


def check_scores(logged: Logged, expected: Expected) -> None:
    """All that is logged of towers and baselines alike."""
    for check in (check_points, check_axis, check_table, check_artifact):
        check(logged, expected)


def check_tower(logged: Logged, expected: Expected, label: str, baselines: dict[str, Expected]) -> None:
    """All that is logged of a tower beside its scores; arguments as for `check_charts`."""
    check_summary(logged, expected)
    check_figures(logged, expected)
    check_charts(logged, expected, label, baselines)


def check_factors(logged: Logged, model: str) -> None:
    """Every factor of the model's card is a key of the configuration."""
    card, config = cards()[model], logged.state["config"]
    assert {name: config[name] for name in FACTORS} == {name: getattr(card, name) for name in FACTORS}


def check_uploaded(server: RunServer, folder: Path) -> None:
    """A server that stands in has the run, its scores and the files of its folder."""
    assert (server.run["project"], server.run["groupName"]) == ("alignbench", "shapes-low")
    logged = server.streamed["wandb-history.jsonl"]
    (steps,) = [line for line in logged if any(name.startswith("align/") for name in line)]
    rows = {f"align/{row['distance']}/{row['metric']}": row["value"] for row in select_rows(folder) if row["value"]}
    assert {name: steps[name] for name in rows} == pytest.approx({name: float(value) for name, value in rows.items()})
    assert folder.name in server.committed
    for name in ("curve.csv", "distances.safetensors", "judgments.parquet", "run.json"):
        assert server.uploads[f"{folder.name}/{name}"] == (folder / name).read_bytes()
    for kind, name in (("images/figures", "curve"), ("table", "curve"), ("table/Custom Chart Tables/curves", "euclid")):
        assert any(path.startswith(f"media/{kind}/{name}") for path in server.uploads)
