"""A layer curve that draws itself, and shows itself in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Self

import pandas as pd

from alignbench.results.extent import measured_on
from alignbench.results.layer_curve import LayerCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@dataclass(frozen=True, repr=False)
class MeasuredCurve(LayerCurve):
    """Scores of one model on one data set, layer by layer, as `alignbench.measure` and `run.curve` give them."""

    @classmethod
    def of(cls, curve: LayerCurve) -> Self:
        """A curve with the same scores."""
        return cls(**{each.name: getattr(curve, each.name) for each in fields(curve)})

    @cached_property
    def table(self) -> pd.DataFrame:
        """Best layer, projection, ceiling and chance: a row for each subset and distance.

        Its columns are `model`, `dataset`, `level`, `observers`, `subset`, `n`, `part`, `distance`, `metric`, `chance`,
        `trained_on`; `best_layer`, `best_depth`; and `best`, `projection`, `aligned` and `ceiling`, each with the ends
        of its interval (`best_low`, `best_high`), and `aligned_layer`. Scores are fractions.
        """
        from alignbench.api.tables import curve_table

        return curve_table([self])

    def plot(
        self,
        *,
        distance: str | Sequence[str] | None = None,
        subset: str | None = None,
        published: str | Sequence[str] = (),
        ax: Axes | None = None,
    ) -> Figure:
        """Draw the curve over depth, with its intervals, the noise ceiling, chance, and what is published of it.

        Args:
            distance: Names of distances; all if none are given.
            subset: One subset alone; all if none is given.
            published: Names of published models whose curves stand beside in grey.
            ax: Axes to draw into instead of a new figure; for one subset.

        Returns:
            The figure, which a notebook shows; that of `ax`, if axes are given.

        Raises:
            UsageError: If there is no such distance, subset or published model, or several subsets for one `ax`.
        """
        from alignbench.api.drawing import draw

        return draw([self], distance=distance, subset=subset, published=published, ax=ax)

    def __repr__(self) -> str:
        """One line: the scores of the first subset and distance."""
        first = self.table.iloc[0]
        scores = [f"best {first['best_layer']} {first['best']:.3f}"] if first["best_layer"] else ["no score"]
        if pd.notna(first["projection"]):
            scores.insert(0, f"projection {first['projection']:.3f}")
        return f"<MeasuredCurve {self._title()}: {', '.join(scores)} ({first['distance']})>"

    def _repr_html_(self) -> str:
        """A small table for notebooks."""
        from alignbench.api.tables import html_table, shown_scores

        titled = ["model", "dataset", "judgments", "observers", "trained on"]
        shown = shown_scores(self.table).drop(columns=titled, errors="ignore")
        return html_table(shown, self._title())

    def _title(self) -> str:
        """The model and the data set, how much of it was measured if a part, and who judged if no people did."""
        from alignbench.report.panels import SIMULATED

        title = f"{self.label} on {measured_on(self)}"
        if not self.is_simulated:
            return title
        return f"{title[:-1]}; {SIMULATED})" if title.endswith(")") else f"{title} ({SIMULATED})"
