"""Human alignment of CLIP-like models, layer by layer, at three levels of abstraction.

Everything public is imported on its first use, so that the package itself loads at once. In a rank that another process
has started, the first thing is to end with that one, however long the rest takes to import.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from alignbench.extraction.leader import end_with_leader

if TYPE_CHECKING:
    from alignbench.datasets.data_set import DataSet
    from alignbench.datasets.judgments import Judgments
    from alignbench.errors import AlignbenchError, DataError, ModelError, UsageError
    from alignbench.measurement.cell import Cell
    from alignbench.measurement.pipeline import measure
    from alignbench.measurement.run import run_cell as run
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Layer, Tower
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.transforms.published import align

__all__ = [
    "AlignbenchError",
    "Cell",
    "DataError",
    "DataSet",
    "Judgments",
    "Layer",
    "LayerCurve",
    "ModelError",
    "PairMetric",
    "Tower",
    "UsageError",
    "__version__",
    "align",
    "measure",
    "run",
]
_HOMES = {
    "AlignbenchError": "alignbench.errors",
    "Cell": "alignbench.measurement.cell",
    "DataError": "alignbench.errors",
    "DataSet": "alignbench.datasets.data_set",
    "Judgments": "alignbench.datasets.judgments",
    "Layer": "alignbench.models.towers",
    "LayerCurve": "alignbench.results.layer_curve",
    "ModelError": "alignbench.errors",
    "PairMetric": "alignbench.models.pair_metrics",
    "Tower": "alignbench.models.towers",
    "UsageError": "alignbench.errors",
    "align": "alignbench.transforms.published",
    "measure": "alignbench.measurement.pipeline",
    "run": "alignbench.measurement.run",
}
_RENAMED = {"run": "run_cell"}  # where a short name at the root would say too little in its module

end_with_leader()


def __getattr__(name: str) -> Any:
    """Import on first use: the package itself must load at once."""
    if name == "__version__":
        from importlib.metadata import version

        return version("alignbench")
    if name in _HOMES:
        from importlib import import_module

        home = import_module(_HOMES[name])
        value = getattr(home, _RENAMED.get(name, name))
        globals()[name] = value
        return value
    raise AttributeError(f"module 'alignbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Everything public, imported already or not."""
    return sorted({*globals(), *__all__})
