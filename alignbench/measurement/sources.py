"""What is measured, ready: a tower with its weights, or a pair metric.

A `SourceKind` answers what a run must know before anything is loaded; it loads the `Source`, and nobody after it asks
which kind that is. Another kind is another class here, and its line in `source_kind`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from alignbench.datasets import DATASETS
from alignbench.errors import UsageError
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.models.families import check_name, load_tower, needs_download, preparation
from alignbench.models.pair_metrics import METRICS, ready_metric
from alignbench.models.preparation import Sized, squash

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.extraction.features import ReadyTower
    from alignbench.extraction.source import Source
    from alignbench.models.towers import Tower
    from alignbench.transforms.named import NamedTransform


@dataclass(frozen=True)
class SourceView:
    """How a source looks at pictures.

    Attributes:
        distance: Names of its distances.
        tokens: Token view; none for a source without tokens.
        resize: How pictures are brought to their size, or that size in pixels.
        precision: Precision in which it works.
    """

    distance: tuple[str, ...]
    tokens: str | None
    resize: str | int
    precision: str


class SourceKind(Protocol):
    """A kind of source, before anything is loaded: all that a run must know of it by then."""

    def check(self, cell: Cell) -> None:
        """Refuse a model that cannot exist, before the data are looked at.

        Raises:
            UsageError: If there is no such model.
            ModelError: If a file that its name stands for is not there.
        """

    def processes(self, cell: Cell) -> tuple[int, int]:
        """How many processes a machine, and how many machines, share the work."""

    def has_channel_means(self, cell: Cell) -> bool:
        """Whether anything is normalised by m[c]."""

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        """How pictures are prepared, without weights."""

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        """The source, ready to be asked."""

    def checks_precision(self, cell: Cell) -> bool:
        """Whether scores are also taken in float32, to tell what a low precision changes."""

    def view(self, cell: Cell) -> SourceView:
        """How it looks at pictures: what of that can change a number."""


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
        prepare = preparation(cell.model)
        return squash(prepare) if cell.resize == "squash" else prepare

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        from alignbench.extraction.tower_distances import TowerSource

        tower = load_cell_tower(cell, cell.protocol, listener.notice)
        if cell.resize == "squash":
            tower.prepare = squash(tower.prepare)
        if transform is not None:
            from alignbench.transforms.aligned_layer import Use, add_aligned_layer

            use = Use(cell.model, cell.tokens, cell.random_init, cell.force_transform)
            add_aligned_layer(tower, transform, use)
        return TowerSource(tower)

    def checks_precision(self, cell: Cell) -> bool:
        return cell.check_precision > 0

    def view(self, cell: Cell) -> SourceView:
        return SourceView(cell.distances, cell.tokens, cell.resize, cell.precision)


class _Metrics:
    """Pair metrics: one process, no layers, distances of their own."""

    def check(self, cell: Cell) -> None:
        pass  # its name was found among the metrics

    def processes(self, cell: Cell) -> tuple[int, int]:
        return 1, 1

    def has_channel_means(self, cell: Cell) -> bool:
        return False

    def preparation(self, cell: Cell) -> Callable[[Image.Image], Tensor]:
        return Sized(DATASETS.load(cell.dataset).common_side)

    def load(self, cell: Cell, transform: NamedTransform | None, listener: ProgressListener) -> Source:
        from alignbench.extraction.metric_distances import MetricSource

        metric, _ = ready_metric(METRICS.load(cell.model), cell.device)
        return MetricSource(metric, DATASETS.load(cell.dataset).common_side)

    def checks_precision(self, cell: Cell) -> bool:
        return False

    def view(self, cell: Cell) -> SourceView:
        side = DATASETS.load(cell.dataset).common_side
        return SourceView((METRICS.load(cell.model).distance,), None, side or "native", "fp32")


def source_kind(cell: Cell) -> SourceKind:
    """The kind of source that the name of a cell's model stands for."""
    return _Metrics() if cell.is_metric else _Towers()


def check_possible(cell: Cell) -> None:
    """Find out before the data are looked at that a model cannot exist or cannot run here.

    Raises:
        UsageError: If so.
        ModelError: See `SourceKind.check`.
    """
    source_kind(cell).check(cell)
    if cell.accelerator == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("accelerator cuda: there is no such device here, use --accelerator cpu or auto")


def load_transform(cell: Cell) -> NamedTransform | None:
    """Load the transform by which a layer is aligned, if one is; a wrong one is refused before data are looked at."""
    if cell.transform is None:
        return None
    from alignbench.transforms.named import resolve

    return resolve(cell.transform)


def load_cell_tower(cell: Cell, protocol: str, notice: Callable[[str], None]) -> Tower:
    """Load the tower of a cell, with its weights.

    Args:
        cell: Which model, with which weights and in which token view.
        protocol: `corrected` for un-normalised projections, `paper` for those of the model's own code.
        notice: Hears of a download.

    Raises:
        AlignbenchError: If the tower cannot be had, or has no such view.
    """
    import alignbench.extraction.tower_distances  # noqa: F401  Lightning is loaded here: its seconds are not extraction
    from alignbench.models.towers import check_view

    if needs_download(cell.model, random_init=cell.random_init):
        notice(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed, protocol=protocol)
    check_view(tower, cell.tokens)
    return tower


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
    """

    model: str
    view: str
    random_init: bool = False
    seed: int = 0
    precision: str = "fp32"
    accelerator: str = "auto"
    batch_size: int | Literal["auto"] = 16
    workers: int | None = None


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
    ).checked()
    if cell.is_metric:
        raise UsageError(f"{cell.model} compares pictures and has no features: name a model (see `alignbench models`)")
    check_name(cell.model)
    import torch

    from alignbench.extraction.execution import fastest_batch
    from alignbench.extraction.features import Reading, ReadyTower

    tower = load_cell_tower(cell, protocol, notice)
    size = cell.batch_size
    if size == "auto":
        size = fastest_batch(tower, torch.device(cell.device), cell.precision)
    return ReadyTower(tower, cell.checkpoint, Reading(request.view, cell.precision, cell.device, size, cell.workers))
