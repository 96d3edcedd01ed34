"""The run folder: written whole or not at all, and found again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.datasets.judgments import Judgments
from alignbench.errors import DataError
from alignbench.files import whole_folder, write_safetensors, write_whole
from alignbench.results.folders import find_folders, folder_of, is_complete
from alignbench.results.judgment_table import write_judgments
from alignbench.results.layer_curve import LayerCurve
from alignbench.results.run_record import RunRecord, RunSettings


@dataclass(frozen=True)
class Run:
    """Everything a run produced.

    Attributes:
        curve: The scores.
        layers: Names of the layers.
        distances: Distances by name, (layers, pairs).
        judgments: What the scores were made of.
        record: What `run.json` says of it: settings, versions, device, timing.
        stimuli: A digest of the images of each judgment, in the order of `judgments`, see `Judgments.stimuli`.
        channels: How evenly each layer's channels share its activity, the rows of `channels.csv`; none for a baseline.
    """

    curve: LayerCurve
    layers: tuple[str, ...]
    distances: dict[str, NDArray[np.float64]]
    judgments: Judgments
    record: RunRecord
    stimuli: Sequence[str] | NDArray[np.bytes_]
    channels: pd.DataFrame | None = None

    @property
    def settings(self) -> RunSettings:
        """Every setting that can change a number."""
        return self.record.settings


def run_hash(settings: dict[str, Any]) -> str:
    """First 8 hex digits of SHA-256 over the canonical JSON of the settings that can change a number."""
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def folder_name(label: str, settings: RunSettings) -> str:
    """`<slug>__<dataset>__<hash8>`; see `folder_of`."""
    return folder_of(label, settings.dataset, run_hash(settings.to_json()))


def write_run(run: Run, output: Path, draw: Callable[[LayerCurve, Path], None], overwrite: bool = False) -> Path:
    """Write a run folder, whole or not at all.

    Args:
        run: What to write.
        output: Folder of run folders.
        draw: Writes the figures of a curve into a folder.
        overwrite: Replace a finished run of the same settings; the old one is moved aside first.

    Returns:
        The run folder; if it was there already and is not to be replaced, as it was.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    folder = output / folder_name(run.curve.label, run.settings)
    if is_complete(folder) and not overwrite:
        return folder
    # another process may have finished the same meanwhile
    with whole_folder(folder, keep=lambda: is_complete(folder) and not overwrite) as scratch:
        run.curve.frame.to_csv(scratch / "curve.csv", index=False)
        layers = {"layers": json.dumps(list(run.layers))}
        write_safetensors(scratch / "distances.safetensors", run.distances, layers)
        write_judgments(run.judgments, run.stimuli, scratch / "judgments.parquet")
        if run.channels is not None:
            run.channels.to_csv(scratch / "channels.csv", index=False)
        draw(run.curve, scratch)
        (scratch / "run.json").write_bytes(_as_bytes(run.record))
    return folder


def write_record(record: RunRecord, folder: Path) -> None:
    """Write `run.json` of a finished run anew, whole or not at all.

    Raises:
        AlignbenchError: If it cannot be written.
    """
    write_whole(folder / "run.json", _as_bytes(record))


def _as_bytes(record: RunRecord) -> bytes:
    return (json.dumps(record.to_json(), indent=2) + "\n").encode()


def find_runs(places: list[Path]) -> list[Path]:
    """Run folders among or directly below some folders.

    Raises:
        DataError: If a place holds none.
    """
    found = []
    for place in places:
        held = find_folders("run.json", [place])
        if not held:
            raise holds_none(place)
        found += held
    return found


def holds_none(place: Path) -> DataError:
    """The error for a place without run folders."""
    what = "is a file" if os.path.isfile(place) else "holds no run folder" if os.path.lexists(place) else "is not there"
    return DataError(f"{place} {what}: give a folder that `alignbench run` made, or one that holds such")
