"""What is measured, whatever kind it is: a `Source` gives distances of the pairs in a `PairWorkload`.

Nothing above this room asks whether a source is a tower or a pair metric.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from alignbench.arrays import Floats, Indices
from alignbench.datasets.images import ImageSource
from alignbench.extraction.progress import ProgressListener, RunSummary

if TYPE_CHECKING:
    from PIL import Image
    from torch import Tensor

    from alignbench.distances.functional import ChannelFit
    from alignbench.extraction.cached_pixels import CachedPixels
    from alignbench.extraction.channel_usage import ChannelUse
    from alignbench.extraction.execution import Execution
    from alignbench.extraction.sharding import Assignment


@dataclass(frozen=True)
class PairWorkload:
    """The distances that are asked of a source.

    Attributes:
        images: The distinct pictures.
        pairs: The distinct pairs of them, image indices, (P, 2).
        distances: Names of distances; a pair metric has its own.
        fit: Which pairs the channel means are fitted on.
        assignment: Which process embeds and reduces what.
        summary: What is said of the work before it starts; the source adds its layers and passes.
        pixels: Reads prepared pixels, where they are kept.
    """

    images: ImageSource
    pairs: Indices
    distances: tuple[str, ...]
    fit: ChannelFit
    assignment: Assignment
    summary: RunSummary
    pixels: CachedPixels | None = None


@dataclass(frozen=True)
class SourceDistances:
    """What a source gives for a workload.

    Attributes:
        layers: Names of the layers.
        depths: Depths of the layers in percent.
        values: By name of distance, (layers, pairs), float64.
        device: `cpu` or `cuda`.
        channels: The use of channels at each layer; none of a pair metric.
        passes: How often every image was embedded.
        resized: Pairs whose two pictures differ in size, and which a pair metric saw at a common one.
    """

    layers: tuple[str, ...]
    depths: tuple[float, ...]
    values: dict[str, Floats]
    device: str = "cpu"
    channels: tuple[ChannelUse, ...] = ()
    passes: int = 1
    resized: int = 0


class Source(Protocol):
    """A tower, a pair metric, or anything else that gives distances of pairs of pictures, ready to be asked.

    Attributes:
        layers: Names of the layers; `image` alone of a pair metric.
        depths: Depths of the layers in percent.
        fingerprint: SHA-256 over everything in it that settles its numbers; none where nothing but its name does.
        prepare: Makes of an RGB picture what the source takes, in a loader's process.
        streams_only: Whether distances come pair by pair only, never from matrix products over all pictures.
        selection: Names of the layers where others than its usual ones were asked for; none otherwise.
    """

    @property
    def layers(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def depths(self) -> tuple[float, ...]: ...  # noqa: D102

    @property
    def fingerprint(self) -> str | None: ...  # noqa: D102

    @property
    def prepare(self) -> Callable[[Image.Image], Tensor]: ...  # noqa: D102

    @property
    def streams_only(self) -> bool: ...  # noqa: D102

    @property
    def selection(self) -> tuple[str, ...] | None: ...  # noqa: D102

    def fastest_batch(self, execution: Execution) -> int:
        """The batch size that it takes best."""
        ...

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        """Distances of all pairs, the same on every process.

        Args:
            workload: The distances that are asked for.
            execution: How to run.
            listener: Hears of the progress.

        Raises:
            DataError: If a picture turns out to be damaged, or does not suit the source.
            AlignbenchError: If a distance cannot be had.
        """
        ...
