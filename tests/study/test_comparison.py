"""`alignbench compare`: paired differences against plain loops, what it refuses, and how it treats damaged folders."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.numpy import save_file
from scipy import stats

from alignbench.cli.main import main
from alignbench.statistics.bands import band
from alignbench.statistics.bootstrap import cluster_weights
from alignbench.statistics.cross_fit import cross_fitted, cross_fitted_difference
from alignbench.statistics.joint import TwoCurves, of_influences
from alignbench.statistics.selection import best_layers
from alignbench.study.comparison import compare
from damage import DAMAGE
from layouts import write_nights, write_things, write_tid2013
from object_pairs import by_pairs
from reference import agreement, correlation, depths, jackknife_interval, save_clip
from reference_scores import shared_agreement
from run_folders import do_not_draw, refused, run_command

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Capture = pytest.CaptureFixture[str]
Rows = Indices
Score = Callable[[Floats, Rows], float]  # of one layer's distances (judgments, pairs of a judgment), for some judgments
LAYERS = ("layer_0", "layer_1", "layer_2", "projection")


@dataclass(frozen=True)
class Made:
    """A run folder that is made up, and what is in it.

    Attributes:
        folder: Where it is.
        distances: By layer, (judgments, pairs of a judgment).
        depths: By layer.
        values: What people said.
        clusters: (judgments, 1 or 3).
    """

    folder: Path
    distances: dict[str, Floats]
    depths: dict[str, float]
    values: Floats
    clusters: Indices

    @property
    def options(self) -> int:
        """How many pairs a judgment has."""
        return next(iter(self.distances.values())).shape[1]

    @property
    def block_layers(self) -> list[str]:
        """Names of the layers before the projection."""
        return [layer for layer in self.distances if layer != "projection"]

    @property
    def blocks(self) -> dict[float, Floats]:
        """Distances of the layers before the projection, by depth."""
        return {self.depths[layer]: self.distances[layer] for layer in self.block_layers}


def make(
    folder: Path,
    values: Floats,
    clusters: Indices,
    options: int,
    layers: Sequence[str] = LAYERS,
    seed: int = 0,
    skill: float = 0.7,
    distance: str = "cosine",
    **settings: Any,
) -> Made:
    """Writes a run folder with distances that agree with people more or less from layer to layer."""
    rng = np.random.default_rng(seed)
    place = {"image": 0.0} if layers == ("image",) else depths(len(layers) - 2)
    distances = {}
    for index, layer in enumerate(layers):
        noise = rng.normal(size=(len(values), options))
        hardness = np.random.default_rng(77).normal(size=len(values))[:, None]  # the same for all runs
        signal = -values[:, None] if options == 1 else -(np.arange(options) == values[:, None]).astype(float)
        strength = skill * (1 + 0.15 * index)
        distances[layer] = np.round(np.exp(strength * signal + 0.5 * noise + 0.5 * hardness * (options == 1)), 1)
    order = rng.permutation(len(values))  # runs need not list judgments in the same order
    pairs = np.arange(len(values) * options).reshape(-1, options)
    table = pd.DataFrame(
        {
            "id": [f"judgment {row}" for row in order],
            "subset": "all",
            "pairs": list(pairs),
            "value": values[order],
            "cluster": [clusters[row].tolist() for row in order],
            "stimuli": [f"{row:016x}" for row in order],
        }
    )
    folder.mkdir(parents=True)
    table.to_parquet(folder / "judgments.parquet")
    stacked = np.stack([distances[layer][order].ravel() for layer in layers])
    save_file({distance: stacked}, folder / "distances.safetensors", metadata={"layers": json.dumps(list(layers))})
    common = {"dataset": "set", "subset": "all", "level": "low", "protocol": "paper", "tokens": "all", "n_clusters": 1}
    rows = [
        {"model": folder.name, **common, "distance": distance, "layer": layer, "depth": place[layer], "value": 0.5}
        | {"metric": "spearman" if options == 1 else "accuracy", "ci_low": 0.1, "ci_high": 0.9, "n": len(values)}
        for layer in layers
    ]
    columns = "model,dataset,subset,level,protocol,tokens,distance,layer,depth,metric,value,ci_low,ci_high,n,n_clusters"
    pd.DataFrame(rows)[columns.split(",")].to_csv(folder / "curve.csv", index=False)
    usual = {"model": folder.name, "dataset": "set", "data_fingerprint": "0" * 64, "protocol": "paper", "limit": None}
    usual |= {"random_init": False, "seed": 0, "subset": ["all"]}
    kind = "rating" if options == 1 else "choice"
    record = {"label": folder.name, "kind": kind, "settings": usual | settings}
    (folder / "run.json").write_text(json.dumps(record))
    return Made(folder, distances, place, values, clusters)


def rated(clusters: int, size: int = 6) -> tuple[Floats, Indices]:
    ratings = np.round(np.random.default_rng(1).normal(size=clusters * size), 1)
    return ratings, np.repeat(np.arange(clusters), size)[:, None]


def chosen(judgments: int, options: int = 2) -> tuple[Floats, Indices]:
    values = np.random.default_rng(2).integers(0, options, judgments).astype(float)
    return values, np.arange(judgments)[:, None] // 2


# --- The reference --------------------------------------------------------------------------------------------------


def rating_score(values: Floats) -> Score:
    return lambda distances, rows: correlation("spearman", distances[rows, 0], values[rows])


def choice_score(values: Floats, share: Callable[..., Floats] = agreement) -> Score:
    known: dict[int, Floats] = {}

    def score(distances: Floats, rows: Rows) -> float:
        if id(distances) not in known:
            known[id(distances)] = share(distances, values.tolist())
        return float(known[id(distances)][rows].mean())

    return score


def interpolated(run: Made, score: Score, depth: float, rows: Rows) -> float:
    """The curve of scores at a depth, linear between layers."""
    if "image" in run.distances:
        return score(run.distances["image"], rows)
    return float(np.interp(depth, list(run.blocks), [score(layer, rows) for layer in run.blocks.values()]))


def places(first: Made, second: Made, scores: tuple[Score, Score]) -> dict[tuple[str, float], Callable[[Rows], Floats]]:
    """The scores of both runs for some judgments, by place and depth."""

    def at_projection(rows: Rows) -> Floats:
        last = [list(run.distances.values())[-1] for run in (first, second)]
        return np.array([score(layer, rows) for layer, score in zip(last, scores, strict=True)])

    def at(depth: float) -> Callable[[Rows], Floats]:
        return lambda rows: np.array(
            [interpolated(run, score, depth, rows) for run, score in zip((first, second), scores, strict=True)]
        )

    towers = [run for run in (first, second) if "image" not in run.distances]
    grid = min(towers, key=lambda run: len(run.blocks)).depths
    same = len({tuple(run.distances) for run in (first, second)}) == 1 or len(towers) == 1
    found = {("projection", 100.0): at_projection}
    for layer, depth in grid.items():
        if layer != "projection" and layer in towers[0].distances | towers[-1].distances:
            found["layer" if same else "depth", depth] = at(depth)
    return found


def by_place(table: pd.DataFrame) -> dict[tuple[str, float], Any]:
    keys = [(row.place, -1.0 if np.isnan(row.depth) else row.depth) for row in table.itertuples()]
    assert len(set(keys)) == len(keys)
    return dict(zip(keys, table.itertuples(), strict=True))


def check(table: pd.DataFrame, first: Made, second: Made, scores: tuple[Score, Score], seed: int = 0) -> None:
    """Compares every row with the reference: scores, difference, interval, p-value, what could be seen, band."""
    found, expected = by_place(table), places(first, second, scores)
    assert [key for key in found if not key[0].startswith("best layer")] == list(expected)
    clusters = first.clusters
    whole = np.arange(len(clusters))
    for key, both in expected.items():
        row = found[key]
        one, other = both(whole)
        difference = one - other
        assert (row.first, row.second, row.difference) == pytest.approx((one, other, difference), rel=0, abs=1e-12), key
        assert (row.n, row.n_clusters) == (len(clusters), len(np.unique(clusters)))

        def statistic(rows: Rows, both: Callable[[Rows], Floats] = both) -> float:
            scores = both(rows)
            return float(scores[0] - scores[1])

        known = known_difference(statistic, clusters, seed)
        assert (row.interval, bool(row.floored)) == (known.kind, known.floored)
        ends = np.clip((known.low, known.high), *reachable(first))
        assert (row.ci_low, row.ci_high) == pytest.approx(tuple(ends), rel=0, abs=1e-9), key
        assert row.p == pytest.approx(known.p, rel=1e-6), key
        reach = stats.t.ppf(0.975, known.degrees) + stats.norm.ppf(0.8)
        assert row.smallest == pytest.approx(reach * known.error, rel=1e-6, abs=1e-12), key
        assert np.isnan(row.band_low) == np.isnan(row.band_high) == (row.place == "projection")
    check_best(found, first, second, scores)
    check_band(found, expected, clusters, "rating" if first.options == 1 else "choice")


def reachable(made: Made) -> tuple[float, float]:
    """The least and the most that correlations, or shares, can differ by."""
    most = 2.0 if made.options == 1 else 1.0
    return -most, most


@dataclass(frozen=True)
class Known:
    """What a plain computation knows of a difference."""

    kind: str
    low: float
    high: float
    p: float
    error: float
    degrees: float
    floored: bool = False


def known_difference(statistic: Callable[[Rows], float], clusters: Indices, seed: int) -> Known:
    """The interval of a difference of scores: by pairs of judgments, left-out clusters, or drawn ones."""
    whole, count = np.arange(len(clusters)), len(np.unique(clusters))
    value = statistic(whole)
    if clusters.shape[1] > 1:
        each = np.array([statistic(whole[[row]]) for row in whole])
        by = by_pairs(clusters.tolist(), (each - each.mean()) / len(each))
        error, kind = float(np.sqrt(by.variance)), "objects counted once t"
        return Known(kind, *by.interval(value), by.p_value(value), error, by.degrees_used, by.floored)
    if count < 100:
        low, high = jackknife_interval(statistic, clusters[:, 0].tolist(), fisher=False)
        error = (high - low) / 2 / stats.t.ppf(0.975, count - 1)
        p = 2 * stats.t.sf(abs(value) / error, count - 1) if error else float(value == 0)
        return Known("cluster jackknife t", low, high, float(p), error, count - 1)
    replicates = np.array([statistic(rows) for rows in resampled_rows(clusters[:, 0], seed)])
    low, high = np.percentile(replicates, [2.5, 97.5])
    p = min(1.0, 2 * min(1 + (replicates <= 0).sum(), 1 + (replicates >= 0).sum()) / 1001)
    if (replicates > 0).all() or (replicates < 0).all():
        p = min(p, 2 * stats.norm.sf(abs(value) / replicates.std()))
    return Known("percentile cluster bootstrap", low, high, float(p), float(replicates.std()), count - 1)


def influences(score: Callable[[Rows], float], clusters: Indices, kind: str) -> Floats:
    """What each cluster adds to a score: of means exactly, of correlations by the jackknife."""
    names, whole = np.unique(clusters), np.arange(len(clusters))
    members = [np.flatnonzero(clusters[:, 0] == name) for name in names]
    if kind == "choice":
        return np.array([len(rows) * score(rows) - score(whole) * len(rows) for rows in members]) / len(whole)
    without = np.array([score(np.delete(whole, rows)) for rows in members])
    return (len(names) - 1) / len(names) * (without.mean() - without)


def check_best(found: dict[tuple[str, float], Any], first: Made, second: Made, scores: tuple[Score, Score]) -> None:
    """The rows of best layers: which they are, and what `best_layers` and `cross_fitted` say of plain scores."""
    row, whole, clusters = found["best layer", -1.0], np.arange(len(first.values)), first.clusters
    both = [
        {layer: partial(score, run.distances[layer]) for layer in run.block_layers}
        for run, score in zip((first, second), scores, strict=True)
    ]
    own = [{layer: score(whole) for layer, score in run.items()} for run in both]
    best = [max(run, key=run.__getitem__) for run in own]
    tops = own[0][best[0]], own[1][best[1]]
    assert (row.first, row.second, row.difference) == pytest.approx((*tops, tops[0] - tops[1]), rel=0, abs=1e-12)
    assert (own[0][row.first_layer], own[1][row.second_layer]) == pytest.approx(tops, rel=0, abs=1e-12)
    assert np.isnan([row.band_low, row.band_high]).all()
    if clusters.shape[1] > 1:
        return
    kind = "rating" if first.options == 1 else "choice"
    every = [score for run in both for score in run.values()]
    value = np.array([score(whole) for score in every])
    known = of_influences(value, np.stack([influences(score, clusters, kind) for score in every]))
    curves = TwoCurves(known, len(both[0]))
    expected = best_layers(curves)
    assert (row.ci_low, row.ci_high) == pytest.approx(
        (expected.low, expected.high), abs=0.04 * (expected.high - expected.low)
    )
    assert row.p == pytest.approx(expected.p, rel=0.3, abs=0.01)
    fitted, crossed = cross_fitted_difference(curves), found["best layer, cross-fitted", -1.0]
    each = [cross_fitted(curve).value for curve in (curves.first, curves.second)]
    assert (crossed.first, crossed.second, crossed.difference) == pytest.approx((*each, fitted.value), rel=0, abs=1e-9)
    assert (crossed.ci_low, crossed.ci_high) == pytest.approx((fitted.low, fitted.high), rel=0, abs=1e-9)
    assert np.isnan([crossed.p, crossed.smallest, crossed.band_low]).all(), "an estimate, and no test"


def check_band(
    found: dict[tuple[str, float], Any],
    places: dict[tuple[str, float], Callable[[Rows], Floats]],
    clusters: Indices,
    kind: str,
) -> None:
    """The band over all layers or depths: what `band` says of differences of plain scores."""
    along = [key for key in places if key[0] in ("layer", "depth")]
    rows = [found[key] for key in along]
    assert all(row.band_low <= row.difference <= row.band_high for row in rows)
    if clusters.shape[1] > 1:
        assert sum(row.band_high - row.band_low for row in rows) > sum(row.ci_high - row.ci_low for row in rows)
        return
    whole = np.arange(len(clusters))
    gaps = [lambda some, both=places[key]: float(np.subtract(*both(some))) for key in along]
    known = of_influences(
        np.array([gap(whole) for gap in gaps]), np.stack([influences(gap, clusters, kind) for gap in gaps])
    )
    most = 2.0 if kind == "rating" else 1.0  # the most by which correlations, and shares, can differ
    expected = band(known, np.array([depth for _, depth in along]), (-most, most))
    width = float((expected.high - expected.low).mean())
    low = np.minimum(expected.low, [row.ci_low for row in rows])  # a band holds what each interval does
    high = np.maximum(expected.high, [row.ci_high for row in rows])
    np.testing.assert_allclose([row.band_low for row in rows], low, rtol=0, atol=0.04 * width + 1e-12)
    np.testing.assert_allclose([row.band_high for row in rows], high, rtol=0, atol=0.04 * width + 1e-12)


def resampled_rows(clusters: Indices, seed: int) -> list[Rows]:
    """The judgments of each resample, written out as often as their cluster is drawn."""
    order = np.argsort(clusters, kind="stable")
    drawn = cluster_weights(len(np.unique(clusters)), seed)[0][1:].astype(np.int64)
    return [np.repeat(order, draw[clusters[order]]) for draw in drawn]


# --- Values ---------------------------------------------------------------------------------------------------------


def test_ratings_of_towers_of_one_depth(tmp_path: Path) -> None:
    data = rated(12)
    first, second = make(tmp_path / "a", *data, 1, seed=1), make(tmp_path / "b", *data, 1, seed=2, skill=0.5)
    table = compare(first.folder, second.folder)
    check(table, first, second, (rating_score(data[0]),) * 2)
    assert set(table["metric"]) == {"spearman"}
    assert set(table["distance"]) == {"cosine"}


def test_ratings_of_towers_of_different_depth_meet_on_the_layers_of_the_shallower(tmp_path: Path) -> None:
    data = rated(9)
    deep = ("layer_0", "layer_1", "layer_2", "layer_3", "layer_4", "projection")
    first, second = make(tmp_path / "a", *data, 1, deep, seed=1), make(tmp_path / "b", *data, 1, seed=2)
    table = compare(first.folder, second.folder)
    check(table, first, second, (rating_score(data[0]),) * 2)
    assert table.loc[table["place"] == "depth", "depth"].tolist() == [2.5, 7.5, 97.5]


@pytest.mark.parametrize("options", [2, 3])
def test_choices_with_100_clusters_are_bootstrapped(tmp_path: Path, options: int) -> None:
    data = chosen(204, options)
    first = make(tmp_path / "a", *data, options, seed=1)
    second = make(tmp_path / "b", *data, options, seed=2, skill=0.6)
    check(compare(first.folder, second.folder, seed=3), first, second, (choice_score(data[0]),) * 2, seed=3)


def test_best_layers_are_not_tested_as_if_they_had_been_named_before(tmp_path: Path) -> None:
    """With layers as good as each other, any of which may be the best."""
    data = chosen(240)
    first, second = make(tmp_path / "a", *data, 2, seed=5, skill=0.3), make(tmp_path / "b", *data, 2, seed=6, skill=0.3)
    row = by_place(compare(first.folder, second.folder))["best layer", -1.0]
    score, whole = choice_score(data[0]), np.arange(240)
    best = [max(run.blocks.values(), key=lambda layer: score(layer, whole)) for run in (first, second)]
    drawn = resampled_rows(data[1][:, 0], seed=0)
    kept = np.percentile([score(best[0], rows) - score(best[1], rows) for rows in drawn], [2.5, 97.5])
    assert row.ci_high - row.ci_low > 1.1 * (kept[1] - kept[0])


def test_a_baseline_stands_beside_every_layer(tmp_path: Path) -> None:
    data = rated(10)
    tower = make(tmp_path / "a", *data, 1, seed=1)
    baseline = make(tmp_path / "b", *data, 1, ("image",), seed=2, distance="ssim")
    score = (rating_score(data[0]),) * 2
    table = compare(tower.folder, baseline.folder)
    check(table, tower, baseline, score)
    assert set(table["distance"]) == {"cosine / ssim"}
    check(compare(baseline.folder, tower.folder), baseline, tower, score)


def test_two_baselines_have_one_row(tmp_path: Path) -> None:
    data = rated(10)
    first = make(tmp_path / "a", *data, 1, ("image",), seed=1, distance="ssim")
    second = make(tmp_path / "b", *data, 1, ("image",), seed=2, distance="lpips-alex")
    [row] = compare(first.folder, second.folder).itertuples()
    assert (row.place, row.distance) == ("image", "ssim / lpips-alex")
    scores = [correlation("spearman", run.distances["image"][:, 0], data[0]) for run in (first, second)]
    assert row.difference == pytest.approx(scores[0] - scores[1], rel=0, abs=1e-12)


@pytest.mark.parametrize("protocol", ["paper", "corrected"])
def test_judgments_that_share_objects_count_once(tmp_path: Path, protocol: str) -> None:
    rng = np.random.default_rng(8)
    objects = np.array([rng.choice(15, 3, replace=False) for _ in range(150)])
    values = rng.integers(0, 3, 150).astype(float)
    deep = ("layer_0", "layer_1", "layer_2", "layer_3", "layer_4", "projection")
    first = make(tmp_path / "a", values, 10 * objects, 3, deep, seed=1, protocol=protocol)
    second = make(tmp_path / "b", values, 10 * objects, 3, seed=2, skill=0.5, protocol=protocol)
    table = compare(first.folder, second.folder)
    share = {"paper": agreement, "corrected": shared_agreement}[protocol]
    check(table, first, second, (choice_score(values, share),) * 2)
    assert set(table["n_clusters"]) == {15}


@settings(max_examples=12)
@given(st.sampled_from(["rating", "choice", "objects"]), st.integers(0, 50))
def test_swapping_the_runs_negates_the_differences(
    tmp_path_factory: pytest.TempPathFactory, kind: str, seed: int
) -> None:
    root = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(seed)
    options = {"rating": 1, "choice": 2, "objects": 3}[kind]
    values, clusters = rated(8) if kind == "rating" else chosen(400 if kind == "objects" else 60, options)
    if kind == "objects":
        clusters = np.array([rng.choice(30, 3, replace=False) for _ in values])
    first, second = (make(root / name, values, clusters, options, seed=seed + i) for i, name in enumerate("ab"))
    there, back = by_place(compare(first.folder, second.folder)), by_place(compare(second.folder, first.folder))
    assert there.keys() == back.keys()
    for key, row in there.items():
        other = back[key]
        assert (other.first, other.second) == (row.second, row.first)
        assert other.difference == -row.difference
        drawn = key == ("best layer", -1.0)  # its bounds are those of random draws
        near = {"rel": 0, "abs": 0.1 * (row.ci_high - row.ci_low) if drawn else 1e-12, "nan_ok": True}
        assert (other.ci_low, other.ci_high) == pytest.approx((-row.ci_high, -row.ci_low), **near)
        assert other.p == pytest.approx(row.p, rel=0.3 if drawn else 1e-9, abs=0.01 if drawn else None, nan_ok=True)
        near["abs"] = 0.05 * (row.band_high - row.band_low)
        if row.place == "layer" and near["abs"] > 0:
            assert (other.band_low, other.band_high) == pytest.approx((-row.band_high, -row.band_low), **near)


def test_a_run_differs_from_itself_by_nothing(tmp_path: Path) -> None:
    values, _ = chosen(240, 3)
    objects = np.array([np.random.default_rng(row).choice(15, 3, replace=False) for row in range(240)])
    some = (("rating", rated(8), 1), ("choice", chosen(240), 2), ("objects", (values, objects), 3))
    for name, data, options in some:
        run = make(tmp_path / name, *data, options)
        table = compare(run.folder, run.folder)
        np.testing.assert_allclose(table[["difference", "ci_low", "ci_high"]], 0.0, rtol=0, atol=1e-9)
        tested = table[table["place"] != "best layer, cross-fitted"]
        assert (tested[["p", "p_holm"]] == 1).all(axis=None)
        np.testing.assert_allclose(table.loc[table["place"] == "layer", ["band_low", "band_high"]], 0.0, atol=1e-9)
        assert not table["floored"].any()


def test_holm_is_over_the_whole_table(tmp_path: Path) -> None:
    data = rated(12)
    first, second = make(tmp_path / "a", *data, 1, seed=1), make(tmp_path / "b", *data, 1, seed=2, skill=0.4)
    table = compare(first.folder, second.folder)
    crossed = table["place"] == "best layer, cross-fitted"
    assert table.loc[crossed, "p_holm"].isna().all()
    table = table[~crossed]
    p = table["p"].to_numpy()
    for index, adjusted in enumerate(table["p_holm"]):
        smaller = [j for j in range(len(p)) if p[j] <= p[index]]
        assert adjusted == pytest.approx(min(1.0, max((len(p) - (p < p[j]).sum()) * p[j] for j in smaller)), rel=1e-12)


def test_a_difference_beyond_doubt_survives_the_correction(tmp_path: Path) -> None:
    """Everything right against chance on 400 judgments, for models of 24 blocks."""
    data, layers = chosen(400), ("layer_0", *(f"layer_{block}" for block in range(1, 25)), "projection")
    first, second = make(tmp_path / "a", *data, 2, layers, skill=9), make(tmp_path / "b", *data, 2, layers, skill=0)
    row = by_place(compare(first.folder, second.folder))["projection", 100.0]
    assert row.first == 1
    assert row.second < 0.6
    assert row.p_holm < 0.05


# --- Through the command line ---------------------------------------------------------------------------------------


class World:
    """Data sets, tiny towers and their runs, each made once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.known: dict[tuple[str, ...], Path] = {}

    def data(self, name: str) -> Path:
        folder = self.root / "data" / name
        if not folder.exists():
            write = {"tid2013": write_tid2013, "nights": partial_nights, "things": write_things}[name]
            write(folder)
        return folder

    def tower(self, name: str) -> str:
        """`deep-1` has 3 blocks and seed 1, `shallow-2` 2 blocks and seed 2."""
        folder = self.root / "towers" / name
        if not folder.exists():
            kind, _, seed = name.partition("-")
            save_clip(folder, int(seed), {"deep": 3, "shallow": 2}[kind])
        return str(folder)

    def run(self, capsys: Capture, model: str, dataset: str, *options: str, root: Path | None = None) -> Path:
        key = (model, dataset, *options, str(root))
        if key not in self.known:
            named = model if model == "pixels" else self.tower(model)
            place = ("--data-root", root or self.data(dataset), "--output", self.root / "runs" / str(len(self.known)))
            self.known[key] = run_command(capsys, "--model", named, "--dataset", dataset, *place, *options)
        return self.known[key]


def partial_nights(root: Path) -> None:
    write_nights(root, triplets=40)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    do_not_draw(monkeypatch)


def opened(folder: Path, subset: str, distance: str) -> Made:
    """A run folder as the reference sees it, its judgments in the order of their ids."""
    table = pd.read_parquet(folder / "judgments.parquet")
    table = table[table["subset"] == subset].sort_values("id")
    pairs = np.stack(table["pairs"].tolist())
    with safe_open(folder / "distances.safetensors", framework="np") as file:
        layers = json.loads(file.metadata()["layers"])
        values = file.get_tensor(distance)
    depth_of = {"image": 0.0} if layers == ["image"] else depths(len(layers) - 2)
    distances = {layer: values[row][pairs] for row, layer in enumerate(layers)}
    clusters = np.unique(np.stack(table["cluster"].tolist()), return_inverse=True)[1].reshape(len(table), -1)
    return Made(folder, distances, depth_of, table["value"].to_numpy(float), clusters)


def test_measured_towers_of_different_depth(world: World, capsys: Capture, tmp_path: Path) -> None:
    folders = [world.run(capsys, model, "tid2013") for model in ("deep-1", "shallow-2")]
    output = tmp_path / "table.csv"
    options = ("--at", "all", "--distance", "all", "--output", str(output))
    assert main(["compare", *map(str, folders), *options]) == 0
    shown = capsys.readouterr().out
    assert "deep-1 minus shallow-2" in shown
    assert "depth 97.5 %" in shown
    table = pd.read_csv(output)
    assert list(dict.fromkeys(table["distance"])) == ["normalized_euclidean", "euclidean", "cosine"]
    for distance, rows in table.groupby("distance"):
        first, second = (opened(folder, "all", str(distance)) for folder in folders)
        check(rows, first, second, (rating_score(first.values),) * 2)


@pytest.mark.parametrize("dataset", ["tid2013", "nights", "things"])
def test_corrected_towers_stand_beside_baselines(world: World, capsys: Capture, dataset: str) -> None:
    tower, baseline = (world.run(capsys, model, dataset, "--protocol", "corrected") for model in ("deep-1", "pixels"))
    table = compare(tower, baseline)
    for subset, rows in table[table["distance"] == "cosine / euclidean"].groupby("subset"):
        first, second = opened(tower, str(subset), "cosine"), opened(baseline, str(subset), "euclidean")
        scores = rating_score(first.values) if dataset == "tid2013" else choice_score(first.values, shared_agreement)
        check(rows, first, second, (scores,) * 2)
        assert rows["n"].tolist() == [len(first.values)] * len(rows)


def test_distances_measured_apart_are_compared(world: World, capsys: Capture) -> None:
    """The calibration pictures of one run are no data of the other."""
    options = ("--protocol", "corrected", "--distance")
    first = world.run(capsys, "deep-1", "nights", *options, "cosine")
    second = world.run(capsys, "shallow-2", "nights", *options, "normalized_euclidean,cosine")
    assert set(compare(first, second)["distance"]) == {"cosine"}


def test_one_model_under_two_protocols_is_compared_on_the_shared_judgments(world: World, capsys: Capture) -> None:
    paper, corrected = (world.run(capsys, "deep-1", "nights", "--protocol", name) for name in ("paper", "corrected"))
    table = compare(corrected, paper)
    assert set(table["subset"]) == {"test", "test-imagenet", "test-no-imagenet"}
    rows = table[(table["subset"] == "test") & (table["distance"] == "cosine")]
    first, second = opened(corrected, "test", "cosine"), opened(paper, "all", "cosine")
    ids = pd.read_parquet(paper / "judgments.parquet").query("subset == 'all'").sort_values("id")["id"].tolist()
    own = pd.read_parquet(corrected / "judgments.parquet").query("subset == 'test'").sort_values("id")["id"].tolist()
    kept = [ids.index(name) for name in own]
    second = replace(second, distances={layer: values[kept] for layer, values in second.distances.items()})
    scores = choice_score(first.values, shared_agreement), choice_score(first.values)
    check(rows, first, second, scores)
    assert compare(paper, corrected)["n"].unique().tolist() == [len(own)]


def test_limited_runs_are_compared_on_what_they_share(world: World, capsys: Capture) -> None:
    few, more = (
        world.run(capsys, model, "tid2013", "--limit", limit)
        for model, limit in (("deep-1", "12"), ("shallow-2", "20"))
    )
    assert set(compare(few, more)["n"]) == {12}
    assert set(compare(more, world.run(capsys, "deep-1", "tid2013"))["n"]) == {20}


# --- Refusals -------------------------------------------------------------------------------------------------------


def test_runs_without_shared_judgments(world: World, capsys: Capture) -> None:
    first = world.run(capsys, "deep-1", "tid2013", "--subset", "distortion_01")
    second = world.run(capsys, "shallow-2", "tid2013", "--subset", "distortion_02")
    assert "share no judgments" in refused(capsys, "compare", first, second)


def test_runs_on_different_data_sets(world: World, capsys: Capture) -> None:
    line = refused(capsys, "compare", world.run(capsys, "deep-1", "tid2013"), world.run(capsys, "deep-1", "things"))
    assert "tid2013" in line
    assert "things" in line


def test_both_model_and_protocol_differ(world: World, capsys: Capture) -> None:
    first = world.run(capsys, "deep-1", "tid2013")
    second = world.run(capsys, "shallow-2", "tid2013", "--protocol", "corrected")
    assert "both model" in refused(capsys, "compare", first, second)


def test_runs_that_share_no_distance(world: World, capsys: Capture) -> None:
    first = world.run(capsys, "deep-1", "tid2013", "--distance", "cosine")
    second = world.run(capsys, "shallow-2", "tid2013", "--distance", "euclidean")
    assert "share no distance" in refused(capsys, "compare", first, second)


@pytest.mark.parametrize("whole", [True, False])
@pytest.mark.parametrize("change", ["picture", "rating"])
def test_altered_data_are_noticed(world: World, capsys: Capture, tmp_path: Path, change: str, whole: bool) -> None:
    root = tmp_path / "data"
    shutil.copytree(world.data("tid2013"), root)
    if change == "picture":
        path = root / "distorted_images" / "i01_02_1.bmp"
        pixels = np.asarray(Image.open(path)).copy()
        pixels[:5] = 255 - pixels[:5]
        Image.fromarray(pixels).save(path)
    else:
        ratings = (root / "mos_with_names.txt").read_text().splitlines()
        ratings[4] = f"{float(ratings[4].split()[0]) + 0.5:.5f} {ratings[4].split()[1]}"
        (root / "mos_with_names.txt").write_text("\n".join(ratings) + "\n")
    first = world.run(capsys, "deep-1", "tid2013")
    second = world.run(capsys, "shallow-2", "tid2013", *(() if whole else ("--limit", "20")), root=root)
    assert "different data" in refused(capsys, "compare", first, second)


def test_another_fingerprint_of_the_data(world: World, capsys: Capture, tmp_path: Path) -> None:
    first = world.run(capsys, "deep-1", "tid2013")
    shutil.copytree(world.run(capsys, "shallow-2", "tid2013"), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    record["settings"]["data_fingerprint"] = "f" * 64
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert "different data" in refused(capsys, "compare", first, tmp_path / "run")


# --- Damage ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_folders_end_in_one_line(world: World, capsys: Capture, tmp_path: Path, damage: str) -> None:
    whole = world.run(capsys, "deep-1", "tid2013")
    damaged = tmp_path / "damaged"
    shutil.copytree(world.run(capsys, "shallow-2", "tid2013"), damaged)
    name, change = DAMAGE[damage]
    change(damaged / name)
    for folders in ((whole, damaged), (damaged, whole)):
        assert str(damaged) in refused(capsys, "compare", *folders)


def test_a_folder_that_is_not_there(world: World, capsys: Capture, tmp_path: Path) -> None:
    line = refused(capsys, "compare", world.run(capsys, "deep-1", "tid2013"), tmp_path / "nothing")
    assert str(tmp_path / "nothing") in line
