"""Published curves that are asked for by name, whether or not a run is of their models: grey lines beside ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pandas as pd

from alignbench.distances.names import distance_name
from alignbench.errors import UsageError, unknown
from alignbench.models.layer_names import IMAGE
from alignbench.report.series import Look
from alignbench.results.layer_curve import PRIMARY_METRICS
from alignbench.results.published import PAPER_SUBSETS, published_curves, published_models, published_name

_GREYS: Final = ("#6e6e6e", "#8c8c8c")
_DASHES: Final = ((5, 2), (2, 2), (8, 2, 2, 2), (9, 3), (5, 2, 2, 2, 2, 2), (12, 2, 4, 2))


@dataclass(frozen=True)
class Reference:
    """One published curve, or the one score of a published baseline.

    Attributes:
        name: What it is called: `published NAME`, and the distance where several are drawn.
        model: The published model.
        distance: Name of the distance; empty for a baseline.
        rows: Columns layer, depth (percent) and value (a fraction), in the order of depth.
        look: A grey and dashes of its own; it has no marker.
    """

    name: str
    model: str
    distance: str
    rows: pd.DataFrame
    look: Look


def find_published(names: Sequence[str]) -> tuple[str, ...]:
    """The published models of some names, each once: whole names, or what comes after the last slash.

    Raises:
        UsageError: If nothing is published under a name; gives the nearest names and all.
    """
    known = [name.rpartition("/")[2] for name in published_models()]
    found = dict.fromkeys(published_name(name) or _refused(name, known) for name in names)
    return tuple(found)


def _refused(name: str, known: Sequence[str]) -> str:
    said = str(unknown("published model", name, known))
    raise UsageError(said if "valid:" in said else f"{said} Published are {', '.join(known)}")


def references_at(
    place: tuple[str, str], models: Sequence[str], distances: Sequence[str], *, named: bool
) -> tuple[Reference, ...]:
    """What is published of some models on one data set and subset; nothing on others than the paper's.

    Args:
        place: Name of the data set and of the subset.
        models: Published models, see `find_published`.
        distances: The distances of towers that are drawn.
        named: Whether names have to say the distance.
    """
    dataset, subset = place
    if PAPER_SUBSETS.get(dataset) != subset:
        return ()
    table = published_curves()
    table = table[(table["dataset"] == dataset) & table["metric"].isin(PRIMARY_METRICS)]
    found = []
    for number, model in enumerate(models):
        theirs = table[table["model"] == model].sort_values("depth", kind="stable")
        flat = bool((theirs["layer"] == IMAGE).all())
        for turn, distance in enumerate([""] if flat else distances):
            rows = theirs if flat else theirs[theirs["distance"] == distance]
            spoken = f", {distance_name(distance)}" if named and distance else ""
            name = f"published {model.rpartition('/')[2]}{spoken}"
            rows = rows[["layer", "depth", "value"]].reset_index(drop=True)
            look = reference_look(number * len(distances) + turn)
            found += [Reference(name, model, distance, rows, look)] if len(rows) else []
    return tuple(found)


def reference_look(number: int) -> Look:
    """The look of the reference of some number: two greys, six patterns of dashes, no marker."""
    dashes = _DASHES[number % len(_DASHES)]
    return Look(_GREYS[number // len(_DASHES) % len(_GREYS)], "", (0, dashes))
