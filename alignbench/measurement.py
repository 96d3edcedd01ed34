"""One cell of the study: a model on a data set, as a curve of scores over layers.

    judgments -> plan -> distances per pair and layer -> scores -> LayerCurve

Towers and plain pair metrics differ only in how distances come about; everything before and after is shared.
"""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alignbench.cell import Cell
from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments
from alignbench.errors import UsageError
from alignbench.extraction.progress import Listener
from alignbench.models.cards import cards
from alignbench.models.families import check_name, needs_download
from alignbench.models.pair_metrics import METRICS
from alignbench.pair_distances import PairDistances, columns, pair_distances
from alignbench.precision import check_precision
from alignbench.protocols import load_judgments
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_folder import Run, folder_name
from alignbench.run_settings import settings_of
from alignbench.scoring import score_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.pixel_cache import PixelCache
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower
    from alignbench.transforms.choice import Chosen


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
    found = measure_cell(Cell(model=model, dataset=dataset, data_root=root, **options), on_all_ranks=True)
    assert found is not None  # nothing was offered as finished
    return found.curve


def measure_cell(
    cell: Cell,
    listener: Listener | None = None,
    finished: Callable[[str], bool] = lambda name: False,
    on_all_ranks: bool = False,
) -> Run | None:
    """Measure one cell.

    Args:
        cell: What to measure and how.
        listener: Hears of the progress.
        finished: Is asked, with the name of the run's folder, before the expensive part.
        on_all_ranks: Whether every process of a run scores, and not only the leading one.

    Returns:
        What was measured, or nothing if it is finished already, or another process has the result.

    Raises:
        AlignbenchError: See `measure`.
    """
    cell, watch = cell.checked(), Stopwatch()
    _check_possible(cell)
    transform = _transform(cell)
    data_set = DATASETS.load(cell.dataset)
    with watch.stage("launch"):
        ranks = _join(cell)
    listener = (listener if ranks.leads else None) or Listener()
    with ranks.together():
        cache = None if data_set.packaged else _cache(cell)
        with watch.stage("data"):
            judgments = load_judgments(cell, data_set)
            identities = judgments.images.identities()
        with watch.stage("model"):
            source = _metric(cell) if cell.is_metric else _tower(cell, transform, listener)
        settings = settings_of(cell, judgments, identities, source, transform)
    if ranks.decide(ranks.leads and finished(folder_name(cell.label, cell.dataset, settings))):
        return None
    if cell.batch_size == "auto":
        with watch.stage("batch"):
            cell = replace(cell, batch_size=ranks.decide(_fastest_batch(cell, source, ranks)))
    with watch.stage("extract"):
        found = pair_distances(cell, data_set, judgments, identities, source, ranks, listener, cache)
    check = None
    if cell.check_precision and not cell.is_metric:
        with watch.stage("check"):
            check = check_precision(cell, data_set, judgments, source, ranks)
    if not (ranks.leads or on_all_ranks):
        return None
    shown = judgments.stimuli(identities, judgments.evaluated())
    calibrated = len(judgments.calibration)
    judgments, pairs = judgments.without_calibration()
    distances = {name: columns(values, pairs) for name, values in found.values.items()}
    with watch.stage("score"):
        frame, intervals = score_rows(
            cell, judgments, found.layers, found.depths, distances, data_set.published_ceiling
        )
    details = _details(cell, judgments, found, watch, ranks) | {
        "interval": intervals,
        "calibration_judgments": calibrated,
        "precision_check": check,
    }
    if transform is not None:
        details["transform"] = transform.record()
    return Run(LayerCurve(frame), found.layers, distances, judgments, settings, details, shown, found.channels)


# -------------------------------------------------------------------------------------------------- model


def _check_possible(cell: Cell) -> None:
    """Find out before the data are looked at that a model cannot exist or cannot run here."""
    if not cell.is_metric:
        check_name(cell.model, METRICS.names())
    if cell.accelerator == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("accelerator cuda: there is no such device here, use --accelerator cpu or auto")


def _join(cell: Cell) -> Ranks:
    """The processes that share the work; a baseline needs one."""
    from alignbench.extraction.distributed import join

    return join(cell.device) if cell.is_metric else join(cell.device, cell.devices, cell.nodes)


def _fastest_batch(cell: Cell, source: Tower | PairMetric, ranks: Ranks) -> int:
    from alignbench.extraction.execution import fastest_batch
    from alignbench.models.towers import Tower

    return fastest_batch(source, ranks.device, cell.precision) if isinstance(source, Tower) else 16


def _cache(cell: Cell) -> PixelCache | None:
    from alignbench.extraction.pixel_cache import PixelCache

    return PixelCache.open(cell.pixel_cache, cell.pixel_cache_size)


def _metric(cell: Cell) -> PairMetric:
    from alignbench.models.pair_metrics import ready_metric

    return ready_metric(METRICS.load(cell.model), cell.device)[0]


def _transform(cell: Cell) -> Chosen | None:
    """The transform by which a layer is aligned, if one is; found out before the data are looked at."""
    if cell.transform is None:
        return None
    from alignbench.transforms.choice import chosen

    return chosen(cell.transform)


def _tower(cell: Cell, transform: Chosen | None, listener: Listener) -> Tower:
    import alignbench.extraction.tower_distances  # noqa: F401  Lightning is loaded here: its seconds are not extraction
    from alignbench.models.families import load_tower
    from alignbench.models.towers import check_view

    if needs_download(cell.model, random_init=cell.random_init):
        listener.notice(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed, protocol=cell.protocol)
    check_view(tower, cell.tokens)
    if cell.resize == "squash":
        _squash(tower)
    if transform is not None:
        from alignbench.transforms.readout import add_aligned_layer

        add_aligned_layer(
            tower, transform, cell.model, cell.tokens, random_init=cell.random_init, force=cell.force_transform
        )
    return tower


def _squash(tower: Tower) -> None:
    """Show the tower the whole of every picture, at the size that its own preparation makes."""
    from alignbench.models.preparation import squash

    tower.prepare = squash(tower.prepare)


# ------------------------------------------------------------------------------------------------ details


def _details(cell: Cell, judgments: Judgments, found: PairDistances, watch: Stopwatch, ranks: Ranks) -> dict[str, Any]:
    images = len(judgments.images.names)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    packages = (
        *("alignbench", "torch", "torchvision", "transformers", "open_clip_torch", "timm", "lightning"),
        *("numpy", "scipy", "pillow", "lpips", "pytorch-msssim"),
    )
    card = cards().get(cell.model)
    return {
        "dataset": cell.dataset,
        "level": judgments.level,
        "kind": judgments.kind,
        "factors": card.factors if card else {},
        "observers": judgments.observers or "people",
        "images": images,
        "pairs": len(judgments.pairs),
        "pairs_resized_to_a_common_size": found.resized,
        "execution": {
            "data_root": str(cell.data_root) if cell.data_root else None,
            "batch_size": cell.batch_size,
            "loader_workers": cell.workers,
            "feature_memory": cell.feature_memory,
            "device": found.device,
            "devices": ranks.devices,
            "nodes": ranks.nodes,
            "compiled": cell.compiled,
            "matrix_products": found.dense,
            "passes": found.passes,
            "pixel_cache": found.pixel_cache,
            "pixels_there": found.pixels_there,
        },
        "timing": {name: round(seconds, 3) for name, seconds in watch.seconds.items()},
        "images_per_second": round(found.embedded / watch.seconds["extract"], 2),
        "peak_memory_gb": round(peak / 1e9, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
