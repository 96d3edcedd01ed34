"""The parts of a model's output as a source of the measure core: distances of pairs, part by part."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, NoReturn

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from alignbench.arrays import Floats, Indices
from alignbench.distances.functional import channel_differences, cosine, euclidean, norms
from alignbench.errors import AlignbenchError
from alignbench.extraction.execution import Execution
from alignbench.extraction.host import side_by_side, usable_cores
from alignbench.extraction.progress import ProgressListener
from alignbench.extraction.source import PairWorkload, SourceDistances
from alignbench.interpret.align_job import CENTRED
from alignbench.interpret.components import OutputParts, PartCurve, Rows, centred

_AT_A_TIME: Final = 4  # parts, each of which takes several times the memory of what it adds to all pictures
_AT_ONCE: Final = 16_000_000  # numbers of a side of the pairs that are held together


@dataclass(frozen=True)
class HeadSource:
    """The parts of a model's output on pictures that are decomposed already; its layers are these parts.

    Attributes:
        parts: The parts.
        curves: Those that are measured, alone or left out.
        streams_only: See `Source`.
        selection: See `Source`.
    """

    parts: OutputParts
    curves: tuple[PartCurve, ...]
    streams_only: bool = True
    selection: tuple[str, ...] | None = None

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the parts."""
        return tuple(curve.name for curve in self.curves)

    @property
    def depths(self) -> tuple[float, ...]:
        """Depths of the parts in percent, as of the blocks that they are of."""
        blocks = self.parts.store.shape.blocks
        return tuple(100.0 * curve.component.layer / blocks for curve in self.curves)

    @property
    def fingerprint(self) -> str:
        """That of the model; pictures and settings are in the record of the store."""
        return str(self.parts.store.record["settings"].get("model_fingerprint", ""))

    @property
    def prepare(self) -> Callable[[Image.Image], Tensor]:
        """Refuses pictures: they are decomposed already."""
        return _refuse

    def fastest_batch(self, execution: Execution) -> int:
        """See `Source.fastest_batch`; no picture is embedded."""
        return 1

    def distances(self, workload: PairWorkload, execution: Execution, listener: ProgressListener) -> SourceDistances:
        """See `Source.distances`; of each name of `HEAD_DISTANCES` that the workload has.

        Features are centred by their mean over all pictures of the store.

        Raises:
            AlignbenchError: If a picture is not in the store, or a part of it has no direction.
        """
        rows = self._rows(workload)
        images = len(rows)
        listener.planned(replace(workload.summary, layers=len(self.curves), share=images * len(self.curves)))
        values = {name: np.empty((len(self.curves), len(workload.pairs))) for name in workload.distances}

        def measured(curve: PartCurve) -> list[Floats]:
            features, found = self.parts.features(curve), []
            for name in workload.distances:
                taken = (centred(features) if name == CENTRED else features)[rows]
                if name != "euclidean" and not taken.any(axis=1).all():
                    picture = workload.images.names[int(taken.any(axis=1).argmin())]
                    raise AlignbenchError(
                        f"{curve.name} is zero for {picture}, which has no cosine: measure it with --distance euclidean"
                    )
                found.append(row_distances(taken, workload.pairs, name, execution.ranks.device))
            return found

        for number, found in enumerate(side_by_side(measured, self.curves, min(_AT_A_TIME, usable_cores()))):
            for name, distances in zip(workload.distances, found, strict=True):
                values[name][number] = distances
            listener.advanced(images)
        return SourceDistances(self.layers, self.depths, values, execution.ranks.device.type)

    def _rows(self, workload: PairWorkload) -> Indices:
        """The row of each picture in the store."""
        known: Mapping[str, int] = {name: row for row, name in enumerate(self.parts.store.names)}
        lacking = [name for name in workload.images.names if name not in known]
        if lacking:
            raise AlignbenchError(
                f"{self.parts.store.folder} has no contributions of {lacking[0]}: make them again by "
                "`alignbench interpret align`"
            )
        return np.array([known[name] for name in workload.images.names], dtype=np.int64)


def row_distances(features: Rows, pairs: Indices, distance: str, device: torch.device) -> Floats:
    """Distances of pairs of rows, by the formulas of the measure core.

    Args:
        features: (n, numbers), float32; centred where that is asked for, and no row zero for a cosine.
        pairs: Pairs of rows, (P, 2).
        distance: One of `HEAD_DISTANCES`.
        device: Where it is worked out.

    Returns:
        (P,), float64.
    """
    held = torch.from_numpy(features).to(device)[:, None]  # one token
    lengths = norms(held)
    found = []
    for some in torch.from_numpy(pairs).to(device).split(max(1, _AT_ONCE // features.shape[1])):
        first, second = some.unbind(dim=1)
        if distance == "euclidean":
            found.append(euclidean(channel_differences(held[first], held[second])))
        else:
            found.append(cosine(held[first], held[second], lengths[first], lengths[second]))
    return np.asarray(torch.cat(found).cpu().numpy())


def _refuse(picture: Image.Image) -> NoReturn:
    raise RuntimeError("pictures are decomposed already")
