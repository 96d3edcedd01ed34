"""Run folders of a whole study, written by the package's own writer from distances that are made up.

The paper's seven towers and six baselines on its three data sets: 39 runs. Distances are made so that the curves come
out near the published ones (exactly as asked for, as far as the number of judgments allows), or near any other target.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image
from scipy import stats

import alignbench
from alignbench.datasets.judgments import Judgments, Subset
from alignbench.extraction.source import SourceDistances
from alignbench.measurement.cell import Cell
from alignbench.measurement.scoring import score_cell
from alignbench.models.cards import cards
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_folder import Run, write_run
from alignbench.results.run_record import SCORING_VERSION, RunRecord
from alignbench.statistics.correlations import pearson
from alignbench.statistics.scores import RATING_METRICS
from reference import depths

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Target = Callable[[str, str, str, str], float]  # score of a model's layer: of label, data set, distance, layer

BASE_16, BASE_32 = "openai/clip-vit-base-patch16", "openai/clip-vit-base-patch32"
LARGE_14, LARGE_336 = "openai/clip-vit-large-patch14", "openai/clip-vit-large-patch14-336"
CHINESE, SIGLIP = "OFA-Sys/chinese-clip-vit-base-patch16", "google/siglip-base-patch16-224"
BIOMED = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224"
TOWERS = (BASE_16, BASE_32, LARGE_14, LARGE_336, CHINESE, SIGLIP, BIOMED)
BASELINES = ("pixels", "ssim", "ms-ssim", "lpips-alex", "lpips-vgg", "perceptnet")
DATASETS = {"tid2013": "low", "nights": "middle", "things": "high"}
DISTANCES = ("normalized_euclidean", "euclidean", "cosine")
MAIN_SUBSET = {"things": "testset1", "shapes-low": "test", "shapes-middle": "test", "shapes-high": "test"}
SMALL = {"low": 200, "middle": 300, "high": 480}
WHOLE = {"low": 3_000, "middle": 20_019, "high": 15_640}
_TABLE = Path(alignbench.__file__).parent / "assets" / "published_curves.csv"


@dataclass(frozen=True)
class NoImages:
    """Names of pictures that are not there."""

    names: tuple[str, ...]

    def open(self, index: int) -> Image.Image:
        raise AssertionError("nobody is to look at the pictures")

    def select(self, indices: Indices) -> NoImages:
        return NoImages(tuple(self.names[int(index)] for index in indices))

    def identities(self) -> list[str]:
        return list(self.names)


@dataclass(frozen=True)
class Made:
    """How a run is made up.

    Attributes:
        model: What is measured.
        dataset: On what.
        size: Number of judgments.
        target: Its scores.
        distances: Of a tower.
        seed: Of what people said: the same for runs on the same data.
        label: What the run is called, if not the model.
        parts: Whether breakdowns are there too.
        protocol: Which one.
        settings: Further settings of `run.json`, which replace the usual ones.
        details: Further details of `run.json`.
        shares: Share of the strongest channel in the energy of each layer; no `channels.csv` if empty.
    """

    model: str
    dataset: str
    size: int
    target: Target
    distances: tuple[str, ...] = DISTANCES
    seed: int = 0
    label: str = ""
    parts: bool = False
    protocol: str = "paper"
    settings: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    shares: tuple[float, ...] = ()


# --- Targets --------------------------------------------------------------------------------------------------------


@cache
def published() -> dict[tuple[str, str, str, str], float]:
    """The published scores by model, data set, distance and layer, read without the package."""
    with _TABLE.open(encoding="utf-8", newline="") as file:
        return {
            (row["model"], row["dataset"], row["distance"], row["layer"]): float(row["value"])
            for row in csv.DictReader(file)
            if row["metric"] in ("spearman", "accuracy")
        }


def as_published(label: str, dataset: str, distance: str, layer: str) -> float:
    """The published score; where there is none, something like it.

    Other distances of a model lie as far from its normalised one as those of base-16 do, at the nearest depth; the
    baselines that the paper lacks are as SSIM or LPIPS, and untrained twins 0.1 below base-16.
    """
    known = published()
    if layer == "image":
        model = {"lpips-alex": "lpips", "lpips-vgg": "lpips", "ms-ssim": "ssim"}.get(label, label)
        return known[model, dataset, "euclidean" if model == "pixels" else model, "image"]
    if (label, dataset, distance, layer) in known:
        return known[label, dataset, distance, layer]
    name = label.partition("@")[0]
    near = layer
    if "large" in name and layer not in ("layer_0", "projection"):
        near = f"layer_{(int(layer.removeprefix('layer_')) + 1) // 2}"
    usual = known[BASE_16, dataset, DISTANCES[0], near]
    own = known.get((name, dataset, DISTANCES[0], layer), usual) - 0.1 * ("@random" in label)
    return float(np.clip(own + known[BASE_16, dataset, distance, near] - usual, 0.02, 0.98))


# --- What people said -----------------------------------------------------------------------------------------------


def judgments_of(dataset: str, level: str, size: int, seed: int = 0, parts: bool = False) -> Judgments:
    """Made-up judgments: ratings of 25 references, choices of triplets, or odd ones out of triplets seen by 8 or 16."""
    rng = np.random.default_rng([seed, size, *dataset.encode()])
    if level == "low":
        judged, clusters = np.arange(size)[:, None], np.arange(size) * min(25, size) // size
        human = np.round(rng.normal(5.0, 1.2, size), 3)
    elif level == "middle":
        judged, clusters = np.arange(2 * size).reshape(-1, 2), np.arange(size)
        human = rng.integers(0, 2, size).astype(float)
    else:
        clusters = np.arange(size) // (16 if size >= 1_600 else 4)
        judged = 3 * clusters[:, None] + np.arange(3)
        kept = rng.integers(0, 3, clusters.max() + 1)[clusters]
        human = np.where(rng.random(size) < 0.67, kept, (kept + rng.integers(1, 3, size)) % 3).astype(float)
    pairs = int(judged.max()) + 1
    rows = np.arange(size)
    subset = Subset(MAIN_SUBSET.get(dataset, "all"), rows, clusters[:, None])
    number = {"low": rows % 24, "middle": rows % 10}.get(level)
    broken: tuple[Subset, ...] = ()
    if parts and number is not None:
        name = "distortion" if level == "low" else "votes"
        broken = tuple(
            Subset(f"{name}_{part:02}", rows[number == part], clusters[number == part, None])
            for part in np.unique(number)
        )
    return Judgments(
        dataset=dataset,
        level=level,
        kind="rating" if level == "low" else "choice",
        images=NoImages(tuple(f"{index}.png" for index in range(2 * pairs))),
        pairs=np.arange(2 * pairs).reshape(-1, 2),
        judged=judged,
        human=human,
        ids=tuple(f"judgment {row}" for row in rows),
        subsets=(subset,),
        parts=broken,
        observers="simulated observers" if dataset.startswith("shapes") else "",
    )


# --- Distances ------------------------------------------------------------------------------------------------------


def distances_to(target: float, judgments: Judgments, shared: Floats, own: Floats) -> Floats:
    """Distances of all pairs whose score is the target, as near as the number of judgments allows, (pairs,).

    Args:
        target: The score.
        judgments: What people said.
        shared: How hard each cluster or rating is, whoever looks: standard normal, at least as many as judgments.
        own: The same of this layer alone.
    """
    size = len(judgments.human)
    hard = 0.95 * shared + 0.3 * own
    if judgments.kind == "rating":
        said = stats.zscore(judgments.human)
        noise = hard[:size] - np.polyval(np.polyfit(said, hard[:size], 1), said)
        mixed = target * said + np.sqrt(1.0 - target**2) * stats.zscore(noise)
        return np.asarray(np.exp(-0.3 * mixed))
    triplets, options = int(judgments.judged.max()) // judgments.judged.shape[1] + 1, judgments.judged.shape[1]
    triplet = judgments.judged[:, 0] // options
    votes = np.zeros((triplets, options))
    np.add.at(votes, (triplet, judgments.human.astype(int)), 1.0)
    most, least = votes.argmax(axis=1), votes.argmin(axis=1)
    order = np.argsort(hard[:triplets], kind="stable")  # the easiest are answered as most people do
    gain = (votes.max(axis=1) - votes.min(axis=1))[order]
    reached = votes.min(axis=1).sum() + np.concatenate([[0.0], np.cumsum(gain)])
    easy = np.zeros(triplets, dtype=bool)
    easy[order[: int(np.argmin(np.abs(reached - target * size)))]] = True
    closest = np.where(easy, most, least)
    found = 1.0 + 0.1 * np.abs(own[:triplets, None] + np.arange(options))
    found[np.arange(triplets), closest] = 0.5
    return np.asarray(found.ravel())


def write_made(made: Made, root: Path) -> Path:
    """One run folder below `root`."""
    level = DATASETS.get(made.dataset, made.dataset.removeprefix("shapes-"))
    label = made.label or made.model
    judgments = judgments_of(made.dataset, level, made.size, made.seed, made.parts)
    tower = made.model not in BASELINES
    places = depths(24 if "large" in made.model else 12) if tower else {"image": 0.0}
    own = "euclidean" if made.model == "pixels" else made.model
    names = made.distances if tower else (own,)
    shared = np.random.default_rng([1, made.size]).normal(size=made.size)
    distances = {}
    for name in names:
        rows = []
        for index, layer in enumerate(places):
            rng = np.random.default_rng([2, index, *f"{label} {made.dataset} {name}".encode()])
            rows.append(
                distances_to(
                    made.target(label, made.dataset, name, layer), judgments, shared, rng.normal(size=made.size)
                )
            )
        distances[name] = np.stack(rows)
    cell = Cell(label, made.dataset, protocol=made.protocol, distances=DISTANCES)
    source = SourceDistances(tuple(places), tuple(places.values()), distances)
    with mock.patch.dict(RATING_METRICS, pearson_logistic=pearson):  # the fit takes most of the time, for one column
        frame, intervals = score_cell(cell, judgments, source, None)
    settings: dict[str, Any] = {
        **{"model": label, "dataset": made.dataset, "data_fingerprint": f"{made.seed:064}", "protocol": made.protocol},
        **{"calibration_fingerprint": None, "subset": [judgments.subsets[0].name], "limit": None, "transform": None},
        **{"parts": [part.name for part in judgments.parts], "random_init": "@random-" in label, "seed": 0},
        **{"model_fingerprint": label, "distance": list(names), "precision": "fp32"},
        **({"tokens": "all", "resize": "checkpoint"} if tower else {"resize": "native"}),
    }
    card = cards().get(made.model)
    details = {
        **{"dataset": made.dataset, "level": level, "kind": judgments.kind, "factors": card.factors if card else {}},
        **{"observers": judgments.observers or "people", "interval": intervals, "calibration_judgments": 0},
        **{"images": len(judgments.images.names), "pairs": len(judgments.pairs), "timing": {"extract": 1.0}},
        **{"images_per_second": 100.0, "peak_memory_gb": 1.0, "versions": {"alignbench": alignbench.__version__}},
        "scoring_version": SCORING_VERSION,
    }
    run = Run(
        LayerCurve(frame),
        tuple(places),
        distances,
        judgments,
        RunRecord.from_json({"label": label, "settings": settings | made.settings, **details, **made.details}),
        tuple(f"{row:08x}{made.seed:08x}" for row in range(made.size)),
        channels_of(places, made.shares) if made.shares else None,
    )
    return write_run(run, root, _draw_nothing)


def channels_of(places: dict[str, float], shares: Sequence[float]) -> pd.DataFrame:
    """The rows of `channels.csv`, of activations as they are asked for and of differences that are shared evenly."""
    return pd.DataFrame(
        {"layer": layer, "depth": depth, "quantity": quantity, "top_channel": 3, "top_share": top}
        | {"participation_ratio": 2.0, "channels": 64}
        for (layer, depth), share in zip(places.items(), shares, strict=True)
        for quantity, top in (("mean_square", share), ("mean_difference", 0.25))
    )


def write_study(
    root: Path,
    models: Sequence[str] = (*TOWERS, *BASELINES),
    datasets: Sequence[str] = tuple(DATASETS),
    sizes: dict[str, int] | None = None,
    target: Target = as_published,
    **changes: Any,
) -> list[Path]:
    """The run folders of models on data sets, below `root`.

    Args:
        root: Their place.
        models: Names of cards and baselines.
        datasets: Names of data sets.
        sizes: Number of judgments by level; few if none are given, `WHOLE` for those of the paper.
        target: Scores by label, data set, distance and layer.
        changes: Further fields of `Made`.
    """
    return list(_written(root, models, datasets, sizes or SMALL, target, changes))


def _written(
    root: Path,
    models: Sequence[str],
    datasets: Sequence[str],
    sizes: dict[str, int],
    target: Target,
    changes: dict[str, Any],
) -> Iterator[Path]:
    for dataset in datasets:
        size = sizes[DATASETS.get(dataset, dataset.removeprefix("shapes-"))]
        for model in models:
            yield write_made(Made(model, dataset, size, target, **changes), root)


def _draw_nothing(curve: LayerCurve, folder: Path) -> None:
    for name in ("curve.png", "curve.svg"):
        (folder / name).write_bytes(b"drawn")
