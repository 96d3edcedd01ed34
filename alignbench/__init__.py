"""Human alignment of CLIP-like models, layer by layer, at three levels of abstraction.

    curve = alignbench.measure("shapes-clip", "shapes-high")  # scores, layer by layer
    run = alignbench.run(alignbench.Cell("shapes-clip", "shapes-low"))  # the same, kept in a run folder
    runs = alignbench.load("runs")  # finished runs
    alignbench.compare("shapes-clip", "pixels")  # whether one lies above the other
    alignbench.list_datasets(), alignbench.list_models()  # on what, and what

Everything public is imported on its first use, so that the package itself loads at once. In a rank that another process
has started, the first thing is to end with that one, however long the rest takes to import.
"""

from __future__ import annotations

from types import FunctionType
from typing import TYPE_CHECKING, Any

from alignbench.extraction.leader import end_with_leader

if TYPE_CHECKING:
    from alignbench.api.curves import MeasuredCurve
    from alignbench.api.lists import list_datasets, list_models
    from alignbench.api.loading import load
    from alignbench.api.measuring import measure, run
    from alignbench.api.runs import FinishedRun, Runs
    from alignbench.datasets.data_set import DataSet
    from alignbench.datasets.judgments import Judgments
    from alignbench.errors import AlignbenchError, AlignbenchWarning, DataError, ModelError, UsageError
    from alignbench.extraction.progress import ProgressListener
    from alignbench.measurement.cell import Cell
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Layer, Tower
    from alignbench.results.layer_curve import LayerCurve
    from alignbench.study.answers import Comparison, compare
    from alignbench.transforms.published import align

__all__ = [
    "AlignbenchError",
    "AlignbenchWarning",
    "Cell",
    "Comparison",
    "DataError",
    "DataSet",
    "FinishedRun",
    "Judgments",
    "Layer",
    "LayerCurve",
    "MeasuredCurve",
    "ModelError",
    "PairMetric",
    "ProgressListener",
    "Runs",
    "Tower",
    "UsageError",
    "__version__",
    "align",
    "compare",
    "list_datasets",
    "list_models",
    "load",
    "measure",
    "run",
]
_HOMES = {
    "AlignbenchError": "alignbench.errors",
    "AlignbenchWarning": "alignbench.errors",
    "Cell": "alignbench.measurement.cell",
    "Comparison": "alignbench.study.answers",
    "DataError": "alignbench.errors",
    "DataSet": "alignbench.datasets.data_set",
    "FinishedRun": "alignbench.api.runs",
    "Judgments": "alignbench.datasets.judgments",
    "Layer": "alignbench.models.towers",
    "LayerCurve": "alignbench.results.layer_curve",
    "MeasuredCurve": "alignbench.api.curves",
    "ModelError": "alignbench.errors",
    "PairMetric": "alignbench.models.pair_metrics",
    "ProgressListener": "alignbench.extraction.progress",
    "Runs": "alignbench.api.runs",
    "Tower": "alignbench.models.towers",
    "UsageError": "alignbench.errors",
    "align": "alignbench.transforms.published",
    "compare": "alignbench.study.answers",
    "list_datasets": "alignbench.api.lists",
    "list_models": "alignbench.api.lists",
    "load": "alignbench.api.loading",
    "measure": "alignbench.api.measuring",
    "run": "alignbench.api.measuring",
}
end_with_leader()


def __getattr__(name: str) -> Any:
    """Import on first use: the package itself must load at once."""
    if name == "__version__":
        from importlib.metadata import version

        return version("alignbench")
    if name in _HOMES:
        from importlib import import_module

        value = getattr(import_module(_HOMES[name]), name)
        if isinstance(value, FunctionType):
            from alignbench.api.words import speaks_python

            value = speaks_python(value)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'alignbench' has no attribute '{name}'")


def __dir__() -> list[str]:
    """Everything public, imported already or not."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
