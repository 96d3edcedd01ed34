"""Finished runs, read back from their folders: what scores are made of, without the data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from alignbench.arrays import Floats, Indices
from alignbench.distances.names import DISTANCES
from alignbench.errors import DataError
from alignbench.results.judgment_table import COLUMNS, matrix, read_table
from alignbench.results.layer_curve import is_part
from alignbench.results.run_folder import read_curve

_AT_ONCE = 65_536  # texts that are made at the same time


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


@dataclass(frozen=True, eq=False)
class SubsetJudgments:
    """The judgments of one subset, in the order of their ids.

    Attributes:
        human: The rating, the option that people chose, or the share of them who preferred the second, (n,).
        clusters: What is resampled, (n, m).
        options: Pairs of each judgment among the distances of its run, (n, k).
        digest: Equal for runs whose people saw and said the same.
    """

    human: Floats
    clusters: Indices
    options: Indices
    digest: str


def shape_of_distances(folder: Path) -> tuple[tuple[str, ...], dict[str, tuple[int, int]]]:
    """The layers of a run and the shape of each distance, from the head of the file alone.

    Raises:
        DataError: If the file is not there or not whole.
    """
    from safetensors import SafetensorError, safe_open

    path = folder / "distances.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            layers = tuple(json.loads(file.metadata()["layers"]))
            return layers, {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} cannot be read ({error}): measure it again with --overwrite") from error


def judgments_by_subset(path: Path, subsets: Sequence[str]) -> dict[str, SubsetJudgments]:
    """Judgments of a `judgments.parquet`, see `judgment_table.write_judgments`.

    Raises:
        DataError: If it cannot be read, or lacks a column or a subset.
    """
    import pyarrow
    import pyarrow.compute as pc
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(path)
        lacking = set(COLUMNS) - set(file.schema_arrow.names)
        if lacking:
            raise ValueError(f"it lacks {', '.join(sorted(lacking))}")
        table = file.read(columns=list(COLUMNS))
        found = {}
        for subset in subsets:
            rows = table.filter(pc.equal(table["subset"], subset)).sort_by("id").combine_chunks()
            if not rows.num_rows:
                raise ValueError(f"it lacks subset {subset}")
            human = rows["value"].to_numpy().astype(np.float64)
            digest = hashlib.sha256(human.tobytes())
            for column in ("id", "stimuli"):
                for start in range(0, len(human), _AT_ONCE):
                    texts = rows[column].slice(start, _AT_ONCE).to_pylist()
                    digest.update(("\0" * (start > 0) + "\0".join(texts)).encode())
            clusters, options = (matrix(rows[column]) for column in ("cluster", "pairs"))
            found[subset] = SubsetJudgments(human, clusters, options, digest.hexdigest())
    except (OSError, ValueError, TypeError, KeyError, pyarrow.ArrowException) as error:
        reason = str(error).partition("\n")[0]
        raise DataError(f"{path} cannot be used ({reason}): measure it again with --overwrite") from error
    return found
