"""What is measured, ready: a tower with its weights, a pair metric, or features that exist.

A `SourceKind` answers what a run must know before anything is loaded; it loads the `Source`, and nobody after it asks
which kind that is. Another kind is another class, and its line in `source_kind`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from alignbench.datasets import DATASETS
from alignbench.errors import UsageError
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.source_kinds import SourceKind, SourceNotes, SourceView
from alignbench.measurement.stored_kind import StoredKind, check_there
from alignbench.models.families import check_name, load_tower, needs_download, preparation
from alignbench.models.pair_metrics import METRICS, metric_side, ready_metric
from alignbench.models.preparation import Sized, squash

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.extraction.features import ReadyTower
    from alignbench.extraction.source import Source
    from alignbench.models.towers import Tower
    from alignbench.transforms.learning.bases import LearningBase
    from alignbench.transforms.named import NamedTransform


class _Towers:
    """Vision towers."""

    def check(self, cell: Cell) -> None:
        check_name(cell.model, METRICS.names())

    def processes(self, cell: Cell) -> tuple[int, int]:
        return cell.devices, cell.nodes

    def has_channel_means(self, cell: Cell) -> bool:
        return "normalized_euclidean" in cell.distances

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        self.check(cell)
        return _resized(cell, preparation(cell.model))

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        from alignbench.extraction.tower_distances import TowerSource

        tower, selection = load_cell_tower(cell, cell.protocol, listener.notice)
        if transform is not None:
            from alignbench.transforms.aligned_layer import Use, add_aligned_layer, check_selected

            check_selected(transform, selection)
            use = Use(cell.model, cell.tokens, cell.random_init, cell.force_transform, cell.resize)
            add_aligned_layer(tower, transform, use)
        return TowerSource(tower, selection)

    def checks_precision(self, cell: Cell) -> bool:
        return cell.check_precision > 0

    def view(self, cell: Cell, source: Source) -> SourceView:
        return SourceView(cell.distances, cell.tokens, cell.resize, cell.precision)

    def notes(self, cell: Cell, source: Source) -> SourceNotes:
        from alignbench.extraction.tower_distances import TowerSource

        assert isinstance(source, TowerSource)
        return SourceNotes(projection=source.tower.projection)


class _Metrics:
    """Pair metrics: one process, no layers, distances of their own."""

    def check(self, cell: Cell) -> None:
        pass  # its name was found among the metrics

    def processes(self, cell: Cell) -> tuple[int, int]:
        return 1, 1

    def has_channel_means(self, cell: Cell) -> bool:
        return False

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        return Sized(_side(cell))

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        from alignbench.extraction.metric_distances import MetricSource

        metric, _ = ready_metric(METRICS.load(cell.model), cell.device)
        return MetricSource(metric, _side(cell))

    def checks_precision(self, cell: Cell) -> bool:
        return False

    def view(self, cell: Cell, source: Source) -> SourceView:
        return SourceView((METRICS.load(cell.model).distance,), None, _side(cell) or "native", "fp32")

    def notes(self, cell: Cell, source: Source) -> SourceNotes:
        trained_on: Mapping[str, str] = getattr(METRICS.load(cell.model), "trained_on", {})
        return SourceNotes(trained_on=trained_on.get(cell.dataset, ""))


def _side(cell: Cell) -> int | None:
    """Side in pixels to which a metric's pictures are brought; none for their native size."""
    return metric_side(METRICS.load(cell.model), DATASETS.load(cell.dataset).common_side)


def source_kind(cell: Cell) -> SourceKind:
    """The kind of source that the name of a cell's model stands for."""
    if cell.features is not None:
        return StoredKind(cell.features)
    return _Metrics() if cell.is_metric else _Towers()


def check_possible(cell: Cell) -> None:
    """Find out before the data are looked at that a model cannot exist or cannot run here.

    Raises:
        UsageError: If so.
        ModelError: See `SourceKind.check`.
    """
    source_kind(cell).check(cell)
    check_accelerator(cell.accelerator)


def check_accelerator(accelerator: str) -> None:
    """Refuse a device that is not here.

    Args:
        accelerator: `auto`, `cpu` or `cuda`.

    Raises:
        UsageError: If it is `cuda`, and there is none.
    """
    if accelerator == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("accelerator cuda: there is no such device here, use --accelerator cpu or auto")


def load_transform(cell: Cell) -> NamedTransform | None:
    """Load the transform by which a layer is aligned, if one is; a wrong one is refused before data are looked at."""
    if cell.transform is None:
        return None
    from alignbench.transforms.named import resolve

    return resolve(cell.transform)


def load_cell_tower(cell: Cell, protocol: str, notice: Callable[[str], None]) -> tuple[Tower, tuple[str, ...] | None]:
    """Load the tower of a cell, with its weights.

    Args:
        cell: Which model, with which weights, at which layers, in which token view, and how pictures are prepared.
        protocol: `corrected` for un-normalised projections, `paper` for those of the model's own code.
        notice: Hears of a download.

    Returns:
        The tower with the layers that are asked for, and their names where they are not its usual ones.

    Raises:
        AlignbenchError: If the tower cannot be had, or has no such layers or view.
    """
    import alignbench.extraction.tower_distances  # noqa: F401  Lightning is loaded here: its seconds are not extraction
    from alignbench.models.layer_choice import narrow
    from alignbench.models.towers import check_view

    if needs_download(cell.model, random_init=cell.random_init):
        notice(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed, protocol=protocol)
    tower.prepare = _resized(cell, tower.prepare)
    selection = narrow(tower, cell.layers)
    check_view(tower, cell.tokens)
    return tower, selection


def _resized(cell: Cell, prepare: Callable[[Image.Image], Tensor]) -> Callable[[Image.Image], Tensor]:
    """How pictures are prepared for a cell, given how the model's own code does it."""
    if cell.resize == "squash":
        return squash(prepare)
    if cell.resize == "published":
        from alignbench.transforms.published_pictures import published_pictures

        return published_pictures(cell.model, prepare)
    return prepare


@dataclass(frozen=True)
class TowerRequest:
    """A model that a command reads features of; options as for `alignbench run`.

    Attributes:
        model: Name of a tower.
        view: Token view.
        random_init: Random weights.
        seed: Seed of these.
        precision: Precision of the tower.
        accelerator: `auto`, `cpu` or `cuda`.
        batch_size: Images a batch, or `auto`.
        workers: Loader processes.
        layers: Layers that are read, see `Cell`; the tower then has no others.
        resize: How pictures are prepared.
    """

    model: str
    view: str
    random_init: bool = False
    seed: int = 0
    precision: str = "fp32"
    accelerator: str = "auto"
    batch_size: int | Literal["auto"] = 16
    workers: int | None = None
    layers: tuple[str, ...] = ("all",)
    resize: str = "checkpoint"


def load_ready_tower(
    request: TowerRequest, protocol: str = "corrected", notice: Callable[[str], None] = lambda text: None
) -> ReadyTower:
    """Load a model for a command.

    Args:
        request: Which, and how it is read.
        protocol: `corrected` for un-normalised projections.
        notice: Hears of a download.

    Raises:
        AlignbenchError: If an option is wrong or the model cannot be had.
    """
    cell = Cell(
        model=request.model,
        dataset="",
        tokens=request.view,
        precision=request.precision,
        accelerator=request.accelerator,
        batch_size=request.batch_size,
        workers=request.workers,
        random_init=request.random_init,
        seed=request.seed,
        resize=request.resize,
    ).checked()
    if cell.is_metric:
        raise UsageError(f"{cell.model} compares pictures and has no features: name a model (see `alignbench models`)")
    check_name(cell.model)
    check_accelerator(cell.accelerator)
    import torch

    from alignbench.extraction.execution import fastest_batch
    from alignbench.extraction.features import Reading, ReadyTower

    tower, _ = load_cell_tower(replace(cell, layers=request.layers), protocol, notice)
    size = cell.batch_size
    if size == "auto":
        size = fastest_batch(tower, torch.device(cell.device), cell.precision)
    reading = Reading(request.view, cell.precision, cell.device, size, cell.workers, cell.resize)
    return ReadyTower(tower, cell.checkpoint, reading)


def load_base(request: TowerRequest, dataset: str, notice: Callable[[str], None] = lambda text: None) -> LearningBase:
    """Load what a transform is learned on top of: a model, or features that exist.

    Args:
        request: Which, and how it is read.
        dataset: Name of the data set whose pictures it is to have features of.
        notice: Hears of a download.

    Raises:
        AlignbenchError: If an option is wrong, or the model or the features cannot be had.
    """
    cell = Cell(request.model, dataset, accelerator=request.accelerator, random_init=request.random_init)
    if cell.features is None:
        from alignbench.transforms.learning.bases import TowerBase

        return TowerBase(load_ready_tower(request, notice=notice))
    from alignbench.extraction.stored_features import open_features
    from alignbench.transforms.learning.bases import StoredBase

    check_there(cell.features)
    concept = DATASETS.load(dataset).concept
    return StoredBase(open_features(cell.features), request.view, concept, cell.checked().device)
