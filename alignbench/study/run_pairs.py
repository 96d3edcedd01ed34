"""Which runs of two names are compared with each other: on each data set those that were measured alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from alignbench.datasets.judgments import LEVELS
from alignbench.distances.names import DISTANCES
from alignbench.errors import DataError, UsageError, unknown
from alignbench.models.layer_names import IMAGE
from alignbench.results.stored_run import StoredRun
from alignbench.study.compared_curves import WHERE
from alignbench.study.named_runs import NamedRuns, check_one_model

ALL_DISTANCES: Final = "all"
_NAMED: Final = 3  # at most so many run folders are named
_CONDITIONS: Final = ("protocol", "subset", "limit", "data_fingerprint")
_OF_TOWERS: Final = ("tokens", "resize", "precision", "layers")  # a baseline has its own, or none


@dataclass(frozen=True, eq=False)
class RunPair:
    """Two runs on one data set.

    Attributes:
        first: The one.
        second: The other.
        distances: The distances by which they are compared; none for two baselines, which have one each.
        chosen: Whether there were others to choose from.
    """

    first: StoredRun
    second: StoredRun
    distances: tuple[str, ...]
    chosen: bool

    @property
    def dataset(self) -> str:
        """Name of the data set."""
        return self.first.settings.dataset


def run_pairs(
    first: NamedRuns, second: NamedRuns, datasets: Sequence[str], distances: Sequence[str]
) -> tuple[RunPair, ...]:
    """The runs of two names that are compared, on every data set that both have.

    Args:
        first: The runs of the one.
        second: The runs of the other.
        datasets: Names of data sets; all that both have if none are given.
        distances: Names of distances, or `all`; the normalised one if none are given, or else the first that both have.

    Returns:
        By level and data set; several on one where each has another distance.

    Raises:
        DataError: If no data set is shared, or one that is named is not.
        UsageError: If a label is of different weights, if it is not clear which runs are meant, or if a distance is
            not shared.
    """
    shared = sorted({*first.datasets} & {*second.datasets}, key=lambda name: _rank(first.on(name)[0]))
    for name in datasets:
        _check_has(name, first, second)
    wanted = [name for name in shared if name in datasets] if datasets else shared
    if not wanted:
        each = (f"{named.name} is on {', '.join(named.datasets)}" for named in (first, second))
        raise DataError(f"the runs share no judgments: {' and '.join(each)}; measure both on one data set")
    for named in (first, second):
        if named.by_label:
            check_one_model(named, wanted)
    return tuple(pair for name in wanted for pair in _on(name, first, second, distances))


def nearest_run(named: NamedRuns, beside: StoredRun) -> StoredRun:
    """The run of a name that was measured like another one, on the same data set.

    Raises:
        DataError: If there is none on that data set.
        UsageError: If it is not clear which is meant.
    """
    dataset = beside.settings.dataset
    if not named.on(dataset):
        raise DataError(f"{named.name} has no run on {dataset}: measure it there too, or narrow --dataset")
    check_one_model(named, (dataset,))
    pairs = _measured_alike([(beside, run) for run in named.on(dataset)])
    if len(pairs) != 1:
        raise _unclear(named.name, [run for _, run in pairs] or named.on(dataset), dataset)
    return pairs[0][1]


def unlike(one: StoredRun, other: StoredRun) -> Iterator[tuple[str, object, object]]:
    """Yield the settings in which two runs were measured differently, with the values of both, layers in words."""
    names = _CONDITIONS if IMAGE in one.layers or IMAGE in other.layers else (*_CONDITIONS, *_OF_TOWERS)
    for name in names:
        values = getattr(one.settings, name), getattr(other.settings, name)
        if values[0] != values[1]:
            yield name, *(map(_layers, values) if name == "layers" else values)


def _layers(names: Sequence[str] | None) -> str:
    return "the usual ones" if names is None else ", ".join(names)


def check_layer(at: str, pair: RunPair) -> None:
    """Refuse a layer that one of two runs lacks.

    Args:
        at: A layer, or another place, which every run has.
        pair: The runs; a baseline stands beside every layer.

    Raises:
        UsageError: If one lacks it; names the layers that it has.
    """
    if at in WHERE:
        return
    towers = [run for run in (pair.first, pair.second) if IMAGE not in run.layers]
    for run in towers:
        if at not in run.layers:
            other = next((each for each in towers if each is not run), run)
            deeper = "; --at curve compares models of different depth" if other.layers != run.layers else ""
            raise UsageError(
                f"{run.label} has no layer {at} on {pair.dataset}: use {', '.join(WHERE)} or one of its layers, "
                f"{', '.join(layer for layer in run.layers if layer not in WHERE)}{deeper}"
            )
    if not towers:
        raise UsageError(f"--at {at}: {pair.first.label} and {pair.second.label} have one score each, and no layers")


# -------------------------------------------------------------------------------------------------- data sets


def _rank(run: StoredRun) -> tuple[int, str]:
    level = run.record.level
    return (LEVELS.index(level) if level in LEVELS else len(LEVELS)), run.settings.dataset


def _check_has(dataset: str, first: NamedRuns, second: NamedRuns) -> None:
    known = {*first.datasets, *second.datasets}
    if dataset not in known:
        raise unknown("data set", dataset, known)
    for named in (first, second):
        if dataset not in named.datasets:
            raise DataError(
                f"{named.name} has no run on {dataset}, only on {', '.join(named.datasets)}: measure it there too, or "
                "narrow --dataset"
            )


# ------------------------------------------------------------------------------------------------------ runs


def _on(dataset: str, first: NamedRuns, second: NamedRuns, distances: Sequence[str]) -> list[RunPair]:
    """The pairs on one data set."""
    ones, others = first.on(dataset), second.on(dataset)
    every = [(one, other) for one in ones for other in others if not _is_same(one, other)]
    if not every:
        raise UsageError(f"{first.name} and {second.name} are one run, {ones[0].folder}: name two")
    several = [named for named in (first, second) if len(named.on(dataset)) > 1]
    pairs = _measured_alike(every)
    if not pairs:
        raise _unclear(several[0].name, several[0].on(dataset), dataset)
    chosen: dict[int, list[str]] = {}
    for name in _distances(dataset, pairs, distances):
        having = [index for index, pair in enumerate(pairs) if not name or name in _shared(*pair)]
        if len(having) != 1:
            of_several = [pairs[index][several[0] is second] for index in having]
            raise _unclear(several[0].name, of_several, dataset)
        chosen.setdefault(having[0], []).append(name)
    return [RunPair(*pairs[index], tuple(filter(None, names)), len(every) > 1) for index, names in chosen.items()]


def _is_same(one: StoredRun, other: StoredRun) -> bool:
    return one.folder.resolve() == other.folder.resolve()


def _measured_alike(pairs: list[tuple[StoredRun, StoredRun]]) -> list[tuple[StoredRun, StoredRun]]:
    """Those that were measured alike; the only ones of one protocol if there are none; the only one anyway.

    Of these, those at the same layers come first: models of other kinds need not have any layer in common.
    """
    if len(pairs) == 1:
        return pairs
    alike = [pair for pair in pairs if {name for name, *_ in unlike(*pair)} <= {"layers"}]
    alike = [pair for pair in alike if pair[0].settings.layers == pair[1].settings.layers] or alike
    comparable = [pair for pair in pairs if pair[0].settings.protocol == pair[1].settings.protocol]
    return alike or (comparable if len(comparable) == 1 else [])


def _unclear(name: str, runs: Sequence[StoredRun], dataset: str) -> UsageError:
    folders = list(dict.fromkeys(str(run.folder) for run in runs))
    return UsageError(
        f"{name} has {len(folders)} runs on {dataset}, and it is not clear which to compare: name the folder of one, "
        f"{' or '.join(folders[:_NAMED])}{', or another' if len(folders) > _NAMED else ''}"
    )


# ------------------------------------------------------------------------------------------------- distances


def _shared(one: StoredRun, other: StoredRun) -> list[str]:
    """Distances by which two runs can be compared: a baseline's only one stands beside each of a tower."""
    of_towers = [list(run.shapes) for run in (one, other) if IMAGE not in run.layers]
    return [name for name in of_towers[0] if all(name in names for names in of_towers)] if of_towers else []


def _distances(dataset: str, pairs: Sequence[tuple[StoredRun, StoredRun]], wanted: Sequence[str]) -> Sequence[str]:
    """The names of the distances that are asked for; an empty one for baselines, which have one each.

    Raises:
        UsageError: If a run lacks one, or none is shared.
    """
    shared = sorted({name for pair in pairs for name in _shared(*pair)}, key=_order)
    if all(IMAGE in run.layers for pair in pairs for run in pair):
        own = list(dict.fromkeys(name for run in pairs[0] for name in run.shapes))
        if wanted and ALL_DISTANCES not in wanted and not {*wanted} & {*own}:
            labels = " and ".join(run.label for run in pairs[0])
            raise UsageError(f"{labels} have one distance each ({', '.join(own)}): leave out --distance")
        return [""]
    for name in () if ALL_DISTANCES in wanted else wanted:
        if name not in shared:
            raise _lacking(name, dataset, pairs)
    if not shared:
        lists = (", ".join(run.shapes) for run in pairs[0])
        raise UsageError(
            f"the runs on {dataset} share no distance ({' and '.join(lists)}): measure one of them again with "
            "--distance all"
        )
    return shared if ALL_DISTANCES in wanted else wanted or shared[:1]


def _order(name: str) -> int:
    return DISTANCES.index(name) if name in DISTANCES else len(DISTANCES)


def _lacking(name: str, dataset: str, pairs: Sequence[tuple[StoredRun, StoredRun]]) -> UsageError:
    """The error for a distance that is not shared: one that nobody has, or that one lacks."""
    runs = {run.folder: run for pair in pairs for run in pair if IMAGE not in run.layers}
    known = {distance for run in runs.values() for distance in run.shapes}
    if name not in (*DISTANCES, *known):
        return unknown("distance", name, {*DISTANCES, *known, ALL_DISTANCES})
    without = [run for run in runs.values() if name not in run.shapes]
    has = dict.fromkeys(distance for run in without for distance in run.shapes)
    return UsageError(
        f"{without[0].label} has no distance {name} on {dataset}, only {', '.join(has)}: measure it again with "
        "--distance all"
    )
