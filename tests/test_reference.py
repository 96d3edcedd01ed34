"""Runs the command line on small data sets in their real layouts and compares its run folder with the reference."""

import csv
import json
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from layouts import write_nights, write_things, write_tid2013
from reference import (
    RATING_METRICS,
    Array,
    HumanJudgments,
    TokenView,
    agreement,
    choice_score,
    depths,
    embed,
    judgment_distances,
    rating_score,
    read_nights,
    read_things,
    read_tid2013,
    save_chinese_clip,
    save_clip,
    save_siglip,
)
from safetensors import safe_open
from transformers import AutoModel

TOLERANCE = 1e-6
DISTANCES = ("normalized_euclidean", "euclidean", "cosine")
BLOCKS = 3


@dataclass(frozen=True)
class Family:
    """A tower: how to save a tiny one, and whether it has a class token."""

    save: Callable[[Path], None]
    has_class: bool


@dataclass(frozen=True)
class Layout:
    """A data set on disk: how to write it, how to read it, and what its rows are called."""

    dataset: str
    level: str
    subset: str
    write: Callable[[Path], None]
    read: Callable[[Path], HumanJudgments]
    options: tuple[str, ...] = ()


FAMILIES = {
    "clip": Family(save_clip, has_class=True),
    "chinese_clip": Family(save_chinese_clip, has_class=True),
    "siglip": Family(save_siglip, has_class=False),
}
LAYOUTS = {
    "tid2013": Layout("tid2013", "low", "all", write_tid2013, read_tid2013),
    "nights": Layout("nights", "middle", "all", write_nights, read_nights),
    "things": Layout("things", "high", "testset1", write_things, read_things),
    "things-validationset": Layout(
        "things",
        "high",
        "validationset",
        write_things,
        partial(read_things, subset="validationset"),
        ("--subset", "validationset"),
    ),
    "things-concepts": Layout("things", "high", "testset1", partial(write_things, order="concepts"), read_things),
    "things-sorted": Layout("things", "high", "testset1", partial(write_things, order="sorted"), read_things),
}
VIEWS: tuple[TokenView, ...] = ("all", "cls", "mean")
CASES = [
    (family, layout, view)
    for family in FAMILIES
    for layout in ("tid2013", "nights", "things")
    for view in VIEWS
    if view != "cls" or FAMILIES[family].has_class
] + [("clip", layout, "all") for layout in ("things-validationset", "things-concepts", "things-sorted")]


class World:
    """Towers, data sets and the reference's tokens, each made once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._tokens: dict[tuple[str, str], dict[str, list[Array]]] = {}

    def tower(self, family: str) -> Path:
        directory = self.root / "towers" / family
        if not directory.exists():
            FAMILIES[family].save(directory)
        return directory

    def data(self, layout: str) -> Path:
        directory = self.root / "data" / layout
        if not directory.exists():
            LAYOUTS[layout].write(directory)
        return directory

    def tokens(self, family: str, layout: str) -> dict[str, list[Array]]:
        if (family, layout) not in self._tokens:
            images = LAYOUTS[layout].read(self.data(layout)).images
            self._tokens[family, layout] = embed(self.tower(family), images)
        return self._tokens[family, layout]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.mark.parametrize(("family", "layout", "view"), CASES)
def test_run_folder_equals_reference(
    world: World,
    family: str,
    layout: str,
    view: TokenView,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    judgments = LAYOUTS[layout].read(world.data(layout))
    has_class = FAMILIES[family].has_class
    expected = {
        (name, layer): distances
        for layer, tokens in world.tokens(family, layout).items()
        for name, distances in judgment_distances(tokens, judgments, view, has_class).items()
    }
    folder = _run(world, family, layout, view, tmp_path, capsys)
    found = _read_distances(folder, LAYOUTS[layout].subset, judgments)
    assert found.keys() == expected.keys()
    for key, distances in expected.items():
        # Before the first block the class token is the same for all images: the normalised distance is undefined there.
        values = found[key] if distances.any() else np.nan_to_num(found[key])
        np.testing.assert_allclose(values, distances, rtol=TOLERANCE, atol=0, err_msg=str(key))
    _check_curve(folder, family, LAYOUTS[layout], view, judgments, expected, found)


@pytest.mark.parametrize("family", [name for name, family in FAMILIES.items() if family.has_class])
def test_reference_layer_0_follows_the_pre_layernorm(world: World, family: str) -> None:
    tower = AutoModel.from_pretrained(world.tower(family)).eval().vision_model
    pixels = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        states = tower(pixel_values=pixels, output_hidden_states=True).hidden_states
        assert len(states) == BLOCKS + 1
        assert torch.equal(states[0], tower.pre_layrnorm(tower.embeddings(pixels)))


def _run(
    world: World, family: str, layout: str, view: TokenView, output: Path, capsys: pytest.CaptureFixture[str]
) -> Path:
    """Runs the command in this process; the last line that it prints is the run folder."""
    from alignbench.cli.main import main

    capsys.readouterr()
    arguments = [
        "run",
        *("--model", str(world.tower(family))),
        *("--dataset", LAYOUTS[layout].dataset),
        *("--data-root", str(world.data(layout))),
        *("--tokens", view),
        *("--output", str(output)),
        *("--batch-size", "1"),
        *("--loader-workers", "0"),
        *LAYOUTS[layout].options,
    ]
    assert main(arguments) == 0
    return Path(capsys.readouterr().out.strip().splitlines()[-1])


def _read_distances(folder: Path, subset: str, judgments: HumanJudgments) -> dict[tuple[str, str], Array]:
    """Distances by (distance, layer), (judgments, pairs of a judgment), once the judgments are the reference's."""
    frame = pd.read_parquet(folder / "judgments.parquet")
    assert set(frame["subset"]) == {subset}
    assert frame["id"].is_unique
    assert len(frame) == len(judgments.values)
    np.testing.assert_allclose(frame["value"].to_numpy(dtype=float), judgments.values, rtol=1e-12)
    assert _memberships(frame["cluster"].tolist()) == _memberships(judgments.clusters)
    pairs = np.stack(frame["pairs"].tolist()).astype(int)
    unique = {frozenset(pair) for row in judgments.pairs for pair in row}
    tensors: dict[tuple[str, str], Array] = {}
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = json.loads(file.metadata()["layers"])
        assert layers == list(depths(BLOCKS))
        assert set(file.keys()) == set(DISTANCES)
        for name in DISTANCES:
            values = file.get_tensor(name)
            assert values.dtype == np.float64
            assert values.shape == (len(layers), len(unique))
            tensors |= {(name, layer): values[row][pairs] for row, layer in enumerate(layers)}
    return tensors


def _memberships(clusters: Sequence[Sequence[Hashable]]) -> list[list[int]]:
    """The judgments of each cluster, whatever the clusters are called."""
    members: dict[Hashable, list[int]] = {}
    for index, labels in enumerate(clusters):
        for label in labels:
            members.setdefault(label, []).append(index)
    return sorted(members.values())


def _check_curve(
    folder: Path,
    family: str,
    layout: Layout,
    view: TokenView,
    judgments: HumanJudgments,
    expected: dict[tuple[str, str], Array],
    found: dict[tuple[str, str], Array],
) -> None:
    """Compares every row of curve.csv: what it is called, its value, its interval and its counts."""
    with (folder / "curve.csv").open(newline="") as file:
        rows = {(row["distance"], row["layer"], row["metric"]): row for row in csv.DictReader(file)}
    metrics = RATING_METRICS if judgments.kind == "rating" else ("accuracy",)
    scored = {(*key, metric) for key, distances in expected.items() if distances.any() for metric in metrics}
    assert scored <= rows.keys() <= {(*key, metric) for key in expected for metric in metrics}
    clusters = {label for labels in judgments.clusters for label in labels}
    for name, layer, metric in scored:
        row = rows[name, layer, metric]
        constant = {
            "model": family,
            "dataset": layout.dataset,
            "subset": layout.subset,
            "level": layout.level,
            "protocol": "paper",
            "tokens": "" if layer == "projection" else view,
        }
        assert {column: row[column] for column in constant} == constant
        assert float(row["depth"]) == pytest.approx(depths(BLOCKS)[layer])
        assert int(row["n"]) == len(judgments.values)
        assert int(row["n_clusters"]) == len(clusters)
        distances = _orderable(expected[name, layer], found[name, layer], judgments)
        if judgments.kind == "rating":
            value, interval = rating_score(metric, distances, judgments)
        else:
            value, interval = choice_score(agreement(distances, judgments.values), judgments)
        assert float(row["value"]) == pytest.approx(value, rel=0, abs=TOLERANCE), (name, layer, metric)
        # The t interval of an accuracy may leave [0, 1]: cutting it off there or not are both right.
        bounds = (0, 1) if metric == "accuracy" else (-1, 1)
        found_interval = [float(row["ci_low"]), float(row["ci_high"])]
        label = f"{name} {layer} {metric}"
        assert float(row["value"]) == pytest.approx(value, rel=0, abs=TOLERANCE), label
        np.testing.assert_allclose(
            np.clip(found_interval, *bounds), np.clip(interval, *bounds), rtol=0, atol=TOLERANCE, err_msg=label
        )


def _orderable(expected: Array, found: Array, judgments: HumanJudgments) -> Array:
    """The reference's distances, but the found ones where float32 cannot tell which of two competing ones is smaller.

    The two sets agree within the tolerance, so that distances twice as far apart are in the same order in both.
    """
    if judgments.kind == "rating":
        ordered = np.sort(expected[:, 0])
        return found if (np.diff(ordered) <= 2 * TOLERANCE * ordered[1:]).any() else expected
    rows = np.arange(len(expected))
    kept = np.array(judgments.values, dtype=int)
    others = expected.copy()
    others[rows, kept] = np.inf
    rivals = others.min(axis=1)
    close = np.abs(expected[rows, kept] - rivals) <= 2 * TOLERANCE * rivals
    assert close.sum() <= 1, "the data were to have clear distances, apart from one tie by construction"
    return np.where(close[:, None], found, expected)
