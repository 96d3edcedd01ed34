"""Finished runs as Python has them: one run, and a sequence of runs that is looked at as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import pandas as pd

from alignbench.api.curves import MeasuredCurve
from alignbench.api.words import python_words, speaks_python
from alignbench.arrays import Floats
from alignbench.errors import unknown
from alignbench.scoring.scored_run import ScoredRun

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SHOWN = 10  # runs that `repr` names


@dataclass(frozen=True, eq=False, repr=False)
class FinishedRun(ScoredRun):
    """A run folder: `curve`, `label`, `record`, `settings`, distances and judgments, each read when it is asked for."""

    @classmethod
    def of(cls, run: ScoredRun) -> Self:
        """The same run, without reading again what has been read of it."""
        own = cls(run.folder, run.called)
        vars(own).update(record=run.record, curve=MeasuredCurve.of(run.curve))  # what is kept once it was asked for
        return own

    @cached_property
    def curve(self) -> MeasuredCurve:
        """The scores, as this version makes them.

        Raises:
            DataError: If the folder is damaged, or of a version that cannot be scored any more.
        """
        with python_words():
            return MeasuredCurve.of(super().curve)

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers."""
        with python_words():
            return super().layers

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each distance by its name, (layers, pairs), without reading it."""
        with python_words():
            return super().shapes

    @cached_property
    def depths(self) -> Floats:
        """Depths of the layers in percent, (layers,)."""
        with python_words():
            return super().depths

    distances = speaks_python(ScoredRun.distances)
    all_distances = speaks_python(ScoredRun.all_distances)
    judgments = speaks_python(ScoredRun.judgments)
    judgment_rows = speaks_python(ScoredRun.judgment_rows)

    def plot(self, **options: Any) -> Figure:
        """Draw its curve; arguments are those of `MeasuredCurve.plot`."""
        return self.curve.plot(**options)

    def __repr__(self) -> str:
        """One line: the curve, and the folder."""
        return f"{self.curve!r} in {self.folder}"

    def _repr_html_(self) -> str:
        """The curve's table for notebooks, and the folder."""
        from alignbench.api.tables import html_line

        return f"<div>{self.curve._repr_html_()}{html_line(str(self.folder))}</div>"


@dataclass(frozen=True, eq=False, repr=False)
class Runs(Sequence[FinishedRun]):
    """Finished runs, in the order of their folders' names.

    `runs[0]` is a run, `runs[:3]` are some, and `runs["LABEL"]` those of one model, on whatever data sets.

    Attributes:
        runs: The runs.
        skipped: A line for each folder that was left out, and why.
    """

    runs: tuple[FinishedRun, ...]
    skipped: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.runs)

    @overload
    def __getitem__(self, which: int) -> FinishedRun: ...
    @overload
    def __getitem__(self, which: slice | str) -> Self: ...
    def __getitem__(self, which: int | slice | str) -> FinishedRun | Self:
        """A run by its place, some runs by a slice, or those of a label.

        Raises:
            UsageError: If no run has that label; names the nearest.
        """
        if isinstance(which, str):
            found = tuple(run for run in self.runs if run.label == which)
            if not found:
                raise unknown("label", which, self.labels)
            return replace(self, runs=found, skipped=())
        return replace(self, runs=self.runs[which], skipped=()) if isinstance(which, slice) else self.runs[which]

    @property
    def labels(self) -> tuple[str, ...]:
        """What their models are called, each once."""
        return tuple(dict.fromkeys(run.label for run in self.runs))

    @property
    def datasets(self) -> tuple[str, ...]:
        """Names of their data sets, each once."""
        return tuple(dict.fromkeys(curve.dataset for curve in self.curves))

    @property
    def curves(self) -> tuple[MeasuredCurve, ...]:
        """Their curves."""
        return tuple(run.curve for run in self.runs)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Best layer, projection, ceiling and chance of all: a row for each run, subset and distance.

        The columns are those of `MeasuredCurve.table`, and `folder`.
        """
        parts = [run.curve.table.assign(folder=str(run.folder)) for run in self.runs]
        return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()

    def plot(self, **options: Any) -> Figure:
        """Draw all curves, a panel a data set; arguments are those of `MeasuredCurve.plot`.

        Of several models one distance is drawn that all have, unless others are named.
        """
        from alignbench.api.drawing import draw

        return draw(self.curves, **options)

    def __repr__(self) -> str:
        """How many runs there are, and which."""
        named = [f"{run.label} on {run.curve.dataset}" for run in self.runs[:_SHOWN]]
        more = [f"and {len(self) - _SHOWN:,} more"] if len(self) > _SHOWN else []
        return f"<{': '.join(filter(None, [self._count(), ', '.join([*named, *more])]))}>"

    def _repr_html_(self) -> str:
        """Their scores by the first distance of each, as a table for notebooks; of many runs the first ones."""
        from alignbench.api.tables import MOST_ROWS, html_line, html_table, shown_scores

        if not self.runs:
            return html_line(self._count())
        some = self[:MOST_ROWS]  # a table of a thousand takes seconds
        first = some.table.drop_duplicates(["folder", "subset"])
        cut = f", the first {MOST_ROWS} of them here" if len(self) > MOST_ROWS else ""
        return html_table(shown_scores(first), f"{self._count()}{cut}; `table` has all runs and distances")

    def _count(self) -> str:
        left = f", {len(self.skipped)} left out (see `skipped`)" if self.skipped else ""
        return f"{len(self):,} run{'' if len(self) == 1 else 's'}{left}"
