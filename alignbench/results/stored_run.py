"""A finished run, read back from its folder: its record, its curve, and what scores are made of, without the data.

Each file is read when it is first asked for. Distances, the bulk of a run, are read anew whenever they are asked for,
and not kept here.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from alignbench.arrays import Floats
from alignbench.distances.names import DISTANCES
from alignbench.errors import DataError
from alignbench.files import open_plain
from alignbench.files.json_text import checked, parse_json
from alignbench.results.csv_table import read_csv_table
from alignbench.results.finished import AGAIN, read_bytes, unreadable
from alignbench.results.judgment_table import COLUMNS, SubsetJudgments, read_subsets, read_table
from alignbench.results.layer_curve import _TEXT, LayerCurve, is_part
from alignbench.results.layer_curve import COLUMNS as CURVE_COLUMNS
from alignbench.results.run_record import RunRecord, RunSettings

_SCORES = ("value", "ci_low", "ci_high")
_OF_ALL = ("model", "dataset", "level", "protocol")  # columns that are the same in all rows of a curve


@dataclass(frozen=True, eq=False)
class StoredRun:
    """A run folder.

    Attributes:
        folder: The folder.
        called: What the model is called in place of its label, where other runs have that label and other weights;
            see `tell_apart`.
    """

    folder: Path
    called: str = ""

    @cached_property
    def record(self) -> RunRecord:
        """`run.json`.

        Raises:
            DataError: If it is not there or cannot be read.
        """
        path = self.folder / "run.json"
        try:
            return RunRecord.from_json(parse_json(read_bytes(path)))
        except (OSError, ValueError) as error:
            raise unreadable(path, error, "used") from error

    @property
    def label(self) -> str:
        """What the model is called."""
        return self.called or self.record.label

    @property
    def settings(self) -> RunSettings:
        """Every setting that can change a number."""
        return self.record.settings

    @cached_property
    def curve(self) -> LayerCurve:
        """`curve.csv`, with what `run.json` says of how much was taken.

        Raises:
            DataError: If it is no run folder, or one of the two cannot be read.
        """
        path = self.folder / "curve.csv"
        try:
            if not (self.folder / "run.json").is_file() or not path.is_file():
                raise DataError(f"{self.folder} is not a whole run folder (run.json and curve.csv): measure it again")
            open_plain(path).close()
            frame = read_csv_table(path, _TEXT, gaps=_SCORES)
        except (OSError, ValueError) as error:
            raise unreadable(path, error) from error
        if tuple(frame.columns) != CURVE_COLUMNS or frame.empty:
            raise DataError(f"{path} does not hold the columns of a curve: {AGAIN}")
        if np.isinf(frame[list(_SCORES)].to_numpy(dtype=np.float64)).any():
            raise DataError(f"{path} holds a score that is not finite: {AGAIN}")
        record = self.record
        curve = LayerCurve(frame, record.settings.limit, record.kind, record.checkpoint, record.trained_on)
        if curve.primary().empty or any(len(set(frame[name])) > 1 for name in _OF_ALL):
            raise DataError(f"{path} is not the curve of one model on one data set: {AGAIN}")
        if not self._has_all_rows(frame):
            raise DataError(f"{path} lacks rows that its run had: {AGAIN}")
        if not self.called:
            return curve
        return replace(curve, frame=frame.assign(model=self.called), checkpoint=curve.checkpoint or curve.model)

    def _has_all_rows(self, frame: pd.DataFrame) -> bool:
        """Whether every score is there at each layer, and so many distances and subsets as the settings name."""
        columns = [frame[name].tolist() for name in ("subset", "distance", "metric", "layer")]
        of_score: dict[tuple[str, ...], set[str]] = {}  # ten times as quick as pandas' groups, for a few dozen rows
        for *score, layer in zip(*columns, strict=True):
            of_score.setdefault(tuple(score), set()).add(layer)
        whole = {len(found) for found in of_score.values()} == {len(set(columns[3]))}
        settings = (self.settings.subset, columns[0]), (self.settings.distance, columns[1])
        return whole and all(len(set(found)) >= len(names) for names, found in settings)

    # --------------------------------------------------------------------------------------------- distances

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        return self._head[0]

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each distance by its name, (layers, pairs), without reading it; in the order of `DISTANCES`."""
        return self._head[1]

    @cached_property
    def depths(self) -> Floats:
        """Depths of the layers in percent, (layers,).

        Raises:
            DataError: If the curve lacks one of them.
        """
        depths = self.curve.frame.drop_duplicates("layer").set_index("layer")["depth"]
        if not set(self.layers) <= set(depths.index):
            raise self._apart()
        return np.asarray(depths.loc[list(self.layers)], dtype=np.float64)

    def distances(self, names: Sequence[str], layers: Sequence[str] = ()) -> Floats:
        """Distances of some names, one after another, (names x layers, pairs).

        Args:
            names: Names of the distances.
            layers: Names of the layers, in this order; all if none are given.

        Raises:
            DataError: If the file cannot be read.
        """
        rows = [self.layers.index(layer) for layer in layers or self.layers]
        kept = slice(None) if rows == [*range(len(self.layers))] else rows
        with self._opened() as file:
            return np.concatenate([file.get_tensor(name)[kept] for name in names])

    def all_distances(self) -> dict[str, Floats]:
        """The distances by name, (layers, pairs); errors as in `distances`."""
        with self._opened() as file:
            return {name: file.get_tensor(name) for name in self.shapes}

    @cached_property
    def _head(self) -> tuple[tuple[str, ...], dict[str, tuple[int, ...]]]:
        with self._opened() as file:
            layers = tuple(checked("list of layers", parse_json(file.metadata()["layers"]), (list,)))
            names = sorted(file.keys(), key=lambda name: DISTANCES.index(name) if name in DISTANCES else -1)
            return layers, {name: tuple(file.get_slice(name).get_shape()) for name in names}

    @contextmanager
    def _opened(self) -> Iterator[Any]:
        """The file of distances.

        Raises:
            DataError: If it is not there, not whole, or not read as it should be.
        """
        from safetensors import SafetensorError, safe_open

        path = self.folder / "distances.safetensors"
        try:
            open_plain(path).close()
            with safe_open(path, framework="numpy") as file:
                yield file
        except (OSError, SafetensorError, KeyError, TypeError, ValueError) as error:
            raise unreadable(path, error) from error

    # --------------------------------------------------------------------------------------------- judgments

    @cached_property
    def judgments_digest(self) -> bytes:
        """Digest of the file of judgments: runs with the same one need not read it each.

        Raises:
            DataError: If it cannot be read.
        """
        path = self._judgments
        try:
            return hashlib.sha256(read_bytes(path)).digest()
        except OSError as error:
            raise unreadable(path, error) from error

    def judgments(self, subsets: Sequence[str], by_id: bool = True) -> dict[str, SubsetJudgments]:
        """The judgments of some subsets, by subset, each in the order of its ids or of the file.

        Raises:
            DataError: If the file cannot be read, or lacks a column or a subset.
        """
        import pyarrow

        try:
            open_plain(self._judgments).close()
            return read_subsets(self._judgments, subsets, by_id)
        except (OSError, ValueError, TypeError, KeyError, pyarrow.ArrowException) as error:
            raise unreadable(self._judgments, error, "used") from error

    def judgment_rows(self) -> pd.DataFrame:
        """Each judgment once, in the order of the file: its rows that are of no breakdown, unless all are.

        Raises:
            DataError: If it is not there, cannot be read, or lacks a column.
        """
        path = self._judgments
        import pyarrow

        try:
            open_plain(path).close()
            table = read_table(path)
        except (OSError, ValueError, TypeError, pyarrow.ArrowException) as error:
            raise unreadable(path, error) from error
        if not set(COLUMNS) <= set(table.columns) or table.empty:
            raise DataError(f"{path} lacks what a comparison needs: {AGAIN}")
        subsets = pd.Series(table["subset"].unique())
        whole = subsets[~is_part(subsets)]
        return table if len(whole) in (0, len(subsets)) else table[table["subset"].isin(whole)]

    @property
    def _judgments(self) -> Path:
        return self.folder / "judgments.parquet"

    # ------------------------------------------------------------------------------------------------- checks

    def check_tells(self, names: set[str], who: str) -> None:
        """Refuse a record that lacks the kind of judgments or a setting.

        Args:
            names: Names of the settings that are needed.
            who: Who needs them, e.g. `a study`.

        Raises:
            DataError: If it does.
        """
        if not self.record.kind or self.settings.lacking & names:
            raise DataError(f"{self.folder / 'run.json'} lacks what {who} needs: {AGAIN}")

    def check_together(self, most: int) -> None:
        """Refuse files that do not belong together, as far as can be told without reading distances.

        Args:
            most: The highest number of a pair that its judgments name.

        Raises:
            DataError: If they do not.
        """
        frame, shapes = self.curve.frame, self.shapes
        fits = all(len(s) == 2 and s[0] == len(self.layers) and s[1] > most for s in shapes.values())
        named = [list(frame["layer"].unique()), sorted(frame["distance"].unique())]
        if not fits or named != [list(self.layers), sorted(shapes)]:
            raise self._apart()

    def _apart(self) -> DataError:
        return DataError(f"the files of {self.folder} do not belong together: {AGAIN}")
