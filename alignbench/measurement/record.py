"""Every setting of a run that can change a number: what the hash in the name of its folder is over."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import PairDistances
from alignbench.models.cards import cards

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alignbench.extraction.distributed import Ranks
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower
    from alignbench.transforms.named import Chosen


def settings_of(
    cell: Cell,
    judgments: Judgments,
    identities: Sequence[str],
    source: Tower | PairMetric,
    transform: Chosen | None = None,
) -> dict[str, Any]:
    """The settings of a run.

    Args:
        cell: What is measured and how.
        judgments: Of its data set.
        identities: See `ImageSource.identities`.
        source: The tower or the metric.
        transform: By which a layer is aligned, if one is.
    """
    settings: dict[str, Any] = {
        "model": cell.label,
        "dataset": cell.dataset,
        "data_fingerprint": _evaluated_fingerprint(judgments, identities),
        "calibration_fingerprint": judgments.fingerprint(identities) if len(judgments.calibration) else None,
        "protocol": cell.protocol,
        "subset": [subset.name for subset in judgments.subsets],
        "parts": [part.name for part in judgments.parts],
        "limit": cell.limit,
        "random_init": cell.random_init,
        "seed": cell.seed,
        "transform": None if transform is None else transform.settings(),
    }
    from alignbench.models.towers import Tower

    if isinstance(source, Tower):
        return settings | {
            "model_fingerprint": source.fingerprint,
            "distance": list(cell.distances),
            "tokens": cell.tokens,
            "resize": cell.resize,
            "precision": cell.precision,
        }
    return settings | {
        "model_fingerprint": getattr(source, "fingerprint", None),
        "distance": [source.distance],
        "resize": DATASETS.load(cell.dataset).common_side or "native",
        "precision": "fp32",
    }


def _evaluated_fingerprint(judgments: Judgments, identities: Sequence[str]) -> str:
    """The fingerprint of what is evaluated, the same whether or not anything calibrates."""
    evaluated, _ = judgments.without_calibration()
    known = dict(zip(judgments.images.names, identities, strict=True))
    own = [known[name] for name in evaluated.images.names]
    heads = [identity.partition("/")[0] for identity in own]
    alike = Counter(heads)
    return evaluated.fingerprint([full if alike[head] > 1 else head for full, head in zip(own, heads, strict=True)])


@dataclass
class Stopwatch:
    """Seconds by stage."""

    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


def _details(cell: Cell, judgments: Judgments, found: PairDistances, watch: Stopwatch, ranks: Ranks) -> dict[str, Any]:
    images = len(judgments.images.names)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    packages = (
        *("alignbench", "torch", "torchvision", "transformers", "open_clip_torch", "timm", "lightning"),
        *("numpy", "scipy", "pillow", "lpips", "pytorch-msssim"),
    )
    card = cards().get(cell.model)
    return {
        "dataset": cell.dataset,
        "level": judgments.level,
        "kind": judgments.kind,
        "factors": card.factors if card else {},
        "observers": judgments.observers or "people",
        "images": images,
        "pairs": len(judgments.pairs),
        "pairs_resized_to_a_common_size": found.resized,
        "execution": {
            "data_root": str(cell.data_root) if cell.data_root else None,
            "batch_size": cell.batch_size,
            "loader_workers": cell.workers,
            "feature_memory": cell.feature_memory,
            "device": found.device,
            "devices": ranks.devices,
            "nodes": ranks.nodes,
            "compiled": cell.compiled,
            "matrix_products": found.dense,
            "passes": found.passes,
            "pixel_cache": found.pixel_cache,
            "pixels_there": found.pixels_there,
        },
        "timing": {name: round(seconds, 3) for name, seconds in watch.seconds.items()},
        "images_per_second": round(found.embedded / watch.seconds["extract"], 2),
        "peak_memory_gb": round(peak / 1e9, 3),
        "versions": {"python": platform.python_version(), **{name: version(name) for name in packages}},
    }
