"""The runs of a study: read from their folders, in the order of the paper, with what must not be averaged said."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from alignbench.datasets.judgments import LEVELS
from alignbench.errors import DataError
from alignbench.models.cards import cards
from alignbench.models.own_cards import natural_key
from alignbench.results.extent import data_set_title
from alignbench.results.finished import check_finished
from alignbench.results.folders import run_folders
from alignbench.results.judgment_table import SubsetJudgments
from alignbench.results.namesakes import tell_apart
from alignbench.results.published import PAPER_SUBSETS
from alignbench.scoring.scored_run import ScoredRun
from alignbench.study.groups import CONDITIONS, Condition, Group, group_runs, read_condition
from alignbench.study.study_run import StudyRun
from alignbench.transforms.published import caution_told

__all__ = ["Study", "StudyRun", "read_study"]

_IDENTIFYING = {"model", "dataset", "protocol", "data_fingerprint"}
_Judged = tuple[bytes, tuple[str, ...]]  # digest of a file of judgments, and which subsets of it are wanted
TOKENS_APART = "runs differ in tokens and are not put together"  # in a remark
_NAMED = 3  # at most so many runs are named where all others are alike


@dataclass(frozen=True)
class Study:
    """The runs of a study.

    Attributes:
        runs: Each run once: by level, then models before baselines.
        remarks: What has to be known of its runs, a line each: what differs between those of one data set, so that they
            are not put together, and which models were trained on such data.
    """

    runs: tuple[StudyRun, ...]
    remarks: tuple[str, ...]

    @cached_property
    def groups(self) -> tuple[Group, ...]:
        """The runs that may be put side by side, which are scored together when that is first asked for."""
        return group_runs(run for run in self.runs if not run.doubled)


def read_study(places: Sequence[Path]) -> tuple[Study, tuple[str, ...]]:
    """Read run folders.

    Args:
        places: Run folders, or folders of them.

    Returns:
        The study, and a line for each folder that is no whole run and was left out.

    Raises:
        DataError: If no run is left.
    """
    found: list[StudyRun] = []
    refused: list[str] = []
    known: dict[_Judged, dict[str, SubsetJudgments]] = {}
    for folder in dict.fromkeys(folder.resolve() for place in places for folder in run_folders(place) or [place]):
        try:
            found.append(_read(folder, known))
        except DataError as error:
            refused.append(str(error))
    if not found:
        raise DataError(refused[0] if len(refused) == 1 else f"none of {len(refused)} folders is a run: {refused[0]}")
    named, lines = tell_apart([run.stored for run in found])
    found = [
        run if stored is run.stored else replace(run, stored=stored, curve=stored.curve)
        for run, stored in zip(found, named, strict=True)
    ]
    runs = _with_doubles_marked(_each_once(sorted(found, key=_order)))
    return Study(tuple(runs), (*lines, *_remarks(runs))), tuple(refused)


def _read(folder: Path, known: dict[_Judged, dict[str, SubsetJudgments]]) -> StudyRun:
    """Read all of a run but its distances.

    Args:
        folder: The run folder.
        known: Judgments that were read before, which runs on the same ones share.

    Raises:
        DataError: If it is no whole run; names the folder or the file.
    """
    check_finished(folder)
    stored = ScoredRun(folder)
    stored.check_tells(_IDENTIFYING, "a study")
    subsets = tuple(dict.fromkeys(stored.curve.main()["subset"]))
    key = stored.judgments_digest, subsets
    if key not in known:
        known[key] = stored.judgments(subsets)
    stored.check_together(max(int(some.options.max()) for some in known[key].values()))
    run = StudyRun(stored, stored.curve, known[key])
    _ = run.top_shares  # a damaged table makes the folder no whole run, as any other damaged file does
    return run


# -------------------------------------------------------------------------------------------------- order


def _order(run: StudyRun) -> tuple[object, ...]:
    """By level, the paper's data sets first, towers in the order of the cards, twins after their model, baselines."""
    level = LEVELS.index(run.level) if run.level in LEVELS else len(LEVELS)
    name = run.checkpoint.partition("@")[0]
    known = list(cards())
    rank = next((known.index(card) for card in (name, run.published) if card in known), len(known))
    place = level, run.dataset not in PAPER_SUBSETS, run.dataset, run.is_baseline, rank
    return *place, natural_key(run.label.partition("@")[0]), natural_key(run.label), run.folder.name


def _each_once(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """Runs without copies: what has the same settings and the same curve is one run."""
    kept: list[StudyRun] = []
    for run in runs:
        if not any(run.settings == other.settings and run.curve.frame.equals(other.curve.frame) for other in kept):
            kept.append(run)
    return kept


def _with_doubles_marked(runs: Sequence[StudyRun]) -> list[StudyRun]:
    """The runs, with those marked that have an aligned layer and no plain layer which another run has not already.

    Runs without a transform are looked at first, so that theirs are the plain layers that count.
    """
    seen: dict[str, set[str]] = {}  # distances by everything else that settles the plain layers
    doubled = set()
    for run in sorted(runs, key=lambda run: bool(run.curve.transform)):
        settled = run.settings.to_json() | {"model": run.model, "transform": None, "distance": None}
        measured = seen.setdefault(json.dumps(settled, sort_keys=True), set())
        if run.curve.transform and measured.issuperset(run.distances):
            doubled.add(run)
        measured.update(run.distances)
    return [replace(run, doubled=run in doubled) for run in runs]


# -------------------------------------------------------------------------------------------------- remarks


def _remarks(runs: Sequence[StudyRun]) -> Iterator[str]:
    """In what runs on one subset differ so that they are not put together, and which were trained on such data."""
    places: dict[tuple[str, str], list[tuple[StudyRun, Condition]]] = {}
    for run in runs:
        for subset in run.judgments:
            places.setdefault((run.dataset, subset), []).append((run, read_condition(run, subset)))
    for (dataset, subset), some in places.items():
        place = f"{data_set_title(dataset)} {subset}"
        for index, name in enumerate(CONDITIONS):
            ways: dict[str, list[str]] = {}
            for run, condition in some:
                if condition[index]:
                    ways.setdefault(condition[index], []).append(run.label)
            if len(ways) > 1:
                yield f"{place}: runs differ in {name} and are not put together: {_who(ways)}"
        for told in dict.fromkeys(f"{run.label}, {run.curve.trained_on}" for run, _ in some if run.curve.trained_on):
            yield f"{place}: {told}"
        seen: dict[tuple[str, str, Condition], list[str]] = {}
        for run, condition in some:
            for distance in run.distances:
                seen.setdefault((run.label, distance, condition), []).append(run.folder.name)
        for folders in dict.fromkeys(tuple(folders) for folders in seen.values() if len(folders) > 1):
            yield f"{place}: {', '.join(folders)} are of one model; comparisons take the first"
    yield from dict.fromkeys(filter(None, (caution_told(run.record.transform) for run in runs)))


def _who(ways: dict[str, list[str]]) -> str:
    """`paper (a, b), corrected (c)`; the most common way needs no names where they are many."""
    most = max(ways, key=lambda way: len(ways[way]))
    return ", ".join(
        f"{way} (the other {len(labels)})"
        if way == most and len(labels) > _NAMED
        else f"{way} ({', '.join(dict.fromkeys(labels))})"
        for way, labels in ways.items()
    )
