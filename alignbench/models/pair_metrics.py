"""Pair metrics: image-quality baselines and whatever else gives distances of pairs of pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

from alignbench.plugins import Registry, callable_with

if TYPE_CHECKING:
    from torch import Tensor

METRICS: Registry[PairMetric] = Registry(
    "alignbench.metrics", "metric", {}, callable_with("name", "distance", "min_side")
)


@runtime_checkable
class PairMetric(Protocol):
    """What the group `alignbench.metrics` takes: an image-quality metric, or anything that gives distances of pairs.

    What is registered must cost little to import. A metric with weights, or one that a GPU makes faster, also has a
    method `to`, see `MovableMetric`. One whose numbers depend on weights has an attribute `fingerprint`, their SHA-256,
    which becomes part of a run's identity; it is asked for after `to`. One with a preparation of its own has an
    attribute `side`: all pictures are brought to that square, in pixels, on whatever data (PIL, bicubic). One that was
    trained on data that it may be judged on has an attribute `trained_on`: by name of the data set what is said
    wherever its scores show, such as `trained on NIGHTS' train split`.

    Attributes:
        name: Name of the metric on the command line.
        distance: Name of its distance in results.
        min_side: Smallest side in pixels that it can take.
    """

    @property
    def name(self) -> str: ...  # noqa: D102

    @property
    def distance(self) -> str: ...  # noqa: D102

    @property
    def min_side(self) -> int: ...  # noqa: D102

    def __call__(self, first: Tensor, second: Tensor) -> Tensor:
        """Return distances of pairs: two (pairs, 3, H, W) float32 tensors, RGB in [0, 1], to (pairs,).

        The tensors are on the device that `to` was given, and on the CPU for a metric without it.
        """
        ...


@runtime_checkable
class MovableMetric(PairMetric, Protocol):
    """A pair metric that loads weights, or that can work on a GPU."""

    def to(self, device: str) -> MovableMetric:
        """The metric, or one like it, with its weights on `cpu` or `cuda`; called once, before the first pair.

        Raises:
            ModelError: If its weights cannot be had or trusted.
        """
        ...


def metric_side(metric: PairMetric, common_side: int | None) -> int | None:
    """Return the side in pixels to which a metric's pictures are brought; none for their native size.

    Args:
        metric: The metric.
        common_side: The side that the data set asks for, which counts unless the metric has its own.
    """
    own: int | None = getattr(metric, "side", None)
    return own or common_side


def ready_metric(metric: PairMetric, device: str) -> tuple[PairMetric, str]:
    """Return a metric with its weights loaded, and the device on which it takes pictures: the CPU if it has no `to`."""
    return (metric.to(device), device) if isinstance(metric, MovableMetric) else (metric, "cpu")
