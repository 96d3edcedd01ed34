"""What a transform or a student re-weights: how far each part of one model scores above that of another.

Both are scored on the same judgments, so that what makes a judgment hard drops out of a difference. Beside the interval
of each difference stands one that holds for all parts of a kind together (max-T).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from alignbench.datasets.judgments import Judgments
from alignbench.distances.protocols import PROTOCOLS
from alignbench.errors import UsageError
from alignbench.files import whole_folder
from alignbench.interpret.components import PartCurve
from alignbench.interpret.part_distances import read_part_distances
from alignbench.results.folders import folder_of
from alignbench.results.head_alignment import read_head_alignment
from alignbench.results.head_differences import COLUMNS, RECORD, TABLE, is_comparison
from alignbench.results.run_folder import run_hash
from alignbench.scoring.judged_part import JudgedPart, parts_of
from alignbench.scoring.own_scores import own_measure
from alignbench.statistics.rated_pairs import varying
from alignbench.statistics.scored_together import Judged, ScoredTogether, score_together
from alignbench.statistics.simultaneous import simultaneous_bounds

STAGE: Final = "against"
_SAME: Final = ("dataset", "distance", "judgments", "scoring")


def compare_heads(first: Path, second: Path, judged: Mapping[str, Judgments], seed: int = 0) -> tuple[Path, bool]:
    """Compare the parts of two models one by one, and leave `<model>__against__<hash8>` beside the first's scores.

    Args:
        first: Scores of the parts of a model, as `interpret align` leaves them.
        second: Those of another, or of the same before it was transformed or trained.
        judged: What people said, by protocol.
        seed: Seed of the bootstrap.

    Returns:
        The folder, and whether it was there already.

    Raises:
        UsageError: If the two were not scored on the same judgments in the same way, or have no part in common.
        DataError: If a folder is damaged.
        AlignbenchError: If the folder cannot be written.
    """
    records = [read_head_alignment(folder)[2]["settings"] for folder in (first, second)]
    _check_same(records, (first, second))
    settings = {"first": records[0], "second": records[1], "seed": seed}
    folder = first.parent / folder_of(str(records[0]["model"]), STAGE, run_hash(settings))
    if is_comparison(folder):
        return folder, True
    mine, others = read_part_distances(first), read_part_distances(second)
    rows: list[dict[str, Any]] = []
    for protocol, judgments in judged.items():
        (curves, _), (theirs, _) = mine[protocol], others[protocol]
        common = [curve for curve in curves if curve in set(theirs)]
        if not any(curve.component.kind == "head" for curve in common):
            raise UsageError(f"{first} and {second} have no head in common: compare models of one architecture")
        places = [[each.index(curve) for curve in common] for each in (curves, theirs)]
        distances = [each[protocol][1][place] for each, place in zip((mine, others), places, strict=True)]
        told = {"distance": records[0]["distance"], "protocol": protocol}
        for part in parts_of(judgments):
            rows += _rows(part, common, (distances[0], distances[1]), (judgments, told, seed))
    with whole_folder(folder, lambda: is_comparison(folder)) as scratch:
        pd.DataFrame(rows, columns=list(COLUMNS)).to_csv(scratch / TABLE, index=False)
        record = {"settings": settings, "first": first.name, "second": second.name}
        (scratch / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
    return folder, False


def _check_same(records: list[dict[str, Any]], folders: tuple[Path, Path]) -> None:
    for name in _SAME:
        if records[0].get(name) != records[1].get(name):
            what = "were not scored on the same judgments" if name == "judgments" else f"differ in the {name}"
            raise UsageError(f"{folders[0]} and {folders[1]} {what}: score both heads in the same way first")


def _rows(
    part: JudgedPart,
    curves: list[PartCurve],
    distances: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]],
    about: tuple[Judgments, dict[str, str], int],
) -> Iterator[dict[str, Any]]:
    """The rows of one subset."""
    judgments, told, seed = about
    share_ties = PROTOCOLS[told["protocol"]].share_ties or part.kind == "preference"
    runs = [Judged(each, part.options, part.kind, share_ties) for each in distances]
    scored = score_together(runs, part.human, varying(part.clusters, part.subject_ratings), seed)
    together = _together(scored, curves)
    count = len(curves)
    of_part = {"level": judgments.level, "dataset": judgments.dataset, "part": part.name, "measure": own_measure(part)}
    for number, curve in enumerate(curves):
        weights = np.zeros(2 * count)
        weights[number], weights[count + number] = 1.0, -1.0
        found = scored.contrast(weights)
        yield {
            **{"kind": curve.component.kind, "layer": curve.component.layer, "head": curve.component.head},
            **{"way": curve.way, **of_part, **told},
            **{"first": scored.value[number], "second": scored.value[count + number], "difference": found.value},
            **{"low": found.low, "high": found.high},
            **{"low_together": together[number, 0], "high_together": together[number, 1]},
        }


def _together(scored: ScoredTogether, curves: list[PartCurve]) -> np.ndarray[Any, Any]:
    """Ends of intervals that hold for all parts of a kind and way together, (curves, 2)."""
    ends = np.full((len(curves), 2), np.nan)
    for kind in dict.fromkeys((curve.component.kind, curve.way) for curve in curves):
        mine = np.array([n for n, curve in enumerate(curves) if (curve.component.kind, curve.way) == kind])
        drawn = scored.replicates(np.concatenate([mine, mine + len(curves)]))
        (bounds,) = simultaneous_bounds([(drawn[: len(mine)] - drawn[len(mine) :], scored.kind)])
        ends[mine, 0], ends[mine, 1] = bounds.low, bounds.high
    return ends
