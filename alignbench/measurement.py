"""One cell of the study: a model on a data set, as a curve of scores over layers.

    judgments -> plan -> distances per pair and layer -> scores -> LayerCurve

Towers and plain pair metrics differ only in how distances come about; everything before and after is shared.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.cell import METRICS, Cell
from alignbench.datasets import DATASETS, DataSet
from alignbench.datasets.judgments import Judgments, Subset, checked_ratings, distinct_pairs
from alignbench.errors import AlignbenchWarning, UsageError, unknown
from alignbench.extraction.listening import Listener, Outline
from alignbench.models import cards
from alignbench.results import COLUMNS, LayerCurve, Run, folder_name
from alignbench.statistics import Scores, correct_choices, score_choices, score_ratings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alignbench.extraction.metrics import PairMetric
    from alignbench.models.towers import Tower


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def measure(model: str, dataset: str, *, data_root: str | Path | None = None, **options: Any) -> LayerCurve:
    """Measure the human alignment of a model on a data set, layer by layer.

    Args:
        model: A card's name, a Hugging Face id, a local directory, `random:NAME`, or a baseline.
        dataset: e.g. `tid2013`.
        data_root: Folder of the data set; none for packaged sets.
        **options: Further fields of `Cell`.

    Returns:
        The scores; `curve.frame` has the columns of `curve.csv`.

    Raises:
        UsageError: If a name is unknown or options contradict each other.
        DataError: If data are missing or malformed.
        ModelError: If the checkpoint cannot be had or trusted.

    Example:
        >>> import alignbench
        >>> curve = alignbench.measure("shapes-clip", "shapes-high", limit=300)
        >>> curve.best("normalized_euclidean", projection=True)["n"]
        300
    """
    root = Path(data_root) if data_root is not None else None
    found = measure_cell(Cell(model=model, dataset=dataset, data_root=root, **options))
    assert found is not None  # nothing was offered as finished
    return found.curve


def measure_cell(
    cell: Cell, listener: Listener | None = None, finished: Callable[[str], bool] = lambda name: False
) -> Run | None:
    """Measure one cell.

    Args:
        cell: What to measure and how.
        listener: Hears of the progress.
        finished: Is asked, with the name of the run's folder, before the expensive part.

    Returns:
        What was measured, or nothing if it is finished already.

    Raises:
        AlignbenchError: See `measure`.
    """
    cell, listener, watch = cell.checked(), listener or Listener(), Stopwatch()
    _check_possible(cell)
    data_set = DATASETS.load(cell.dataset)
    with watch.stage("data"):
        judgments = load_judgments(cell, data_set)
        identities = judgments.images.identities()
    with watch.stage("model"):
        source: Tower | PairMetric = METRICS.load(cell.model) if cell.model in METRICS else _tower(cell, listener)
    settings = _settings(cell, judgments, source, judgments.fingerprint(identities))
    if finished(folder_name(cell.label, cell.dataset, settings)):
        return None
    with watch.stage("extract"):
        layers, depths, distances, device = _distances(cell, judgments, identities, source, listener)
    with watch.stage("score"):
        frame, intervals = _score(cell, judgments, layers, depths, distances)
    details = _details(cell, judgments, device, watch, intervals)
    return Run(LayerCurve(frame), layers, distances, judgments, settings, details)


# --------------------------------------------------------------------------------------------------- data


def load_judgments(cell: Cell, data_set: DataSet) -> Judgments:
    """The judgments of a cell.

    Raises:
        DataError: If they are missing or malformed, or ratings cannot be correlated with.
    """
    judgments = data_set.read(cell.data_root, cell.subsets or (data_set.default_subset,))
    for subset in judgments.subsets:
        if subset.name == data_set.default_subset and data_set.complete not in (None, len(subset.rows)):
            warnings.warn(
                f"{cell.dataset} {subset.name} has {len(subset.rows):,} judgments here and {data_set.complete:,} as "
                "published: only a part of it is measured",
                AlignbenchWarning,
                stacklevel=2,
            )
    if cell.limit is not None:
        judgments = judgments.limited(cell.limit)
    if judgments.kind == "rating":
        for subset in judgments.subsets:
            checked_ratings(f"{cell.dataset} {subset.name}", judgments.human[subset.rows])
    return judgments


# -------------------------------------------------------------------------------------------------- model


def _check_possible(cell: Cell) -> None:
    """Find out before the data are looked at that a model cannot exist or cannot run here."""
    named = cell.model in cards() or cell.model in METRICS
    if not named and "/" not in cell.model and not Path(cell.model).is_dir():
        raise unknown("model", cell.model, [*cards(), *METRICS.names()])
    if cell.accelerator == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("accelerator cuda: there is no such device here, use --accelerator cpu or auto")


def _tower(cell: Cell, listener: Listener) -> Tower:
    from alignbench.models import load_tower
    from alignbench.models.checkpoints import is_cached
    from alignbench.models.towers import check_view

    if "/" in cell.model and not (cell.random_init and cell.model in cards()) and not is_cached(cell.model):
        listener.notice(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed)
    check_view(tower, cell.tokens)
    return tower


def _settings(cell: Cell, judgments: Judgments, source: Tower | PairMetric, data_fingerprint: str) -> dict[str, Any]:
    """Every setting that can change a number."""
    settings: dict[str, Any] = {
        "model": cell.label,
        "dataset": cell.dataset,
        "data_fingerprint": data_fingerprint,
        "protocol": cell.protocol,
        "subset": [subset.name for subset in judgments.subsets],
        "limit": cell.limit,
        "random_init": cell.random_init,
        "seed": cell.seed,
        "transform": None,
    }
    from alignbench.models.towers import Tower

    if isinstance(source, Tower):
        return settings | {
            "model_fingerprint": source.fingerprint,
            "distance": list(cell.distances),
            "tokens": cell.tokens,
            "precision": cell.precision,
        }
    side = DATASETS.load(cell.dataset).common_side
    return settings | {"distance": [source.distance], "resize": side or "native", "precision": "fp32"}


# ---------------------------------------------------------------------------------------------- distances

_Distances = tuple[tuple[str, ...], list[float], dict[str, NDArray[np.float64]], str]


def _distances(
    cell: Cell, judgments: Judgments, identities: Sequence[str], source: Tower | PairMetric, listener: Listener
) -> _Distances:
    """Layers, their depths, distances by name (layers, pairs), and the device."""
    from alignbench.extraction.plan import make_plan
    from alignbench.models.towers import Tower

    distinct = distinct_pairs(judgments.pairs, identities)
    images = judgments.images.select(distinct.images)
    plan = make_plan(distinct.pairs, len(distinct.images), cell.batch_size)
    outline = Outline(cell.label, cell.dataset, len(distinct.images), len(judgments.pairs), 1, 1, "cpu")
    try:
        if isinstance(source, Tower):
            from alignbench.extraction.towers import Execution, plan_passes, tower_distances

            execution = Execution(cell.precision, cell.accelerator, cell.workers, cell.feature_memory)
            passes = plan_passes(source, plan, len(distinct.pairs), cell.tokens, execution)
            listener.planned(replace(outline, layers=len(source.layers), passes=len(passes), device=execution.device))
            weights = np.bincount(distinct.back, judgments.multiplicity()).astype(np.float64)
            found = tower_distances(
                source, images, plan, passes, weights, cell.tokens, cell.distances, execution, listener
            )
            layers, depths, device = [x.name for x in source.layers], [x.depth for x in source.layers], execution.device
        else:
            from alignbench.extraction.metrics import metric_distances

            listener.planned(outline)
            side = DATASETS.load(cell.dataset).common_side
            values = metric_distances(source, images, plan, distinct.pairs, side, cell.workers, listener)
            found, layers, depths, device = {source.distance: values}, ["image"], [0.0], "cpu"
    finally:
        listener.finished()
    expanded = {name: values[:, distinct.back] for name, values in found.items()}
    return tuple(layers), depths, expanded, device


# ------------------------------------------------------------------------------------------------- scores


def score(judgments: Judgments, subset: Subset, distances: NDArray[np.float64], seed: int) -> list[Scores]:
    """Score distances against the judgments of a subset.

    Args:
        judgments: What people said.
        subset: Which judgments.
        distances: (curves, pairs).
        seed: Of the bootstrap.
    """
    judged, human = judgments.judged[subset.rows], judgments.human[subset.rows]
    if judgments.kind == "rating":
        return score_ratings(distances[:, judged[:, 0]], human, subset.clusters[:, 0], seed)
    correct = correct_choices(distances, judged, human.astype(np.int64))
    return [score_choices(correct, subset.clusters, seed)]


def _score(
    cell: Cell,
    judgments: Judgments,
    layers: Sequence[str],
    depths: Sequence[float],
    distances: dict[str, NDArray[np.float64]],
) -> tuple[pd.DataFrame, dict[str, str]]:
    """The rows of `curve.csv`, and the kind of interval by subset."""
    rows: list[dict[str, Any]] = []
    intervals: dict[str, str] = {}
    for subset in judgments.subsets:
        scores = score(judgments, subset, np.concatenate(list(distances.values())), cell.seed)
        intervals[subset.name] = scores[0].interval
        curves = [(name, layer, depth) for name in distances for layer, depth in zip(layers, depths, strict=True)]
        for index, (name, layer, depth) in enumerate(curves):
            for found in scores:
                rows.append(
                    {
                        "model": cell.label,
                        "dataset": cell.dataset,
                        "subset": subset.name,
                        "level": judgments.level,
                        "protocol": cell.protocol,
                        "tokens": "" if layer in ("projection", "image") else cell.tokens,
                        "distance": name,
                        "layer": layer,
                        "depth": depth,
                        "metric": found.metric,
                        "value": found.value[index],
                        "ci_low": found.low[index],
                        "ci_high": found.high[index],
                        "n": len(subset.rows),
                        "n_clusters": found.clusters,
                    }
                )
    return pd.DataFrame(rows, columns=list(COLUMNS)), intervals


def _details(
    cell: Cell, judgments: Judgments, device: str, watch: Stopwatch, intervals: dict[str, str]
) -> dict[str, Any]:
    images = len(judgments.images.names)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    packages = ("alignbench", "torch", "transformers", "lightning", "numpy", "scipy", "pillow")
    card = cards().get(cell.model)
    return {
        "dataset": cell.dataset,
        "level": judgments.level,
        "factors": card.factors if card else {},
        "observers": judgments.observers or "people",
        "interval": intervals,
        "images": images,
        "pairs": len(judgments.pairs),
        "execution": {
            "data_root": str(cell.data_root) if cell.data_root else None,
            "batch_size": cell.batch_size,
            "loader_workers": cell.workers,
            "feature_memory": cell.feature_memory,
            "device": device,
        },
        "timing": {name: round(seconds, 3) for name, seconds in watch.seconds.items()},
        "images_per_second": round(images / watch.seconds["extract"], 2),
        "peak_memory_gb": round(peak / 1e9, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
