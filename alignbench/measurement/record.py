"""What is recorded of a run: the settings that can change a number, and what else `run.json` says."""

from __future__ import annotations

import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Final

import pandas as pd

from alignbench.datasets.judgments import Judgments
from alignbench.extraction.progress import ProgressListener
from alignbench.measurement.cell import Cell
from alignbench.measurement.pair_distances import CellData, PairDistances, Session
from alignbench.measurement.precision_check import PrecisionCheck
from alignbench.measurement.source_kinds import SourceNotes
from alignbench.measurement.sources import source_kind
from alignbench.models.cards import cards
from alignbench.results.run_record import SCORING_VERSION, RunRecord, RunSettings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alignbench.extraction.channel_usage import ChannelUse
    from alignbench.extraction.distributed import Ranks
    from alignbench.extraction.source import Source
    from alignbench.transforms.named import NamedTransform

_PACKAGES: Final = (
    *("alignbench", "torch", "torchvision", "transformers", "open_clip_torch", "timm", "lightning"),
    *("numpy", "scipy", "pillow", "lpips", "pytorch-msssim"),
)
_EXTRAS: Final = ("dreamsim", "peft")


def collect_settings(
    cell: Cell, data: CellData, source: Source, transform: NamedTransform | None = None
) -> RunSettings:
    """Collect the settings of a run that can change a number.

    Args:
        cell: What is measured and how.
        data: What it is measured on.
        source: The model, ready to be asked.
        transform: The transform by which a layer is aligned, if one is.
    """
    judgments, identities = data.judgments, data.identities
    return RunSettings(
        model=cell.name,
        dataset=cell.dataset,
        data_fingerprint=_evaluated_fingerprint(judgments, identities),
        calibration_fingerprint=judgments.fingerprint(identities) if len(judgments.calibration) else None,
        protocol=cell.protocol,
        subset=tuple(subset.name for subset in judgments.subsets),
        parts=tuple(part.name for part in judgments.parts),
        limit=cell.limit,
        random_init=cell.random_init,
        seed=cell.seed,
        transform=None if transform is None else transform.settings(),
        model_fingerprint=source.fingerprint,
        layers=source.selection,
        **asdict(source_kind(cell).view(cell, source)),
    )


def _evaluated_fingerprint(judgments: Judgments, identities: Sequence[str]) -> str:
    """The fingerprint of what is evaluated, the same whether or not anything calibrates.

    The identity of a picture is longer where it has doubles (see `FileImages.identities`). Here those count alone that
    are evaluated too.
    """
    evaluated, _ = judgments.without_calibration()
    known = dict(zip(judgments.images.names, identities, strict=True))
    own = [known[name] for name in evaluated.images.names]
    heads = [identity.partition("/")[0] for identity in own]
    alike = Counter(heads)
    return evaluated.fingerprint([full if alike[head] > 1 else head for full, head in zip(own, heads, strict=True)])


@dataclass
class Stopwatch:
    """Seconds by stage.

    Args:
        listener: Hears which stage begins, and that it is over.
        seconds: Seconds so far.
    """

    listener: ProgressListener = field(default_factory=ProgressListener)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Add the time spent inside to a stage."""
        start = time.perf_counter()
        self.listener.began(name)
        try:
            yield
        finally:
            self.listener.ended()
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - start


@dataclass(frozen=True)
class CellOutcome:
    """What came out of a cell, besides its scores.

    Attributes:
        judgments: What is evaluated.
        calibrated: How many judgments only calibrate.
        measured: The distances, and how they came about.
        intervals: How intervals were made, by subset.
        precision_check: What a low precision changes; none if that was not checked.
        notes: What else is told of the source.
    """

    judgments: Judgments
    calibrated: int
    measured: PairDistances
    intervals: Mapping[str, str]
    precision_check: PrecisionCheck | None
    notes: SourceNotes


def make_record(
    cell: Cell, settings: RunSettings, outcome: CellOutcome, session: Session, watch: Stopwatch
) -> RunRecord:
    """Make the record that becomes `run.json`, but for the transform, which the caller adds where there is one.

    Args:
        cell: What was measured and how.
        settings: Every setting that can change a number.
        outcome: What came out.
        session: Where it was measured.
        watch: How long each stage took.
    """
    judgments, measured = outcome.judgments, outcome.measured
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return RunRecord(
        label=cell.name,
        checkpoint=cell.checkpoint,
        settings=settings,
        dataset=cell.dataset,
        level=judgments.level,
        kind=judgments.kind,
        factors=known_factors(cell),
        observers=judgments.observers or "people",
        images=len(judgments.images.names),
        pairs=len(judgments.pairs),
        execution=_execution(cell, measured, session.ranks),
        timing={name: round(seconds, 3) for name, seconds in watch.seconds.items()},
        images_per_second=round(measured.embedded / watch.seconds["extract"], 2),
        peak_memory_gb=round(peak / 1e9, 3),
        versions={"python": platform.python_version(), **_versions()},
        interval=outcome.intervals,
        scoring_version=SCORING_VERSION,
        precision_check=None if outcome.precision_check is None else outcome.precision_check.to_json(),
        details={
            "pairs_resized_to_a_common_size": measured.found.resized,
            "calibration_judgments": outcome.calibrated,
        },
        projection=outcome.notes.projection,
        trained_on=outcome.notes.trained_on,
    )


def _versions() -> dict[str, str]:
    """The version of each package that can change a number; of extras those that are installed."""
    found = {name: version(name) for name in _PACKAGES}
    for name in _EXTRAS:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def known_factors(cell: Cell) -> dict[str, str | int | float | bool]:
    """The factors of a cell's model: those of its card, and those that were given."""
    card = cards().get(cell.model)
    return {**(card.factors if card else {}), **cell.factors}


def _execution(cell: Cell, measured: PairDistances, ranks: Ranks) -> dict[str, Any]:
    """How the cell was run: what may change with the machine, and changes no number beyond rounding."""
    return {
        "data_root": str(cell.data_root) if cell.data_root else None,
        "batch_size": cell.batch_size,
        "loader_workers": cell.workers,
        "feature_memory": cell.feature_memory,
        "device": measured.found.device,
        "devices": ranks.devices,
        "nodes": ranks.nodes,
        "compiled": cell.compiled,
        "matrix_products": measured.dense,
        "passes": measured.found.passes,
        "pixel_cache": measured.pixel_cache,
        "pixels_there": measured.pixels_there,
    }


def channel_table(uses: Sequence[ChannelUse]) -> pd.DataFrame | None:
    """Make the rows of `channels.csv`; none for a source without channels."""
    return pd.DataFrame(asdict(use) for use in uses) if uses else None
