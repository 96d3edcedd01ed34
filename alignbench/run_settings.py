"""Every setting of a run that can change a number: what the hash in the name of its folder is over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from alignbench.cell import Cell
from alignbench.datasets import DATASETS
from alignbench.datasets.judgments import Judgments

if TYPE_CHECKING:
    from alignbench.models.pair_metrics import PairMetric
    from alignbench.models.towers import Tower
    from alignbench.transforms.choice import Chosen


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
