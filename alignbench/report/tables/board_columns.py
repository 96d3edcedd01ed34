"""The columns of a leaderboard: a data set and subset each, and one for each way in which runs measured it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd

from alignbench.report.panels import find_ceiling
from alignbench.report.tables.captions import condition_text
from alignbench.results.extent import place_name
from alignbench.study.groups import Condition, read_condition
from alignbench.study.study_run import StudyRun


@dataclass(frozen=True)
class BoardColumn:
    """Runs on one data set and subset that were measured alike.

    Attributes:
        name: What it is called.
        dataset: Name of the data set.
        subset: Name of the subset.
        condition: How they were measured.
        chance: What random distances score; none where nobody knows.
        ceiling: Name of the noise ceiling; empty if none is known.
        ends: Its ends, which are the same where there is one estimate.
    """

    name: str
    dataset: str
    subset: str
    condition: Condition
    chance: float | None
    ceiling: str
    ends: tuple[float, float]


def board_condition(run: StudyRun, subset: str, at: str) -> Condition:
    """How a run was measured on one of its subsets, as far as that matters at a place.

    Args:
        run: The run.
        subset: Name of the subset.
        at: `projection`, where all token views are one, or `best`.
    """
    condition = read_condition(run, subset)
    return condition._replace(tokens="") if at == "projection" else condition


def board_columns(runs: Sequence[StudyRun], at: str) -> tuple[BoardColumn, ...]:
    """A column for each way in which towers were measured, and one for baselines that fit none of these.

    Those of the most judgments come first.

    Args:
        runs: Runs in the order of levels.
        at: As in `board_condition`.
    """
    found: dict[tuple[str, str], dict[Condition, list[StudyRun]]] = {
        (run.dataset, subset): {} for run in runs for subset in run.judgments
    }
    for run in sorted(runs, key=lambda run: run.is_baseline):
        for subset in run.judgments:
            ways, condition = found[run.dataset, subset], board_condition(run, subset, at)
            fitting = [way for way in ways if way.fits(condition)] if run.is_baseline else []
            for way in fitting or [condition]:
                ways.setdefault(way, []).append(run)
    columns = []
    for (dataset, subset), ways in found.items():
        most = sorted(ways, key=lambda way: -len(ways[way][0].judgments[subset].human))
        columns += [_column((dataset, subset), way, ways) for way in most]
    called = Counter(column.name for column in columns)
    return tuple(
        replace(column, name=f"{column.name}, {column.condition.judgments}") if called[column.name] > 1 else column
        for column in columns
    )


def _column(place: tuple[str, str], way: Condition, ways: Mapping[Condition, Sequence[StudyRun]]) -> BoardColumn:
    dataset, subset = place
    runs = ways[way]
    title = place_name(dataset, subset, way.protocol)
    said = ", ".join(filter(None, [runs[0].parts[subset], *_apart(way, list(ways))]))
    frames = [run.curve.frame for run in runs]
    ceiling = find_ceiling(pd.concat([frame[frame["subset"] == subset] for frame in frames], ignore_index=True))
    chance = next((run.curve.chance for run in runs if run.curve.chance is not None), None)
    ends = (ceiling.values[0], ceiling.values[-1]) if ceiling else (math.nan, math.nan)
    return BoardColumn(
        f"{title} ({said})" if said else title, *place, way, chance, ceiling.name if ceiling else "", ends
    )


def _apart(way: Condition, ways: Sequence[Condition]) -> list[str]:
    """How the runs of a column were measured, in what those of its data set and subset differ."""
    varying = {name for name in Condition._fields if len({getattr(other, name) for other in ways}) > 1}
    words = {"protocol": way.protocol, "tokens": way.tokens, "precision": way.precision, "resize": way.resize}
    said = [condition_text({name: text for name, text in words.items() if name in varying})]
    return [*said, f"channel means of {way.calibration}"] if "calibration" in varying and way.calibration else said
