"""What commands that embed pictures share: a tower, ready, and how it is read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from alignbench.extraction.features import Reading
    from alignbench.models.towers import Tower


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

    Raises:
        AlignbenchError: If an option is wrong or the model cannot be had.
    """
    from alignbench.cell import Cell
    from alignbench.cli.show import say
    from alignbench.errors import UsageError
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
        say(f"{cell.model} is not in the local cache: downloading it")
    tower = load_tower(cell.model, random_init=cell.random_init, seed=cell.seed, protocol=protocol)
    check_view(tower, view)
    size = cell.batch_size
    if size == "auto":
        size = fastest_batch(tower, torch.device(cell.device), cell.precision)
    return ReadyTower(tower, cell.label, Reading(view, cell.precision, cell.device, size, cell.workers))
