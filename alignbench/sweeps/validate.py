"""Refuses values of a grid that can be known to be wrong before anything is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from alignbench.datasets import DATASETS
from alignbench.distances.names import DISTANCES
from alignbench.errors import unknown
from alignbench.measurement.cell import Cell
from alignbench.measurement.stored_kind import check_there
from alignbench.models.cards import cards
from alignbench.models.families import RANDOM_PREFIX, check_name
from alignbench.models.feature_names import features_path
from alignbench.models.own_cards import pair_labels, parse_factors
from alignbench.models.pair_metrics import METRICS

if TYPE_CHECKING:
    from alignbench.sweeps.values import Value

_FIELDS: Final = {  # parameters that are fields of a cell as they stand
    "tokens": "tokens",
    "protocol": "protocol",
    "resize": "resize",
    "precision": "precision",
    "accelerator": "accelerator",
    "random-init": "random_init",
    "force-transform": "force_transform",
    "batch-size": "batch_size",
    "loader-workers": "workers",
    "devices": "devices",
    "num-nodes": "nodes",
    "compile": "compiled",
    "check-precision": "check_precision",
    "seed": "seed",
    "limit": "limit",
}


def check_cells(cells: Sequence[Mapping[str, Value]], check: Callable[[Mapping[str, Value]], None]) -> None:
    """Refuse what a command would refuse without looking at data or weights.

    Args:
        cells: The values of each cell, by the names of options.
        check: Refuses a cell for what belongs to its command alone.

    Raises:
        UsageError: If a name is unknown or a number out of range.
        ModelError: If a file that a model's name gives is not there.
    """
    for name in dict.fromkeys(name for cell in cells for name in _split_names(cell.get("dataset"))):
        if name not in DATASETS:
            raise unknown("data set", name, DATASETS.names())
    for model in dict.fromkeys(model for cell in cells for model in _models(cell)):
        known = model.removeprefix(RANDOM_PREFIX)
        if known in cards() or known in METRICS:
            continue
        features = features_path(known)
        if features is None:
            check_name(known, METRICS.names())
        else:
            check_there(features)
    for cell in cells:
        check(cell)


def check_run(cell: Mapping[str, Value]) -> None:
    """Refuse a cell of `alignbench run` whose options are unknown, or do not go together.

    Args:
        cell: Its values, by the names of options.

    Raises:
        UsageError: If so.
    """
    fields: dict[str, Any] = {field: cell[name] for name, field in _FIELDS.items() if name in cell}
    distance = cell.get("distance", "all")
    distances = DISTANCES if distance == "all" else _split_names(distance)
    layers = _split_names(cell.get("layers", "all"))
    factors = parse_factors([str(cell["factor"])] if "factor" in cell else ())
    for model, label in _models(cell).items():
        named: dict[str, Any] = {"label": label, "factors": factors, "distances": distances, "layers": layers}
        named["transform"] = cell.get("transform") or None
        Cell(model, str(cell.get("dataset", "")), **named, **fields).checked()


def _models(cell: Mapping[str, Value]) -> dict[str, str]:
    """The models of a cell, with their labels."""
    return pair_labels(str(cell["model"]), str(cell.get("label", ""))) if "model" in cell else {}


def _split_names(value: Value | None) -> tuple[str, ...]:
    """Split comma-separated names, as `alignbench run` does."""
    return tuple(name.strip() for name in str(value or "").split(",") if name.strip())
