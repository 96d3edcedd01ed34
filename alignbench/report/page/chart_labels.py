"""What a chart says to whoever does not see it: what it shows, and its main numbers."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

import pandas as pd

from alignbench.models.layer_names import PROJECTION, is_block, select_rows
from alignbench.report.page.plain_tables import number
from alignbench.report.panels import DEPTH, SIMULATED, Panel, is_baseline
from alignbench.report.series import Key

_SAID: Final = 6  # so many lines are told, those that score highest


def chart_label(panel: Panel, name: Callable[[Key], str], distances: Collection[str]) -> str:
    """Describe a chart as it is drawn at first.

    Args:
        panel: What it shows.
        name: What a line is called.
        distances: The distances of towers that are ticked at first.
    """
    return " ".join(_sentences(panel, name, distances))


def _sentences(panel: Panel, name: Callable[[Key], str], distances: Collection[str]) -> Iterator[str]:
    over = f" over {DEPTH}" if panel.has_depth else ""
    yield f"Chart of {', '.join(filter(None, [panel.title, panel.part]))}: {panel.score}{over}."
    if panel.simulated:
        yield f"{SIMULATED.capitalize()}."
    if panel.chance is not None:
        yield f"Chance is {number(panel.chance)}."
    if panel.ceiling:
        yield f"The {panel.ceiling.name} is {' to '.join(map(number, panel.ceiling.values))}."
    shown = {key: rows for key, rows in panel.lines.items() if is_baseline(rows) or key.distance in distances}
    ranked = sorted(shown, key=lambda key: -shown[key]["value"].fillna(0.0).max())
    for key in ranked[:_SAID]:
        yield f"{name(key)}: {_main_numbers(shown[key])}."
    if len(ranked) > _SAID:
        yield f"{len(ranked) - _SAID} more score lower."
    if panel.references:
        yield f"Beside them: {', '.join(reference.name for reference in panel.references)}."
    yield "All numbers are in the table of best layers."


def _main_numbers(rows: pd.DataFrame) -> str:
    """The score of a baseline; of a tower the highest layer before the projection, and the projection."""
    mean = rows.groupby(["layer", "depth"], sort=False, as_index=False)["value"].mean()  # of several twins
    if is_baseline(rows):
        return number(mean["value"].iloc[0])
    mean = mean.dropna(subset="value")
    blocks, last = select_rows(mean, is_block), mean[mean["layer"] == PROJECTION]
    said = []
    if len(blocks):
        best = blocks.loc[blocks["value"].idxmax()]
        said.append(f"highest {number(best['value'])} at {best['layer']}, depth {best['depth']:.1f} %")
    if len(last):
        said.append(f"{number(last['value'].iloc[0])} at the projection")
    return ", ".join(said) or "no score"
