"""Finished runs, read back from their folders: what scores are made of, without the data."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.distances.names import DISTANCES
from alignbench.errors import DataError
from alignbench.judgment_table import COLUMNS, matrix, read_table
from alignbench.results import is_part, read_curve

Floats = NDArray[np.float64]

_IDENTIFYING = {"model", "dataset", "protocol", "subset", "limit", "random_init", "seed", "data_fingerprint"}


@dataclass(frozen=True)
class FinishedRun:
    """What a run folder holds that scores are made of.

    Attributes:
        record: `run.json`.
        layers: Names of the layers.
        depths: Their depths in percent, (layers,).
        distances: By name, (layers, pairs).
        judgments: The rows of `judgments.parquet` that are of no breakdown, each judgment once.
    """

    record: dict[str, Any]
    layers: tuple[str, ...]
    depths: Floats
    distances: dict[str, Floats]
    judgments: pd.DataFrame

    @property
    def label(self) -> str:
        """What the model is called."""
        return str(self.record["label"])


def read_run(folder: Path) -> FinishedRun:
    """Read a run folder.

    Raises:
        DataError: If it is none, or was written without what a comparison needs.
    """
    record = read_record(folder)
    if not ({"kind"} <= set(record) and set(record["settings"]) >= _IDENTIFYING):
        raise DataError(f"{folder / 'run.json'} lacks what a comparison needs: measure it again with --overwrite")
    layers, distances = read_distances(folder)
    depths = read_curve(folder).frame.drop_duplicates("layer").set_index("layer")["depth"]
    judgments = read_judgments(folder)
    most = int(matrix(judgments["pairs"]).max())
    fits = all(len(values) == len(layers) and values.shape[1] > most for values in distances.values())
    if not fits or list(depths.index) != list(layers):
        raise DataError(f"the files of {folder} do not belong together: measure it again with --overwrite")
    subsets = pd.Series(judgments["subset"].unique())
    whole = subsets[~is_part(subsets)]
    return FinishedRun(
        record,
        layers,
        depths.loc[list(layers)].to_numpy(dtype=np.float64),
        distances,
        judgments if len(whole) in (0, len(subsets)) else judgments[judgments["subset"].isin(whole)],
    )


def read_record(folder: Path) -> dict[str, Any]:
    """`run.json` of a run folder.

    Raises:
        DataError: If it is not there or cannot be read.
    """
    try:
        record: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if not {"label", "settings"} <= set(record):
            raise ValueError("it has no label or settings")
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{folder / 'run.json'} cannot be used ({error}): measure it again with --overwrite") from error
    return record


def read_distances(folder: Path) -> tuple[tuple[str, ...], dict[str, NDArray[np.float64]]]:
    """The names of the layers of a run, and its distances by name, (layers, pairs).

    Raises:
        DataError: If `distances.safetensors` is not there or cannot be read.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / "distances.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            layers = tuple(json.loads(file.metadata()["layers"]))
            names = sorted(file.keys(), key=lambda name: DISTANCES.index(name) if name in DISTANCES else -1)
            return layers, {name: file.get_tensor(name) for name in names}
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): measure it again with --overwrite") from error


def read_judgments(folder: Path) -> pd.DataFrame:
    """The rows of `judgments.parquet`, see `judgment_table.write_judgments`.

    Raises:
        DataError: If it is not there, cannot be read, or lacks a column.
    """
    path = folder / "judgments.parquet"
    try:
        table = read_table(path)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): measure it again with --overwrite") from error
    if not set(COLUMNS) <= set(table.columns) or table.empty:
        raise DataError(f"{path} lacks what a comparison needs: measure it again with --overwrite")
    return table
