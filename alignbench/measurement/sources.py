"""What is measured, ready: a tower with its weights, or a pair metric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from alignbench.errors import UsageError
from alignbench.extraction.progress import Listener
from alignbench.measurement.cell import Cell
from alignbench.models.families import check_name, needs_download
from alignbench.models.pair_metrics import METRICS

if TYPE_CHECKING:
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.features import Reading
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower
    from alignbench.transforms.named import Chosen


def _check_possible(cell: Cell) -> None:
    """Find out before the data are looked at that a model cannot exist or cannot run here."""
    if not cell.is_metric:
        check_name(cell.model, METRICS.names())
    if cell.accelerator == "cuda":
        import torch

        if not torch.cuda.is_available():
            raise UsageError("accelerator cuda: there is no such device here, use --accelerator cpu or auto")


def _fastest_batch(cell: Cell, source: Tower | PairMetric, ranks: Ranks) -> int:
    from alignbench.extraction.execution import fastest_batch
    from alignbench.models.towers import Tower

    return fastest_batch(source, ranks.device, cell.precision) if isinstance(source, Tower) else 16


def _metric(cell: Cell) -> PairMetric:
    from alignbench.models.pair_metrics import ready_metric

    return ready_metric(METRICS.load(cell.model), cell.device)[0]


def _transform(cell: Cell) -> Chosen | None:
    """The transform by which a layer is aligned, if one is; found out before the data are looked at."""
    if cell.transform is None:
        return None
    from alignbench.transforms.named import chosen

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
        from alignbench.transforms.aligned_layer import add_aligned_layer

        add_aligned_layer(
            tower, transform, cell.model, cell.tokens, random_init=cell.random_init, force=cell.force_transform
        )
    return tower


def _squash(tower: Tower) -> None:
    """Show the tower the whole of every picture, at the size that its own preparation makes."""
    from alignbench.models.preparation import squash

    tower.prepare = squash(tower.prepare)


@dataclass(frozen=True)
class ReadyTower:
    """A model that can embed pictures.

    Attributes:
        tower: The model.
        label: What it is called.
        reading: How it is read.
    """

    tower: Tower
    label: str
    reading: Reading


def ready_tower(
    model: str,
    *,
    view: str,
    random_init: bool = False,
    seed: int = 0,
    protocol: str = "corrected",
    precision: str = "fp32",
    accelerator: str = "auto",
    batch_size: int | Literal["auto"] = 16,
    workers: int | None = None,
    notice: Callable[[str], None] = lambda text: None,
) -> ReadyTower:
    """Load a model for a command; options as for `alignbench run`.

    Args:
        model: Name of a tower.
        view: Token view.
        random_init: Random weights.
        seed: Of these.
        protocol: `corrected` for un-normalised projections.
        precision: Of the tower.
        accelerator: `auto`, `cpu` or `cuda`.
        batch_size: Images a batch, or `auto`.
        workers: Loader processes.
        notice: Hears of a download.

    Raises:
        AlignbenchError: If an option is wrong or the model cannot be had.
    """
    from alignbench.errors import UsageError
    from alignbench.measurement.cell import Cell
    from alignbench.models.families import check_name, load_tower, needs_download

    cell = Cell(
        model=model,
        dataset="",
        tokens=view,
        precision=precision,
        accelerator=accelerator,
        batch_size=batch_size,
        workers=workers,
        random_init=random_init,
        seed=seed,
    ).checked()
    if cell.is_metric:
        raise UsageError(f"{model} compares pictures and has no features: name a model (see `alignbench models`)")
    check_name(cell.model)
    import torch

    from alignbench.extraction.execution import fastest_batch
    from alignbench.extraction.features import Reading
    from alignbench.models.towers import check_view

    if needs_download(cell.model, random_init=cell.random_init):
        notice(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed, protocol=protocol)
    check_view(tower, view)
    size = cell.batch_size
    if size == "auto":
        size = fastest_batch(tower, torch.device(cell.device), cell.precision)
    return ReadyTower(tower, cell.label, Reading(view, cell.precision, cell.device, size, cell.workers))
